// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_D
#define ONNX_GENERATED_D
include "dialects/Onnx/OnnxDialect.td"

def Onnx_DeformConvOp : Onnx_Op<"DeformConv", [Pure]> {
  let summary = "ONNX DeformConv-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$offset, AnyType:$B, AnyType:$mask, OptionalAttr<DenseI64ArrayAttr>:$dilations, DefaultValuedOptionalAttr<SI64Attr, "1">:$group, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, DefaultValuedOptionalAttr<SI64Attr, "1">:$offset_group, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y);
}

def Onnx_DepthToSpaceOp : Onnx_Op<"DepthToSpace", [Pure]> {
  let summary = "ONNX DepthToSpace-28";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$blocksize, DefaultValuedOptionalStrAttr<StrAttr, "DCR">:$mode);
  let results = (outs AnyType:$output);
}

def Onnx_DequantizeLinearOp : Onnx_Op<"DequantizeLinear", [Pure]> {
  let summary = "ONNX DequantizeLinear-28";
  let arguments = (ins AnyType:$x, AnyType:$x_scale, AnyType:$x_zero_point, DefaultValuedOptionalAttr<SI64Attr, "1">:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$block_size, DefaultValuedOptionalAttr<SI64Attr, "0">:$output_dtype);
  let results = (outs AnyType:$y);
}

