//===- Proto.cpp - ONNX tensor files ---------------------------------------===//
// Three messages of onnx.proto, read and written on the wire format: a protobuf library would be most of this tool.
//===----------------------------------------------------------------------===//
#include "tools/ssm-run/Proto.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <string_view>

using namespace ssm;

std::string ssm::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  if (!file || (file.peek() != EOF && !(content << file.rdbuf())))
    throw UserError("cannot read '" + path + "': " + std::strerror(errno));
  return std::move(content).str();
}

void ssm::writeFile(const std::string &path, const std::string &content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), std::streamsize(content.size()));
  file.close();
  if (!file)
    throw UserError("cannot write '" + path + "': " + std::strerror(errno));
}

namespace {
/// Walks the fields of a message.
class Reader {
public:
  explicit Reader(std::string_view text) : text(text) {}

  struct Field {
    int number, wire;
    uint64_t integer;      // wire 0, 1 and 5
    std::string_view body; // wire 2
  };
  bool next(Field &field) {
    if (text.empty())
      return false;
    uint64_t key = varint();
    field = {int(key >> 3), int(key & 7), 0, {}};
    if (field.wire == 0)
      field.integer = varint();
    else if (field.wire == 1)
      field.integer = fixed(8);
    else if (field.wire == 5)
      field.integer = fixed(4);
    else if (field.wire == 2)
      field.body = take(varint());
    else
      throw UserError("not an ONNX tensor file");
    return true;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      auto byte = static_cast<unsigned char>(take(1)[0]);
      if (shift < 64)
        value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return value;
    }
    throw UserError("not an ONNX tensor file");
  }
  uint64_t fixed(size_t bytes) {
    uint64_t value = 0;
    std::memcpy(&value, take(bytes).data(), bytes);
    return value;
  }
  bool done() const { return text.empty(); }

private:
  std::string_view take(uint64_t bytes) {
    if (bytes > text.size())
      throw UserError("the file is cut off");
    std::string_view part = text.substr(0, bytes);
    text.remove_prefix(bytes);
    return part;
  }
  std::string_view text;
};

/// Numbers of a repeated field, packed or not.
void forEachNumber(const Reader::Field &field, int packedWire, const std::function<void(uint64_t)> &use) {
  if (field.wire != 2)
    return use(field.integer);
  for (Reader body(field.body); !body.done();)
    use(packedWire == 0 ? body.varint() : body.fixed(packedWire == 1 ? 8 : 4));
}

class Writer {
public:
  Writer &number(int field, uint64_t value) {
    varint(uint64_t(field) << 3);
    varint(value);
    return *this;
  }
  Writer &bytes(int field, std::string_view body) {
    varint(uint64_t(field) << 3 | 2);
    varint(body.size());
    text += body;
    return *this;
  }
  std::string text;

private:
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7)
      text += char(value | 128);
    text += char(value);
  }
};

// Field and enum numbers of onnx.proto.
enum TensorField {
  Dims = 1,
  DataType,
  Segment,
  FloatData,
  Int32Data,
  StringData,
  Int64Data,
  Name,
  RawData,
  DoubleData,
  Uint64Data,
  External = 13,
  Location
};
enum HolderField { HolderName = 1, ElementType = 2, Tensors = 3, Sequences = 5, Optionals = 7 };
enum HolderType { Undefined, Tensor, SparseTensor, Sequence };
} // namespace

/// Spreads packed elements of 4 or 2 bits to a byte each.
static void unpack(const DtypeInfo &info, const std::string &packed, int8_t *to, int64_t count) {
  int perByte = 8 / info.bits, mask = (1 << info.bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    int bits = packed[size_t(i / perByte)] >> (i % perByte * info.bits) & mask;
    bool negative = info.kind == Number::Signed && bits >> (info.bits - 1);
    to[i] = int8_t(negative ? bits - (1 << info.bits) : bits);
  }
}

static std::string pack(const DtypeInfo &info, const char *from, int64_t count) {
  int perByte = 8 / info.bits, mask = (1 << info.bits) - 1;
  std::string packed(size_t((count + perByte - 1) / perByte), '\0');
  for (int64_t i = 0; i < count; ++i)
    packed[size_t(i / perByte)] |= char((from[i] & mask) << (i % perByte * info.bits));
  return packed;
}

