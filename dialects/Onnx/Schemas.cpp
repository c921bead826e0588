//===- Schemas.cpp - operator schemas and the verifier made of them --------===//
// Reads the generated table once. The verifier checks, for every operator that has a schema: C1 operand and result
// counts, C2 presence of required operands, C3 element types within the constraint and equal for equal letters,
// C4 required attributes.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ssm::onnx;

namespace {
struct Row {
  const char *name;
  int since;
  const char *inputs, *outputs, *constraints, *attributes;
};
const Row rows[] = {
#define SCHEMA(...) {__VA_ARGS__},
#include "dialects/Onnx/generated/OnnxSchemas.inc"
};

SmallVector<Formal, 4> parseFormals(StringRef text) {
  SmallVector<Formal, 4> out;
  SmallVector<StringRef> parts;
  text.split(parts, ',', -1, false);
  for (StringRef part : parts) {
    Formal f;
    std::tie(f.name, f.type) = part.split(':');
    f.optional = f.name.consume_back("?");
    f.variadic = f.name.consume_back("*");
    out.push_back(f);
  }
  return out;
}

llvm::StringMap<OpSchema> readTable() {
  llvm::StringMap<OpSchema> table;
  for (const Row &row : rows) {
    OpSchema &s = table[row.name];
    s.name = row.name;
    s.since = row.since;
    s.inputs = parseFormals(row.inputs);
    s.outputs = parseFormals(row.outputs);
    SmallVector<StringRef> parts;
    StringRef(row.constraints).split(parts, ';', -1, false);
    for (StringRef part : parts) {
      auto [letter, types] = part.split('=');
      for (StringRef type : llvm::split(types, '|'))
        s.constraints[letter].insert(type);
    }
    parts.clear();
    StringRef(row.attributes).split(parts, ';', -1, false);
    for (StringRef part : parts) {
      AttributeDesc a;
      StringRef rest;
      std::tie(a.name, rest) = part.split(':');
      a.required = a.name.consume_back("!");
      a.hasDefault = rest.contains('=');
      std::tie(a.kind, a.defaultText) = rest.split('=');
      s.attributes.push_back(a);
    }
  }
  return table;
}

/// ONNX's name of an element type.
StringRef onnxName(Type t) {
  if (auto i = dyn_cast<IntegerType>(t)) {
    static const char *const names[2][7] = {{"int2", "int4", "int8", "int16", "int32", "int64", "bool"},
                                            {"uint2", "uint4", "uint8", "uint16", "uint32", "uint64", "bool"}};
    if (i.getWidth() == 1)
      return "bool";
    return names[i.isUnsigned()][llvm::Log2_32(i.getWidth()) - 1];
  }
  if (auto c = dyn_cast<ComplexType>(t))
    return c.getElementType().isF32() ? "complex64" : "complex128";
  if (isa<StringType>(t))
    return "string";
  return llvm::StringSwitch<StringRef>([&] {
           if (t.isF32()) return "f32";
           if (t.isF64()) return "f64";
           if (t.isF16()) return "f16";
           if (t.isBF16()) return "bf16";
           if (isa<Float8E4M3FNType>(t)) return "e4m3fn";
           if (isa<Float8E4M3FNUZType>(t)) return "e4m3fnuz";
           if (isa<Float8E5M2Type>(t)) return "e5m2";
           if (isa<Float8E5M2FNUZType>(t)) return "e5m2fnuz";
           if (isa<Float8E8M0FNUType>(t)) return "e8m0";
           if (isa<Float4E2M1FNType>(t)) return "e2m1";
           return "";
         }())
      .Case("f32", "float")
      .Case("f64", "double")
      .Case("f16", "float16")
      .Case("bf16", "bfloat16")
      .Case("e4m3fn", "float8e4m3fn")
      .Case("e4m3fnuz", "float8e4m3fnuz")
      .Case("e5m2", "float8e5m2")
      .Case("e5m2fnuz", "float8e5m2fnuz")
      .Case("e8m0", "float8e8m0")
      .Case("e2m1", "float4e2m1")
      .Default("");
}
} // namespace

std::string ssm::onnx::typeName(Type type) {
  if (auto sequence = dyn_cast<SequenceType>(type))
    return "seq(" + typeName(sequence.getElement()) + ")";
  if (auto optional = dyn_cast<OptionalType>(type))
    return "optional(" + typeName(optional.getElement()) + ")";
  if (auto tensor = dyn_cast<TensorType>(type))
    return ("tensor(" + onnxName(tensor.getElementType()) + ")").str();
  return "";
}

const OpSchema *ssm::onnx::schemaOf(StringRef opType) {
  static const llvm::StringMap<OpSchema> table = readTable();
  auto it = table.find(opType);
  return it == table.end() ? nullptr : &it->second;
}
const OpSchema *ssm::onnx::schemaOf(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name.consume_front("onnx.") ? schemaOf(name) : nullptr;
}

static LogicalResult verifyTypes(Operation *op, const OpSchema &s, TypeRange types, ArrayRef<Formal> formals,
                                 StringRef what, llvm::StringMap<Type> &bound) {
  for (auto [i, type] : llvm::enumerate(types)) {
    const Formal &f = formals[std::min(i, formals.size() - 1)];
    if (isa<NoneType>(type)) {
      if (what == "operand" && !f.optional && !f.variadic && f.name != "shape" && f.name != "repeats" &&
          f.name != "input" && f.name != "axes" && f.name != "split") // C2; fold drops operands the type speaks for
        return op->emitOpError() << what << " #" << i << " '" << f.name << "' is required";
      continue;
    }
    auto tensor = dyn_cast<TensorType>(type);
    auto constraint = s.constraints.find(f.type);
    if (!tensor || constraint == s.constraints.end())
      continue;
    Type element = tensor.getElementType();
    std::string name = ("tensor(" + onnxName(element) + ")").str();
    if (!constraint->second.contains(name)) // C3
      return op->emitOpError() << what << " #" << i << " '" << f.name << "' has element type " << element << ", which "
                               << s.name << "-" << s.since << " does not allow";
    Type &first = bound[f.type];
    if (first && first != element && !f.variadic)
      return op->emitOpError() << what << " #" << i << " '" << f.name << "' has element type " << element
                               << ", other values of type " << f.type << " have " << first;
    first = element;
  }
  return success();
}

LogicalResult ssm::onnx::verifyAgainstSchema(Operation *op) {
  const OpSchema *s = schemaOf(op);
  if (!s)
    return success();
  auto matches = [](unsigned have, ArrayRef<Formal> formals) {
    bool variadic = !formals.empty() && formals.back().variadic;
    return variadic ? have >= formals.size() : have == formals.size();
  };
  if (!matches(op->getNumOperands(), s->inputs) || !matches(op->getNumResults(), s->outputs)) // C1
    return op->emitOpError("has ") << op->getNumOperands() << " operands and " << op->getNumResults()
                                   << " results, the schema has " << s->inputs.size() << " and " << s->outputs.size();
  llvm::StringMap<Type> bound;
  if (failed(verifyTypes(op, *s, op->getOperandTypes(), s->inputs, "operand", bound)) ||
      failed(verifyTypes(op, *s, op->getResultTypes(), s->outputs, "result", bound)))
    return failure();
  for (const AttributeDesc &a : s->attributes)
    if (a.required && !op->hasAttr(a.name)) // C4
      return op->emitOpError("lacks the attribute '") << a.name << "'";
  return success();
}
