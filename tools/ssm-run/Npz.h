//===- Npz.h - NumPy archives -----------------------------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_NPZ_H
#define SSM_TOOLS_SSM_RUN_NPZ_H

#include "tools/ssm-run/Value.h"
#include <map>

namespace ssm {

/// The members of a ZIP archive by name without ".npy", as bytes of .npy files.
std::map<std::string, std::string> readNpz(const std::string &path);
/// A tensor of the type the model wants: NumPy has no name for bfloat16 and smaller floats and integers.
Value parseNpy(const std::string &name, const std::string &content, ssm_dtype wanted);
void writeNpz(const std::string &path, const std::vector<std::pair<std::string, const ssm_value *>> &values);

} // namespace ssm
#endif
