//===- MixerLoops.h - loops over the iteration space of a mixer -*- C++ -*-===//
// The lowerings of sequence mixers are explicit loops on buffers in the vector dialect: time is sequential, lanes lie
// over one other dim, whatever is reused lies in a scratch buffer in the state type. MixerLoops reads and writes
// operands through their index maps, in any layout and element type, one element or one vector at a time.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_MIXERLOOPS_H
#define SSM_PASSES_LOWER_MIXERLOOPS_H

#include "dialects/Ssm/Mixers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "passes/lower/Emitter.h"

namespace ssm {

class MixerLoops {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  /// An operand or result as a flat buffer with its index map.
  struct Buffer {
    Value flat;
    mlir::AffineMap map;
    Values strides; // per axis
    mlir::Type element;
    explicit operator bool() const { return (bool)flat; }
  };

  MixerLoops(mlir::Operation *op, Emitter &e);

  mlir::Operation *op;
  Emitter &e;
  mlir::ImplicitLocOpBuilder b;
  mlir::Type state;        // f32 or f64
  int64_t lanes;           // of a vector of the state type
  mlir::VectorType vector; // lanes of the state type
  Values size;             // of the iteration dims

  // Operands and results.
  Buffer operand(unsigned number) { return operand(number, maps[number]); }
  Buffer operand(unsigned number, mlir::AffineMap map) { return buffer(e.tensorOf(op->getOperand(number)), map); }
  /// The buffer a result is written to.
  Buffer result(unsigned number) { return result(number, maps[op->getNumOperands() + number]); }
  Buffer result(unsigned number, mlir::AffineMap map);
  /// The iteration dims of an op without maps are the axes of this type.
  void setSpace(mlir::RankedTensorType type);

  // Index arithmetic; constants fold.
  Value index(int64_t v) { return mlir::arith::ConstantIndexOp::create(b, v); }
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value smaller(Value x, Value y);
  Value roundUp(Value x, int64_t multiple);
  Value laneNumbers(); // 0, 1, 2 ... as a vector
  Value less(Value x, Value y) { return mlir::arith::CmpIOp::create(b, mlir::arith::CmpIPredicate::slt, x, y); }
  Value isZero(Value x) { return mlir::arith::CmpIOp::create(b, mlir::arith::CmpIPredicate::eq, x, index(0)); }

  // Values of the state type, scalar or vector.
  Value number(double v) { return mlir::arith::ConstantOp::create(b, b.getFloatAttr(state, v)); }
  Value splat(double v);
  Value spread(Value scalar) { return mlir::vector::BroadcastOp::create(b, vectorOf(scalar.getType()), scalar); }
  mlir::VectorType vectorOf(mlir::Type element) { return mlir::VectorType::get(lanes, element); }
  Value plus(Value x, Value y);
  Value times(Value x, Value y);
  Value fma(Value x, Value y, Value z) { return mlir::vector::FMAOp::create(b, x, y, z); }
  /// Lanes below count.
  Value mask(Value count) {
    return mlir::vector::CreateMaskOp::create(b, vectorOf(b.getI1Type()), mlir::ValueRange{count});
  }

  // Elements in scalarType. A step of -1 lets lanes run down in index; lanes beyond the mask read as zero.
  Value load(const Buffer &from, llvm::ArrayRef<Value> at);
  Value loadLanes(const Buffer &from, llvm::ArrayRef<Value> at, unsigned lane, Value mask, int64_t step = 1);
  void storeLanes(const Buffer &to, llvm::ArrayRef<Value> at, unsigned lane, Value mask, Value v, int64_t step = 1);
  void store(const Buffer &to, llvm::ArrayRef<Value> at, Value v);
  /// To and from the state type.
  Value toState(Value v);
  static bool uses(const Buffer &buffer, unsigned dim) { return buffer.map.isFunctionOfDim(dim); }
  /// The lanes of a dim lie side by side in memory.
  static bool isContiguous(const Buffer &buffer, unsigned dim);

  // Control.
  using Body = llvm::function_ref<void(Value)>;
  using CarryBody = llvm::function_ref<Values(Value, mlir::ValueRange)>;
  void loop(Value from, Value to, int64_t step, Body body);
  Values loop(Value from, Value to, int64_t step, mlir::ValueRange carried, CarryBody body);
  void when(Value condition, llvm::function_ref<void()> body);
  /// Runs body for every index of the dims, on several threads where the work of one (about `workEach` multiplications)
  /// is worth it.
  void parallel(llvm::ArrayRef<int64_t> dims, Value workEach, llvm::function_ref<void(Values at)> body);
  /// The same over plain counts.
  void parallelOver(llvm::ArrayRef<Value> counts, Value workEach, llvm::function_ref<void(llvm::ArrayRef<Value>)> body);

  /// Values of a scalar region for arguments that are scalars or vectors.
  Values inlined(mlir::Block &block, llvm::ArrayRef<Value> arguments);

  // Scratch of the state type: regions of one flat buffer, made by allocate once all are known.
  struct Region {
    Value offset, size;
  };
  Region region(Value elements);
  void allocate();
  Value scratchLoad(Value at) { return mlir::memref::LoadOp::create(b, scratch, at); }
  void scratchStore(Value v, Value at) { mlir::memref::StoreOp::create(b, v, scratch, at); }
  Value scratchLanes(Value at) { return mlir::vector::LoadOp::create(b, vector, scratch, at); }
  void scratchLanes(Value v, Value at) { mlir::vector::StoreOp::create(b, v, scratch, at); }
  void clear(const Region &region); // the size is a multiple of the lanes

  /// dst[rows][cols] = (zero, or dst, or dst times a factor per row) + a[rows][inner] b[inner][cols] in scratch. rows
  /// is a multiple of rowTile, cols of the lanes.
  struct Product {
    Value dst, dstStride, a, aRow, aInner, b, bStride, rows, inner, cols;
    enum { Zero, Add, Scaled } start = Zero;
    Value factors; // of the rows, in scratch; with commonFactor one for all of them
    bool commonFactor = false;
    int64_t rowTile = 8, vectors = 2;
  };
  void product(const Product &p);

private:
  Buffer buffer(Tensor t, mlir::AffineMap map);
  Value linear(const Buffer &buffer, llvm::ArrayRef<Value> at, int skipAxis = -1);
  Value laneOffsets(const Buffer &buffer, llvm::ArrayRef<Value> at, unsigned lane, int64_t step, Value &base);
  Value fromStored(Value v, mlir::Type element);
  Value toStored(Value v, mlir::Type element);

  llvm::SmallVector<mlir::AffineMap> maps;
  llvm::SmallVector<Value> regionSizes;
  Value scratch, scratchTotal;
};

} // namespace ssm
#endif
