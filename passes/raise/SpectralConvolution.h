//===- SpectralConvolution.h - convolutions as products of spectra -*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_SPECTRALCONVOLUTION_H
#define SSM_PASSES_RAISE_SPECTRALCONVOLUTION_H

#include "passes/raise/ExprWriter.h"

namespace ssm {

/// The real parts of an inverse transform of the product of the spectra of two real sequences, cut to the length of one
/// of them: ssm.long_conv in place of each such cut. False when nothing was replaced; `missed` says why where it came
/// close.
bool raiseSpectralConvolution(mlir::Operation *inverse, std::string &missed);

} // namespace ssm
#endif
