//===- Model.cpp - the C interface of a compiled model ---------------------===//
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lib/Runtime/State.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ssm;

static thread_local char lastError[1024];

void ssm::setError(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(lastError, sizeof lastError, format, args);
  va_end(args);
}

void ssm::failCall(ssmrt *rt, int32_t code) {
  callOf(rt)->code = code;
  longjmp(callOf(rt)->failed, 1);
}

void ssmrt_fail(ssmrt *rt, int32_t code, const char *message) {
  setError("%s", message);
  failCall(rt, code);
}
void ssmrt_fail_sizes(ssmrt *rt, const char *message, int64_t a, int64_t b) {
  setError("%s (%lld and %lld)", message, (long long)a, (long long)b);
  failCall(rt, 1);
}

static const struct {
  const char *name;
  int64_t bytes;
} dtypes[] = {{"undefined", 0}, {"float32", 4}, {"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"int32", 4},
              {"int64", 8}, {"string", 0}, {"bool", 1}, {"float16", 2}, {"float64", 8}, {"uint32", 4}, {"uint64", 8},
              {"complex64", 8}, {"complex128", 16}, {"bfloat16", 2}, {"float8e4m3fn", 1}, {"float8e4m3fnuz", 1},
              {"float8e5m2", 1}, {"float8e5m2fnuz", 1}, {"uint4", 1}, {"int4", 1}, {"float4e2m1", 1}, {"float8e8m0", 1},
              {"uint2", 1}, {"int2", 1}};
constexpr int32_t kNumDtypes = sizeof dtypes / sizeof *dtypes;

int64_t ssm::dtypeBytes(int32_t t) { return t > 0 && t < kNumDtypes ? dtypes[t].bytes : 0; }
const char *ssm::dtypeName(int32_t t) { return t > 0 && t < kNumDtypes ? dtypes[t].name : "unknown"; }

int32_t ssm_abi_version(void) { return 1; }
const char *ssm_last_error(void) { return lastError; }

/// Path of the side file: NAME.safetensors beside the library this code is linked into.
static bool sidePath(char *path, size_t capacity) {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&sidePath), &info) || !info.dli_fname)
    return false;
  const char *slash = strrchr(info.dli_fname, '/'), *dot = strrchr(info.dli_fname, '.');
  size_t stem = dot && (!slash || dot > slash) ? dot - info.dli_fname : strlen(info.dli_fname);
  return (size_t)snprintf(path, capacity, "%.*s.safetensors", (int)stem, info.dli_fname) < capacity;
}

