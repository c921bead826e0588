// RUN: ssm-opt %s --ssm-raise-operators | FileCheck %s

// Four query heads on two states, decay per head: the erased direction is the decayed key, the state is read once.
// CHECK-LABEL: func.func @main
// CHECK:         %[[RATED:.+]] = "onnx.Mul"(%[[K:.+]], %{{.+}}) : (tensor<?x?x2x8xf32
// CHECK:         %[[LEFT:.+]] = "onnx.Neg"(%[[RATED]])
// CHECK:         %[[DECAY:.+]] = "onnx.Exp"(%arg3)
// CHECK:         ssm.semiseparable query({{.*}}tensor<?x?x2x2x8xf32, {{.*}}key(%[[RATED]] : {{.*}}log_decay(%arg3 :
// CHECK-SAME:      erase_left(%[[LEFT]] : {{.*}}erase_right(
// CHECK-SAME:      final(tensor<?x2x2x8x8xf32
// CHECK-NOT:     onnx.LinearAttention
#q = affine_map<()[s0, s1] -> (s0, s1, 32)>
#k = affine_map<()[s0, s1] -> (s0, s1, 16)>
#g = affine_map<()[s0, s1] -> (s0, s1, 2)>
#s = affine_map<()[s0] -> (s0, 2, 8, 8)>
module {
  func.func @main(%q: tensor<?x?x32xf32, #q>, %k: tensor<?x?x16xf32, #k>, %v: tensor<?x?x16xf32, #k>, %g: tensor<?x?x2xf32, #g>,
                  %b: tensor<?x?x2xf32, #g>) -> (tensor<?x?x32xf32, #q>, tensor<?x2x8x8xf32, #s>) {
    ssm.bind_dim %q[0] -> 0 : tensor<?x?x32xf32, #q>
    ssm.bind_dim %q[1] -> 1 : tensor<?x?x32xf32, #q>
    %none = onnx.NoValue
    %o, %f = "onnx.LinearAttention"(%q, %k, %v, %none, %g, %b) {q_num_heads = 4 : si64, kv_num_heads = 2 : si64, update_rule = "gated_delta"}
      : (tensor<?x?x32xf32, #q>, tensor<?x?x16xf32, #k>, tensor<?x?x16xf32, #k>, none, tensor<?x?x2xf32, #g>, tensor<?x?x2xf32, #g>)
      -> (tensor<?x?x32xf32, #q>, tensor<?x2x8x8xf32, #s>)
    return %o, %f : tensor<?x?x32xf32, #q>, tensor<?x2x8x8xf32, #s>
  }
}
