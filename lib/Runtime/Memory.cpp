//===- Memory.cpp - buffers of one call ------------------------------------===//
// Buffers come from bins of freed ones, eight sizes to each power of two. A call gives its bins to the next call, so
// that after the first run of a model no memory is asked from the system and no page is touched for the first time.
//===----------------------------------------------------------------------===//
#include "lib/Runtime/State.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

using namespace ssm;

constexpr int64_t kLargest = int64_t(1) << 46, kHugePage = int64_t(1) << 21;
/// A buffer that this many calls did not need goes back to the system.
constexpr int64_t kIdleCalls = 16;

namespace {
struct Guard {
  explicit Guard(int &lock) : lock(lock) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
      while (__atomic_load_n(&lock, __ATOMIC_RELAXED)) {
      }
  }
  ~Guard() { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }
  int &lock;
};
} // namespace

/// Rounds bytes up to the size of a bin and gives the bin's number.
static int binOf(int64_t &bytes) {
  uint64_t units = bytes <= 64 ? 1 : (uint64_t(bytes) + 63) / 64;
  int exponent = 63 - __builtin_clzll(units), shift = exponent > 3 ? exponent - 3 : 0;
  uint64_t mantissa = (units + (uint64_t(1) << shift) - 1) >> shift;
  bytes = int64_t(mantissa << shift) * 64;
  return shift * 8 + int(mantissa);
}

static void remove(Block *block) {
  block->next->previous = block->previous;
  block->previous->next = block->next;
}

static Block *newBlock(int64_t bytes) {
  int64_t total = sizeof(Block) + bytes;
  if (total < 2 * kHugePage)
    return static_cast<Block *>(aligned_alloc(64, total));
  total = (total + kHugePage - 1) / kHugePage * kHugePage;
  void *memory = aligned_alloc(kHugePage, total);
  if (memory)
    madvise(memory, total, MADV_HUGEPAGE);
  return static_cast<Block *>(memory);
}

void *ssmrt_alloc(ssmrt *rt, int64_t bytes) {
  Call *call = callOf(rt);
  if (bytes < 0 || bytes > kLargest)
    failCall(rt, error(1, "a buffer of %lld bytes is needed: a size that the model computed is impossible",
                       (long long)bytes));
  int bin = binOf(bytes);
  Block *block = nullptr;
  {
    Guard guard(call->lock);
    for (int i = bin; i < bin + 2 && !block; ++i)
      if ((block = call->bins[i]))
        call->bins[i] = block->next;
  }
  if (!block) {
    block = newBlock(bytes);
    if (!block)
      failCall(rt, error(2, "out of memory: a buffer of %lld bytes is needed", (long long)bytes));
    block->bytes = bytes;
  }
  Guard guard(call->lock);
  block->lastUsed = call->serial;
  block->next = call->live.next;
  block->previous = &call->live;
  call->live.next->previous = block;
  call->live.next = block;
  call->now += block->bytes;
  if (call->now > call->peak)
    call->peak = call->now;
  return block + 1;
}

static void putAway(Call *call, Block *block) {
  int64_t bytes = block->bytes;
  Block *&bin = call->bins[binOf(bytes)];
  block->next = bin;
  bin = block;
}

void ssmrt_free(ssmrt *rt, void *buffer) {
  if (!buffer)
    return;
  Call *call = callOf(rt);
  Block *block = static_cast<Block *>(buffer) - 1;
  Guard guard(call->lock);
  remove(block);
  call->now -= block->bytes;
  putAway(call, block);
}

void *ssmrt_arena(ssmrt *rt, int64_t bytes) {
  Call *call = callOf(rt);
  if (bytes < 0 || bytes > kLargest)
    failCall(rt, error(1, "an arena of %lld bytes is needed: a size that the model computed is impossible",
                       (long long)bytes));
  if (bytes > call->arenaNeeded)
    call->arenaNeeded = bytes;
  if (!call->arena || call->arena->bytes < bytes) {
    free(call->arena);
    int64_t rounded = bytes; // inputs that grow with each call would need a new arena each time
    binOf(rounded);
    call->arena = newBlock(rounded);
    if (!call->arena)
      failCall(rt, error(2, "out of memory: an arena of %lld bytes is needed", (long long)bytes));
    call->arena->bytes = rounded;
  }
  Guard guard(call->lock);
  call->now += bytes;
  if (call->now > call->peak)
    call->peak = call->now;
  return call->arena + 1;
}

int64_t ssmrt_times(int64_t a, int64_t b) {
  int64_t product;
  return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) ? -1 : product;
}

Call *ssm::newCall(ssm_model *model) {
  const ssm_model_desc &desc = ssm_generated_model;
  size_t tail = desc.num_outputs * sizeof(ssm_value) + (model->numSymbols + desc.num_profile) * 8;
  size_t bytes = (sizeof(Call) + tail + 63) / 64 * 64;
  auto *call = static_cast<Call *>(aligned_alloc(64, bytes));
  if (!call)
    return nullptr;
  memset(static_cast<void *>(call), 0, bytes);
  call->given = reinterpret_cast<ssm_value *>(call + 1);
  call->symbols = reinterpret_cast<int64_t *>(call->given + desc.num_outputs);
  call->started = reinterpret_cast<double *>(call->symbols + model->numSymbols);
  call->live.next = call->live.previous = &call->live;
  return call;
}

