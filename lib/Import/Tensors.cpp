//===- Tensors.cpp - constants of an ONNX file -----------------------------===//
// Values of at most 16 elements and those that are all equal become dense attributes; others are resources over the parsed file or over a
// mapped external file, one byte an element for bool and for types narrower than a byte.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Onnx/Splat.h"
#include "lib/Import/Importer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace ssm;

/// More than any memory holds, and still far from overflowing in bytes.
static constexpr uint64_t kMaxElements = uint64_t(1) << 46;

Type Importer::elementType(int32_t dtype) {
  using T = pb::TensorProto;
  switch (dtype) {
  case T::FLOAT: return b.getF32Type();
  case T::DOUBLE: return b.getF64Type();
  case T::FLOAT16: return b.getF16Type();
  case T::BFLOAT16: return b.getBF16Type();
  case T::INT8: return b.getI8Type();
  case T::INT16: return b.getI16Type();
  case T::INT32: return b.getI32Type();
  case T::INT64: return b.getI64Type();
  case T::UINT8: return b.getIntegerType(8, false);
  case T::UINT16: return b.getIntegerType(16, false);
  case T::UINT32: return b.getIntegerType(32, false);
  case T::UINT64: return b.getIntegerType(64, false);
  case T::BOOL: return b.getI1Type();
  case T::INT4: return b.getIntegerType(4);
  case T::UINT4: return b.getIntegerType(4, false);
  case T::INT2: return b.getIntegerType(2);
  case T::UINT2: return b.getIntegerType(2, false);
  case T::COMPLEX64: return ComplexType::get(b.getF32Type());
  case T::COMPLEX128: return ComplexType::get(b.getF64Type());
  case T::FLOAT8E4M3FN: return Float8E4M3FNType::get(&context);
  case T::FLOAT8E4M3FNUZ: return Float8E4M3FNUZType::get(&context);
  case T::FLOAT8E5M2: return Float8E5M2Type::get(&context);
  case T::FLOAT8E5M2FNUZ: return Float8E5M2FNUZType::get(&context);
  case T::FLOAT8E8M0: return Float8E8M0FNUType::get(&context);
  case T::FLOAT4E2M1: return Float4E2M1FNType::get(&context);
  case T::STRING: return onnx::StringType::get(&context);
  default: throw Refusal{"unknown element type " + std::to_string(dtype)};
  }
}

static void checkRank(int64_t rank) {
  if (rank > kMaxRank)
    throw Refusal{"rank " + std::to_string(rank) + " is more than " + std::to_string(kMaxRank)};
}

Type Importer::typeOf(const pb::TypeProto &type, bool symbolic) {
  if (type.has_sequence_type())
    return onnx::SequenceType::get(&context, typeOf(type.sequence_type().elem_type(), false));
  if (type.has_optional_type())
    return onnx::OptionalType::get(&context, typeOf(type.optional_type().elem_type(), false));
  if (!type.has_tensor_type())
    throw Refusal{"only tensors, sequences and optionals are supported"};
  Type element = elementType(type.tensor_type().elem_type());
  if (!type.tensor_type().has_shape())
    return UnrankedTensorType::get(element);
  if (!symbolic) { // an element of a sequence or optional: each may have sizes of its own
    SmallVector<int64_t> shape;
    for (const auto &dim : type.tensor_type().shape().dim())
      shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : ShapedType::kDynamic);
    return RankedTensorType::get(shape, element);
  }
  SmallVector<AffineExpr> dims;
  uint64_t count = 1;
  for (const auto &dim : type.tensor_type().shape().dim()) {
    int64_t size = dim.dim_value();
    if (size > 0 && count > kMaxElements / size)
      throw Refusal{"its dimensions multiply to more than 2^46 elements"};
    count *= std::max<int64_t>(1, size);
    if (dim.has_dim_value() && size >= 0)
      dims.push_back(getAffineConstantExpr(dim.dim_value(), &context));
    else
      dims.push_back(getAffineSymbolExpr(symbolNamed(dim.dim_param()), &context));
  }
  checkRank(dims.size());
  return onnx::withDims(element, dims);
}

