//===- Npz.cpp - NumPy archives --------------------------------------------===//
// A .npz file is a ZIP archive of .npy files, stored or deflated, with 64-bit sizes when large.
//===----------------------------------------------------------------------===//
#include "tools/ssm-run/Npz.h"
#include "tools/ssm-run/Proto.h"
#include <cstring>
#include <zlib.h>

using namespace ssm;

template <typename T> static T loadAt(const std::string &text, size_t at) {
  T value;
  if (at > text.size() || text.size() - at < sizeof(T))
    throw UserError("the archive is cut off");
  std::memcpy(&value, text.data() + at, sizeof(T));
  return value;
}

static std::string inflateRaw(const char *from, size_t bytes, size_t size) {
  std::string out(size, '\0');
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    throw UserError("zlib cannot be started");
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(from));
  stream.next_out = reinterpret_cast<Bytef *>(out.data());
  int code = Z_OK;
  size_t in = bytes, room = size;
  while (code == Z_OK && (in || stream.avail_in)) { // counters of zlib have 32 bits
    if (!stream.avail_in) {
      stream.avail_in = uInt(std::min<size_t>(in, 1 << 30));
      in -= stream.avail_in;
    }
    if (!stream.avail_out) {
      stream.avail_out = uInt(std::min<size_t>(room, 1 << 30));
      room -= stream.avail_out;
    }
    code = inflate(&stream, Z_NO_FLUSH);
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END || room || stream.avail_out)
    throw UserError("a compressed member is damaged");
  return out;
}

/// Sizes above 4 GiB stand in the extra field with tag 1, in this order, where the short field is all ones.
static void readLongSizes(const std::string &zip, size_t at, size_t end, uint64_t *const (&sizes)[3]) {
  while (at + 4 <= end) {
    uint16_t tag = loadAt<uint16_t>(zip, at), bytes = loadAt<uint16_t>(zip, at + 2);
    at += 4;
    size_t next = at + bytes;
    if (tag == 1)
      for (uint64_t *size : sizes)
        if (*size == 0xffffffff) {
          *size = loadAt<uint64_t>(zip, at);
          at += 8;
        }
    at = next;
  }
}

static std::map<std::string, std::string> readMembers(const std::string &zip) {
  size_t end = zip.rfind("PK\5\6");
  if (end == std::string::npos)
    throw UserError("not a NumPy archive (.npz)");
  uint64_t count = loadAt<uint16_t>(zip, end + 10), at = loadAt<uint32_t>(zip, end + 16);
  if (end >= 20 && zip.compare(end - 20, 4, "PK\6\7") == 0) {
    uint64_t record = loadAt<uint64_t>(zip, end - 12);
    count = loadAt<uint64_t>(zip, record + 32);
    at = loadAt<uint64_t>(zip, record + 48);
  }
  std::map<std::string, std::string> members;
  for (uint64_t i = 0; i < count; ++i) {
    if (at > zip.size() || zip.compare(at, 4, "PK\1\2") != 0)
      throw UserError("the archive is damaged");
    uint16_t method = loadAt<uint16_t>(zip, at + 10), nameBytes = loadAt<uint16_t>(zip, at + 28);
    uint16_t extraBytes = loadAt<uint16_t>(zip, at + 30), commentBytes = loadAt<uint16_t>(zip, at + 32);
    uint64_t packed = loadAt<uint32_t>(zip, at + 20), size = loadAt<uint32_t>(zip, at + 24),
             local = loadAt<uint32_t>(zip, at + 42);
    std::string name = zip.substr(at + 46, nameBytes);
    readLongSizes(zip, at + 46 + nameBytes, at + 46 + nameBytes + extraBytes, {&size, &packed, &local});
    at += 46 + nameBytes + extraBytes + commentBytes;
    size_t data = local + 30 + loadAt<uint16_t>(zip, local + 26) + loadAt<uint16_t>(zip, local + 28);
    if (data > zip.size() || packed > zip.size() - data || (method == 0 && packed != size))
      throw UserError("the archive is cut off");
    if (method != 0 && method != 8)
      throw UserError("member '" + name + "' is compressed in an unknown way");
    if (name.size() > 4 && name.ends_with(".npy"))
      name.resize(name.size() - 4);
    members[name] = method == 0 ? zip.substr(data, size) : inflateRaw(zip.data() + data, packed, size);
  }
  return members;
}

