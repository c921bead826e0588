// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_A
#define ONNX_GENERATED_A
include "dialects/Onnx/OnnxDialect.td"

def Onnx_AbsOp : Onnx_Op<"Abs", [Pure]> {
  let summary = "ONNX Abs-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_AcosOp : Onnx_Op<"Acos", [Pure]> {
  let summary = "ONNX Acos-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AcoshOp : Onnx_Op<"Acosh", [Pure]> {
  let summary = "ONNX Acosh-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AddOp : Onnx_Op<"Add", [Pure]> {
  let summary = "ONNX Add-14";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_AffineGridOp : Onnx_Op<"AffineGrid", [Pure]> {
  let summary = "ONNX AffineGrid-20";
  let arguments = (ins AnyType:$theta, AnyType:$size, DefaultValuedOptionalAttr<SI64Attr, "0">:$align_corners);
  let results = (outs AnyType:$grid);
}

def Onnx_AndOp : Onnx_Op<"And", [Pure]> {
  let summary = "ONNX And-7";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_ArgMaxOp : Onnx_Op<"ArgMax", [Pure]> {
  let summary = "ONNX ArgMax-13";
  let arguments = (ins AnyType:$data, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$select_last_index);
  let results = (outs AnyType:$reduced);
}

def Onnx_ArgMinOp : Onnx_Op<"ArgMin", [Pure]> {
  let summary = "ONNX ArgMin-13";
  let arguments = (ins AnyType:$data, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims, DefaultValuedOptionalAttr<SI64Attr, "0">:$select_last_index);
  let results = (outs AnyType:$reduced);
}

def Onnx_AsinOp : Onnx_Op<"Asin", [Pure]> {
  let summary = "ONNX Asin-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AsinhOp : Onnx_Op<"Asinh", [Pure]> {
  let summary = "ONNX Asinh-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AtanOp : Onnx_Op<"Atan", [Pure]> {
  let summary = "ONNX Atan-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AtanhOp : Onnx_Op<"Atanh", [Pure]> {
  let summary = "ONNX Atanh-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_AttentionOp : Onnx_Op<"Attention", [Pure]> {
  let summary = "ONNX Attention-25";
  let arguments = (ins AnyType:$Q, AnyType:$K, AnyType:$V, AnyType:$attn_mask, AnyType:$past_key, AnyType:$past_value, AnyType:$nonpad_kv_seqlen, DefaultValuedOptionalAttr<SI64Attr, "0">:$is_causal, OptionalAttr<SI64Attr>:$kv_num_heads, DefaultValuedOptionalAttr<SI64Attr, "-1">:$left_window_size, OptionalAttr<SI64Attr>:$q_num_heads, DefaultValuedOptionalAttr<SI64Attr, "0">:$qk_matmul_output_mode, DefaultValuedOptionalAttr<SI64Attr, "-1">:$right_window_size, OptionalAttr<F32Attr>:$scale, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$softcap, OptionalAttr<SI64Attr>:$softmax_precision);
  let results = (outs AnyType:$Y, AnyType:$present_key, AnyType:$present_value, AnyType:$qk_matmul_output);
}

def Onnx_AveragePoolOp : Onnx_Op<"AveragePool", [Pure]> {
  let summary = "ONNX AveragePool-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, DefaultValuedOptionalAttr<SI64Attr, "0">:$ceil_mode, DefaultValuedOptionalAttr<SI64Attr, "0">:$count_include_pad, OptionalAttr<DenseI64ArrayAttr>:$dilations, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y);
}

def Onnx_BatchNormalizationOp : Onnx_Op<"BatchNormalization", [Pure]> {
  let summary = "ONNX BatchNormalization-15";
  let arguments = (ins AnyType:$X, AnyType:$scale, AnyType:$B, AnyType:$input_mean, AnyType:$input_var, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-06f">:$epsilon, DefaultValuedOptionalAttr<F32Attr, "0.8999999761581421f">:$momentum, DefaultValuedOptionalAttr<SI64Attr, "0">:$training_mode);
  let results = (outs AnyType:$Y, AnyType:$running_mean, AnyType:$running_var);
}

def Onnx_BernoulliOp : Onnx_Op<"Bernoulli", []> {
  let summary = "ONNX Bernoulli-22";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$dtype, OptionalAttr<F32Attr>:$seed);
  let results = (outs AnyType:$output);
}

def Onnx_BitCastOp : Onnx_Op<"BitCast", [Pure]> {
  let summary = "ONNX BitCast-26";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$to);
  let results = (outs AnyType:$output);
}

def Onnx_BitShiftOp : Onnx_Op<"BitShift", [Pure]> {
  let summary = "ONNX BitShift-28";
  let arguments = (ins AnyType:$X, AnyType:$Y, OptionalAttr<StrAttr>:$direction);
  let results = (outs AnyType:$Z);
}

def Onnx_BitwiseAndOp : Onnx_Op<"BitwiseAnd", [Pure]> {
  let summary = "ONNX BitwiseAnd-18";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_BitwiseNotOp : Onnx_Op<"BitwiseNot", [Pure]> {
  let summary = "ONNX BitwiseNot-18";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_BitwiseOrOp : Onnx_Op<"BitwiseOr", [Pure]> {
  let summary = "ONNX BitwiseOr-18";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_BitwiseXorOp : Onnx_Op<"BitwiseXor", [Pure]> {
  let summary = "ONNX BitwiseXor-18";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_BlackmanWindowOp : Onnx_Op<"BlackmanWindow", [Pure]> {
  let summary = "ONNX BlackmanWindow-17";
  let arguments = (ins AnyType:$size, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_datatype, DefaultValuedOptionalAttr<SI64Attr, "1">:$periodic);
  let results = (outs AnyType:$output);
}
#endif
