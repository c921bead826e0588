// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_H
#define ONNX_GENERATED_H
include "dialects/Onnx/OnnxDialect.td"

def Onnx_HammingWindowOp : Onnx_Op<"HammingWindow", [Pure]> {
  let summary = "ONNX HammingWindow-17";
  let arguments = (ins AnyType:$size, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_datatype, DefaultValuedOptionalAttr<SI64Attr, "1">:$periodic);
  let results = (outs AnyType:$output);
}

def Onnx_HannWindowOp : Onnx_Op<"HannWindow", [Pure]> {
  let summary = "ONNX HannWindow-17";
  let arguments = (ins AnyType:$size, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_datatype, DefaultValuedOptionalAttr<SI64Attr, "1">:$periodic);
  let results = (outs AnyType:$output);
}

def Onnx_HardSigmoidOp : Onnx_Op<"HardSigmoid", [Pure]> {
  let summary = "ONNX HardSigmoid-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "0.20000000298023224f">:$alpha, DefaultValuedOptionalAttr<F32Attr, "0.5f">:$beta);
  let results = (outs AnyType:$Y);
}

def Onnx_HardSwishOp : Onnx_Op<"HardSwish", [Pure]> {
  let summary = "ONNX HardSwish-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_HardmaxOp : Onnx_Op<"Hardmax", [Pure]> {
  let summary = "ONNX Hardmax-13";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_IdentityOp : Onnx_Op<"Identity", [Pure]> {
  let summary = "ONNX Identity-25";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_ImageDecoderOp : Onnx_Op<"ImageDecoder", [Pure]> {
  let summary = "ONNX ImageDecoder-20";
  let arguments = (ins AnyType:$encoded_stream, DefaultValuedOptionalStrAttr<StrAttr, "RGB">:$pixel_format);
  let results = (outs AnyType:$image);
}

def Onnx_InstanceNormalizationOp : Onnx_Op<"InstanceNormalization", [Pure]> {
  let summary = "ONNX InstanceNormalization-22";
  let arguments = (ins AnyType:$input, AnyType:$scale, AnyType:$B, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-06f">:$epsilon);
  let results = (outs AnyType:$output);
}

def Onnx_IsInfOp : Onnx_Op<"IsInf", [Pure]> {
  let summary = "ONNX IsInf-20";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<SI64Attr, "1">:$detect_negative, DefaultValuedOptionalAttr<SI64Attr, "1">:$detect_positive);
  let results = (outs AnyType:$Y);
}

def Onnx_IsNaNOp : Onnx_Op<"IsNaN", [Pure]> {
  let summary = "ONNX IsNaN-20";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_LRNOp : Onnx_Op<"LRN", [Pure]> {
  let summary = "ONNX LRN-13";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-05f">:$alpha, DefaultValuedOptionalAttr<F32Attr, "0.75f">:$beta, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$bias, OptionalAttr<SI64Attr>:$size);
  let results = (outs AnyType:$Y);
}

def Onnx_LSTMOp : Onnx_Op<"LSTM", [Pure]> {
  let summary = "ONNX LSTM-22";
  let arguments = (ins AnyType:$X, AnyType:$W, AnyType:$R, AnyType:$B, AnyType:$sequence_lens, AnyType:$initial_h, AnyType:$initial_c, AnyType:$P, OptionalAttr<DenseF32ArrayAttr>:$activation_alpha, OptionalAttr<DenseF32ArrayAttr>:$activation_beta, OptionalAttr<ArrayAttr>:$activations, OptionalAttr<F32Attr>:$clip, DefaultValuedOptionalStrAttr<StrAttr, "forward">:$direction, OptionalAttr<SI64Attr>:$hidden_size, DefaultValuedOptionalAttr<SI64Attr, "0">:$input_forget, DefaultValuedOptionalAttr<SI64Attr, "0">:$layout);
  let results = (outs AnyType:$Y, AnyType:$Y_h, AnyType:$Y_c);
}

def Onnx_LayerNormalizationOp : Onnx_Op<"LayerNormalization", [Pure]> {
  let summary = "ONNX LayerNormalization-17";
  let arguments = (ins AnyType:$X, AnyType:$Scale, AnyType:$B, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis, DefaultValuedOptionalAttr<F32Attr, "9.999999747378752e-06f">:$epsilon, DefaultValuedOptionalAttr<SI64Attr, "1">:$stash_type);
  let results = (outs AnyType:$Y, AnyType:$Mean, AnyType:$InvStdDev);
}

def Onnx_LeakyReluOp : Onnx_Op<"LeakyRelu", [Pure]> {
  let summary = "ONNX LeakyRelu-16";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "0.009999999776482582f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_LessOp : Onnx_Op<"Less", [Pure]> {
  let summary = "ONNX Less-13";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_LessOrEqualOp : Onnx_Op<"LessOrEqual", [Pure]> {
  let summary = "ONNX LessOrEqual-16";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_LinearAttentionOp : Onnx_Op<"LinearAttention", [Pure]> {
  let summary = "ONNX LinearAttention-27";
  let arguments = (ins AnyType:$query, AnyType:$key, AnyType:$value, AnyType:$past_state, AnyType:$decay, AnyType:$beta, DefaultValuedOptionalAttr<SI64Attr, "64">:$chunk_size, OptionalAttr<SI64Attr>:$kv_num_heads, OptionalAttr<SI64Attr>:$q_num_heads, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$scale, DefaultValuedOptionalStrAttr<StrAttr, "gated_delta">:$update_rule);
  let results = (outs AnyType:$output, AnyType:$present_state);
}

def Onnx_LogOp : Onnx_Op<"Log", [Pure]> {
  let summary = "ONNX Log-13";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_LogSoftmaxOp : Onnx_Op<"LogSoftmax", [Pure]> {
  let summary = "ONNX LogSoftmax-13";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_LpNormalizationOp : Onnx_Op<"LpNormalization", [Pure]> {
  let summary = "ONNX LpNormalization-22";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis, DefaultValuedOptionalAttr<SI64Attr, "2">:$p);
  let results = (outs AnyType:$output);
}

def Onnx_LpPoolOp : Onnx_Op<"LpPool", [Pure]> {
  let summary = "ONNX LpPool-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, DefaultValuedOptionalAttr<SI64Attr, "0">:$ceil_mode, OptionalAttr<DenseI64ArrayAttr>:$dilations, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, DefaultValuedOptionalAttr<SI64Attr, "2">:$p, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y);
}

def Onnx_MatMulOp : Onnx_Op<"MatMul", [Pure]> {
  let summary = "ONNX MatMul-13";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$Y);
}

def Onnx_MatMulIntegerOp : Onnx_Op<"MatMulInteger", [Pure]> {
  let summary = "ONNX MatMulInteger-10";
  let arguments = (ins AnyType:$A, AnyType:$B, AnyType:$a_zero_point, AnyType:$b_zero_point);
  let results = (outs AnyType:$Y);
}

def Onnx_MaxOp : Onnx_Op<"Max", [Pure]> {
  let summary = "ONNX Max-13";
  let arguments = (ins Variadic<AnyType>:$data_0);
  let results = (outs AnyType:$max);
}

def Onnx_MaxPoolOp : Onnx_Op<"MaxPool", [Pure]> {
  let summary = "ONNX MaxPool-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalStrAttr<StrAttr, "NOTSET">:$auto_pad, DefaultValuedOptionalAttr<SI64Attr, "0">:$ceil_mode, OptionalAttr<DenseI64ArrayAttr>:$dilations, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, DefaultValuedOptionalAttr<SI64Attr, "0">:$storage_order, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$Y, AnyType:$Indices);
}

def Onnx_MaxRoiPoolOp : Onnx_Op<"MaxRoiPool", [Pure]> {
  let summary = "ONNX MaxRoiPool-22";
  let arguments = (ins AnyType:$X, AnyType:$rois, OptionalAttr<DenseI64ArrayAttr>:$pooled_shape, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$spatial_scale);
  let results = (outs AnyType:$Y);
}

def Onnx_MaxUnpoolOp : Onnx_Op<"MaxUnpool", [Pure]> {
  let summary = "ONNX MaxUnpool-22";
  let arguments = (ins AnyType:$X, AnyType:$I, AnyType:$output_shape, OptionalAttr<DenseI64ArrayAttr>:$kernel_shape, OptionalAttr<DenseI64ArrayAttr>:$pads, OptionalAttr<DenseI64ArrayAttr>:$strides);
  let results = (outs AnyType:$output);
}

def Onnx_MeanOp : Onnx_Op<"Mean", [Pure]> {
  let summary = "ONNX Mean-13";
  let arguments = (ins Variadic<AnyType>:$data_0);
  let results = (outs AnyType:$mean);
}

def Onnx_MeanVarianceNormalizationOp : Onnx_Op<"MeanVarianceNormalization", [Pure]> {
  let summary = "ONNX MeanVarianceNormalization-13";
  let arguments = (ins AnyType:$X, OptionalAttr<DenseI64ArrayAttr>:$axes);
  let results = (outs AnyType:$Y);
}

def Onnx_MelWeightMatrixOp : Onnx_Op<"MelWeightMatrix", [Pure]> {
  let summary = "ONNX MelWeightMatrix-17";
  let arguments = (ins AnyType:$num_mel_bins, AnyType:$dft_length, AnyType:$sample_rate, AnyType:$lower_edge_hertz, AnyType:$upper_edge_hertz, DefaultValuedOptionalAttr<SI64Attr, "1">:$output_datatype);
  let results = (outs AnyType:$output);
}

def Onnx_MinOp : Onnx_Op<"Min", [Pure]> {
  let summary = "ONNX Min-13";
  let arguments = (ins Variadic<AnyType>:$data_0);
  let results = (outs AnyType:$min);
}

def Onnx_MishOp : Onnx_Op<"Mish", [Pure]> {
  let summary = "ONNX Mish-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_ModOp : Onnx_Op<"Mod", [Pure]> {
  let summary = "ONNX Mod-28";
  let arguments = (ins AnyType:$A, AnyType:$B, DefaultValuedOptionalAttr<SI64Attr, "0">:$fmod);
  let results = (outs AnyType:$C);
}

def Onnx_MulOp : Onnx_Op<"Mul", [Pure]> {
  let summary = "ONNX Mul-14";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_MultinomialOp : Onnx_Op<"Multinomial", []> {
  let summary = "ONNX Multinomial-22";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "6">:$dtype, DefaultValuedOptionalAttr<SI64Attr, "1">:$sample_size, OptionalAttr<F32Attr>:$seed);
  let results = (outs AnyType:$output);
}
#endif