int64_t Importer::symbolNamed(const std::string &given) {
  // "?" and "-1" are exporters' words for any size, not names: two of them need not be equal.
  std::string name = llvm::any_of(given, [](char c) { return llvm::isAlpha(c); }) ? given : "";
  if (!name.empty())
    if (auto it = symbols.find(name); it != symbols.end())
      return it->second;
  int64_t symbol = symbolNames.size();
  symbolNames.push_back(name);
  if (!name.empty())
    symbols[name] = symbol;
  return symbol;
}

std::shared_ptr<llvm::MemoryBuffer> Importer::mapExternal(const std::string &location) {
  auto &entry = externals[location];
  if (entry)
    return entry;
  llvm::StringRef where(location);
  if (where.empty() || where.contains('\0') || llvm::sys::path::is_absolute(where))
    throw Refusal{"external data '" + location + "' is not a relative path"};
  for (auto it = llvm::sys::path::begin(where), end = llvm::sys::path::end(where); it != end; ++it)
    if (*it == "..")
      throw Refusal{"external data '" + location + "' leaves the model's folder"};
  SmallString<256> file(llvm::sys::path::parent_path(path));
  llvm::sys::path::append(file, where);
  if (llvm::sys::fs::exists(file) && !llvm::sys::fs::is_regular_file(file))
    throw Refusal{"external data '" + location + "' is not a file"};
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    throw Refusal{"external data '" + location + "' cannot be read: " + buffer.getError().message()};
  return entry = std::move(*buffer);
}

ElementsAttr Importer::intsConstant(ArrayRef<int64_t> values, bool scalar) {
  SmallVector<int64_t> shape;
  if (!scalar)
    shape.push_back(values.size());
  return DenseElementsAttr::get(RankedTensorType::get(shape, b.getI64Type()), values);
}

Value Importer::constant(Location loc, ElementsAttr value) {
  return onnx::ConstantOp::create(b, loc, value.getType(), value);
}

/// Appends the elements of a typed protobuf field as Out.
template <typename Out, typename Field> static void append(std::string &bytes, const Field &field) {
  for (auto v : field) {
    Out o = (Out)v;
    bytes.append((const char *)&o, sizeof o);
  }
}

static std::string typedFields(const pb::TensorProto &t, unsigned bytesPerElement, int32_t dtype) {
  using T = pb::TensorProto;
  std::string out;
  switch (dtype) {
  case T::FLOAT: case T::COMPLEX64: append<float>(out, t.float_data()); break;
  case T::DOUBLE: case T::COMPLEX128: append<double>(out, t.double_data()); break;
  case T::INT64: append<int64_t>(out, t.int64_data()); break;
  case T::UINT64: append<uint64_t>(out, t.uint64_data()); break;
  case T::UINT32: append<uint32_t>(out, t.uint64_data()); break;
  default:
    if (bytesPerElement == 1)
      append<uint8_t>(out, t.int32_data());
    else if (bytesPerElement == 2)
      append<uint16_t>(out, t.int32_data());
    else
      append<int32_t>(out, t.int32_data());
  }
  return out;
}