static Value readTensor(std::string_view text) {
  std::vector<int64_t> shape;
  ssm_dtype dtype = 0;
  std::string raw, typed; // typed: the elements of a typed field, in the width of the element type
  Reader reader(text);
  Reader::Field field;
  std::vector<uint64_t> integers;
  while (reader.next(field)) {
    auto append = [&](uint64_t value, size_t bytes) { typed.append(reinterpret_cast<const char *>(&value), bytes); };
    switch (field.number) {
    case Dims:
      forEachNumber(field, 0, [&](uint64_t v) { shape.push_back(int64_t(v)); });
      break;
    case DataType:
      dtype = ssm_dtype(field.integer);
      break;
    case FloatData:
      forEachNumber(field, 5, [&](uint64_t v) { append(v, 4); });
      break;
    case DoubleData:
      forEachNumber(field, 1, [&](uint64_t v) { append(v, 8); });
      break;
    case Int32Data:
    case Int64Data:
    case Uint64Data:
      forEachNumber(field, 0, [&](uint64_t v) { integers.push_back(v); });
      break;
    case RawData:
      raw = field.body;
      break;
    case Segment:
    case External:
      throw UserError("the tensor's data lie in another file, which is not supported here");
    default:
      break;
    }
  }
  Value value(dtype, shape);
  const DtypeInfo &info = *dtypeInfo(dtype);
  for (uint64_t v : integers)
    typed.append(reinterpret_cast<const char *>(&v), size_t(info.bytes()));
  const std::string &data = raw.empty() ? typed : raw;
  int64_t count = elementCount(value.raw);
  size_t expected = info.bits < 8 ? size_t(count * info.bits + 7) / 8 : size_t(count) * info.bytes();
  if (data.size() != expected)
    throw UserError("the tensor has " + std::to_string(data.size()) + " bytes of data, its shape needs " +
                    std::to_string(expected));
  if (info.bits < 8)
    unpack(info, data, static_cast<int8_t *>(value.raw.data), count);
  else if (expected)
    std::memcpy(value.raw.data, data.data(), expected);
  return value;
}

static Value readSequence(std::string_view text) {
  std::vector<Value> elements;
  Reader reader(text);
  for (Reader::Field field; reader.next(field);) {
    if (field.number == Tensors)
      elements.push_back(readTensor(field.body));
    else if (field.number == ElementType && field.integer > Tensor)
      throw UserError("only sequences of tensors are supported");
  }
  return Value::sequence(std::move(elements));
}

static Value readOptional(std::string_view text) {
  Reader reader(text);
  for (Reader::Field field; reader.next(field);) {
    if (field.number == Tensors)
      return readTensor(field.body);
    if (field.number == Sequences)
      return readSequence(field.body);
  }
  return {};
}

Value ssm::readProto(const std::string &path, const ssm_io_desc &desc) {
  std::string text = readFile(path);
  try {
    return desc.optional ? readOptional(text) : desc.kind == SSM_SEQUENCE ? readSequence(text) : readTensor(text);
  } catch (const UserError &error) {
    throw UserError("'" + path + "': " + error.what());
  }
}

static std::string tensorText(const ssm_value &v, std::string_view name) {
  Writer w;
  for (int32_t i = 0; i < v.rank; ++i)
    w.number(Dims, uint64_t(v.shape[i]));
  w.number(DataType, uint64_t(v.dtype));
  if (!name.empty())
    w.bytes(Name, name);
  const DtypeInfo &info = *dtypeInfo(v.dtype);
  int64_t count = elementCount(v);
  auto *data = static_cast<const char *>(v.data);
  if (info.bits < 8)
    w.bytes(RawData, pack(info, data, count));
  else
    w.bytes(RawData, std::string_view(data, size_t(count) * info.bytes()));
  return std::move(w.text);
}

static std::string sequenceText(const ssm_value &v, std::string_view name) {
  Writer w;
  if (!name.empty())
    w.bytes(HolderName, name);
  w.number(ElementType, Tensor);
  for (int64_t i = 0; i < v.shape[0]; ++i)
    w.bytes(Tensors, tensorText(static_cast<const ssm_value *>(v.data)[i], ""));
  return std::move(w.text);
}

static std::string optionalText(const ssm_value &v, std::string_view name) {
  Writer w;
  w.bytes(HolderName, name);
  if (v.kind == SSM_TENSOR)
    w.number(ElementType, Tensor).bytes(Tensors, tensorText(v, ""));
  else if (v.kind == SSM_SEQUENCE)
    w.number(ElementType, Sequence).bytes(Sequences, sequenceText(v, ""));
  return std::move(w.text);
}

void ssm::writeProto(const std::string &path, const ssm_value &value, const ssm_io_desc &desc) {
  if (desc.optional)
    writeFile(path, optionalText(value, desc.name));
  else if (desc.kind == SSM_SEQUENCE)
    writeFile(path, sequenceText(value, desc.name));
  else
    writeFile(path, tensorText(value, desc.name));
}
