//===- KernelModes.h - long convolutions that are recurrences ---*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_KERNELMODES_H
#define SSM_PASSES_RAISE_KERNELMODES_H

#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/ExprWriter.h"

namespace ssm {

/// Replaces an ssm.long_conv whose kernel is made in the graph as a sum of modes, k_j = sum_n Re(c_n exp(a_n)^j), by
/// the ssm.selective_scan that has it as its impulse response. False when the kernel is no such sum.
bool raiseKernelModes(LongConvOp conv);

} // namespace ssm
#endif
