// RUN: ssm-opt %s --ssm-split-host=max-operations=6 --split-input-file | FileCheck %s

// What a piece makes and another reads lies in the frame: the argument, and the result of @a. Constants are made again.
// CHECK-LABEL: func private @host_piece_0(%arg0: !llvm.ptr)
// CHECK:   llvm.load
// CHECK:   %[[A:.*]] = llvm.call @a
// CHECK:   %[[AT:.*]] = llvm.getelementptr %arg0[8]
// CHECK:   llvm.store %[[A]], %[[AT]]
// CHECK: func private @host_piece_1(%arg0: !llvm.ptr)
// CHECK:   %[[FROM:.*]] = llvm.getelementptr %arg0[8]
// CHECK:   %[[X:.*]] = llvm.load %[[FROM]]
// CHECK:   llvm.call @b(%[[X]], %{{.*}})
// CHECK: func @ssm_generated_main(%arg0: !llvm.ptr)
// CHECK:   %[[FRAME:.*]] = llvm.alloca
// CHECK:   llvm.store %arg0
// CHECK:   call @host_piece_0(%[[FRAME]])
// CHECK:   call @host_piece_1(%[[FRAME]])
// CHECK:   return
llvm.func @a(!llvm.ptr, i64) -> i64
llvm.func @b(i64, i64)
func.func @ssm_generated_main(%rt: !llvm.ptr) -> i32 {
  %n = arith.constant 7 : i64
  %x = llvm.call @a(%rt, %n) : (!llvm.ptr, i64) -> i64
  llvm.call @b(%n, %n) : (i64, i64) -> ()
  llvm.call @b(%n, %n) : (i64, i64) -> ()
  llvm.call @b(%n, %n) : (i64, i64) -> ()
  llvm.call @b(%n, %n) : (i64, i64) -> ()
  llvm.call @b(%n, %n) : (i64, i64) -> ()
  llvm.call @b(%x, %n) : (i64, i64) -> ()
  %zero = arith.constant 0 : i32
  return %zero : i32
}

// -----

// The body of a loop is split where it is; what it carries goes through the frame in both directions.
// CHECK-LABEL: func private @host_piece_0(%arg0: !llvm.ptr)
// CHECK:   llvm.call @f
// CHECK:   llvm.store
// CHECK: func private @host_piece_1(%arg0: !llvm.ptr)
// CHECK: func private @host_piece_2(%[[FRAME:.*]]: !llvm.ptr)
// CHECK:   scf.for
// CHECK-SAME: iter_args(%[[CARRIED:.*]] =
// CHECK:     llvm.store %[[CARRIED]]
// CHECK:     call @host_piece_0(%[[FRAME]])
// CHECK:     call @host_piece_1(%[[FRAME]])
// CHECK:     %[[NEXT:.*]] = llvm.load
// CHECK:     scf.yield %[[NEXT]]
// CHECK: func @ssm_generated_main
// CHECK:   call @host_piece_2
// CHECK:   %[[RESULT:.*]] = llvm.load
// CHECK:   return %[[RESULT]]
llvm.func @f(i64) -> i64
func.func @ssm_generated_main(%rt: !llvm.ptr, %n: i64) -> i64 {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %r = scf.for %i = %zero to %n step %one iter_args(%h = %n) -> i64 : i64 {
    %h1 = llvm.call @f(%h) : (i64) -> i64
    %h2 = llvm.call @f(%h1) : (i64) -> i64
    %h3 = llvm.call @f(%h2) : (i64) -> i64
    %h4 = llvm.call @f(%h3) : (i64) -> i64
    %h5 = llvm.call @f(%h4) : (i64) -> i64
    %h6 = llvm.call @f(%h5) : (i64) -> i64
    %h7 = llvm.call @f(%h6) : (i64) -> i64
    %h8 = arith.addi %h7, %h1 : i64
    scf.yield %h8 : i64
  }
  return %r : i64
}

// -----

// Short code stays as it is.
// CHECK-LABEL: func @ssm_generated_main(%arg0: !llvm.ptr, %arg1: !llvm.ptr)
// CHECK-NOT: alloca
// CHECK-NOT: host_piece
func.func @ssm_generated_main(%rt: !llvm.ptr, %in: !llvm.ptr) -> i32 {
  %zero = arith.constant 0 : i32
  return %zero : i32
}
