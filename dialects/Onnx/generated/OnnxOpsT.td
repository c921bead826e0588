// Written by tools/onnx-dialect-gen from libonnx 1.23.2. Do not edit.
#ifndef ONNX_GENERATED_T
#define ONNX_GENERATED_T
include "dialects/Onnx/OnnxDialect.td"

def Onnx_SqrtOp : Onnx_Op<"Sqrt", [Pure]> {
  let summary = "ONNX Sqrt-13";
  let arguments = (ins AnyType:$X);
  let results = (outs AnyType:$Y);
}

def Onnx_SqueezeOp : Onnx_Op<"Squeeze", [Pure]> {
  let summary = "ONNX Squeeze-25";
  let arguments = (ins AnyType:$data, AnyType:$axes);
  let results = (outs AnyType:$squeezed);
}

def Onnx_StringConcatOp : Onnx_Op<"StringConcat", [Pure]> {
  let summary = "ONNX StringConcat-20";
  let arguments = (ins AnyType:$X, AnyType:$Y);
  let results = (outs AnyType:$Z);
}

def Onnx_StringNormalizerOp : Onnx_Op<"StringNormalizer", [Pure]> {
  let summary = "ONNX StringNormalizer-10";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalStrAttr<StrAttr, "NONE">:$case_change_action, DefaultValuedOptionalAttr<SI64Attr, "0">:$is_case_sensitive, OptionalAttr<StrAttr>:$locale, OptionalAttr<ArrayAttr>:$stopwords);
  let results = (outs AnyType:$Y);
}

def Onnx_StringSplitOp : Onnx_Op<"StringSplit", [Pure]> {
  let summary = "ONNX StringSplit-20";
  let arguments = (ins AnyType:$X, OptionalAttr<StrAttr>:$delimiter, OptionalAttr<SI64Attr>:$maxsplit);
  let results = (outs AnyType:$Y, AnyType:$Z);
}

def Onnx_SubOp : Onnx_Op<"Sub", [Pure]> {
  let summary = "ONNX Sub-14";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}

def Onnx_SumOp : Onnx_Op<"Sum", [Pure]> {
  let summary = "ONNX Sum-13";
  let arguments = (ins Variadic<AnyType>:$data_0);
  let results = (outs AnyType:$sum);
}

def Onnx_SwiGLUOp : Onnx_Op<"SwiGLU", [Pure]> {
  let summary = "ONNX SwiGLU-28";
  let arguments = (ins AnyType:$A, AnyType:$B, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_SwishOp : Onnx_Op<"Swish", [Pure]> {
  let summary = "ONNX Swish-24";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_TanOp : Onnx_Op<"Tan", [Pure]> {
  let summary = "ONNX Tan-22";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_TanhOp : Onnx_Op<"Tanh", [Pure]> {
  let summary = "ONNX Tanh-13";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$output);
}

def Onnx_TensorScatterOp : Onnx_Op<"TensorScatter", [Pure]> {
  let summary = "ONNX TensorScatter-24";
  let arguments = (ins AnyType:$past_cache, AnyType:$update, AnyType:$write_indices, DefaultValuedOptionalAttr<SI64Attr, "-2">:$axis, DefaultValuedOptionalStrAttr<StrAttr, "linear">:$mode);
  let results = (outs AnyType:$present_cache);
}

def Onnx_TfIdfVectorizerOp : Onnx_Op<"TfIdfVectorizer", [Pure]> {
  let summary = "ONNX TfIdfVectorizer-9";
  let arguments = (ins AnyType:$X, OptionalAttr<SI64Attr>:$max_gram_length, OptionalAttr<SI64Attr>:$max_skip_count, OptionalAttr<SI64Attr>:$min_gram_length, OptionalAttr<StrAttr>:$mode, OptionalAttr<DenseI64ArrayAttr>:$ngram_counts, OptionalAttr<DenseI64ArrayAttr>:$ngram_indexes, OptionalAttr<DenseI64ArrayAttr>:$pool_int64s, OptionalAttr<ArrayAttr>:$pool_strings, OptionalAttr<DenseF32ArrayAttr>:$weights);
  let results = (outs AnyType:$Y);
}

def Onnx_ThresholdedReluOp : Onnx_Op<"ThresholdedRelu", [Pure]> {
  let summary = "ONNX ThresholdedRelu-22";
  let arguments = (ins AnyType:$X, DefaultValuedOptionalAttr<F32Attr, "1.0f">:$alpha);
  let results = (outs AnyType:$Y);
}

def Onnx_TileOp : Onnx_Op<"Tile", [Pure]> {
  let summary = "ONNX Tile-13";
  let arguments = (ins AnyType:$input, AnyType:$repeats);
  let results = (outs AnyType:$output);
}

def Onnx_TopKOp : Onnx_Op<"TopK", [Pure]> {
  let summary = "ONNX TopK-24";
  let arguments = (ins AnyType:$X, AnyType:$K, DefaultValuedOptionalAttr<SI64Attr, "-1">:$axis, DefaultValuedOptionalAttr<SI64Attr, "1">:$largest, DefaultValuedOptionalAttr<SI64Attr, "1">:$sorted);
  let results = (outs AnyType:$Values, AnyType:$Indices);
}

def Onnx_TransposeOp : Onnx_Op<"Transpose", [Pure]> {
  let summary = "ONNX Transpose-25";
  let arguments = (ins AnyType:$data, OptionalAttr<DenseI64ArrayAttr>:$perm);
  let results = (outs AnyType:$transposed);
}

def Onnx_TriluOp : Onnx_Op<"Trilu", [Pure]> {
  let summary = "ONNX Trilu-14";
  let arguments = (ins AnyType:$input, AnyType:$k, DefaultValuedOptionalAttr<SI64Attr, "1">:$upper);
  let results = (outs AnyType:$output);
}

def Onnx_UniqueOp : Onnx_Op<"Unique", [Pure]> {
  let summary = "ONNX Unique-28";
  let arguments = (ins AnyType:$X, OptionalAttr<SI64Attr>:$axis, DefaultValuedOptionalAttr<SI64Attr, "1">:$sorted);
  let results = (outs AnyType:$Y, AnyType:$indices, AnyType:$inverse_indices, AnyType:$counts);
}

def Onnx_UnsqueezeOp : Onnx_Op<"Unsqueeze", [Pure]> {
  let summary = "ONNX Unsqueeze-25";
  let arguments = (ins AnyType:$data, AnyType:$axes);
  let results = (outs AnyType:$expanded);
}

def Onnx_WhereOp : Onnx_Op<"Where", [Pure]> {
  let summary = "ONNX Where-16";
  let arguments = (ins AnyType:$condition, AnyType:$X, AnyType:$Y);
  let results = (outs AnyType:$output);
}

def Onnx_XorOp : Onnx_Op<"Xor", [Pure]> {
  let summary = "ONNX Xor-7";
  let arguments = (ins AnyType:$A, AnyType:$B);
  let results = (outs AnyType:$C);
}
#endif
