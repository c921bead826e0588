//===- Sequence.cpp - sequences of one call --------------------------------===//
// A sequence is an ssm_value whose data are ssm_values; all of it lies in buffers of the call and goes with it.
//===----------------------------------------------------------------------===//
#include "lib/Runtime/State.h"
#include <stdlib.h>
#include <string.h>

using namespace ssm;

int64_t ssm::elementCount(const ssm_value *v) {
  int64_t n = 1;
  for (int32_t i = 0; i < v->rank; ++i)
    n *= v->shape[i];
  return n;
}

static ssm_value *elements(const ssm_value *s) { return static_cast<ssm_value *>(s->data); }

static void fill(ssmrt *rt, ssm_value *v, int32_t dtype, int32_t rank, const int64_t *dims, const void *data) {
  memset(v, 0, sizeof *v);
  v->kind = SSM_TENSOR;
  v->dtype = dtype;
  v->rank = rank;
  memcpy(v->shape, dims, rank * sizeof(int64_t));
  int64_t bytes = elementCount(v) * dtypeBytes(dtype);
  v->data = ssmrt_alloc(rt, bytes);
  if (data)
    memcpy(v->data, data, bytes);
}

ssm_value *ssmrt_sequence_new(ssmrt *rt) {
  auto *s = static_cast<ssm_value *>(ssmrt_alloc(rt, sizeof(ssm_value)));
  memset(s, 0, sizeof *s);
  s->kind = SSM_SEQUENCE;
  return s;
}

ssm_value *ssmrt_sequence_copy(ssmrt *rt, const ssm_value *from) {
  ssm_value *s = ssmrt_sequence_new(rt);
  int64_t n = from->shape[0];
  s->shape[0] = n;
  s->data = ssmrt_alloc(rt, n * sizeof(ssm_value));
  if (n)
    memcpy(s->data, from->data, n * sizeof(ssm_value)); // elements are never changed, so they are shared
  return s;
}

static int64_t position(ssmrt *rt, const ssm_value *s, int64_t at, int64_t limit) {
  int64_t n = s->shape[0], wrapped = at < 0 ? at + n : at;
  if (at == INT64_MAX)
    return n;
  if (wrapped < 0 || wrapped >= limit) {
    setError("position %lld is outside a sequence of %lld elements", (long long)at, (long long)n);
    failCall(rt, 1);
  }
  return wrapped;
}

void ssmrt_sequence_insert(ssmrt *rt, ssm_value *s, int64_t at, int32_t dtype, int32_t rank, const int64_t *dims,
                           const void *data) {
  int64_t n = s->shape[0], where = position(rt, s, at, n + 1);
  auto *grown = static_cast<ssm_value *>(ssmrt_alloc(rt, (n + 1) * sizeof(ssm_value)));
  if (where)
    memcpy(grown, s->data, where * sizeof(ssm_value));
  if (n - where)
    memcpy(grown + where + 1, elements(s) + where, (n - where) * sizeof(ssm_value));
  fill(rt, grown + where, dtype, rank, dims, data);
  if (s->data)
    ssmrt_free(rt, s->data);
  s->data = grown;
  s->shape[0] = n + 1;
}

void ssmrt_sequence_erase(ssmrt *rt, ssm_value *s, int64_t at) {
  int64_t n = s->shape[0], where = position(rt, s, at, n);
  memmove(elements(s) + where, elements(s) + where + 1, (n - where - 1) * sizeof(ssm_value));
  s->shape[0] = n - 1;
}

const ssm_value *ssmrt_sequence_at(ssmrt *rt, const ssm_value *s, int64_t at) {
  return elements(s) + position(rt, s, at, s->shape[0]);
}

const ssm_value *ssmrt_sequence_concat(ssmrt *rt, const ssm_value *s, int64_t axis, int64_t stack) {
  int64_t n = s->shape[0];
  if (n == 0) {
    setError("an empty sequence cannot be joined");
    failCall(rt, 1);
  }
  const ssm_value *e = elements(s);
  int32_t rank = e->rank + (stack ? 1 : 0);
  if (axis < 0)
    axis += rank;
  int64_t dims[SSM_MAX_RANK];
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i)
    total += stack ? 1 : e[i].shape[axis];
  for (int32_t i = 0, k = 0; i < rank; ++i)
    dims[i] = i == axis ? (k += stack ? 0 : 1, total) : e->shape[k++];
  auto *out = static_cast<ssm_value *>(ssmrt_alloc(rt, sizeof(ssm_value)));
  fill(rt, out, e->dtype, rank, dims, nullptr);
  int64_t outer = 1, inner = dtypeBytes(e->dtype);
  for (int64_t i = 0; i < axis; ++i)
    outer *= dims[i];
  for (int64_t i = axis + 1; i < rank; ++i)
    inner *= dims[i];
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t length = (stack ? 1 : e[i].shape[axis]) * inner;
    for (int64_t o = 0; o < outer; ++o)
      memcpy(static_cast<char *>(out->data) + o * total * inner + at, static_cast<const char *>(e[i].data) + o * length, length);
    at += length;
  }
  return out;
}

ssm_value *ssmrt_sequence_split(ssmrt *rt, int32_t dtype, int32_t rank, const int64_t *dims, const void *data, int64_t axis,
                                int64_t parts, const int64_t *sizes, int64_t keepdims) {
  if (axis < 0)
    axis += rank;
  int64_t whole = dims[axis], outer = 1, inner = dtypeBytes(dtype);
  for (int64_t i = 0; i < axis; ++i)
    outer *= dims[i];
  for (int64_t i = axis + 1; i < rank; ++i)
    inner *= dims[i];
  ssm_value *s = ssmrt_sequence_new(rt);
  bool drop = parts < 0 && !keepdims;
  for (int64_t at = 0, k = 0; at < whole; ++k) {
    int64_t length = parts < 0 ? 1 : parts == 0 ? sizes[0] : k < parts ? sizes[k] : whole - at;
    if (length <= 0 || (parts > 0 && at + length > whole)) {
      setError("a sequence cannot be split into parts of %lld", (long long)length);
      failCall(rt, 1);
    }
    if (at + length > whole)
      length = whole - at;
    int64_t shape[SSM_MAX_RANK];
    int32_t r = 0;
    for (int32_t i = 0; i < rank; ++i)
      if (i != axis || !drop)
        shape[r++] = i == axis ? length : dims[i];
    ssmrt_sequence_insert(rt, s, INT64_MAX, dtype, r, shape, nullptr);
    char *to = static_cast<char *>(elements(s)[k].data);
    for (int64_t o = 0; o < outer; ++o)
      memcpy(to + o * length * inner, static_cast<const char *>(data) + (o * whole + at) * inner, length * inner);
    at += length;
  }
  return s;
}

void ssmrt_output_sequence(ssmrt *rt, ssm_value *output, const ssm_value *s) {
  int64_t n = s->shape[0];
  memset(output, 0, sizeof *output);
  auto *copies = static_cast<ssm_value *>(calloc(n + 1, sizeof(ssm_value)));
  output->kind = SSM_SEQUENCE;
  output->owned = 1;
  output->data = copies;
  for (int64_t i = 0; i < n; ++i) {
    const ssm_value *e = elements(s) + i;
    int64_t bytes = elementCount(e) * dtypeBytes(e->dtype);
    copies[i] = *e;
    copies[i].owned = 1;
    copies[i].data = aligned_alloc(64, (bytes + 64) / 64 * 64);
    memcpy(copies[i].data, e->data, bytes);
    output->shape[0] = i + 1;
  }
}
