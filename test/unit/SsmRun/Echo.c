/* A compiled model written by hand that gives its inputs back: a tensor "x<dtype>" of every element type, an optional
 * tensor and a sequence. */
#include "lib/Runtime/Runtime.h"
#include <string.h>

static const int64_t dims[] = {-1, 3};
static const char *const symbols[] = {"rows", ""};
#define TENSOR(n) {"x" #n, SSM_TENSOR, 0, n, 2, dims, symbols}
static const ssm_io_desc values[] = {
    TENSOR(1),  TENSOR(2),  TENSOR(3),  TENSOR(4),  TENSOR(5),  TENSOR(6),  TENSOR(7),  TENSOR(9),  TENSOR(10),
    TENSOR(11), TENSOR(12), TENSOR(13), TENSOR(14), TENSOR(15), TENSOR(16), TENSOR(17), TENSOR(18), TENSOR(19),
    TENSOR(20), TENSOR(21), TENSOR(22), TENSOR(23), TENSOR(24), TENSOR(25), TENSOR(26),
    {"sequence", SSM_SEQUENCE, 0, 1, 0, 0, 0}, {"maybe", SSM_TENSOR, 1, 1, 2, dims, symbols}};
enum { COUNT = sizeof values / sizeof *values };

const ssm_model_desc ssm_generated_model = {
    1, COUNT, COUNT, 1, values, values,
    "{\"compiler\":\"test\",\"model\":{},\"profile\":[\"the \\\"echo\\\" node\"],\"state\":[]}", 0, ""};

static int64_t width(int32_t dtype) {
  static const char bytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return bytes[dtype];
}

int32_t ssm_generated_main(ssmrt *rt, const ssm_value *in, ssm_value *out) {
  ssmrt_profile_begin(rt, 0);
  for (int i = 0; i < COUNT; ++i) {
    if (in[i].kind == SSM_TENSOR)
      memcpy(ssmrt_output(rt, &out[i], in[i].dtype, 2, in[i].shape), in[i].data,
             in[i].shape[0] * in[i].shape[1] * width(in[i].dtype));
    if (in[i].kind == SSM_SEQUENCE)
      ssmrt_output_value(rt, &out[i], &in[i]);
  }
  if (in[0].shape[0] == 13)
    ssmrt_fail(rt, 2, "node 'echo': thirteen rows");
  ssmrt_profile_end(rt, 0);
  return 0;
}
