//===- State.h - the runtime's private state --------------------*- C++ -*-===//
#ifndef SSM_LIB_RUNTIME_STATE_H
#define SSM_LIB_RUNTIME_STATE_H

#include "lib/Runtime/Runtime.h"
#include <pthread.h>
#include <setjmp.h>

struct ssm_model {
  const char *side = nullptr;
  void *mapping = nullptr;
  size_t mappingBytes = 0;
  int threads = 0;
  ssm_parallel_for parallel = nullptr;
  void *parallelContext = nullptr;
  int64_t peak = 0;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
};

namespace ssm {

/// Header of every buffer of a call; they form a list, so that a failed call leaks nothing.
struct alignas(64) Block {
  Block *next, *previous;
  int64_t bytes;
};

/// A call: the part generated code sees comes first.
struct Call {
  ssmrt rt;
  jmp_buf failed;
  int32_t code;
  Block live;                 // list head
  Block *spare[8];            // freed buffers kept for the next request of about their size
  int64_t now, peak;
  ssm_value *outputs;         // to be cleared when the call fails
  int32_t numOutputs;
};

inline Call *callOf(ssmrt *rt) { return reinterpret_cast<Call *>(rt); }
void setError(const char *format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void failCall(ssmrt *rt, int32_t code);
void releaseCall(Call *call);
int64_t dtypeBytes(int32_t dtype);
const char *dtypeName(int32_t dtype);
int64_t elementCount(const ssm_value *v);
} // namespace ssm
#endif
