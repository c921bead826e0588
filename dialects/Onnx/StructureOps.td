//===- StructureOps.td - constants, absent values and control flow -------===//
include "dialects/Onnx/OnnxDialect.td"

def Onnx_ConstantOp : Op<Onnx_Dialect, "Constant", [Pure, ConstantLike]> {
  let summary = "a constant tensor; every spelling of ONNX Constant";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyType:$output);
  let assemblyFormat = "attr-dict $value `:` type($output)";
  let hasFolder = 1;
}

def Onnx_NoValueOp : Op<Onnx_Dialect, "NoValue", [Pure]> {
  let summary = "stands where an optional input is absent";
  let results = (outs NoneType:$none);
  let assemblyFormat = "attr-dict";
}

def Onnx_DimsOp : Op<Onnx_Dialect, "Dims", [Pure]> {
  let summary = "a small integer tensor whose elements are expressions of the symbols";
  let arguments = (ins AffineMapAttr:$map);
  let results = (outs AnyTensor:$output);
  let assemblyFormat = "$map attr-dict `:` type($output)";
}

def Onnx_SortSlicesOp : Op<Onnx_Dialect, "SortSlices", [Pure]> {
  let summary = "stable ascending order of a tensor's slices along an axis, compared element by element, and 1 where a slice differs from the one before it in that order, else 0; both are i64 lists";
  let arguments = (ins AnyType:$input, SI64Attr:$axis);
  let results = (outs AnyType:$order, AnyType:$starts);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, results)";
}

def Onnx_YieldOp : Op<Onnx_Dialect, "Yield", [Pure, Terminator, ReturnLike]> {
  let summary = "outputs of a subgraph";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

class Onnx_RegionOp<string mnemonic> : Op<Onnx_Dialect, mnemonic, [RecursiveMemoryEffects]>;

def Onnx_IfOp : Onnx_RegionOp<"If"> {
  let summary = "ONNX If-25";
  let arguments = (ins AnyType:$cond);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$then_branch, SizedRegion<1>:$else_branch);
}
def Onnx_LoopOp : Onnx_RegionOp<"Loop"> {
  let summary = "ONNX Loop-25: operands M, cond (each may be absent) and the carried values; block arguments are the iteration number, the condition and the carried values";
  let arguments = (ins AnyType:$M, AnyType:$cond, Variadic<AnyType>:$v_initial);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
}
def Onnx_ScanOp : Onnx_RegionOp<"Scan"> {
  let summary = "ONNX Scan-25: carried values, then scanned inputs";
  let arguments = (ins Variadic<AnyType>:$inputs, SI64Attr:$num_scan_inputs,
    OptionalAttr<DenseI64ArrayAttr>:$scan_input_axes, OptionalAttr<DenseI64ArrayAttr>:$scan_input_directions,
    OptionalAttr<DenseI64ArrayAttr>:$scan_output_axes, OptionalAttr<DenseI64ArrayAttr>:$scan_output_directions);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
}
def Onnx_SequenceMapOp : Onnx_RegionOp<"SequenceMap"> {
  let summary = "ONNX SequenceMap-17";
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
}

def Onnx_SelectBoxesOp : Op<Onnx_Dialect, "SelectBoxes", [Pure]> {
  let summary = "NonMaxSuppression-11 with room for every box: the selected rows, and how many there are";
  let arguments = (ins AnyType:$boxes, AnyType:$scores, AnyType:$max_output_boxes_per_class, AnyType:$iou_threshold,
    AnyType:$score_threshold, SI64Attr:$center_point_box);
  let results = (outs AnyType:$table, AnyType:$count);
}
