// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_N
#define ONNX_GENERATED_N
include "dialects/Onnx/OnnxDialect.td"

def Onnx_NegOp : Onnx_Op<"Neg", [Pure]> {
  let summary = "ONNX Neg-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_NegativeLogLikelihoodLossOp : Onnx_Op<"NegativeLogLikelihoodLoss", [Pure]> {
  let summary = "ONNX NegativeLogLikelihoodLoss-22";
  let arguments = (ins AnyType:$input, AnyType:$target, AnyType:$weight, OptionalAttr<SI64Attr>:$ignore_index, DefaultValuedOptionalStrAttr<StrAttr, "mean">:$reduction);
  let results = (outs AnyType:$loss);
}

def Onnx_NonMaxSuppressionOp : Onnx_Op<"NonMaxSuppression", [Pure]> {
  let summary = "ONNX NonMaxSuppression-11";
  let arguments = (ins AnyType:$boxes, AnyType:$scores, AnyType:$max_output_boxes_per_class, AnyType:$iou_threshold, AnyType:$score_threshold, DefaultValuedOptionalAttr<SI64Attr, "0">:$center_point_box);
  let results = (outs AnyType:$selected_indices);
}

def Onnx_NonZeroOp : Onnx_Op<"NonZero", [Pure]> {
  let summary = "ONNX NonZero-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_NotOp : Onnx_Op<"Not", [Pure]> {
  let summary = "ONNX Not-1";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_OneHotOp : Onnx_Op<"OneHot", [Pure]> {
  let summary = "ONNX OneHot-28";
  let arguments = (ins AnyType:$indices, AnyType:$depth, AnyType:$values, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_OptionalOp : Onnx_Op<"Optional", [Pure]> {
  let summary = "ONNX Optional-28";
  let arguments = (ins AnyType:$input, OptionalAttr<TypeAttr>:$type);
  let results = (outs AnyType:$output);
}

def Onnx_OptionalGetElementOp : Onnx_Op<"OptionalGetElement", [Pure]> {
  let summary = "ONNX OptionalGetElement-28";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_OptionalHasElementOp : Onnx_Op<"OptionalHasElement", [Pure]> {
  let summary = "ONNX OptionalHasElement-28";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_OrOp : Onnx_Op<"Or", [Pure]> {
  let summary = "ONNX Or-7";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_PReluOp : Onnx_Op<"PRelu", [Pure]> {
  let summary = "ONNX PRelu-16";
  let arguments = (ins AnyType:$X, AnyType:$slope);
  let results = (outs AnyType:$Y);
}

def Onnx_PadOp : Onnx_Op<"Pad", [Pure]> {
  let summary = "ONNX Pad-25";
  let arguments = (ins AnyType:$data, AnyType:$pads, AnyType:$constant_value, AnyType:$axes, DefaultValuedOptionalStrAttr<StrAttr, "constant">:$mode);
  let results = (outs AnyType:$output);
}

def Onnx_PowOp : Onnx_Op<"Pow", [Pure]> {
  let summary = "ONNX Pow-15";
  let arguments = (ins AnyType:$X, AnyType:$Y);
  let results = (outs AnyType:$Z);
}

def Onnx_QLinearConvOp : Onnx_Op<"QLinearConv", [Pure]> {
  let summary = "ONNX QLinearConv-10";
  let arguments = (ins AnyType:$x, AnyType:$x_scale, AnyType:$x_zero_point, AnyType:$w, AnyType:$w_scale, AnyType:$w_zero_point, AnyType:$y_scale, AnyType:$y_zero_point, AnyType:$B, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, OptionalAttr<DenseI64ArrayAttr>:$dilations, DefaultValuedOptionalAttr<SI64Attr, "1">:$group, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$y);
}

def Onnx_QLinearMatMulOp : Onnx_Op<"QLinearMatMul", [Pure]> {
  let summary = "ONNX QLinearMatMul-21";
  let arguments = (ins AnyType:$a, AnyType:$a_scale, AnyType:$a_zero_point, AnyType:$b, AnyType:$b_scale, AnyType:$b_zero_point, AnyType:$y_scale, AnyType:$y_zero_point);
  let results = (outs AnyType:$y);
}

def Onnx_QuantizeLinearOp : Onnx_Op<"QuantizeLinear", [Pure]> {
  let summary = "ONNX QuantizeLinear-28";
  let arguments = (ins AnyType:$x, AnyType:$y_scale, AnyType:$y_zero_point, DefaultValuedOptionalAttr<SI64Attr, "1">:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$block_size, DefaultValuedOptionalAttr<SI64Attr, "0">:$output_dtype, DefaultValuedOptionalAttr<SI64Attr, "0">:$precision, DefaultValuedOptionalAttr<SI64Attr, "1">:$saturate);
  let results = (outs AnyType:$y);
}

def Onnx_RMSNormalizationOp : Onnx_Op<"RMSNormalization", [Pure]> {
  let summary = "ONNX RMSNormalization-23";
  let arguments = (ins AnyType:$X, AnyType:$scale, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-06f">:$epsilon, DefaultValuedOptionalAttr<SI64Attr, "1">:$stash_type);
  let results = (outs AnyType:$Y);
}

def Onnx_RNNOp : Onnx_Op<"RNN", [Pure]> {
  let summary = "ONNX RNN-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$R, AnyType:$B, AnyType:$sequence_lens, AnyType:$initial_h, OptionalAttr<DenseF32ArrayAttr>:$activation_alpha, OptionalAttr<DenseF32ArrayAttr>:$activation_beta, OptionalAttr<ArrayAttr>:$activations, OptionalAttr<F32Attr>:$clip, DefaultValuedOptionalStrAttr<StrAttr, "forward">:$direction, OptionalAttr<SI64Attr>:$hidden_size, DefaultValuedOptionalAttr<SI64Attr, "0">:$layout);
  let results = (outs AnyType:$Y, AnyType:$Y_h);
}

def Onnx_RandomNormalOp : Onnx_Op<"RandomNormal", []> {
  let summary = "ONNX RandomNormal-22";
  let arguments = (ins DefaultValuedOptionalAttr<SI64Attr, "1">:$dtype, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$mean, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$scale, OptionalAttr<F32Attr>:$seed, OptionalAttr<DenseI64ArrayAttr>:$shape);
  let results = (outs AnyType:$output);
}

def Onnx_RandomNormalLikeOp : Onnx_Op<"RandomNormalLike", []> {
  let summary = "ONNX RandomNormalLike-22";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$dtype, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$mean, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$scale, OptionalAttr<F32Attr>:$seed);
  let results = (outs AnyType:$output);
}

def Onnx_RandomUniformOp : Onnx_Op<"RandomUniform", []> {
  let summary = "ONNX RandomUniform-22";
  let arguments = (ins DefaultValuedOptionalAttr<SI64Attr, "1">:$dtype, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$high, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$low, OptionalAttr<F32Attr>:$seed, OptionalAttr<DenseI64ArrayAttr>:$shape);
  let results = (outs AnyType:$output);
}

def Onnx_RandomUniformLikeOp : Onnx_Op<"RandomUniformLike", []> {
  let summary = "ONNX RandomUniformLike-22";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$dtype, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$high, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$low, OptionalAttr<F32Attr>:$seed);
  let results = (outs AnyType:$output);
}

def Onnx_RangeOp : Onnx_Op<"Range", [Pure]> {
  let summary = "ONNX Range-27";
  let arguments = (ins AnyType:$start, AnyType:$limit, AnyType:$delta, DefaultValuedOptionalAttr<SI64Attr, "1">:$stash_type);
  let results = (outs AnyType:$output);
}
#endif
