//===- SemiseparableQuadratic.h - all pairs of steps ------------*- C++ -*-===//
#ifndef SSM_PASSES_LOWER_SEMISEPARABLEQUADRATIC_H
#define SSM_PASSES_LOWER_SEMISEPARABLEQUADRATIC_H

#include "dialects/Ssm/SsmDialect.h"
#include "passes/lower/Emitter.h"

namespace ssm {

/// Lowers ssm.semiseparable without a rank-one erasure as its matrix: output_t = sum_{s <= t} weight(t, s) value_s.
void lowerQuadratic(SemiseparableOp op, Emitter &e);

} // namespace ssm
#endif
