// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_S
#define ONNX_GENERATED_S
include "dialects/Onnx/OnnxDialect.td"

def Onnx_STFTOp : Onnx_Op<"STFT", [Pure]> {
  let summary = "ONNX STFT-17";
  let arguments = (ins AnyType:$signal, AnyType:$frame_step, AnyType:$window, AnyType:$frame_length, DefaultValuedOptionalAttr<SI64Attr, "1">:$onesided);
  let results = (outs AnyType:$output);
}

def Onnx_ScatterElementsOp : Onnx_Op<"ScatterElements", [Pure]> {
  let summary = "ONNX ScatterElements-18";
  let arguments = (ins AnyType:$data, AnyType:$indices, AnyType:$updates, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis, DefaultValuedOptionalStrAttr<StrAttr, "none">:$reduction);
  let results = (outs AnyType:$output);
}

def Onnx_ScatterNDOp : Onnx_Op<"ScatterND", [Pure]> {
  let summary = "ONNX ScatterND-18";
  let arguments = (ins AnyType:$data, AnyType:$indices, AnyType:$updates, DefaultValuedOptionalStrAttr<StrAttr, "none">:$reduction);
  let results = (outs AnyType:$output);
}

def Onnx_SeluOp : Onnx_Op<"Selu", [Pure]> {
  let summary = "ONNX Selu-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "1.6732631921768188f">:$alpha, DefaultValuedOptionalAttr<F32Attr, "1.0507010221481323f">:$gamma);
  let results = (outs AnyType:$Y);
}

def Onnx_SequenceAtOp : Onnx_Op<"SequenceAt", [Pure]> {
  let summary = "ONNX SequenceAt-11";
  let arguments = (ins AnyType:$input_sequence, AnyType:$position);
  let results = (outs AnyType:$tensor);
}

def Onnx_SequenceConstructOp : Onnx_Op<"SequenceConstruct", [Pure]> {
  let summary = "ONNX SequenceConstruct-11";
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs AnyType:$output_sequence);
}

def Onnx_SequenceEmptyOp : Onnx_Op<"SequenceEmpty", [Pure]> {
  let summary = "ONNX SequenceEmpty-11";
  let arguments = (ins OptionalAttr<SI64Attr>:$dtype);
  let results = (outs AnyType:$output);
}

def Onnx_SequenceEraseOp : Onnx_Op<"SequenceErase", [Pure]> {
  let summary = "ONNX SequenceErase-11";
  let arguments = (ins AnyType:$input_sequence, AnyType:$position);
  let results = (outs AnyType:$output_sequence);
}

def Onnx_SequenceInsertOp : Onnx_Op<"SequenceInsert", [Pure]> {
  let summary = "ONNX SequenceInsert-11";
  let arguments = (ins AnyType:$input_sequence, AnyType:$tensor, AnyType:$position);
  let results = (outs AnyType:$output_sequence);
}

def Onnx_SequenceLengthOp : Onnx_Op<"SequenceLength", [Pure]> {
  let summary = "ONNX SequenceLength-11";
  let arguments = (ins AnyType:$input_sequence);
  let results = (outs AnyType:$length);
}

def Onnx_ShapeOp : Onnx_Op<"Shape", [Pure]> {
  let summary = "ONNX Shape-25";
  let arguments = (ins AnyType:$data, OptionalAttr<SI64Attr>:$end, DefaultValuedOptionalAttr<SI64Attr, "0">:$start);
  let results = (outs AnyType:$shape);
}

def Onnx_ShrinkOp : Onnx_Op<"Shrink", [Pure]> {
  let summary = "ONNX Shrink-9";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<F32Attr, "0.0f">:$bias, DefaultValuedOptionalAttr<F32Attr, "0.5f">:$lambd);
  let results = (outs AnyType:$output);
}

def Onnx_SigmoidOp : Onnx_Op<"Sigmoid", [Pure]> {
  let summary = "ONNX Sigmoid-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_SignOp : Onnx_Op<"Sign", [Pure]> {
  let summary = "ONNX Sign-13";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_SinOp : Onnx_Op<"Sin", [Pure]> {
  let summary = "ONNX Sin-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_SinhOp : Onnx_Op<"Sinh", [Pure]> {
  let summary = "ONNX Sinh-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_SizeOp : Onnx_Op<"Size", [Pure]> {
  let summary = "ONNX Size-25";
  let arguments = (ins AnyType:$data);
  let results = (outs AnyType:$size);
}

def Onnx_SliceOp : Onnx_Op<"Slice", [Pure]> {
  let summary = "ONNX Slice-13";
  let arguments = (ins AnyType:$data, AnyType:$starts, AnyType:$ends, AnyType:$axes, AnyType:$steps);
  let results = (outs AnyType:$output);
}

def Onnx_SoftmaxOp : Onnx_Op<"Softmax", [Pure]> {
  let summary = "ONNX Softmax-13";
  let arguments = (ins AnyType:$input, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis);
  let results = (outs AnyType:$output);
}

def Onnx_SoftmaxCrossEntropyLossOp : Onnx_Op<"SoftmaxCrossEntropyLoss", [Pure]> {
  let summary = "ONNX SoftmaxCrossEntropyLoss-13";
  let arguments = (ins AnyType:$scores, AnyType:$labels, AnyType:$weights, OptionalAttr<SI64Attr>:$ignore_index, DefaultValuedOptionalStrAttr<StrAttr, "mean">:$reduction);
  let results = (outs AnyType:$output, AnyType:$log_prob);
}

def Onnx_SoftplusOp : Onnx_Op<"Softplus", [Pure]> {
  let summary = "ONNX Softplus-22";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_SoftsignOp : Onnx_Op<"Softsign", [Pure]> {
  let summary = "ONNX Softsign-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_SpaceToDepthOp : Onnx_Op<"SpaceToDepth", [Pure]> {
  let summary = "ONNX SpaceToDepth-28";
  let arguments = (ins AnyType:$input, OptionalAttr<SI64Attr>:$blocksize, DefaultValuedOptionalStrAttr<StrAttr, "DCR">:$mode);
  let results = (outs AnyType:$output);
}

def Onnx_SplitOp : Onnx_Op<"Split", [Pure]> {
  let summary = "ONNX Split-18";
  let arguments = (ins AnyType:$input, AnyType:$split, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis, OptionalAttr<SI64Attr>:$num_outputs);
  let results = (outs Variadic<AnyType>:$outputs);
}

def Onnx_SplitToSequenceOp : Onnx_Op<"SplitToSequence", [Pure]> {
  let summary = "ONNX SplitToSequence-24";
  let arguments = (ins AnyType:$input, AnyType:$split, DefaultValuedOptionalAttr<SI64Attr, "0">:$axis, DefaultValuedOptionalAttr<SI64Attr, "1">:$keepdims);
  let results = (outs AnyType:$output_sequence);
}
#endif