static int32_t mapSide(ssm_model *m, const char *given) {
  const ssm_model_desc &d = ssm_generated_model;
  if (!d.side_bytes)
    return 0;
  char path[4096];
  if (given)
    snprintf(path, sizeof path, "%s", given);
  else if (!sidePath(path, sizeof path))
    return setError("the library's own path is not known"), 2;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return setError("cannot open '%s', the constants of this library: %s", path, strerror(errno)), 1;
  struct stat st;
  uint64_t header = 0;
  char text[4096];
  bool ok = !fstat(fd, &st) && pread(fd, &header, 8, 0) == 8 && header < sizeof text &&
            pread(fd, text, header, 8) == (ssize_t)header && (uint64_t)st.st_size == 8 + header + d.side_bytes;
  if (ok) {
    text[header] = 0;
    ok = strstr(text, d.side_hash) != nullptr;
  }
  if (!ok) {
    close(fd);
    return setError("'%s' is not the file that was compiled with this library", path), 1;
  }
  m->mappingBytes = st.st_size;
  m->mapping = mmap(nullptr, m->mappingBytes, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (m->mapping == MAP_FAILED) {
    m->mapping = nullptr;
    return setError("cannot map '%s': %s", path, strerror(errno)), 2;
  }
  m->side = static_cast<const char *>(m->mapping) + 8 + header;
  return 0;
}

int32_t ssm_open(const char *side, ssm_model **out) {
  auto *m = static_cast<ssm_model *>(calloc(1, sizeof(ssm_model)));
  if (!m)
    return setError("out of memory"), 2;
  pthread_mutex_init(&m->lock, nullptr);
  int32_t rc = mapSide(m, side);
  if (rc) {
    free(m);
    return rc;
  }
  *out = m;
  return 0;
}

void ssm_close(ssm_model *m) {
  if (!m)
    return;
  if (m->mapping)
    munmap(m->mapping, m->mappingBytes);
  pthread_mutex_destroy(&m->lock);
  free(m);
}

int32_t ssm_num_inputs(const ssm_model *) { return ssm_generated_model.num_inputs; }
int32_t ssm_num_outputs(const ssm_model *) { return ssm_generated_model.num_outputs; }
const ssm_io_desc *ssm_input(const ssm_model *, int32_t i) {
  return i >= 0 && i < ssm_generated_model.num_inputs ? &ssm_generated_model.inputs[i] : nullptr;
}
const ssm_io_desc *ssm_output(const ssm_model *, int32_t i) {
  return i >= 0 && i < ssm_generated_model.num_outputs ? &ssm_generated_model.outputs[i] : nullptr;
}
const char *ssm_metadata(const ssm_model *) { return ssm_generated_model.metadata; }

void ssm_value_free(ssm_value *v) {
  if (!v || !v->owned)
    return;
  if (v->kind == SSM_SEQUENCE)
    for (int64_t i = 0; i < v->shape[0]; ++i)
      ssm_value_free(static_cast<ssm_value *>(v->data) + i);
  free(v->data);
  memset(v, 0, sizeof *v);
}

void ssm_set_threads(ssm_model *m, int32_t threads) { m->threads = threads; }
void ssm_set_parallel_for(ssm_model *m, ssm_parallel_for callback, void *context) {
  m->parallel = callback;
  m->parallelContext = context;
}
void ssm_profile(ssm_model *, int32_t) {}
int32_t ssm_profile_read(const ssm_model *, double *, int64_t *, int32_t) { return ssm_generated_model.num_profile; }
int64_t ssm_peak_bytes(const ssm_model *m) { return m->peak; }

void ssmrt_profile_begin(ssmrt *, int32_t) {}
void ssmrt_profile_end(ssmrt *, int32_t) {}

void ssmrt_parallel_for(ssmrt *rt, int64_t count, void (*body)(void *, int64_t, int64_t), void *args) {
  ssm_model *m = rt->model;
  if (m->parallel)
    return m->parallel(m->parallelContext, count, body, args);
  int threads = m->threads ? m->threads : omp_get_max_threads();
  if (threads > count)
    threads = (int)count;
  if (threads <= 1 || omp_in_parallel())
    return body(args, 0, count);
#pragma omp parallel num_threads(threads)
  {
    int64_t t = omp_get_thread_num(), n = omp_get_num_threads();
    body(args, count * t / n, count * (t + 1) / n);
  }
}

/// An error that names the input, what was expected and what came; 0 when all is well.
static int32_t checkInputs(const ssm_value *inputs, int32_t count) {
  const ssm_model_desc &d = ssm_generated_model;
  if (count != d.num_inputs)
    return setError("the model has %d inputs, %d were given", d.num_inputs, count), 1;
  if (count && !inputs)
    return setError("the inputs are a null pointer"), 1;
  for (int32_t i = 0; i < count; ++i) {
    const ssm_io_desc &want = d.inputs[i];
    const ssm_value &v = inputs[i];
    if (v.kind == SSM_ABSENT && want.optional)
      continue;
    if (v.kind != want.kind)
      return setError("input '%s': expected a %s, got %s", want.name, want.kind == SSM_TENSOR ? "tensor" : "sequence",
                      v.kind == SSM_ABSENT ? "nothing" : v.kind == SSM_TENSOR ? "a tensor" : "a sequence"), 1;
    if (want.kind != SSM_TENSOR)
      continue;
    if (v.dtype != want.dtype)
      return setError("input '%s': expected element type %s, got %s", want.name, dtypeName(want.dtype), dtypeName(v.dtype)), 1;
    if (v.rank != want.rank)
      return setError("input '%s': expected rank %d, got %d", want.name, want.rank, v.rank), 1;
    for (int32_t k = 0; k < v.rank; ++k) {
      if (v.shape[k] < 0)
        return setError("input '%s': dimension %d is %lld", want.name, k, (long long)v.shape[k]), 1;
      if (want.dims[k] >= 0 && v.shape[k] != want.dims[k])
        return setError("input '%s': dimension %d is %lld, expected %lld", want.name, k, (long long)v.shape[k],
                        (long long)want.dims[k]), 1;
      if (want.dims[k] >= 0 || !want.symbols[k][0])
        continue;
      for (int32_t j = 0; j <= i; ++j)
        for (int32_t l = 0; l < d.inputs[j].rank; ++l)
          if (inputs[j].kind == SSM_TENSOR && d.inputs[j].dims[l] < 0 && !strcmp(d.inputs[j].symbols[l], want.symbols[k]) &&
              (j < i || l < k) && inputs[j].shape[l] != v.shape[k])
            return setError("input '%s': dimension %d ('%s') is %lld, but %lld in input '%s'", want.name, k, want.symbols[k],
                            (long long)v.shape[k], (long long)inputs[j].shape[l], d.inputs[j].name), 1;
    }
    if (!v.data && elementCount(&v))
      return setError("input '%s': data is a null pointer", want.name), 1;
  }
  return 0;
}

int32_t ssm_run(ssm_model *m, const ssm_value *inputs, int32_t numInputs, ssm_value *outputs, int32_t numOutputs) {
  if (!m)
    return setError("the model is a null pointer"), 1;
  if (int32_t rc = checkInputs(inputs, numInputs))
    return rc;
  if (numOutputs != ssm_generated_model.num_outputs || (numOutputs && !outputs))
    return setError("the model has %d outputs, %d were given", ssm_generated_model.num_outputs, numOutputs), 1;
  auto *call = static_cast<Call *>(aligned_alloc(64, (sizeof(Call) + 63) / 64 * 64));
  memset(call, 0, sizeof *call);
  call->rt.side = m->side;
  call->rt.model = m;
  call->live.next = call->live.previous = &call->live;
  int32_t code = 0;
  if (setjmp(call->failed) == 0) {
    code = ssm_generated_main(&call->rt, inputs, outputs);
  } else {
    code = call->code;
    for (int32_t i = 0; i < numOutputs; ++i)
      ssm_value_free(&outputs[i]);
  }
  releaseCall(call);
  pthread_mutex_lock(&m->lock);
  if (call->peak > m->peak)
    m->peak = call->peak;
  pthread_mutex_unlock(&m->lock);
  free(call);
  return code;
}
