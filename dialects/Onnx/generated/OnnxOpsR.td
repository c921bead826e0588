// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_R
#define ONNX_GENERATED_R
include "dialects/Onnx/OnnxDialect.td"

def Onnx_ReciprocalOp : Onnx_Op<"Reciprocal", [Pure]> {
  let summary = "ONNX Reciprocal-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_ReduceL1Op : Onnx_Op<"ReduceL1", [Pure]> {
  let summary = "ONNX ReduceL1-18";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceL2Op : Onnx_Op<"ReduceL2", [Pure]> {
  let summary = "ONNX ReduceL2-18";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceLogSumOp : Onnx_Op<"ReduceLogSum", [Pure]> {
  let summary = "ONNX ReduceLogSum-28";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceLogSumExpOp : Onnx_Op<"ReduceLogSumExp", [Pure]> {
  let summary = "ONNX ReduceLogSumExp-28";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceMaxOp : Onnx_Op<"ReduceMax", [Pure]> {
  let summary = "ONNX ReduceMax-20";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceMeanOp : Onnx_Op<"ReduceMean", [Pure]> {
  let summary = "ONNX ReduceMean-18";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceMinOp : Onnx_Op<"ReduceMin", [Pure]> {
  let summary = "ONNX ReduceMin-20";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceProdOp : Onnx_Op<"ReduceProd", [Pure]> {
  let summary = "ONNX ReduceProd-18";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceSumOp : Onnx_Op<"ReduceSum", [Pure]> {
  let summary = "ONNX ReduceSum-13";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_ReduceSumSquareOp : Onnx_Op<"ReduceSumSquare", [Pure]> {
  let summary = "ONNX ReduceSumSquare-18";
  let arguments = (ins AnyType:$data, AnyType:$axes, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$noop_with_empty_axes);
  let results = (outs AnyType:$reduced);
}

def Onnx_RegexFullMatchOp : Onnx_Op<"RegexFullMatch", [Pure]> {
  let summary = "ONNX RegexFullMatch-20";
  let arguments = (ins AnyType:$X, OptionalAttr<StrAttr>:$pattern);
  let results = (outs AnyType:$Y);
}

def Onnx_ReluOp : Onnx_Op<"Relu", [Pure]> {
  let summary = "ONNX Relu-14";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_ReshapeOp : Onnx_Op<"Reshape", [Pure]> {
  let summary = "ONNX Reshape-25";
  let arguments = (ins AnyType:$data, AnyType:$shape, DefaultValuedOptionalAttr<SI64Attr, "0">:$allowzero);
  let results = (outs AnyType:$reshaped);
}

def Onnx_ResizeOp : Onnx_Op<"Resize", [Pure]> {
  let summary = "ONNX Resize-19";
  let arguments = (ins AnyType:$X, AnyType:$roi, AnyType:$scales, AnyType:$sizes, DefaultValuedOptionalAttr<SI64Attr, "0">:$antialias, OptionalAttr<DenseI64ArrayAttr>:$axes, DefaultValuedOptionalStrAttr<StrAttr, "half_pixel">:$coordinate_transformation_mode, DefaultValuedOptionalAttr<F32Attr, "-0.75f">:$cubic_coeff_a, DefaultValuedOptionalAttr<SI64Attr, "0">:$exclude_outside, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$extrapolation_value, DefaultValuedOptionalStrAttr<StrAttr, "stretch">:$keep_aspect_ratio_policy, DefaultValuedOptionalStrAttr<StrAttr, "nearest">:$mode, DefaultValuedOptionalStrAttr<StrAttr, "round_prefer_floor">:$nearest_mode);
  let results = (outs AnyType:$Y);
}

def Onnx_ReverseSequenceOp : Onnx_Op<"ReverseSequence", [Pure]> {
  let summary = "ONNX ReverseSequence-28";
  let arguments = (ins AnyType:$input, AnyType:$sequence_lens, DefaultValuedOptionalAttr<SI64Attr, "1">:$batch_axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$time_axis);
  let results = (outs AnyType:$Y);
}

def Onnx_RoiAlignOp : Onnx_Op<"RoiAlign", [Pure]> {
  let summary = "ONNX RoiAlign-22";
  let arguments = (ins AnyType:$X, AnyType:$rois, AnyType:$batch_indices, DefaultValuedOptionalStrAttr<StrAttr, "half_pixel">:$coordinate_transformation_mode, DefaultValuedOptionalStrAttr<StrAttr, "avg">:$mode, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_height, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_width, DefaultValuedOptionalAttr<SI64Attr, "0">:$sampling_ratio, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$spatial_scale);
  let results = (outs AnyType:$Y);
}

def Onnx_RotaryEmbeddingOp : Onnx_Op<"RotaryEmbedding", [Pure]> {
  let summary = "ONNX RotaryEmbedding-23";
  let arguments = (ins AnyType:$X, AnyType:$cos_cache, AnyType:$sin_cache, AnyType:$position_ids, DefaultValuedOptionalAttr<SI64Attr, "0">:$interleaved, OptionalAttr<SI64Attr>:$num_heads, DefaultValuedOptionalAttr<SI64Attr, "0">:$rotary_embedding_dim);
  let results = (outs AnyType:$Y);
}

def Onnx_RoundOp : Onnx_Op<"Round", [Pure]> {
  let summary = "ONNX Round-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}
#endif
