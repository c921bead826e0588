//===- Check.cpp - inputs against what the model says ----------------------===//
#include "lib/Runtime/State.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace ssm;

static const struct {
  const char *name;
  int8_t bytes;
} kDtypes[] = {{"undefined", 0},      {"float32", 4},  {"uint8", 1},        {"int8", 1},           {"uint16", 2},
               {"int16", 2},          {"int32", 4},    {"int64", 8},        {"string", 0},         {"bool", 1},
               {"float16", 2},        {"float64", 8},  {"uint32", 4},       {"uint64", 8},         {"complex64", 8},
               {"complex128", 16},    {"bfloat16", 2}, {"float8e4m3fn", 1}, {"float8e4m3fnuz", 1}, {"float8e5m2", 1},
               {"float8e5m2fnuz", 1}, {"uint4", 1},    {"int4", 1},         {"float4e2m1", 1},     {"float8e8m0", 1},
               {"uint2", 1},          {"int2", 1}};
constexpr int32_t kNumDtypes = sizeof kDtypes / sizeof *kDtypes;

int64_t ssm::dtypeBytes(int32_t dtype) { return dtype > 0 && dtype < kNumDtypes ? kDtypes[dtype].bytes : 0; }
const char *ssm::dtypeName(int32_t dtype) {
  return dtype > 0 && dtype < kNumDtypes ? kDtypes[dtype].name : "undefined";
}

int64_t ssm::elementCount(int32_t rank, const int64_t *dims) {
  int64_t count = 1;
  for (int32_t i = 0; i < rank; ++i)
    if (dims[i] == 0)
      return 0;
  for (int32_t i = 0; i < rank; ++i)
    if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count))
      return -1;
  return count;
}

/// The table is made once, so that a run compares numbers and not names.
bool ssm::prepareCheck(ssm_model *model) {
  const ssm_model_desc &desc = ssm_generated_model;
  int64_t total = 0;
  for (int32_t i = 0; i < desc.num_inputs; ++i)
    total += desc.inputs[i].rank;
  model->symbolIds = static_cast<int32_t **>(calloc(desc.num_inputs + 1, sizeof(int32_t *)));
  auto *ids = static_cast<int32_t *>(calloc(total + 1, sizeof(int32_t)));
  auto **names = static_cast<const char **>(calloc(total + 1, sizeof(char *)));
  if (!model->symbolIds || !ids || !names) {
    free(model->symbolIds);
    free(ids);
    free(names);
    model->symbolIds = nullptr;
    return false;
  }
  model->symbolIds[desc.num_inputs] = ids; // what ssm_close frees
  for (int32_t i = 0; i < desc.num_inputs; ++i) {
    const ssm_io_desc &input = desc.inputs[i];
    model->symbolIds[i] = ids;
    for (int32_t k = 0; k < input.rank; ++k, ++ids) {
      *ids = -1;
      const char *name = input.dims[k] < 0 && input.symbols ? input.symbols[k] : nullptr;
      if (!name || !*name)
        continue;
      int32_t id = 0;
      while (id < model->numSymbols && strcmp(names[id], name))
        ++id;
      if (id == model->numSymbols)
        names[model->numSymbols++] = name;
      *ids = id;
    }
  }
  free(names);
  return true;
}

/// Writes "float32 [batch, 8]" or "float32 [2, 8]".
static const char *describe(char *text, size_t room, int32_t dtype, int32_t rank, const int64_t *dims,
                            const char *const *symbols) {
  size_t used = snprintf(text, room, "%s [", dtypeName(dtype));
  for (int32_t i = 0; i < rank && used < room; ++i) {
    const char *comma = i ? ", " : "";
    if (dims[i] < 0 && symbols)
      used += snprintf(text + used, room - used, "%s%s", comma, *symbols[i] ? symbols[i] : "?");
    else
      used += snprintf(text + used, room - used, "%s%lld", comma, (long long)dims[i]);
  }
  if (used < room)
    snprintf(text + used, room - used, "]");
  return text;
}

static const char *kindName(int32_t kind) {
  return kind == SSM_TENSOR     ? "a tensor"
         : kind == SSM_SEQUENCE ? "a sequence"
         : kind == SSM_ABSENT   ? "nothing"
                                : "an unknown kind of value";
}

/// Where a symbol got its value: the first input and dimension that carry it.
static const char *firstWith(const ssm_model *model, const ssm_value *inputs, int32_t id) {
  const ssm_model_desc &desc = ssm_generated_model;
  for (int32_t i = 0; i < desc.num_inputs; ++i)
    for (int32_t k = 0; inputs[i].kind == SSM_TENSOR && k < desc.inputs[i].rank; ++k)
      if (model->symbolIds[i][k] == id)
        return desc.inputs[i].name;
  return "";
}

