//===- Sequence.cpp - sequences of one call --------------------------------===//
// Elements are never changed once they are in a sequence, so copies of a sequence share them, and share the array of
// elements too: one copy may append behind what the others see, as long as nobody has appended there yet. A loop that
// appends to a fresh copy in every iteration is thus linear. All memory is the call's and goes with it.
//===----------------------------------------------------------------------===//
#include "lib/Runtime/State.h"
#include <stdlib.h>
#include <string.h>

using namespace ssm;

namespace {
/// An array of elements of this call; `used` counts what any sequence that shares it has put there.
struct alignas(64) Elements {
  int64_t used, capacity;
};
} // namespace

static ssm_value *elements(const ssm_value *s) { return static_cast<ssm_value *>(s->data); }

/// The array behind a sequence, or null for one the caller gave.
static Elements *arrayOf(ssmrt *rt, const ssm_value *s) {
  const ssm_value *inputs = callOf(rt)->inputs;
  bool foreign = inputs && s >= inputs && s < inputs + ssm_generated_model.num_inputs;
  bool shared = s->shape[1]; // a copy of a foreign one
  return foreign || shared || !s->data ? nullptr : static_cast<Elements *>(s->data) - 1;
}

static ssm_value *newArray(ssmrt *rt, int64_t used, int64_t capacity) {
  auto *array = static_cast<Elements *>(ssmrt_alloc(rt, sizeof(Elements) + capacity * sizeof(ssm_value)));
  array->used = used;
  array->capacity = capacity;
  return reinterpret_cast<ssm_value *>(array + 1);
}

static void setTensor(ssm_value *v, int32_t dtype, int32_t rank, const int64_t *dims) {
  memset(v, 0, sizeof *v);
  v->kind = SSM_TENSOR;
  v->dtype = dtype;
  v->rank = rank;
  if (rank)
    memcpy(v->shape, dims, rank * sizeof(int64_t));
}

static int64_t bytesOf(const ssm_value *v) { return elementCount(v->rank, v->shape) * dtypeBytes(v->dtype); }

ssm_value *ssmrt_sequence_new(ssmrt *rt) {
  auto *s = static_cast<ssm_value *>(ssmrt_alloc(rt, sizeof(ssm_value)));
  memset(s, 0, sizeof *s);
  s->kind = SSM_SEQUENCE;
  return s;
}

ssm_value *ssmrt_sequence_copy(ssmrt *rt, const ssm_value *from) {
  ssm_value *s = ssmrt_sequence_new(rt);
  s->shape[0] = from->shape[0];
  s->data = from->data;
  s->shape[1] = from->data && !arrayOf(rt, from);
  return s;
}

static int64_t positionIn(ssmrt *rt, const ssm_value *s, int64_t position, int64_t end) {
  int64_t length = s->shape[0], at = position < 0 ? position + length : position;
  if (position == INT64_MAX && end > length)
    return length;
  if (at < 0 || at >= end)
    failCall(rt,
             error(1, "position %lld is outside a sequence of %lld elements", (long long)position, (long long)length));
  return at;
}

/// Makes room for one element at `at`.
static ssm_value *openGap(ssmrt *rt, ssm_value *s, int64_t at) {
  int64_t length = s->shape[0];
  Elements *array = arrayOf(rt, s);
  if (at == length && array && array->used == length && array->capacity > length) {
    ++array->used;
  } else {
    ssm_value *grown = newArray(rt, length + 1, 2 * length + 4);
    if (at)
      memcpy(grown, elements(s), at * sizeof(ssm_value));
    if (length - at)
      memcpy(grown + at + 1, elements(s) + at, (length - at) * sizeof(ssm_value));
    s->data = grown;
    s->shape[1] = 0;
  }
  s->shape[0] = length + 1;
  return elements(s) + at;
}

