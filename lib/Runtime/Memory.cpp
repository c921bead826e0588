//===- Memory.cpp - buffers of one call ------------------------------------===//
#include "lib/Runtime/State.h"
#include <stdlib.h>
#include <string.h>

using namespace ssm;

static void unlink(Block *b) {
  b->next->previous = b->previous;
  b->previous->next = b->next;
}

void *ssmrt_alloc(ssmrt *rt, int64_t bytes) {
  Call *call = callOf(rt);
  if (bytes < 0 || bytes > (int64_t(1) << 46)) {
    setError("a buffer of %lld bytes is needed: a size in the model is impossible", (long long)bytes);
    failCall(rt, 1);
  }
  Block *block = nullptr;
  for (Block *&spare : call->spare)
    if (spare && spare->bytes >= bytes && spare->bytes <= 2 * bytes + 4096) {
      block = spare;
      spare = nullptr;
      break;
    }
  if (!block) {
    int64_t rounded = (bytes + 63) / 64 * 64 + (bytes == 0) * 64;
    block = static_cast<Block *>(aligned_alloc(64, sizeof(Block) + rounded));
    if (!block) {
      setError("out of memory: %lld bytes", (long long)bytes);
      failCall(rt, 2);
    }
    block->bytes = rounded;
    call->now += rounded;
    if (call->now > call->peak)
      call->peak = call->now;
  }
  block->next = call->live.next;
  block->previous = &call->live;
  call->live.next->previous = block;
  call->live.next = block;
  return block + 1;
}

void ssmrt_free(ssmrt *rt, void *buffer) {
  Call *call = callOf(rt);
  Block *block = static_cast<Block *>(buffer) - 1;
  unlink(block);
  Block **smallest = &call->spare[0];
  for (Block *&spare : call->spare) {
    if (!spare) {
      spare = block;
      return;
    }
    if (spare->bytes < (*smallest)->bytes)
      smallest = &spare;
  }
  Block *victim = block;
  if ((*smallest)->bytes < block->bytes) {
    victim = *smallest;
    *smallest = block;
  }
  call->now -= victim->bytes;
  free(victim);
}

void ssm::releaseCall(Call *call) {
  for (Block *b = call->live.next; b != &call->live;) {
    Block *next = b->next;
    free(b);
    b = next;
  }
  for (Block *spare : call->spare)
    free(spare);
}

void *ssmrt_arena(ssmrt *rt, int64_t bytes) { return ssmrt_alloc(rt, bytes); }

void *ssmrt_output(ssmrt *rt, ssm_value *output, int32_t dtype, int32_t rank, const int64_t *dims) {
  int64_t count = 1;
  for (int32_t i = 0; i < rank; ++i)
    count *= dims[i];
  int64_t bytes = count * dtypeBytes(dtype);
  if (output->kind == SSM_TENSOR && output->data) {
    bool fits = output->dtype == dtype && output->rank == rank;
    for (int32_t i = 0; fits && i < rank; ++i)
      fits = output->shape[i] >= dims[i];
    if (!fits) {
      setError("an output buffer given by the caller is too small or of another type");
      failCall(rt, 1);
    }
  } else {
    if (bytes < 0 || bytes > (int64_t(1) << 46) || !(output->data = aligned_alloc(64, (bytes + 64) / 64 * 64))) {
      setError("out of memory: an output needs %lld bytes", (long long)bytes);
      failCall(rt, 2);
    }
    output->owned = 1;
  }
  output->kind = SSM_TENSOR;
  output->dtype = dtype;
  output->rank = rank;
  memcpy(output->shape, dims, rank * sizeof(int64_t));
  return output->data;
}

namespace {
struct Rows {
  char *data;
  int64_t used, capacity;
};
} // namespace

void *ssmrt_rows_new(ssmrt *rt) {
  auto *rows = static_cast<Rows *>(ssmrt_alloc(rt, sizeof(Rows)));
  *rows = {nullptr, 0, 0};
  return rows;
}

void ssmrt_rows_push(ssmrt *rt, void *opaque, const void *data, int64_t bytes) {
  auto *rows = static_cast<Rows *>(opaque);
  if (rows->used + bytes > rows->capacity) {
    int64_t capacity = 2 * rows->capacity > rows->used + bytes ? 2 * rows->capacity : rows->used + bytes + 256;
    char *bigger = static_cast<char *>(ssmrt_alloc(rt, capacity));
    if (rows->data) {
      memcpy(bigger, rows->data, rows->used);
      ssmrt_free(rt, rows->data);
    }
    rows->data = bigger;
    rows->capacity = capacity;
  }
  memcpy(rows->data + rows->used, data, bytes);
  rows->used += bytes;
}

void ssmrt_rows_take(ssmrt *rt, void *opaque, void *to) {
  auto *rows = static_cast<Rows *>(opaque);
  if (rows->data) {
    memcpy(to, rows->data, rows->used);
    ssmrt_free(rt, rows->data);
  }
  ssmrt_free(rt, rows);
}
