//===- Value.h - tensors and sequences on the command line ------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_VALUE_H
#define SSM_TOOLS_SSM_RUN_VALUE_H

#include "ssm-mlir-c/model.h"
#include <stdexcept>
#include <string>
#include <vector>

namespace ssm {

/// What the user can change: exit status 1.
struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Number { Signed, Unsigned, Float, Bool, Complex };

struct DtypeInfo {
  const char *name;
  int bits; // of one element in a file
  Number kind;
  const char *npy; // description in a .npy file
  int bytes() const { return bits < 8 ? 1 : bits / 8; }
};

/// Gives null for a type that has no tensors here, such as string.
const DtypeInfo *dtypeInfo(ssm_dtype dtype);
std::string dtypeName(ssm_dtype dtype);

/// Owns an ssm_value and all that hangs below it.
class Value {
public:
  Value() = default;
  Value(ssm_dtype dtype, const std::vector<int64_t> &shape);
  Value(Value &&other) noexcept : raw(other.raw) { other.raw = {}; }
  Value &operator=(Value &&other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  ~Value() { clear(); }
  static Value sequence(std::vector<Value> elements);
  void clear();

  ssm_value raw = {};
};

int64_t elementCount(const ssm_value &v);
std::string describe(const ssm_value &v);
/// Element i as a number; part 1 is the imaginary part of a complex one.
double elementAt(const ssm_value &v, int64_t i, int part = 0);

} // namespace ssm
#endif