void ssmrt_sequence_insert(ssmrt *rt, ssm_value *s, int64_t position, int32_t dtype, int32_t rank, const int64_t *dims,
                           const void *data) {
  int64_t at = positionIn(rt, s, position, s->shape[0] + 1);
  ssm_value element;
  setTensor(&element, dtype, rank, dims);
  int64_t bytes = bytesOf(&element);
  element.data = ssmrt_alloc(rt, bytes);
  if (data && bytes)
    memcpy(element.data, data, bytes);
  *openGap(rt, s, at) = element;
}

void ssmrt_sequence_erase(ssmrt *rt, ssm_value *s, int64_t position) {
  int64_t length = s->shape[0], at = positionIn(rt, s, position, length);
  if (at != length - 1) {
    ssm_value *fresh = newArray(rt, length - 1, length + 4);
    if (at)
      memcpy(fresh, elements(s), at * sizeof(ssm_value));
    memcpy(fresh + at, elements(s) + at + 1, (length - at - 1) * sizeof(ssm_value));
    s->data = fresh;
    s->shape[1] = 0;
  }
  s->shape[0] = length - 1;
}

const ssm_value *ssmrt_sequence_at(ssmrt *rt, const ssm_value *s, int64_t position) {
  return elements(s) + positionIn(rt, s, position, s->shape[0]);
}

int64_t ssmrt_sequence_length(const ssm_value *s) { return s->shape[0]; }

static void copyPart(char *to, int64_t toStride, const char *from, int64_t fromStride, int64_t outer, int64_t bytes) {
  for (int64_t i = 0; bytes && i < outer; ++i)
    memcpy(to + i * toStride, from + i * fromStride, bytes);
}

/// Elements that are joined must agree in type and in every dimension but the axis.
static void checkJoin(ssmrt *rt, const ssm_value *s, int64_t axis, bool stack) {
  const ssm_value *first = elements(s);
  for (int64_t i = 1; i < s->shape[0]; ++i) {
    const ssm_value *e = elements(s) + i;
    bool same = e->dtype == first->dtype && e->rank == first->rank;
    for (int32_t k = 0; same && k < e->rank; ++k)
      same = e->shape[k] == first->shape[k] || (!stack && k == axis);
    if (!same)
      failCall(rt, error(1, "a sequence cannot be joined: element %lld differs from the first in type or shape",
                         (long long)i));
  }
}

const ssm_value *ssmrt_sequence_concat(ssmrt *rt, const ssm_value *s, int64_t axis, int64_t newAxis) {
  int64_t length = s->shape[0];
  bool stack = newAxis != 0;
  if (length == 0)
    failCall(rt, error(1, "an empty sequence cannot be joined"));
  const ssm_value *e = elements(s);
  int32_t rank = e->rank + stack;
  int64_t at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank || rank > SSM_MAX_RANK)
    failCall(rt, error(1, "axis %lld is outside elements of rank %d", (long long)axis, e->rank));
  checkJoin(rt, s, at, stack);
  int64_t dims[SSM_MAX_RANK], total = 0;
  for (int64_t i = 0; i < length; ++i)
    total += stack ? 1 : e[i].shape[at];
  for (int32_t i = 0; i < rank; ++i)
    dims[i] = i == at ? total : e->shape[stack && i > at ? i - 1 : i];
  auto *out = static_cast<ssm_value *>(ssmrt_alloc(rt, sizeof(ssm_value)));
  setTensor(out, e->dtype, rank, dims);
  out->data = ssmrt_alloc(rt, bytesOf(out));
  int64_t outer = elementCount(int32_t(at), dims),
          inner = elementCount(rank - int32_t(at) - 1, dims + at + 1) * dtypeBytes(e->dtype);
  char *to = static_cast<char *>(out->data);
  for (int64_t i = 0; i < length; ++i) {
    int64_t bytes = (stack ? 1 : e[i].shape[at]) * inner;
    copyPart(to, total * inner, static_cast<const char *>(e[i].data), bytes, outer, bytes);
    to += bytes;
  }
  return out;
}

