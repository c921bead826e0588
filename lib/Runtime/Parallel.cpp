//===- Parallel.cpp - parallel loops and their failures --------------------===//
// A range of the loop belongs to each thread, so that the same thread meets the same rows in the next loop; who is done
// takes pieces of the others' ranges. A failure inside a body ends that body by longjmp on its own stack and the call
// after all threads are back.
//===----------------------------------------------------------------------===//
#include "lib/Runtime/State.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>

using namespace ssm;

constexpr int kMaxThreads = 256, kPieces = 4;

namespace {
struct alignas(64) Range {
  int64_t next, end, piece;
};

/// One run of ssmrt_parallel_for.
struct Region {
  void (*body)(void *, int64_t, int64_t);
  void *args;
  int32_t code; // of the first failure
  char message[512];
};

/// Where a failure on this thread goes while it runs a body.
struct Frame {
  jmp_buf failed;
  Region *region;
};
} // namespace

static thread_local Frame *currentFrame;

void ssm::failCall(ssmrt *rt, int32_t code) {
  Frame *frame = currentFrame;
  if (!frame) {
    callOf(rt)->code = code;
    longjmp(callOf(rt)->failed, 1);
  }
  int32_t none = 0;
  if (__atomic_compare_exchange_n(&frame->region->code, &none, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    snprintf(frame->region->message, sizeof frame->region->message, "%s", ssm_last_error());
    __atomic_store_n(&frame->region->code, code, __ATOMIC_RELEASE);
  }
  longjmp(frame->failed, 1);
}

/// Runs the body; ends early when it fails.
static void runGuarded(Region &region, int64_t begin, int64_t end) {
  Frame frame;
  frame.region = &region;
  if (_setjmp(frame.failed) == 0) {
    currentFrame = &frame;
    region.body(region.args, begin, end);
  }
  currentFrame = nullptr;
}

static void runGuardedOpaque(void *region, int64_t begin, int64_t end) {
  runGuarded(*static_cast<Region *>(region), begin, end);
}

static void runShare(Region &region, Range *ranges, int64_t count, int64_t self) {
  for (int64_t i = 0; i < count; ++i) {
    Range &range = ranges[(self + i) % count];
    while (__atomic_load_n(&range.next, __ATOMIC_RELAXED) < range.end &&
           !__atomic_load_n(&region.code, __ATOMIC_RELAXED)) {
      int64_t begin = __atomic_fetch_add(&range.next, range.piece, __ATOMIC_RELAXED);
      if (begin >= range.end)
        break;
      int64_t end = begin + range.piece < range.end ? begin + range.piece : range.end;
      runGuarded(region, begin, end);
    }
  }
}

void ssmrt_parallel_for(ssmrt *rt, int64_t count, void (*body)(void *args, int64_t begin, int64_t end), void *args) {
  if (count <= 0)
    return;
  ssm_model *model = rt->model;
  bool callback = model->parallel != nullptr;
  int64_t threads = model->threads > 0 ? model->threads : omp_get_max_threads();
  threads = threads < count ? threads : count;
  threads = threads < kMaxThreads ? threads : kMaxThreads;
  // A loop inside a loop, or inside a parallel region of the caller, runs on the thread it is on.
  if (currentFrame || count == 1 || (!callback && (threads <= 1 || omp_in_parallel())))
    return body(args, 0, count);
  Region region;
  region.body = body;
  region.args = args;
  region.code = 0;
  if (callback) {
    model->parallel(model->parallelContext, count, runGuardedOpaque, &region);
  } else {
    Range ranges[kMaxThreads];
    for (int64_t i = 0; i < threads; ++i) {
      int64_t begin = count * i / threads, end = count * (i + 1) / threads,
              piece = (end - begin + kPieces - 1) / kPieces;
      ranges[i] = {begin, end, piece};
    }
#pragma omp parallel num_threads(int(threads))
    runShare(region, ranges, threads, omp_get_thread_num());
  }
  if (region.code)
    failCall(rt, error(region.code, "%s", region.message));
}