std::map<std::string, std::string> ssm::readNpz(const std::string &path) {
  std::string zip = readFile(path);
  try {
    return readMembers(zip);
  } catch (const UserError &error) {
    throw UserError("'" + path + "': " + error.what());
  }
}

/// The text behind 'key': in the dictionary of a .npy header.
static std::string headerField(const std::string &header, const std::string &key) {
  size_t at = header.find("'" + key + "'");
  at = at == std::string::npos ? at : header.find_first_not_of(": ", at + key.size() + 2);
  if (at == std::string::npos)
    throw UserError("the .npy header lacks '" + key + "'");
  return header.substr(at);
}

static bool sameType(const std::string &npy, const DtypeInfo &info) {
  if (npy == info.npy)
    return true;
  std::string bytes = std::to_string(info.bytes()), tail = npy.substr(1);
  if (npy[0] == '>' && info.bytes() > 1)
    return false;
  bool nameless = info.npy[1] == 'V'; // NumPy has no such type: any carrier of the same width
  if (nameless)
    return tail == "V" + bytes || (info.bytes() == 1 && (tail == "f1" || tail == "i1" || tail == "u1")) ||
           (info.bytes() == 2 && tail == "u2");
  return tail == info.npy + 1;
}

/// Copies column-major elements into row-major order.
static void transpose(const std::vector<int64_t> &shape, size_t bytes, const char *from, char *to) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t count = 1;
  for (int64_t d : shape)
    count *= d;
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (size_t k = shape.size(); k-- > 0;)
      offset = offset * shape[k] + index[k];
    std::memcpy(to + i * bytes, from + offset * bytes, bytes);
    for (size_t k = shape.size(); k-- > 0 && ++index[k] == shape[k];)
      index[k] = 0;
  }
}

/// NumPy's carriers of small integers leave the high bits of a byte open; here a signed one is extended.
static void extendSmall(Value &v, const DtypeInfo &info) {
  auto *bytes = static_cast<int8_t *>(v.raw.data);
  int64_t count = elementCount(v.raw);
  for (int64_t i = 0; i < count; ++i) {
    int bits = bytes[i] & ((1 << info.bits) - 1);
    bool negative = info.kind == Number::Signed && bits >> (info.bits - 1);
    bytes[i] = int8_t(negative ? bits - (1 << info.bits) : bits);
  }
}

Value ssm::parseNpy(const std::string &name, const std::string &content, ssm_dtype wanted) {
  auto fail = [&](const std::string &why) { return UserError("input '" + name + "': " + why); };
  if (content.compare(0, 6, "\x93NUMPY") != 0)
    throw fail("not a .npy file");
  size_t headerBytes = content[6] == 1 ? loadAt<uint16_t>(content, 8) : loadAt<uint32_t>(content, 8);
  size_t start = (content[6] == 1 ? 10 : 12) + headerBytes;
  std::string header = content.substr(0, start);
  std::string type = headerField(header, "descr");
  if (type[0] != '\'')
    throw fail("structured arrays are not supported");
  type = type.substr(1, type.find('\'', 1) - 1);
  std::vector<int64_t> shape;
  std::string dims = headerField(header, "shape");
  for (const char *p = dims.c_str() + 1; *p && *p != ')';) {
    char *next;
    long long d = std::strtoll(p, &next, 10);
    if (next == p) {
      ++p;
      continue;
    }
    shape.push_back(d);
    p = next;
  }
  const DtypeInfo *info = dtypeInfo(wanted);
  if (!info || type.size() < 2 || !sameType(type, *info))
    throw fail("element type is '" + type + "', expected " + dtypeName(wanted));
  Value value(wanted, shape);
  size_t bytes = size_t(elementCount(value.raw)) * info->bytes();
  if (content.size() < start || content.size() - start < bytes)
    throw fail("the array is cut off");
  if (headerField(header, "fortran_order").starts_with("True"))
    transpose(shape, size_t(info->bytes()), content.data() + start, static_cast<char *>(value.raw.data));
  else if (bytes)
    std::memcpy(value.raw.data, content.data() + start, bytes);
  if (info->bits < 8)
    extendSmall(value, *info);
  return value;
}