ssm_value *ssmrt_sequence_split(ssmrt *rt, int32_t dtype, int32_t rank, const int64_t *dims, const void *data,
                                int64_t axis, int64_t numParts, const int64_t *sizes, int64_t keepdims) {
  int64_t along = axis < 0 ? axis + rank : axis;
  if (along < 0 || along >= rank)
    failCall(rt, error(1, "axis %lld is outside a tensor of rank %d", (long long)axis, rank));
  int64_t whole = dims[along], outer = elementCount(int32_t(along), dims);
  int64_t inner = elementCount(rank - int32_t(along) - 1, dims + along + 1) * dtypeBytes(dtype);
  bool drop = numParts < 0 && !keepdims;
  int64_t part = numParts < 0 ? 1 : numParts == 0 ? sizes[0] : 0;
  if (numParts <= 0 && part <= 0)
    failCall(rt, error(1, "a tensor cannot be split into parts of size %lld", (long long)part));
  int64_t count = numParts > 0 ? numParts : (whole + part - 1) / part;
  ssm_value *s = ssmrt_sequence_new(rt);
  int64_t at = 0;
  for (int64_t k = 0; k < count; ++k) {
    int64_t size = numParts > 0 ? sizes[k] : at + part < whole ? part : whole - at;
    if (size < 0 || at + size > whole)
      break;
    int64_t shape[SSM_MAX_RANK];
    int32_t shapeRank = 0;
    for (int32_t i = 0; i < rank; ++i)
      if (i != along || !drop)
        shape[shapeRank++] = i == along ? size : dims[i];
    ssmrt_sequence_insert(rt, s, INT64_MAX, dtype, shapeRank, shape, nullptr);
    copyPart(static_cast<char *>(elements(s)[k].data), size * inner, static_cast<const char *>(data) + at * inner,
             whole * inner, outer, size * inner);
    at += size;
  }
  if (s->shape[0] != count || at != whole)
    failCall(rt, error(1, "the sizes of a split do not add up to %lld", (long long)whole));
  return s;
}

void ssmrt_expect_tensor(ssmrt *rt, const ssm_value *v, int32_t dtype, int32_t rank, const int64_t *dims) {
  if (v->kind != SSM_TENSOR || v->dtype != dtype)
    failCall(rt, error(1, "an element of a sequence or optional is not a tensor of type %d", dtype));
  if (v->rank != rank)
    failCall(rt, error(1, "an element of a sequence or optional has rank %d, the model expects %d", v->rank, rank));
  for (int32_t i = 0; i < rank; ++i)
    if (dims[i] >= 0 && v->shape[i] != dims[i])
      failCall(rt, error(1, "an element of a sequence or optional has size %lld in dimension %d, the model expects %lld",
                         (long long)v->shape[i], i, (long long)dims[i]));
}

static void copyTensor(ssm_value *to, const ssm_value *from) {
  int64_t bytes = bytesOf(from);
  void *data = to->data;
  setTensor(to, from->dtype, from->rank, from->shape);
  to->data = data;
  to->owned = 1;
  if (bytes)
    memcpy(data, from->data, bytes);
}

void ssmrt_output_value(ssmrt *rt, ssm_value *output, const ssm_value *s) {
  ssm_value_free(output);
  memset(output, 0, sizeof *output);
  if (s->kind == SSM_ABSENT)
    return;
  if (s->kind == SSM_TENSOR) {
    output->data = allocateValue(rt, bytesOf(s));
    copyTensor(output, s);
    return;
  }
  int64_t length = s->shape[0];
  auto *copies = static_cast<ssm_value *>(calloc(length + 1, sizeof(ssm_value)));
  if (!copies)
    failCall(rt, error(2, "out of memory: a sequence of %lld elements", (long long)length));
  output->kind = SSM_SEQUENCE;
  output->owned = 1;
  output->data = copies;
  for (int64_t i = 0; i < length; ++i) {
    copies[i].data = allocateValue(rt, bytesOf(elements(s) + i));
    copyTensor(&copies[i], elements(s) + i);
    output->shape[0] = i + 1; // so far, should the next one fail
  }
}
