//===- PrefixLoop.h - a running combination as a loop -----------*- C++ -*-===//
#ifndef SSM_PASSES_RAISE_PREFIXLOOP_H
#define SSM_PASSES_RAISE_PREFIXLOOP_H

#include "passes/raise/PrefixProof.h"
#include "passes/raise/Symbols.h"

namespace ssm {

/// Replaces what is read of the proved values by sequence mixers: sums over dims of the state at its own step, the
/// state after the last step, or else the states. Changes nothing and gives false, with the reason, where that cannot
/// be.
bool raisePrefix(PrefixProof &proof, Exprs &x, SymbolMap &sizes, std::string &reason);

} // namespace ssm
#endif
