//===- Scalar.h - element arithmetic for every ONNX element type -*- C++ -*-===//
// A tensor element has three types: the ONNX element type (ui8, i1, f8E4M3FN ...), the *storage type* it has in a
// buffer (docs/internals.md, section 4) and the *compute type* in which a dispatch works on it: i1 for bool, f32 for
// every float narrower than f32, the storage type else. This class emits arithmetic on compute values; the ONNX type
// says what is signed.
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_LOWER_SCALAR_H
#define SSM_PASSES_LOWER_SCALAR_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace ssm {

/// The type of an element in a buffer.
mlir::Type storageType(mlir::Type onnxType);
/// The type in which a dispatch computes on an element.
mlir::Type computeType(mlir::Type onnxType);
/// Tensor type with storage elements and without encoding.
mlir::RankedTensorType storageTensor(mlir::RankedTensorType onnxType);
inline bool isUnsigned(mlir::Type t) { return t.isUnsignedInteger() || t.isInteger(1); }

class Scalar {
public:
  Scalar(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  mlir::OpBuilder &b;
  mlir::Location loc;

  // Storage <-> compute.
  mlir::Value load(mlir::Value stored, mlir::Type onnxType);
  mlir::Value store(mlir::Value computed, mlir::Type onnxType);

  // Constants of the compute type of an ONNX type.
  mlir::Value constant(mlir::Type onnxType, double value);
  mlir::Value constant(mlir::Type onnxType, const llvm::APInt &value);
  mlir::Value attribute(mlir::Type onnxType, mlir::Attribute element);
  mlir::Value index(int64_t value);
  /// Smallest and largest finite or infinite value, identities of max and min.
  mlir::Value lowest(mlir::Type onnxType);
  mlir::Value highest(mlir::Type onnxType);

  mlir::Value add(mlir::Value x, mlir::Value y, mlir::Type t);
  mlir::Value sub(mlir::Value x, mlir::Value y, mlir::Type t);
  mlir::Value mul(mlir::Value x, mlir::Value y, mlir::Type t);
  /// Integer division truncates and gives 0 for a divisor of 0.
  mlir::Value div(mlir::Value x, mlir::Value y, mlir::Type t);
  /// Remainder with the sign of the divisor, or (fmod) of the dividend.
  mlir::Value mod(mlir::Value x, mlir::Value y, mlir::Type t, bool fmod);
  mlir::Value neg(mlir::Value x, mlir::Type t);
  mlir::Value abs(mlir::Value x, mlir::Type t);
  mlir::Value max(mlir::Value x, mlir::Value y, mlir::Type t);
  mlir::Value min(mlir::Value x, mlir::Value y, mlir::Type t);
  enum class Compare { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual };
  mlir::Value compare(Compare kind, mlir::Value x, mlir::Value y, mlir::Type t);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// Power; both operands have t's compute type.
  mlir::Value pow(mlir::Value x, mlir::Value y, mlir::Type t);
  /// How a cast to f8E8M0FNU picks one of two powers of two.
  enum class Rounding { Up, Down, Nearest };
  /// ONNX Cast. saturate concerns 8-bit floats only.
  mlir::Value cast(mlir::Value x, mlir::Type from, mlir::Type to, bool saturate = true, Rounding rounding = Rounding::Up);
  /// x as it is after a visit to memory: rounded to a float type that is narrower than its compute type.
  mlir::Value rounded(mlir::Value x, mlir::Type t) { return computeType(t) == storageType(t) ? x : load(store(x, t), t); }
  mlir::Value toIndex(mlir::Value x, mlir::Type t);
  mlir::Value fromIndex(mlir::Value x, mlir::Type t);

  /// A float op of the math or arith dialect on x.
  template <typename Op> mlir::Value apply(mlir::ValueRange operands) {
    return Op::create(b, loc, operands[0].getType(), operands).getResult();
  }
  template <typename Op> mlir::Value apply(mlir::Value x) { return Op::create(b, loc, x).getResult(); }

  // Floats narrower than 16 bits, by their bit patterns.
  mlir::Value decodeSmallFloat(mlir::Value bits, mlir::FloatType type);
  mlir::Value encodeSmallFloat(mlir::Value f32, mlir::FloatType type, bool saturate, Rounding rounding = Rounding::Up);

private:
  mlir::Value iconst(mlir::Type type, int64_t value);
  mlir::Value fconst(mlir::Type type, double value);
};

/// True for f8 and f4 kinds, stored as bit patterns.
bool isSmallFloat(mlir::Type t);

} // namespace ssm
#endif