static int32_t checkTensor(const ssm_model *model, const ssm_value *inputs, int32_t i, int64_t *symbols) {
  const ssm_io_desc &want = ssm_generated_model.inputs[i];
  const ssm_value &v = inputs[i];
  if (v.dtype != want.dtype)
    return error(1, "input '%s': element type is %s, expected %s", want.name, dtypeName(v.dtype),
                 dtypeName(want.dtype));
  char expected[300], came[300];
  bool anyRank = want.rank < 0;
  if ((v.rank != want.rank && !anyRank) || v.rank > SSM_MAX_RANK || v.rank < 0) {
    describe(expected, sizeof expected, want.dtype, want.rank, want.dims, want.symbols);
    if (v.rank < 0 || v.rank > SSM_MAX_RANK)
      return error(1, "input '%s': rank is %d, expected %d: %s", want.name, v.rank, want.rank, expected);
    return error(1, "input '%s': rank is %d, expected %d: got %s, expected %s", want.name, v.rank, want.rank,
                 describe(came, sizeof came, v.dtype, v.rank, v.shape, nullptr), expected);
  }
  for (int32_t k = 0; k < v.rank; ++k) {
    int64_t size = v.shape[k];
    if (size < 0)
      return error(1, "input '%s': dimension %d is %lld, a size is never negative", want.name, k, (long long)size);
    if (anyRank)
      continue;
    if (want.dims[k] >= 0 && size != want.dims[k])
      return error(1, "input '%s': dimension %d is %lld, expected %lld: got %s, expected %s", want.name, k,
                   (long long)size, (long long)want.dims[k],
                   describe(came, sizeof came, v.dtype, v.rank, v.shape, nullptr),
                   describe(expected, sizeof expected, want.dtype, want.rank, want.dims, want.symbols));
    int32_t id = model->symbolIds[i][k];
    if (id < 0)
      continue;
    if (symbols[id] < 0)
      symbols[id] = size;
    if (symbols[id] != size)
      return error(1, "input '%s': dimension %d ('%s') is %lld, but %lld in input '%s'", want.name, k, want.symbols[k],
                   (long long)size, (long long)symbols[id], firstWith(model, inputs, id));
  }
  int64_t count = elementCount(v.rank, v.shape);
  if (count < 0)
    return error(1, "input '%s': the number of elements is too large", want.name);
  if (count && !v.data)
    return error(1, "input '%s': data is a null pointer", want.name);
  return 0;
}

static int32_t checkSequence(const ssm_value &v, const ssm_io_desc &want) {
  if (v.shape[0] < 0)
    return error(1, "input '%s': the length of the sequence is %lld", want.name, (long long)v.shape[0]);
  if (v.shape[0] && !v.data)
    return error(1, "input '%s': data is a null pointer", want.name);
  for (int64_t k = 0; k < v.shape[0]; ++k) {
    const ssm_value &element = static_cast<const ssm_value *>(v.data)[k];
    if (element.kind != SSM_TENSOR)
      return error(1, "input '%s': element %lld is %s, expected a tensor", want.name, (long long)k,
                   kindName(element.kind));
    if (want.dtype && element.dtype != want.dtype)
      return error(1, "input '%s': element %lld is of %s, expected %s", want.name, (long long)k,
                   dtypeName(element.dtype), dtypeName(want.dtype));
    int64_t count = element.rank < 0 || element.rank > SSM_MAX_RANK ? -1 : elementCount(element.rank, element.shape);
    if (count < 0)
      return error(1, "input '%s': element %lld has an impossible shape", want.name, (long long)k);
    if (count && !element.data)
      return error(1, "input '%s': data of element %lld is a null pointer", want.name, (long long)k);
  }
  return 0;
}

int32_t ssm::checkInputs(const ssm_model *model, const ssm_value *inputs, int32_t count, int64_t *symbols) {
  const ssm_model_desc &desc = ssm_generated_model;
  if (count != desc.num_inputs)
    return error(1, "the model has %d inputs, %d were given", desc.num_inputs, count);
  if (count && !inputs)
    return error(1, "inputs is a null pointer");
  for (int32_t i = 0; i < model->numSymbols; ++i)
    symbols[i] = -1;
  for (int32_t i = 0; i < count; ++i) {
    const ssm_io_desc &want = desc.inputs[i];
    if (inputs[i].kind == SSM_ABSENT && want.optional)
      continue;
    if (inputs[i].kind != want.kind)
      return error(1, "input '%s': got %s, expected %s", want.name, kindName(inputs[i].kind), kindName(want.kind));
    int32_t code = want.kind == SSM_SEQUENCE ? checkSequence(inputs[i], want) : checkTensor(model, inputs, i, symbols);
    if (code)
      return code;
  }
  return 0;
}
