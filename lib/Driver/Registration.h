//===- Registration.h - all dialects and passes -----------------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_REGISTRATION_H
#define SSM_LIB_DRIVER_REGISTRATION_H
#include "mlir/IR/DialectRegistry.h"
namespace ssm {
/// Everything ssm-opt and the compiler load: upstream's dialects, extensions and translations, and ours.
void registerDialects(mlir::DialectRegistry &registry);
/// Upstream's passes and ours, for tools that take pipelines.
void registerPasses();
} // namespace ssm
#endif
