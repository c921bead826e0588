//===- Model.cpp - the C interface of a compiled model ---------------------===//
#include "lib/Runtime/State.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

using namespace ssm;

static thread_local char lastError[1024];

int32_t ssm::error(int32_t code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(lastError, sizeof lastError, format, args);
  va_end(args);
  return code;
}

void ssmrt_fail(ssmrt *rt, int32_t code, const char *message) { failCall(rt, error(code, "%s", message)); }

void ssmrt_fail_sizes(ssmrt *rt, const char *message, int64_t a, int64_t b) {
  failCall(rt, error(1, "%s (%lld and %lld)", message, (long long)a, (long long)b));
}

int32_t ssm_abi_version(void) { return 1; }
const char *ssm_last_error(void) { return lastError; }

static void destroy(ssm_model *model) {
  while (Call *call = model->idle) {
    model->idle = call->nextIdle;
    deleteCall(call);
  }
  if (model->symbolIds)
    free(model->symbolIds[ssm_generated_model.num_inputs]);
  free(model->symbolIds);
  free(model->nanoseconds);
  free(model->calls);
  pthread_mutex_destroy(&model->lock);
  free(model);
}

/// Another one for every opened model.
static uint64_t firstSeed(const ssm_model *model) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec) + (uint64_t(getpid()) << 40) + uint64_t(model);
}

int32_t ssm_open(const char *sideFile, ssm_model **out) {
  if (!out)
    return error(1, "model is a null pointer");
  *out = nullptr;
  if (ssm_generated_model.abi != 1)
    return error(2, "the library was made for version %d of the runtime, this is 1", ssm_generated_model.abi);
  auto *model = static_cast<ssm_model *>(calloc(1, sizeof(ssm_model)));
  if (!model)
    return error(2, "out of memory");
  pthread_mutex_init(&model->lock, nullptr);
  model->seed = firstSeed(model);
  model->nanoseconds = static_cast<int64_t *>(calloc(ssm_generated_model.num_profile + 1, sizeof(int64_t)));
  model->calls = static_cast<int64_t *>(calloc(ssm_generated_model.num_profile + 1, sizeof(int64_t)));
  bool enough = model->nanoseconds && model->calls && prepareCheck(model);
  int32_t code = enough ? mapSideFile(model, sideFile) : error(2, "out of memory");
  if (code)
    destroy(model);
  else
    *out = model;
  return code;
}

void ssm_close(ssm_model *model) {
  if (!model)
    return;
  if (model->mapping)
    munmap(model->mapping, model->mappingBytes);
  destroy(model);
}

int32_t ssm_num_inputs(const ssm_model *) { return ssm_generated_model.num_inputs; }
int32_t ssm_num_outputs(const ssm_model *) { return ssm_generated_model.num_outputs; }
const ssm_io_desc *ssm_input(const ssm_model *, int32_t index) {
  return index >= 0 && index < ssm_generated_model.num_inputs ? &ssm_generated_model.inputs[index] : nullptr;
}
const ssm_io_desc *ssm_output(const ssm_model *, int32_t index) {
  return index >= 0 && index < ssm_generated_model.num_outputs ? &ssm_generated_model.outputs[index] : nullptr;
}
const char *ssm_metadata(const ssm_model *) { return ssm_generated_model.metadata; }

void ssm_value_free(ssm_value *value) {
  if (!value || !value->owned)
    return;
  if (value->kind == SSM_SEQUENCE)
    for (int64_t i = 0; i < value->shape[0]; ++i)
      ssm_value_free(static_cast<ssm_value *>(value->data) + i);
  free(value->data);
  memset(value, 0, sizeof *value);
}

void ssm_set_threads(ssm_model *model, int32_t threads) { model->threads = threads < 0 ? 0 : threads; }

void ssm_set_parallel_for(ssm_model *model, ssm_parallel_for callback, void *context) {
  model->parallel = callback;
  model->parallelContext = context;
}

int64_t ssm_peak_bytes(const ssm_model *model) {
  auto *lock = const_cast<pthread_mutex_t *>(&model->lock);
  pthread_mutex_lock(lock);
  int64_t peak = model->peak;
  pthread_mutex_unlock(lock);
  return peak;
}

//===--- Profile -----------------------------------------------------------===//

static double seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

