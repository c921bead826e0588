//===- FourierConvolution.h - long convolutions by transforms ---*- C++ -*-===//
#ifndef SSM_PASSES_LOWER_FOURIERCONVOLUTION_H
#define SSM_PASSES_LOWER_FOURIERCONVOLUTION_H

#include "passes/lower/MixerLoops.h"

namespace ssm {

/// Lowers ssm.long_conv in O(L log L): spectra of the kernel and of the input are multiplied. Each lane of a vector
/// transforms a row of its own, so nothing is ever shuffled; two rows that share a kernel are the real and the
/// imaginary part of one transform.
class FourierConvolution {
public:
  using Values = MixerLoops::Values;
  using Buffer = MixerLoops::Buffer;
  FourierConvolution(MixerLoops &l, Buffer input, Buffer kernel, Buffer output, unsigned time, bool reverse)
      : l(l), b(l.b), input(input), kernel(kernel), output(output), time(time), taps(time + 1), reverse(reverse) {}
  void lower();

private:
  /// A complex number in each lane.
  struct Complex {
    mlir::Value re, im;
  };
  void chooseDims();
  void rows(Values at);
  void pairOfRows(Values at);
  void fillTable();
  void loadKernel(Values at);
  /// Between natural order and the order of reversed bits, in place.
  void forward(mlir::Value data);
  void backward(mlir::Value data);

  mlir::Value read(const Buffer &from, mlir::ArrayRef<mlir::Value> at);
  Complex get(mlir::Value data, mlir::Value k);
  void put(mlir::Value data, mlir::Value k, Complex x);
  Complex plus(Complex x, Complex y);
  Complex minus(Complex x, Complex y);
  Complex times(Complex x, Complex y);
  /// exp(-2 pi i k / n), or its conjugate.
  Complex turn(mlir::Value k, bool conjugate);

  MixerLoops &l;
  mlir::ImplicitLocOpBuilder &b;
  Buffer input, kernel, output;
  unsigned time, taps;
  bool reverse;
  std::optional<unsigned> lane, pair;
  mlir::SmallVector<unsigned> shared; // other dims that the kernel does not know
  mlir::Value length, count, n, half, stages, mask;
  MixerLoops::Region data, spectrum, table;
};

} // namespace ssm
#endif
