/* The C interface of a compiled model. Every library that ssmc writes exports exactly these functions.
 *
 *   ssm_model *m;  char *error;
 *   if (ssm_open(NULL, &m)) ...            NULL: the side file is found beside the library
 *   ssm_run(m, inputs, n, outputs, k)      any number of threads may call it on one model
 *   ssm_value_free(&outputs[i]); ssm_close(m);
 *
 * All functions that can fail give 0 for success, 1 for a mistake of the caller (wrong input), 2 for a failure of the
 * library; ssm_last_error() is then the message of the calling thread.
 */
#ifndef SSM_MLIR_C_MODEL_H
#define SSM_MLIR_C_MODEL_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SSM_EXPORT
#define SSM_EXPORT __attribute__((visibility("default")))
#endif

enum { SSM_MAX_RANK = 16 };

/* Element types have the numbers of ONNX TensorProto.DataType. */
typedef int32_t ssm_dtype;

enum ssm_kind { SSM_ABSENT = 0, SSM_TENSOR = 1, SSM_SEQUENCE = 2 };

/* A tensor, a sequence of values, or nothing (an absent optional).
 * Tensors are contiguous and row-major; bool takes a byte; 4- and 2-bit integers and 8- and 4-bit floats take a byte an element. */
typedef struct ssm_value {
  int32_t kind;                /* enum ssm_kind */
  ssm_dtype dtype;             /* of a tensor */
  int32_t rank;                /* of a tensor */
  int32_t owned;               /* data belongs to the value: ssm_value_free frees it */
  int64_t shape[SSM_MAX_RANK]; /* of a tensor; shape[0] is the length of a sequence */
  void *data;                  /* elements, or for a sequence an array of ssm_value */
} ssm_value;

/* What the model says of one input or output. */
typedef struct ssm_io_desc {
  const char *name;
  int32_t kind;                /* enum ssm_kind */
  int32_t optional;            /* an absent value is allowed */
  ssm_dtype dtype;
  int32_t rank;                /* -1: any, of an optional tensor */
  const int64_t *dims;         /* rank entries; -1 where the size is symbolic */
  const char *const *symbols;  /* rank entries; name of a symbolic size, "" when it has none; equal names must be equal sizes */
} ssm_io_desc;

typedef struct ssm_model ssm_model;

/* A replacement for the OpenMP loop: call body on ranges that cover [0, count) exactly once, return when all are done. */
typedef void (*ssm_parallel_for)(void *context, int64_t count, void (*body)(void *args, int64_t begin, int64_t end), void *args);

SSM_EXPORT int32_t ssm_abi_version(void);
SSM_EXPORT const char *ssm_last_error(void);
/* side_file: path of the constants, or NULL for NAME.safetensors beside this library. */
SSM_EXPORT int32_t ssm_open(const char *side_file, ssm_model **model);
SSM_EXPORT void ssm_close(ssm_model *model);
SSM_EXPORT int32_t ssm_num_inputs(const ssm_model *model);
SSM_EXPORT int32_t ssm_num_outputs(const ssm_model *model);
SSM_EXPORT const ssm_io_desc *ssm_input(const ssm_model *model, int32_t index);
SSM_EXPORT const ssm_io_desc *ssm_output(const ssm_model *model, int32_t index);
/* JSON: {"compiler":...,"model":{metadata},"profile":["node names by profile id"],"state":[...]} */
SSM_EXPORT const char *ssm_metadata(const ssm_model *model);
/* outputs: array of num_outputs values. One whose kind is SSM_TENSOR with data set and big enough shape is written in place;
 * others (kind 0) are allocated and must be freed with ssm_value_free. */
SSM_EXPORT int32_t ssm_run(ssm_model *model, const ssm_value *inputs, int32_t num_inputs, ssm_value *outputs, int32_t num_outputs);
SSM_EXPORT void ssm_value_free(ssm_value *value);
/* 0 threads: all. Applies to the calling model. */
SSM_EXPORT void ssm_set_threads(ssm_model *model, int32_t threads);
SSM_EXPORT void ssm_set_parallel_for(ssm_model *model, ssm_parallel_for callback, void *context);
/* Per-node times of the runs since the last call with on = 1: seconds[i] and calls[i] of profile id i; gives the number of ids. */
SSM_EXPORT void ssm_profile(ssm_model *model, int32_t on);
SSM_EXPORT int32_t ssm_profile_read(const ssm_model *model, double *seconds, int64_t *calls, int32_t capacity);
/* Bytes of the largest arena any call has used. */
SSM_EXPORT int64_t ssm_peak_bytes(const ssm_model *model);

#ifdef __cplusplus
}
#endif
#endif
