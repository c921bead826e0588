//===- ChunkForm.h - one chunk of a recurrence ------------------*- C++ -*-===//
// What a chunk gives and the state behind it, as functions of the state before it, are those of the recurrence
//
//   S_t = a_t S_{t-1} + k_t (v_t - w_t^T a_t S_{t-1})^T,    o_t = S_t^T q_t,    a_t = exp(g_t)
//
// if, with F(t) the sum of g up to and including t, all in the same q, k, v, w and g,
//
//   o_t = exp(F(t)) S^T q_t + sum over s <= t of (q_t . k_s) exp(F(t) - F(s)) u_s
//   S'  = exp(F(last)) S + sum over s of exp(F(last) - F(s)) k_s u_s^T
//   u   = v                                              without w, and with it
//   u_s = sum over r of T_sr (v_r - exp(F(r)) w_r^T S),  T = (I + N)^-1,  N_sr = (w_s . k_r) exp(F(s) - F(r)) for r <
//   s.
//
// Proof: u_s is what step s adds along k_s; unrolling the recurrence inside of the chunk gives (I + N) u = v - exp(F)
// w^T S. Reading before the update has F(t - 1) for F(t) in o, and s < t. Decays may be per key (inside the sums over
// k).
//===----------------------------------------------------------------------===//
#ifndef SSM_PASSES_RAISE_CHUNKFORM_H
#define SSM_PASSES_RAISE_CHUNKFORM_H

#include "passes/raise/Terms.h"

namespace ssm {

/// What is to be matched.
struct ChunkStep {
  ExprRef output; // over outputDims
  Indices outputDims;
  ExprRef next; // over stateDims
  Indices stateDims;
  mlir::Value state;
  /// Where the state is a sequence over chunks: its axis of chunks, at which this chunk is read.
  int64_t chunkAxis = -1;
  mlir::AffineExpr chunk;
  /// The inverse's matrix, over dims, with (I - sign * matrix)^-1 = inverse.
  struct Inverse {
    mlir::Value inverse;
    ExprRef matrix;
    Indices dims;
    int sign;
  };
  llvm::SmallVector<Inverse> inverses;
  /// Where `next` is null, since nothing reads the state behind the last chunk: the logarithms of the decay, over tau
  /// and the output's iterators; those over keys are `decayKeys`.
  llvm::SmallVector<ExprRef> decay;
  Indices decayKeys;
};

/// The recurrence, over the position tau of a chunk, the output's iterators and those of `keys`.
struct ChunkForm {
  mlir::AffineExpr position;                    // the output's iterator that tau stands for
  Indices state;                                // iterators of the state's dims: the output's, or those of keys
  Indices keys;                                 // summed over in the read-out
  llvm::SmallVector<ExprRef> query, key, erase; // factors; the key with all that the input is made of
  double queryScale = 1, keyScale = 1, eraseScale = 1;
  llvm::SmallVector<ExprRef> erased; // with an inverse: the key alone, which `key` is the value of then
  double erasedScale = 1;
  llvm::SmallVector<ExprRef> logDecay; // to be added up
  bool before = false;
  llvm::SmallVector<ExprRef> rest; // added to the output
};

/// Proves that the step is such a chunk; none, with `why`, when it is not.
std::optional<ChunkForm> matchChunk(const ChunkStep &step, Terms &terms, Exprs &x, mlir::AffineExpr tau,
                                    std::string &why);

} // namespace ssm
#endif
