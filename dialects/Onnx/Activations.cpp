//===- Activations.cpp - activations of LSTM, GRU and RNN -------------------===//
// Numbers go to the activations that take one, in order; names are those of ONNX in any case of letters.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Activations.h"
#include "dialects/Onnx/OnnxDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ssm;
using ssm::onnx::Activation;

int64_t onnx::gatesOf(Operation *op) {
  StringRef name = op->getName().stripDialect();
  return name == "RNN" ? 1 : name == "GRU" ? 3 : 4;
}

int64_t onnx::directionsOf(Operation *op) { return onnx::stringAttr(op, "direction") == "bidirectional" ? 2 : 1; }

FailureOr<SmallVector<Activation>> onnx::activationsOf(Operation *op) {
  SmallVector<StringRef> defaults = {"tanh"};
  if (op->getName().stripDialect() == "GRU")
    defaults = {"sigmoid", "tanh"};
  else if (op->getName().stripDialect() == "LSTM")
    defaults = {"sigmoid", "tanh", "tanh"};
  SmallVector<Activation> out;
  auto names = op->getAttrOfType<ArrayAttr>("activations");
  auto floats = [&](StringRef name) {
    auto a = op->getAttrOfType<DenseF32ArrayAttr>(name);
    return a ? SmallVector<float>(a.asArrayRef()) : SmallVector<float>();
  };
  SmallVector<float> alphas = floats("activation_alpha"), betas = floats("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  static const std::pair<StringRef, std::pair<double, double>> known[] = {
      {"sigmoid", {0, 0}},      {"tanh", {0, 0}},
      {"relu", {0, 0}},         {"affine", {1, 0}},
      {"leakyrelu", {0.01, 0}}, {"thresholdedrelu", {1, 0}},
      {"scaledtanh", {1, 1}},   {"hardsigmoid", {0.2, 0.5}},
      {"elu", {1, 0}},          {"softsign", {0, 0}},
      {"softplus", {0, 0}}};
  for (size_t i = 0; i < defaults.size() * directionsOf(op); ++i) {
    std::string name =
        names && i < names.size() ? cast<StringAttr>(names[i]).getValue().lower() : defaults[i % defaults.size()].str();
    const auto *found = llvm::find_if(known, [&](const auto &k) { return k.first == name; });
    if (found == std::end(known))
      return op->emitError("activation '") << name << "' is not known";
    Activation a{name, found->second.first, found->second.second};
    bool takesAlpha = a.alpha != 0 || name == "affine", takesBeta = a.beta != 0 || name == "affine";
    if (takesAlpha && nextAlpha < alphas.size())
      a.alpha = alphas[nextAlpha++];
    if (takesBeta && nextBeta < betas.size())
      a.beta = betas[nextBeta++];
    out.push_back(a);
  }
  return out;
}