static std::string npyHeader(const ssm_value &v) {
  std::string dict = std::string("{'descr': '") + dtypeInfo(v.dtype)->npy + "', 'fortran_order': False, 'shape': (";
  for (int32_t i = 0; i < v.rank; ++i)
    dict += std::to_string(v.shape[i]) + (v.rank == 1 || i + 1 < v.rank ? ", " : "");
  dict += "), }";
  dict.resize((dict.size() + 1 + 10 + 63) / 64 * 64 - 11, ' ');
  dict += '\n';
  uint16_t bytes = uint16_t(dict.size());
  return std::string("\x93NUMPY\x01\x00", 8) + char(bytes & 255) + char(bytes >> 8) + dict;
}

namespace {
/// Appends numbers of a ZIP record.
struct Record {
  std::string text;
  template <typename T> Record &put(T value) {
    text.append(reinterpret_cast<const char *>(&value), sizeof value);
    return *this;
  }
};
} // namespace

void ssm::writeNpz(const std::string &path, const std::vector<std::pair<std::string, const ssm_value *>> &values) {
  std::string zip, directory;
  for (auto &[name, value] : values) {
    std::string member = name + ".npy", header = npyHeader(*value);
    std::string_view data(static_cast<const char *>(value->data),
                          size_t(elementCount(*value)) * dtypeInfo(value->dtype)->bytes());
    uint64_t size = header.size() + data.size(), offset = zip.size();
    uLong crc = crc32_z(crc32_z(0, reinterpret_cast<const Bytef *>(header.data()), header.size()),
                        reinterpret_cast<const Bytef *>(data.data()), data.size());
    // 64-bit sizes always: one form for all.
    Record local, extra, central;
    extra.put<uint16_t>(1).put<uint16_t>(16).put(size).put(size);
    local.put<uint32_t>(0x04034b50).put<uint16_t>(45).put<uint16_t>(1 << 11).put<uint16_t>(0).put<uint32_t>(0x00210000);
    local.put<uint32_t>(uint32_t(crc)).put<uint32_t>(~0u).put<uint32_t>(~0u);
    local.put<uint16_t>(uint16_t(member.size())).put<uint16_t>(uint16_t(extra.text.size()));
    zip += local.text + member + extra.text + header;
    zip += data;
    Record longer;
    longer.put<uint16_t>(1).put<uint16_t>(24).put(size).put(size).put(offset);
    central.put<uint32_t>(0x02014b50).put<uint16_t>(45).put<uint16_t>(45).put<uint16_t>(1 << 11).put<uint16_t>(0);
    central.put<uint32_t>(0x00210000).put<uint32_t>(uint32_t(crc)).put<uint32_t>(~0u).put<uint32_t>(~0u);
    central.put<uint16_t>(uint16_t(member.size())).put<uint16_t>(uint16_t(longer.text.size()));
    central.put<uint16_t>(0).put<uint16_t>(0).put<uint16_t>(0).put<uint32_t>(0).put<uint32_t>(~0u);
    directory += central.text + member + longer.text;
  }
  uint64_t count = values.size(), start = zip.size(), bytes = directory.size();
  Record end;
  end.put<uint32_t>(0x06064b50).put<uint64_t>(44).put<uint16_t>(45).put<uint16_t>(45).put<uint32_t>(0).put<uint32_t>(0);
  end.put(count).put(count).put(bytes).put(start);
  end.put<uint32_t>(0x07064b50).put<uint32_t>(0).put<uint64_t>(start + bytes).put<uint32_t>(1);
  end.put<uint32_t>(0x06054b50).put<uint16_t>(0).put<uint16_t>(0).put<uint16_t>(0xffff).put<uint16_t>(0xffff);
  end.put<uint32_t>(~0u).put<uint32_t>(~0u).put<uint16_t>(0);
  writeFile(path, zip + directory + end.text);
}
