//===- StructureOps.td - symbols of sizes and calls of dispatches --------===//
#ifndef SSM_STRUCTURE_OPS_TD
#define SSM_STRUCTURE_OPS_TD

include "dialects/Ssm/SsmDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Ssm_BindDimOp : Ssm_Op<"bind_dim"> {
  let summary = "gives a symbol the size of one dimension of a value";
  let description = [{
    | # | constraint |
    |---|---|
    | C1 | value is a ranked tensor and axis is one of its dimensions |
    | C2 | symbol is not negative |

    Example: ssm.bind_dim %x[1] -> 2 : tensor<4x?xf32>
  }];
  let arguments = (ins AnyTensor:$value, I64Attr:$axis, I64Attr:$symbol);
  let assemblyFormat = "$value `[` $axis `]` `->` $symbol attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Ssm_BindElementOp : Ssm_Op<"bind_element"> {
  let summary = "gives a symbol the value of one element of an integer tensor, read on the host";
  let description = [{
    | # | constraint |
    |---|---|
    | C1 | value is a tensor of integers |
    | C2 | index (into the flattened tensor) and symbol are not negative |

    Example: ssm.bind_element %n[0] -> 3 : tensor<1xi64>
  }];
  let arguments = (ins AnyTensor:$value, I64Attr:$index, I64Attr:$symbol);
  let assemblyFormat = "$value `[` $index `]` `->` $symbol attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Ssm_BindExprOp : Ssm_Op<"bind_expr"> {
  let summary = "gives a symbol the minimum, maximum or broadcast of expressions of earlier symbols";
  let description = [{
    `min`, `max` over all results of the map; `broadcast` of two sizes a, b is b where a is 1, else a; the model fails
    at run time when neither is 1 and they differ. `same` is a, and the model fails when a and b differ,
    with the text of the attribute `message` where there is one. `eq` and `lt` give 1 where a = b or a < b, else 0, so that choices are
    products.

    | # | constraint |
    |---|---|
    | C1 | kind is min, max, broadcast, eq, lt or same |
    | C2 | the map has no dims and at least one result, for broadcast, eq, lt and same exactly two |

    Example: ssm.bind_expr min affine_map<()[s0, s3] -> (s0, s3)> -> 4
  }];
  let arguments = (ins StrAttr:$kind, AffineMapAttr:$map, I64Attr:$symbol);
  let assemblyFormat = "$kind $map `->` $symbol attr-dict";
  let hasVerifier = 1;
}

def Ssm_BindSeedOp : Ssm_Op<"bind_seed"> {
  let summary = "gives a symbol a number that no other execution gets";
  let description = [{
    Random operators without a seed start from it; each call of a model, and each turn of a loop, gives other numbers.

    | # | constraint |
    |---|---|
    | C1 | symbol is not negative |

    Example: ssm.bind_seed -> 4
  }];
  let arguments = (ins I64Attr:$symbol);
  let assemblyFormat = "`->` $symbol attr-dict";
  let hasVerifier = 1;
}

def Ssm_ArenaOp : Ssm_Op<"arena"> {
  let summary = "makes an arena for buffers that are placed in it";
  let description = [{
    Results of operations behind it lie in it where the attribute `ssm.arenas` has its number, at the bytes that
    `ssm.offsets` tells for the result. It lives until its block ends.

    | # | constraint |
    |---|---|
    | C1 | arena is not negative |
    | C2 | bytes has no dims and one result |

    Example: ssm.arena 0 of affine_map<()[s0] -> (s0 * 256)>
  }];
  let arguments = (ins I64Attr:$arena, AffineMapAttr:$bytes);
  let assemblyFormat = "$arena `of` $bytes attr-dict";
  let hasVerifier = 1;
}

def Ssm_DispatchOp : Ssm_Op<"dispatch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs one unit of compilation";
  let description = [{
    Calls a private function that carries `ssm.dispatch`. The map gives the callee's symbols in symbols of the caller.

    | # | constraint |
    |---|---|
    | C1 | callee is a function with the attribute ssm.dispatch and with as many arguments and results |
    | C2 | the map has as many results as the callee's ssm.symbols says |

    Example: %r = ssm.dispatch @dispatch_7(%a, %b) affine_map<()[s0, s3] -> (s0, s3 * 2)> : (T, U) -> V
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs, AffineMapAttr:$symbols);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$callee `(` $inputs `)` $symbols attr-dict `:` functional-type($inputs, $outputs)";
}

def Ssm_PackOp : Ssm_Op<"pack", [Pure]> {
  let summary = "a constant matrix in column panels, as contractions read it";
  let description = [{
    panels[p, k, j] = value[k, P p + j], zero where P p + j is beyond the last column; P is the panels' last size. With
    `transposed`, value[P p + j, k]. A value of rank 3 is a stack of matrices and gives a stack of panels. The value is a
    constant and the panels are written at compile time: the operation never runs.

    | # | constraint |
    |---|---|
    | C1 | value is a static matrix, or stack of matrices, of floats |
    | C2 | the result has value's element type and the sizes (ceil(columns / P), rows, P), behind that of the stack |

    Example: %p = ssm.pack %w : tensor<64x100xf32> -> tensor<4x64x32xf32>
  }];
  let arguments = (ins AnyTensor:$value, UnitAttr:$transposed);
  let results = (outs AnyTensor:$panels);
  let assemblyFormat = "$value (`transposed` $transposed^)? attr-dict `:` type($value) `->` type($panels)";
  let hasVerifier = 1;
}

#endif
