//===- Proto.h - ONNX tensor files ------------------------------*- C++ -*-===//
#ifndef SSM_TOOLS_SSM_RUN_PROTO_H
#define SSM_TOOLS_SSM_RUN_PROTO_H

#include "tools/ssm-run/Value.h"

namespace ssm {

std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &content);

/// Reads a TensorProto, SequenceProto or OptionalProto, whichever the graph's type of the value asks for.
Value readProto(const std::string &path, const ssm_io_desc &desc);
void writeProto(const std::string &path, const ssm_value &value, const ssm_io_desc &desc);

} // namespace ssm
#endif