ElementsAttr Importer::convertTensor(const pb::TensorProto &t) {
  Type element = elementType(t.data_type());
  if (isa<onnx::StringType>(element))
    throw Refusal{"string tensors are not supported"};
  SmallVector<int64_t> shape;
  uint64_t count = 1;
  checkRank(t.dims_size());
  for (int64_t d : t.dims()) {
    if (d < 0 || (d > 0 && count > kMaxElements / d))
      throw Refusal{"tensor '" + t.name() + "' has the impossible dimension " + std::to_string(d)};
    shape.push_back(d);
    count *= d;
  }
  auto type = RankedTensorType::get(shape, element);
  unsigned bits = isa<ComplexType>(element) ? 2 * cast<ComplexType>(element).getElementType().getIntOrFloatBitWidth()
                                            : element.getIntOrFloatBitWidth();
  bool packed = bits < 8 && bits > 1;
  unsigned size = std::max(1u, bits / 8);
  uint64_t fileBytes = packed ? (count * bits + 7) / 8 : count * size;

  StringRef bytes;
  std::shared_ptr<void> owner = model;
  if (t.data_location() == pb::TensorProto::EXTERNAL) {
    std::string location;
    uint64_t offset = 0, length = fileBytes;
    for (const auto &entry : t.external_data()) {
      if (entry.key() == "location")
        location = entry.value();
      else if (entry.key() == "offset" && StringRef(entry.value()).getAsInteger(10, offset))
        throw Refusal{"external data of '" + t.name() + "' has the offset '" + entry.value() + "'"};
      else if (entry.key() == "length" && StringRef(entry.value()).getAsInteger(10, length))
        throw Refusal{"external data of '" + t.name() + "' has the length '" + entry.value() + "'"};
    }
    auto buffer = mapExternal(location);
    if (length != fileBytes || offset > buffer->getBufferSize() || fileBytes > buffer->getBufferSize() - offset)
      throw Refusal{"external data of '" + t.name() + "' needs " + std::to_string(fileBytes) + " bytes at " +
                    std::to_string(offset) + ", '" + location + "' has " + std::to_string(buffer->getBufferSize())};
    bytes = buffer->getBuffer().substr(offset, fileBytes);
    owner = buffer;
  } else if (t.has_raw_data()) {
    bytes = t.raw_data();
  } else {
    auto made = std::make_shared<std::string>(typedFields(t, size, t.data_type()));
    bytes = *made;
    owner = made;
  }
  if (bytes.size() != fileBytes)
    throw Refusal{"tensor '" + t.name() + "' has " + std::to_string(bytes.size()) + " bytes of data, its type needs " +
                  std::to_string(fileBytes)};
  if (packed) {
    auto wide = std::make_shared<std::string>();
    unsigned perByte = 8 / bits;
    for (uint64_t i = 0; i < count; ++i) {
      int v = (uint8_t)bytes[i / perByte] >> (i % perByte * bits) & ((1 << bits) - 1);
      if (isa<IntegerType>(element) && !element.isUnsignedInteger() && v >> (bits - 1))
        v |= ~((1 << bits) - 1);
      wide->push_back((char)v);
    }
    bytes = *wide;
    owner = wide;
  }
  if (bits == 1 && llvm::any_of(bytes, [](char c) { return c & ~1; })) {
    // Anything but zero is true; code relies on 0 and 1.
    auto truths = std::make_shared<std::string>(bytes);
    for (char &c : *truths)
      c = c != 0;
    bytes = *truths;
    owner = truths;
  }
  if (count <= 16 || bytes.empty()) {
    if (bits == 1) {
      SmallVector<bool> values;
      for (char c : bytes)
        values.push_back(c != 0);
      return DenseElementsAttr::get(type, ArrayRef<bool>(values));
    }
    if (bits < 8) {
      SmallVector<APInt> values;
      for (char c : bytes)
        values.push_back(APInt(8, (uint8_t)c).trunc(bits));
      if (isa<FloatType>(element)) {
        SmallVector<APFloat> floats;
        for (const APInt &v : values)
          floats.push_back(APFloat(cast<FloatType>(element).getFloatSemantics(), v));
        return DenseElementsAttr::get(type, floats);
      }
      return DenseElementsAttr::get(type, values);
    }
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(bytes.data(), bytes.size()));
  }
  if (DenseElementsAttr splat = onnx::splatOf(type, ArrayRef<char>(bytes.data(), bytes.size())))
    return splat;
  AsmResourceBlob blob(ArrayRef<char>(bytes.data(), bytes.size()), 1, [owner](void *, size_t, size_t) {}, false);
  return DenseResourceElementsAttr::get(type, t.name().empty() ? "constant" : t.name(), std::move(blob));
}