void ssm::recycleBuffers(Call *call) {
  for (Block *block = call->live.next; block != &call->live;) {
    Block *next = block->next;
    putAway(call, block);
    block = next;
  }
  call->live.next = call->live.previous = &call->live;
  call->now = call->peak = 0;
  if (++call->serial % kIdleCalls)
    return;
  if (call->arena && call->arena->bytes / 2 > call->arenaNeeded) {
    free(call->arena);
    call->arena = nullptr;
  }
  call->arenaNeeded = 0;
  for (Block *&bin : call->bins)
    for (Block **place = &bin; *place;) {
      Block *block = *place;
      if (block->lastUsed + kIdleCalls >= call->serial) {
        place = &block->next;
        continue;
      }
      *place = block->next;
      free(block);
    }
}

void ssm::deleteCall(Call *call) {
  for (Block *bin : call->bins)
    while (bin) {
      Block *next = bin->next;
      free(bin);
      bin = next;
    }
  free(call->arena);
  free(call);
}

void *ssm::allocateValue(ssmrt *rt, int64_t bytes) {
  void *data = bytes < 0 || bytes > kLargest ? nullptr : aligned_alloc(64, bytes / 64 * 64 + 64);
  if (!data)
    failCall(rt, error(2, "out of memory: an output needs %lld bytes", (long long)bytes));
  return data;
}

void *ssmrt_output(ssmrt *rt, ssm_value *output, int32_t dtype, int32_t rank, const int64_t *dims) {
  Call *call = callOf(rt);
  int64_t index = output - call->outputs;
  const ssm_value &given = call->given[index];
  const char *name = ssm_generated_model.outputs[index].name;
  int64_t count = elementCount(rank, dims);
  if (rank > SSM_MAX_RANK || count < 0 || count > kLargest / 16)
    failCall(rt, error(1, "output '%s': a size that the model computed is impossible", name));
  bool inPlace = given.kind == SSM_TENSOR && given.data;
  if (inPlace) {
    int64_t room = elementCount(given.rank, given.shape);
    if (given.dtype != dtype)
      failCall(rt, error(1, "output '%s': the buffer given is of %s, expected %s", name, dtypeName(given.dtype),
                         dtypeName(dtype)));
    if (room < count)
      failCall(rt, error(1, "output '%s': the buffer given has room for %lld elements, %lld are needed", name,
                         (long long)room, (long long)count));
  } else {
    ssm_value_free(output);
    output->data = allocateValue(rt, count * dtypeBytes(dtype));
    output->owned = 1;
  }
  output->kind = SSM_TENSOR;
  output->dtype = dtype;
  output->rank = rank;
  memcpy(output->shape, dims, rank * sizeof(int64_t));
  return output->data;
}

void ssmrt_copy_rows(void *to, int64_t toStep, const void *from, int64_t fromStep, int64_t bytes, int64_t rows) {
  if (bytes <= 0)
    return;
  for (int64_t i = 0; i < rows; ++i)
    memcpy(static_cast<char *>(to) + i * toStep, static_cast<const char *>(from) + i * fromStep, bytes);
}

namespace {
struct Rows {
  char *data;
  int64_t used, capacity, count;
};
} // namespace

void *ssmrt_rows_new(ssmrt *rt) {
  auto *rows = static_cast<Rows *>(ssmrt_alloc(rt, sizeof(Rows)));
  *rows = {nullptr, 0, 0, 0};
  return rows;
}

void ssmrt_rows_push(ssmrt *rt, void *opaque, const void *data, int64_t bytes) {
  auto *rows = static_cast<Rows *>(opaque);
  if (rows->used + bytes > rows->capacity) {
    int64_t capacity = 2 * rows->capacity > rows->used + bytes ? 2 * rows->capacity : rows->used + bytes + 256;
    char *bigger = static_cast<char *>(ssmrt_alloc(rt, capacity));
    if (rows->used)
      memcpy(bigger, rows->data, rows->used);
    ssmrt_free(rt, rows->data);
    rows->data = bigger;
    rows->capacity = capacity;
  }
  if (bytes)
    memcpy(rows->data + rows->used, data, bytes);
  rows->used += bytes;
  ++rows->count;
}

int64_t ssmrt_rows_count(const void *rows) { return static_cast<const Rows *>(rows)->count; }

void ssmrt_rows_take(ssmrt *rt, void *opaque, void *to, int64_t reverse) {
  auto *rows = static_cast<Rows *>(opaque);
  if (rows->used && !reverse)
    memcpy(to, rows->data, rows->used);
  int64_t row = rows->count ? rows->used / rows->count : 0;
  for (int64_t i = 0; row && reverse && i < rows->count; ++i)
    memcpy(static_cast<char *>(to) + i * row, rows->data + (rows->count - 1 - i) * row, row);
  ssmrt_free(rt, rows->data);
  ssmrt_free(rt, rows);
}
