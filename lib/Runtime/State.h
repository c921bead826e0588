//===- State.h - the runtime's private state --------------------*- C++ -*-===//
// The runtime is C with namespaces: no exceptions, no constructors that run at load time, no C++ library.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_RUNTIME_STATE_H
#define SSM_LIB_RUNTIME_STATE_H

#include "lib/Runtime/Runtime.h"
#include <pthread.h>
#include <setjmp.h>

namespace ssm {

/// Header of every buffer of a call: in use it is in a doubly linked list, so that a failed call leaks nothing; freed
/// it waits in a bin for the next request of its size.
struct alignas(64) Block {
  Block *next, *previous;
  int64_t bytes;    // behind the header; the size of its bin
  int64_t lastUsed; // serial number of the call that had it last
};

constexpr int kNumBins = 320;

/// State of one call, kept with its freed buffers for the next one. What generated code sees comes first.
struct Call {
  ssmrt rt;
  jmp_buf failed;
  int32_t code;
  int lock; // guards the lists: parallel bodies may allocate
  Block live;
  Block *bins[kNumBins];
  Block *arena;
  int64_t arenaNeeded; // the most that one of the last calls asked for
  int64_t now, peak, serial;
  const ssm_value *inputs;
  ssm_value *outputs;
  ssm_value *given; // what the caller put into outputs
  int64_t *symbols; // value of each input symbol, -1 before it is met
  double *started;  // of each profile id
  Call *nextIdle;
};

inline Call *callOf(ssmrt *rt) { return reinterpret_cast<Call *>(rt); }

/// Sets the error of the thread and gives the code back.
int32_t error(int32_t code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Ends the call with the error that has been set.
[[noreturn]] void failCall(ssmrt *rt, int32_t code);

Call *newCall(ssm_model *model);
/// Buffers that are still in use become free ones; those not used for a while go back to the system.
void recycleBuffers(Call *call);
void deleteCall(Call *call);

int64_t dtypeBytes(int32_t dtype);
const char *dtypeName(int32_t dtype);
/// Number of elements, or -1 where the product does not fit.
int64_t elementCount(int32_t rank, const int64_t *dims);
/// Aligned memory of a value, freed by ssm_value_free.
void *allocateValue(ssmrt *rt, int64_t bytes);

/// Numbers the symbols of the inputs; false when out of memory.
bool prepareCheck(ssm_model *model);
int32_t checkInputs(const ssm_model *model, const ssm_value *inputs, int32_t count, int64_t *symbols);

int32_t mapSideFile(ssm_model *model, const char *path);

} // namespace ssm

struct ssm_model {
  const char *side;
  void *mapping;
  size_t mappingBytes;
  int threads;
  ssm_parallel_for parallel;
  void *parallelContext;
  int profiling;
  int64_t *nanoseconds, *calls; // by profile id
  int32_t **symbolIds;          // by input and dimension; -1: no symbol
  int32_t numSymbols;
  int64_t peak;
  uint64_t seed; // moves on with each one drawn
  pthread_mutex_t lock; // guards idle and peak
  ssm::Call *idle;
};

#endif