def Onnx_DetOp : Onnx_Op<"Det", [Pure]> {
  let summary = "ONNX Det-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_DivOp : Onnx_Op<"Div", [Pure]> {
  let summary = "ONNX Div-14";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_DropoutOp : Onnx_Op<"Dropout", [Pure]> {
  let summary = "ONNX Dropout-22";
  let arguments = (ins AnyType:$data, AnyType:$ratio, AnyType:$training_mode, OptionalAttr<SI64Attr>:$seed);
  let results = (outs AnyType:$output, AnyType:$mask);
}

def Onnx_DynamicQuantizeLinearOp : Onnx_Op<"DynamicQuantizeLinear", [Pure]> {
  let summary = "ONNX DynamicQuantizeLinear-11";
  let arguments = (ins AnyType:$x);
  let results = (outs AnyType:$y, AnyType:$y_scale, AnyType:$y_zero_point);
}

def Onnx_EinsumOp : Onnx_Op<"Einsum", [Pure]> {
  let summary = "ONNX Einsum-28";
  let arguments = (ins Variadic<AnyType>:$Inputs, OptionalAttr<StrAttr>:$equation);
  let results = (outs AnyType:$Output);
}

def Onnx_EluOp : Onnx_Op<"Elu", [Pure]> {
  let summary = "ONNX Elu-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_EqualOp : Onnx_Op<"Equal", [Pure]> {
  let summary = "ONNX Equal-19";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_ErfOp : Onnx_Op<"Erf", [Pure]> {
  let summary = "ONNX Erf-13";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_ExpOp : Onnx_Op<"Exp", [Pure]> {
  let summary = "ONNX Exp-13";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_ExpandOp : Onnx_Op<"Expand", [Pure]> {
  let summary = "ONNX Expand-13";
  let arguments = (ins AnyType:$input, AnyType:$shape);
  let results = (outs AnyType:$output);
}

def Onnx_EyeLikeOp : Onnx_Op<"EyeLike", [Pure]> {
  let summary = "ONNX EyeLike-22";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$dtype, DefaultValuedOptionalAttr<SI64Attr, "0">:$k);
  let results = (outs AnyType:$output);
}

def Onnx_FlattenOp : Onnx_Op<"Flatten", [Pure]> {
  let summary = "ONNX Flatten-25";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "1">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_FloorOp : Onnx_Op<"Floor", [Pure]> {
  let summary = "ONNX Floor-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_GRUOp : Onnx_Op<"GRU", [Pure]> {
  let summary = "ONNX GRU-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$R, AnyType:$B, AnyType:$sequence_lens, AnyType:$initial_h, OptionalAttr<DenseF32ArrayAttr>:$activation_alpha, OptionalAttr<DenseF32ArrayAttr>:$activation_beta, OptionalAttr<ArrayAttr>:$activations, OptionalAttr<F32Attr>:$clip, DefaultValuedOptionalStrAttr<StrAttr, "forward">:$direction, OptionalAttr<SI64Attr>:$hidden_size, DefaultValuedOptionalAttr<SI64Attr, "0">:$layout, DefaultValuedOptionalAttr<SI64Attr, "0">:$linear_before_reset);
  let results = (outs AnyType:$Y, AnyType:$Y_h);
}

def Onnx_GatherOp : Onnx_Op<"Gather", [Pure]> {
  let summary = "ONNX Gather-13";
  let arguments = (ins AnyType:$data, AnyType:$indices, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_GatherElementsOp : Onnx_Op<"GatherElements", [Pure]> {
  let summary = "ONNX GatherElements-13";
  let arguments = (ins AnyType:$data, AnyType:$indices, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_GatherNDOp : Onnx_Op<"GatherND", [Pure]> {
  let summary = "ONNX GatherND-13";
  let arguments = (ins AnyType:$data, AnyType:$indices, DefaultValuedOptionalAttr<SI64Attr, "0">:$batch_dims);
  let results = (outs AnyType:$output);
}

def Onnx_GeluOp : Onnx_Op<"Gelu", [Pure]> {
  let summary = "ONNX Gelu-20";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalStrAttr<StrAttr, "none">:$approximate);
  let results = (outs AnyType:$Y);
}

def Onnx_GemmOp : Onnx_Op<"Gemm", [Pure]> {
  let summary = "ONNX Gemm-13";
  let arguments = (ins AnyType:$A, AnyType:$B, AnyType:$C, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$beta, DefaultValuedOptionalAttr<SI64Attr, "0">:$transA, DefaultValuedOptionalAttr<SI64Attr, "0">:$transB);
  let results = (outs AnyType:$Y);
}

def Onnx_GlobalAveragePoolOp : Onnx_Op<"GlobalAveragePool", [Pure]> {
  let summary = "ONNX GlobalAveragePool-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_GlobalLpPoolOp : Onnx_Op<"GlobalLpPool", [Pure]> {
  let summary = "ONNX GlobalLpPool-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<SI64Attr, "2">:$p);
  let results = (outs AnyType:$Y);
}

def Onnx_GlobalMaxPoolOp : Onnx_Op<"GlobalMaxPool", [Pure]> {
  let summary = "ONNX GlobalMaxPool-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_GreaterOp : Onnx_Op<"Greater", [Pure]> {
  let summary = "ONNX Greater-13";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_GreaterOrEqualOp : Onnx_Op<"GreaterOrEqual", [Pure]> {
  let summary = "ONNX GreaterOrEqual-16";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_GridSampleOp : Onnx_Op<"GridSample", [Pure]> {
  let summary = "ONNX GridSample-22";
  let arguments = (ins AnyType:$X, AnyType:$grid, DefaultValuedOptionalAttr<SI64Attr, "0">:$align_corners, DefaultValuedOptionalStrAttr<StrAttr, "linear">:$mode, DefaultValuedOptionalStrAttr<StrAttr, "zeros">:$padding_mode);
  let results = (outs AnyType:$Y);
}

def Onnx_GroupNormalizationOp : Onnx_Op<"GroupNormalization", [Pure]> {
  let summary = "ONNX GroupNormalization-21";
  let arguments = (ins AnyType:$X, AnyType:$scale, AnyType:$bias, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-06f">:$epsilon, OptionalAttr<SI64Attr>:$num_groups, DefaultValuedOptionalAttr<SI64Attr, "1">:$stash_type);
  let results = (outs AnyType:$Y);
}
#endif
