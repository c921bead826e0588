/* What generated code and the runtime that is linked into every compiled library know of each other.
 * Generated code is LLVM IR made by the compiler: a change here is a change of passes/group/LowerGraph and lib/Target. */
#ifndef SSM_MLIR_RUNTIME_RUNTIME_H
#define SSM_MLIR_RUNTIME_RUNTIME_H
#include "ssm-mlir-c/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Made by the compiler. Constants are one region each: small ones embedded in the library, large ones in the side file. */
typedef struct ssm_model_desc {
  int32_t abi;                   /* 1 */
  int32_t num_inputs, num_outputs, num_profile;
  const ssm_io_desc *inputs, *outputs;
  const char *metadata;          /* JSON */
  int64_t side_bytes;            /* size of the constant region in the side file, 0: there is no side file */
  const char *side_hash;         /* hex digest in the side file's metadata; a different one is refused */
} ssm_model_desc;
extern const ssm_model_desc ssm_generated_model;

/* State of one call. Generated code reads the first fields by offset; the rest is the runtime's own. */
typedef struct ssmrt {
  const char *side;              /* mapped constants of the side file */
  /* private: */
  struct ssm_model *model;
} ssmrt;

extern int32_t ssm_generated_main(ssmrt *rt, const ssm_value *inputs, ssm_value *outputs);

/* The arena of this call, 64-byte aligned, at least `bytes` long; asked for once, at the start, and kept for later calls. */
void *ssmrt_arena(ssmrt *rt, int64_t bytes);
/* The product of two sizes; -1 when one is negative or the product is too large. */
int64_t ssmrt_times(int64_t a, int64_t b);
/* The hash of a seed that no other call of this function gets, in this process and most likely in any other. */
int64_t ssmrt_seed(ssmrt *rt);
/* A buffer whose life the generated code ends itself; NULL is never given (a failure ends the call by longjmp). */
void *ssmrt_alloc(ssmrt *rt, int64_t bytes);
void ssmrt_free(ssmrt *rt, void *buffer);
/* The place where output `index` is to be written: the caller's buffer when it gave one, else fresh memory. */
void *ssmrt_output(ssmrt *rt, ssm_value *output, int32_t dtype, int32_t rank, const int64_t *dims);
/* Ends the call with an error (longjmp to ssm_run): code 1 the caller's mistake, 2 ours. */
void ssmrt_fail(ssmrt *rt, int32_t code, const char *message);
/* An index or a size that the graph computed is impossible: message names the node, a and b are shown. */
void ssmrt_fail_sizes(ssmrt *rt, const char *message, int64_t a, int64_t b);
void ssmrt_parallel_for(ssmrt *rt, int64_t count, void (*body)(void *args, int64_t begin, int64_t end), void *args);
void ssmrt_profile_begin(ssmrt *rt, int32_t id);
void ssmrt_profile_end(ssmrt *rt, int32_t id);

/* Sequences are immutable to generated code once filled, and live as long as the call. Elements are copied in;
 * position INT64_MAX appends, negative ones count from the end. */
ssm_value *ssmrt_sequence_new(ssmrt *rt);
ssm_value *ssmrt_sequence_copy(ssmrt *rt, const ssm_value *sequence);
void ssmrt_sequence_insert(ssmrt *rt, ssm_value *sequence, int64_t position, int32_t dtype, int32_t rank, const int64_t *dims, const void *data);
void ssmrt_sequence_erase(ssmrt *rt, ssm_value *sequence, int64_t position);
const ssm_value *ssmrt_sequence_at(ssmrt *rt, const ssm_value *sequence, int64_t position);
/* All elements joined along axis, or stacked on a new one. The result lives as long as the call. */
const ssm_value *ssmrt_sequence_concat(ssmrt *rt, const ssm_value *sequence, int64_t axis, int64_t new_axis);
/* Parts of a tensor along axis: num_parts sizes; num_parts 0: sizes[0] is the size of each part; -1: parts of one, without
 * the axis when keepdims is 0. */
ssm_value *ssmrt_sequence_split(ssmrt *rt, int32_t dtype, int32_t rank, const int64_t *dims, const void *data, int64_t axis,
                                int64_t num_parts, const int64_t *sizes, int64_t keepdims);
int64_t ssmrt_sequence_length(const ssm_value *sequence);
/* Ends the call unless the value is a tensor of this type, rank and, where dims has no -1, these sizes. */
void ssmrt_expect_tensor(ssmrt *rt, const ssm_value *value, int32_t dtype, int32_t rank, const int64_t *dims);
/* Gives an output a deep copy of a sequence or of an optional. */
void ssmrt_output_value(ssmrt *rt, ssm_value *output, const ssm_value *value);

/* Copies `rows` pieces of `bytes` each, from_step and to_step bytes apart. */
void ssmrt_copy_rows(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t bytes, int64_t rows);

/* Rows that a Loop collects for a scan output. */
void *ssmrt_rows_new(ssmrt *rt);
void ssmrt_rows_push(ssmrt *rt, void *rows, const void *data, int64_t bytes);
/* How often ssmrt_rows_push was called. */
int64_t ssmrt_rows_count(const void *rows);
/* Copies all rows to `to`, the last one first when reverse is not 0, and frees them. */
void ssmrt_rows_take(ssmrt *rt, void *rows, void *to, int64_t reverse);

#ifdef __cplusplus
}
#endif
#endif
