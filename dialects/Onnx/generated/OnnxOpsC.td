// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_C
#define ONNX_GENERATED_C
include "dialects/Onnx/OnnxDialect.td"

def Onnx_CastOp : Onnx_Op<"Cast", [Pure]> {
  let summary = "ONNX Cast-28";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalStrAttr<StrAttr, "up">:$round_mode, DefaultValuedOptionalAttr<SI64Attr, "1">:$saturate, OptionalAttr<SI64Attr>:$to);
  let results = (outs AnyType:$output);
}

def Onnx_CastLikeOp : Onnx_Op<"CastLike", [Pure]> {
  let summary = "ONNX CastLike-25";
  let arguments = (ins AnyType:$input, AnyType:$target_type, DefaultValuedOptionalStrAttr<StrAttr, "up">:$round_mode, DefaultValuedOptionalAttr<SI64Attr, "1">:$saturate);
  let results = (outs AnyType:$output);
}

def Onnx_CausalConvWithStateOp : Onnx_Op<"CausalConvWithState", [Pure]> {
  let summary = "ONNX CausalConvWithState-27";
  let arguments = (ins AnyType:$input, AnyType:$weight, AnyType:$bias, AnyType:$past_state, DefaultValuedOptionalStrAttr<StrAttr, "none">:$activation);
  let results = (outs AnyType:$output, AnyType:$present_state);
}

def Onnx_CeilOp : Onnx_Op<"Ceil", [Pure]> {
  let summary = "ONNX Ceil-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_CeluOp : Onnx_Op<"Celu", [Pure]> {
  let summary = "ONNX Celu-28";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_CenterCropPadOp : Onnx_Op<"CenterCropPad", [Pure]> {
  let summary = "ONNX CenterCropPad-18";
  let arguments = (ins AnyType:$input_data, AnyType:$shape, OptionalAttr<DenseI64ArrayAttr>:$axes);
  let results = (outs AnyType:$output_data);
}

def Onnx_ClipOp : Onnx_Op<"Clip", [Pure]> {
  let summary = "ONNX Clip-13";
  let arguments = (ins AnyType:$input, AnyType:$min, AnyType:$max);
  let results = (outs AnyType:$output);
}

def Onnx_Col2ImOp : Onnx_Op<"Col2Im", [Pure]> {
  let summary = "ONNX Col2Im-18";
  let arguments = (ins AnyType:$input, AnyType:$image_shape, AnyType:$block_shape, OptionalAttr<DenseI64ArrayAttr>:$dilations, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$output);
}

def Onnx_CompressOp : Onnx_Op<"Compress", [Pure]> {
  let summary = "ONNX Compress-28";
  let arguments = (ins AnyType:$input, AnyType:$condition, OptionalAttr<SI64Attr>:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_ConcatOp : Onnx_Op<"Concat", [Pure]> {
  let summary = "ONNX Concat-13";
  let arguments = (ins Variadic<AnyType>:$inputs, OptionalAttr<SI64Attr>:$axis);
  let results = (outs AnyType:$concat_result);
}

def Onnx_ConcatFromSequenceOp : Onnx_Op<"ConcatFromSequence", [Pure]> {
  let summary = "ONNX ConcatFromSequence-11";
  let arguments = (ins AnyType:$input_sequence, OptionalAttr<SI64Attr>:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$new_axis);
  let results = (outs AnyType:$concat_result);
}

def Onnx_ConstantOfShapeOp : Onnx_Op<"ConstantOfShape", [Pure]> {
  let summary = "ONNX ConstantOfShape-25";
  let arguments = (ins AnyType:$input, OptionalAttr<ElementsAttr>:$value);
  let results = (outs AnyType:$output);
}

def Onnx_ConvOp : Onnx_Op<"Conv", [Pure]> {
  let summary = "ONNX Conv-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$B, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, OptionalAttr<DenseI64ArrayAttr>:$dilations, DefaultValuedOptionalAttr<SI64Attr, "1">:$group, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y);
}

def Onnx_ConvIntegerOp : Onnx_Op<"ConvInteger", [Pure]> {
  let summary = "ONNX ConvInteger-10";
  let arguments = (ins AnyType:$x, AnyType:$w, AnyType:$x_zero_point, AnyType:$w_zero_point, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, OptionalAttr<DenseI64ArrayAttr>:$dilations, DefaultValuedOptionalAttr<SI64Attr, "1">:$group, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$y);
}

def Onnx_ConvTransposeOp : Onnx_Op<"ConvTranspose", [Pure]> {
  let summary = "ONNX ConvTranspose-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$B, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, OptionalAttr<DenseI64ArrayAttr>:$dilations, DefaultValuedOptionalAttr<SI64Attr, "1">:$group, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$output_padding, OptionalAttr<DenseI64ArrayAttr>:$output_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y);
}

def Onnx_CosOp : Onnx_Op<"Cos", [Pure]> {
  let summary = "ONNX Cos-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_CoshOp : Onnx_Op<"Cosh", [Pure]> {
  let summary = "ONNX Cosh-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_CumProdOp : Onnx_Op<"CumProd", [Pure]> {
  let summary = "ONNX CumProd-26";
  let arguments = (ins AnyType:$x, AnyType:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$exclusive, DefaultValuedOptionalAttr<SI64Attr, "0">:$reverse);
  let results = (outs AnyType:$y);
}

def Onnx_CumSumOp : Onnx_Op<"CumSum", [Pure]> {
  let summary = "ONNX CumSum-14";
  let arguments = (ins AnyType:$x, AnyType:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$exclusive, DefaultValuedOptionalAttr<SI64Attr, "0">:$reverse);
  let results = (outs AnyType:$y);
}

def Onnx_DFTOp : Onnx_Op<"DFT", [Pure]> {
  let summary = "ONNX DFT-20";
  let arguments = (ins AnyType:$input, AnyType:$dft_length, AnyType:$axis, DefaultValuedOptionalAttr<SI64Attr, "0">:$inverse, DefaultValuedOptionalAttr<SI64Attr, "0">:$onesided);
  let results = (outs AnyType:$output);
}
#endif
