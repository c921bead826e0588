/* A compiled model written by hand: what ssmc would emit for
 *   x: float32 [length, 3], mask: int64 [length], ids: optional sequence of float32 -> y = x * constants, and copies of ids.
 * mask[0] asks for behaviour that a test wants to see. */
#include "lib/Runtime/Runtime.h"
#include <stdlib.h>
#include <string.h>

static const int64_t x_dims[] = {-1, 3}, mask_dims[] = {-1}, y_dims[] = {-1, 3};
static const char *const x_symbols[] = {"length", ""}, *const mask_symbols[] = {"length"};
static const ssm_io_desc inputs[] = {{"x", SSM_TENSOR, 0, 1, 2, x_dims, x_symbols},
                                     {"mask", SSM_TENSOR, 0, 7, 1, mask_dims, mask_symbols},
                                     {"ids", SSM_SEQUENCE, 1, 1, 0, 0, 0}};
static const ssm_io_desc outputs[] = {{"y", SSM_TENSOR, 0, 1, 2, y_dims, x_symbols}, {"parts", SSM_SEQUENCE, 1, 1, 0, 0, 0}};

const ssm_model_desc ssm_generated_model = {
    1, 3, 2, 2, inputs, outputs, "{\"compiler\":\"test\",\"model\":{},\"profile\":[\"mul\",\"copy\"],\"state\":[]}", 64, "00c0ffee"};

enum { PLAIN, FAIL_AFTER_OUTPUT, FAIL_IN_BODY, HUGE_BUFFER, GROW_SEQUENCE, ROWS };

struct work {
  ssmrt *rt;
  const float *x, *factors;
  float *y;
  int64_t mode;
};

static void multiply(void *args, int64_t begin, int64_t end) {
  struct work *w = args;
  char *scratch = ssmrt_alloc(w->rt, 4096);
  scratch[0] = 1;
  if (w->mode == FAIL_IN_BODY)
    ssmrt_fail_sizes(w->rt, "node 'mul': index out of range", begin, end);
  for (int64_t i = begin; i < end; ++i)
    for (int k = 0; k < 3; ++k)
      w->y[3 * i + k] = w->x[3 * i + k] * w->factors[k];
  ssmrt_free(w->rt, scratch);
}

int32_t ssm_generated_main(ssmrt *rt, const ssm_value *in, ssm_value *out) {
  int64_t length = in[0].shape[0], dims[] = {length, 3}, mode = length ? ((const int64_t *)in[1].data)[0] : PLAIN;
  float *arena = ssmrt_arena(rt, length * 12);
  if ((uintptr_t)arena % 64)
    ssmrt_fail(rt, 2, "the arena is not aligned");
  struct work w = {rt, in[0].data, (const float *)rt->side, arena, mode};
  ssmrt_profile_begin(rt, 0);
  ssmrt_parallel_for(rt, length, multiply, &w);
  ssmrt_profile_end(rt, 0);
  memcpy(ssmrt_output(rt, &out[0], 1, 2, dims), arena, length * 12);
  if (mode == FAIL_AFTER_OUTPUT)
    ssmrt_fail(rt, 1, "node 'later': failed");
  if (mode == HUGE_BUFFER)
    ssmrt_alloc(rt, INT64_MAX);
  if (mode == ROWS) {
    void *rows = ssmrt_rows_new(rt);
    for (int64_t i = length; i-- > 0;)
      ssmrt_rows_push(rt, rows, arena + 3 * i, 12);
    if (ssmrt_rows_count(rows) != length)
      ssmrt_fail(rt, 2, "rows are missing");
    ssmrt_rows_take(rt, rows, out[0].data, 0);
  }
  ssm_value *s = in[2].kind ? ssmrt_sequence_copy(rt, &in[2]) : ssmrt_sequence_new(rt);
  if (mode == GROW_SEQUENCE)
    for (int64_t i = 0; i < 5000; ++i) { /* as a Loop does: every iteration has its own copy */
      float value = (float)i;
      s = ssmrt_sequence_copy(rt, s);
      ssmrt_sequence_insert(rt, s, INT64_MAX, 1, 0, 0, &value);
    }
  if (ssmrt_sequence_length(s) > 2) {
    ssm_value *other = ssmrt_sequence_copy(rt, s);
    ssmrt_sequence_erase(rt, other, 0);
    ssmrt_sequence_erase(rt, other, -1);
    ssmrt_sequence_insert(rt, other, 1, 1, 1, dims + 1, rt->side);
    ssmrt_output_value(rt, &out[1], mode == GROW_SEQUENCE ? s : other);
    return 0;
  }
  ssm_value *parts = ssmrt_sequence_split(rt, 1, 2, dims, out[0].data, -1, -1, 0, 0);
  const ssm_value *joined = ssmrt_sequence_concat(rt, parts, 1, 1);
  if (length && memcmp(joined->data, out[0].data, length * 12))
    ssmrt_fail(rt, 2, "split and stack are not inverse");
  int64_t sizes[] = {1, 2};
  joined = ssmrt_sequence_concat(rt, ssmrt_sequence_split(rt, 1, 2, dims, out[0].data, 1, 2, sizes, 1), -1, 0);
  if (length && memcmp(joined->data, out[0].data, length * 12))
    ssmrt_fail(rt, 2, "split and concat are not inverse");
  ssmrt_output_value(rt, &out[1], parts);
  return 0;
}