void ssm_profile(ssm_model *model, int32_t on) {
  if (on)
    for (int32_t i = 0; i < ssm_generated_model.num_profile; ++i)
      model->nanoseconds[i] = model->calls[i] = 0;
  __atomic_store_n(&model->profiling, on != 0, __ATOMIC_RELAXED);
}

int32_t ssm_profile_read(const ssm_model *model, double *times, int64_t *calls, int32_t capacity) {
  int32_t count = ssm_generated_model.num_profile;
  for (int32_t i = 0; i < count && i < capacity; ++i) {
    if (times)
      times[i] = 1e-9 * double(__atomic_load_n(&model->nanoseconds[i], __ATOMIC_RELAXED));
    if (calls)
      calls[i] = __atomic_load_n(&model->calls[i], __ATOMIC_RELAXED);
  }
  return count;
}

void ssmrt_profile_begin(ssmrt *rt, int32_t id) {
  if (__atomic_load_n(&rt->model->profiling, __ATOMIC_RELAXED))
    callOf(rt)->started[id] = seconds();
}

void ssmrt_profile_end(ssmrt *rt, int32_t id) {
  ssm_model *model = rt->model;
  double started = callOf(rt)->started[id];
  if (!__atomic_load_n(&model->profiling, __ATOMIC_RELAXED) || started == 0)
    return;
  callOf(rt)->started[id] = 0;
  __atomic_fetch_add(&model->nanoseconds[id], int64_t((seconds() - started) * 1e9), __ATOMIC_RELAXED);
  __atomic_fetch_add(&model->calls[id], 1, __ATOMIC_RELAXED);
}

//===--- Random seeds ------------------------------------------------------===//

/// splitmix64, the hash that random operators use for their numbers.
int64_t ssmrt_seed(ssmrt *rt) {
  constexpr uint64_t golden = 0x9E3779B97F4A7C15;
  uint64_t z = __atomic_add_fetch(&rt->model->seed, golden, __ATOMIC_RELAXED);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return int64_t(z ^ (z >> 31));
}

//===--- Runs --------------------------------------------------------------===//

static Call *takeCall(ssm_model *model) {
  pthread_mutex_lock(&model->lock);
  Call *call = model->idle;
  if (call)
    model->idle = call->nextIdle;
  pthread_mutex_unlock(&model->lock);
  return call ? call : newCall(model);
}

static void giveBack(ssm_model *model, Call *call) {
  int64_t peak = call->peak;
  recycleBuffers(call);
  pthread_mutex_lock(&model->lock);
  if (peak > model->peak)
    model->peak = peak;
  call->nextIdle = model->idle;
  model->idle = call;
  pthread_mutex_unlock(&model->lock);
}

/// Runs the generated code; a failure comes back here by longjmp.
static int32_t runGenerated(Call *call) {
  if (_setjmp(call->failed))
    return call->code;
  return ssm_generated_main(&call->rt, call->inputs, call->outputs);
}

/// What a failed call wrote into outputs is freed, and the caller's values stand there again.
static void restoreOutputs(Call *call, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    if (call->outputs[i].data != call->given[i].data)
      ssm_value_free(&call->outputs[i]);
    call->outputs[i] = call->given[i];
  }
}

int32_t ssm_run(ssm_model *model, const ssm_value *inputs, int32_t numInputs, ssm_value *outputs, int32_t numOutputs) {
  if (!model)
    return error(1, "model is a null pointer");
  if (numOutputs != ssm_generated_model.num_outputs)
    return error(1, "the model has %d outputs, %d were given", ssm_generated_model.num_outputs, numOutputs);
  if (numOutputs && !outputs)
    return error(1, "outputs is a null pointer");
  Call *call = takeCall(model);
  if (!call)
    return error(2, "out of memory");
  int32_t code = checkInputs(model, inputs, numInputs, call->symbols);
  if (!code) {
    call->rt.side = model->side;
    call->rt.model = model;
    call->inputs = inputs;
    call->outputs = outputs;
    for (int32_t i = 0; i < numOutputs; ++i) {
      bool inPlace = outputs[i].kind == SSM_TENSOR && outputs[i].data;
      if (!inPlace)
        memset(&outputs[i], 0, sizeof outputs[i]);
      call->given[i] = outputs[i];
    }
    code = runGenerated(call);
    if (code)
      restoreOutputs(call, numOutputs);
  }
  giveBack(model, call);
  return code;
}
