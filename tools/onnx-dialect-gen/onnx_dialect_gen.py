#!/usr/bin/env python3
"""Write the generated part of the onnx dialect from libonnx's operator schemas.

    onnx_dialect_gen.py OUTDIR

makes OnnxOps<G>.td, one per group of operators, and OnnxSchemas.inc, the table behind verifier and attribute defaults.
Same libonnx, same bytes. Only the latest form of each operator of ai.onnx is made: the importer turns older ones into it.
"""
import sys
from pathlib import Path

import onnx
from onnx import AttributeProto as A
from onnx import defs, helper

HAND_WRITTEN = {"Constant", "If", "Loop", "Scan", "SequenceMap"}
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
GROUPS = [("A", "AA", "Bz"), ("C", "C", "Dd"), ("D", "De", "Gz"), ("H", "H", "Mz"), ("N", "N", "Rd"), ("R", "Re", "Rz"),
          ("S", "S", "Sp"), ("T", "Sq", "Zz")]
KINDS = {A.INT: "Int", A.FLOAT: "Float", A.STRING: "String", A.INTS: "Ints", A.FLOATS: "Floats", A.STRINGS: "Strings",
         A.TENSOR: "Tensor", A.TENSORS: "Tensor", A.TYPE_PROTO: "Type", A.GRAPH: "Graph", A.SPARSE_TENSOR: "Tensor"}
ODS = {"Int": "SI64Attr", "Float": "F32Attr", "String": "StrAttr", "Ints": "DenseI64ArrayAttr",
       "Floats": "DenseF32ArrayAttr", "Strings": "ArrayAttr", "Tensor": "ElementsAttr", "Type": "TypeAttr"}


def default_of(attribute):
    """The schema's default as (C++ number text, string text), or None."""
    d = attribute.default_value
    if d is None or not d.name:
        return None
    value = helper.get_attribute_value(d)
    return value.decode() if isinstance(value, bytes) else value


def camel(name):
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def ods_attribute(name, attribute, kind):
    base = ODS[kind]
    default = default_of(attribute)
    text = None
    if default is not None and kind in ("Int", "Float", "String"):
        if kind == "Int":
            text = str(int(default))
        elif kind == "Float":
            text = repr(float(default)) + "f"
        else:
            text = default
        return f'DefaultValuedOptionalAttr<{base}, "{text}">:${name}' if kind != "String" else \
            f'DefaultValuedOptionalStrAttr<{base}, "{text}">:${name}'
    return f"OptionalAttr<{base}>:${name}"


def ods_op(schema):
    name = schema.name
    traits = [] if name in RANDOM else ["Pure"]
    lines = [f'def Onnx_{name}Op : Onnx_Op<"{name}", [{", ".join(traits)}]> {{',
             f'  let summary = "ONNX {name}-{schema.since_version}";']
    taken = set()
    arguments, results = [], []

    def unique(name):
        name = name.replace("-", "_")
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        return name

    for attribute in sorted(schema.attributes.values(), key=lambda a: a.name):
        kind = KINDS[attribute.type]
        if kind == "Graph":
            raise SystemExit(f"{name} has a region; write it by hand")
        taken.add(attribute.name.lower())
        arguments.append(ods_attribute(attribute.name, attribute, kind))
    operands = []
    for formal in schema.inputs:
        variadic = formal.option == defs.OpSchema.FormalParameterOption.Variadic
        operands.append(("Variadic<AnyType>" if variadic else "AnyType") + ":$" + unique(formal.name))
    for formal in schema.outputs:
        variadic = formal.option == defs.OpSchema.FormalParameterOption.Variadic
        results.append(("Variadic<AnyType>" if variadic else "AnyType") + ":$" + unique(formal.name + "_out" if formal.name.lower() in taken else formal.name))
    lines.append(f'  let arguments = (ins {", ".join(operands + arguments)});')
    lines.append(f'  let results = (outs {", ".join(results)});')
    lines.append("}")
    return "\n".join(lines)


def schema_row(schema):
    def formals(items):
        parts = []
        for f in items:
            option = {"Single": "", "Optional": "?", "Variadic": "*"}[str(f.option).split(".")[-1].capitalize()]
            parts.append(f"{f.name}{option}:{f.type_str}")
        return ",".join(parts)

    constraints = ";".join(f"{c.type_param_str}={'|'.join(sorted(c.allowed_type_strs))}" for c in schema.type_constraints)
    attributes = []
    for a in sorted(schema.attributes.values(), key=lambda a: a.name):
        default = default_of(a)
        if isinstance(default, list):
            default = " ".join(str(v) for v in default)
        text = "" if default is None else "=" + (repr(float(default)) if a.type == A.FLOAT else str(default))
        attributes.append(f"{a.name}{'!' if a.required else ''}:{KINDS[a.type]}{text}")
    return (f'SCHEMA("{schema.name}", {schema.since_version}, "{formals(schema.inputs)}", "{formals(schema.outputs)}", '
            f'"{constraints}", "{";".join(attributes)}")')


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    latest = {}
    for schema in defs.get_all_schemas():
        if schema.domain == "" and not schema.deprecated:
            latest[schema.name] = schema
    schemas = [latest[name] for name in sorted(latest)]
    banner = f"// Written by tools/onnx-dialect-gen from libonnx {onnx.__version__}. Do not edit.\n"
    for group, first, last in GROUPS:
        ops = [ods_op(s) for s in schemas if s.name not in HAND_WRITTEN and first <= s.name <= last + "zzz"]
        guard = f"ONNX_GENERATED_{group}"
        (out / f"OnnxOps{group}.td").write_text(
            banner + f'#ifndef {guard}\n#define {guard}\ninclude "dialects/Onnx/OnnxDialect.td"\n\n' + "\n\n".join(ops) + "\n#endif\n")
    made = sum((out / f"OnnxOps{g}.td").read_text().count("\ndef ") for g, _, _ in GROUPS)
    assert made == len(schemas) - len(HAND_WRITTEN & set(latest)), (made, len(schemas))
    (out / "OnnxSchemas.inc").write_text(banner + "\n".join(schema_row(s) for s in schemas) + "\n")


if __name__ == "__main__":
    main()
