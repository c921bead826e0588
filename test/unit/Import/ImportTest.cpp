//===- ImportTest.cpp - the importer and its inverse, called directly ------===//
// Models are written in ONNX's own text form.
//===----------------------------------------------------------------------===//
#include "llvm/ADT/StringSet.h" // the dialect's header counts on it

#include "dialects/Onnx/OnnxDialect.h"
#include "lib/Driver/Registration.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "onnx/defs/parser.h"
#include "onnx/onnx_pb.h"
#include "ssm-mlir/Import.h"
#include <fstream>
#include <gtest/gtest.h>

using namespace mlir;
namespace pb = ::ONNX_NAMESPACE;

namespace {
class Import : public testing::Test {
protected:
  Import() : handler(&context, [this](Diagnostic &d) { errors += d.str() + "\n"; }) {
    DialectRegistry registry;
    ssm::registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    SmallString<128> folder;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("ssm-import-test", folder));
    path = (folder + "/model.onnx").str();
  }
  ~Import() override { llvm::sys::fs::remove_directories(llvm::sys::path::parent_path(path)); }

  OwningOpRef<ModuleOp> read(const std::string &bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return ssm::importModel(context, path, report);
  }
  OwningOpRef<ModuleOp> parse(const char *text) {
    pb::ModelProto model;
    auto status = pb::OnnxParser::Parse(model, text);
    EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
    return read(model.SerializeAsString());
  }
  /// Names of main's operations, in order.
  static std::vector<std::string> operations(ModuleOp module) {
    std::vector<std::string> names;
    for (Operation &op : module.lookupSymbol<func::FuncOp>("main").getBody().front())
      names.push_back(op.getName().getStringRef().str());
    return names;
  }

  MLIRContext context;
  ssm::ImportReport report;
  std::string path, errors;
  ScopedDiagnosticHandler handler;
};

TEST_F(Import, NamesAndSymbols) {
  auto module = parse(R"(<ir_version: 10, opset_import: ["": 21]>
    g (float[batch, 3] x, float[batch, n] z) => (float[batch, 3] y) { y = Relu(x) })");
  ASSERT_TRUE(module) << errors;
  EXPECT_TRUE(succeeded(verify(*module)));
  auto main = module->lookupSymbol<func::FuncOp>("main");
  EXPECT_EQ(main.getArgAttrOfType<StringAttr>(0, "onnx.name").getValue(), "x");
  EXPECT_EQ(main.getResultAttrOfType<StringAttr>(0, "onnx.name").getValue(), "y");
  auto symbols = (*module)->getAttrOfType<ArrayAttr>("onnx.symbols");
  ASSERT_EQ(symbols.size(), 2u); // batch is one symbol
  EXPECT_EQ(cast<StringAttr>(symbols[0]).getValue(), "batch");
  auto x = cast<RankedTensorType>(main.getArgument(0).getType()), z = cast<RankedTensorType>(main.getArgument(1).getType());
  EXPECT_EQ(ssm::onnx::getDimExpr(x, 0), ssm::onnx::getDimExpr(z, 0));
}

TEST_F(Import, NodesAreKnownByName) {
  ASSERT_TRUE(parse(R"(<ir_version: 10, opset_import: ["": 21]>
    g (float[3] x) => (float[3] y) { [first] a = Neg(x) y = Abs(a) })"))
      << errors;
  EXPECT_EQ(report.nodes.size(), 2u);
  EXPECT_EQ(report.nodes["first"].op, "Neg");
  EXPECT_EQ(report.nodes["Abs_2"].opset, 13); // the version of the operator, not of the file
}

TEST_F(Import, OldVersionsTakeTheLatestForm) {
  auto module = parse(R"(<ir_version: 4, opset_import: ["": 9]>
    g (float[2, 3] x) => (float[1, 2] y) { a = Slice<axes = [0], starts = [0], ends = [1]>(x) y = ReduceSum<axes = [1]>(a) })");
  ASSERT_TRUE(module) << errors;
  EXPECT_TRUE(succeeded(verify(*module)));
  module->walk([](Operation *op) {
    if (op->getName().getStringRef() == "onnx.Slice")
      EXPECT_EQ(op->getNumOperands(), 5u);
    if (op->getName().getStringRef() == "onnx.ReduceSum")
      EXPECT_FALSE(ssm::onnx::isNone(op->getOperand(1)));
  });
}

TEST_F(Import, LocalFunctionsAreInlined) {
  auto module = parse(R"(<ir_version: 10, opset_import: ["": 21, "local": 1]>
    g (float[3] x) => (float[3] y) { y = local.Twice(x) }
    <domain: "local", opset_import: ["": 21]> Twice (a) => (b) { b = Add(a, a) })");
  ASSERT_TRUE(module) << errors;
  EXPECT_EQ(operations(*module), (std::vector<std::string>{"onnx.Add", "func.return"}));
}

TEST_F(Import, EveryProblemIsReported) {
  EXPECT_FALSE(parse(R"(<ir_version: 10, opset_import: ["": 21, "acme": 1]>
    g (float[3] x) => (float[3] y) { a = acme.Foo(x) b = StringConcat(x, x) y = Softmax<axis = 1.5>(x) })"));
  ASSERT_EQ(report.unsupported.size(), 3u) << errors;
  EXPECT_EQ(report.unsupported[0].domain, "acme");
  EXPECT_EQ(report.unsupported[1].op, "StringConcat");
  EXPECT_NE(report.unsupported[2].reason.find("axis"), std::string::npos);
  EXPECT_NE(errors.find("3 of 3 nodes are not supported"), std::string::npos) << errors;
}

TEST_F(Import, LargeWeightsAreReferences) {
  pb::ModelProto model;
  ASSERT_TRUE(pb::OnnxParser::Parse(model, R"(<ir_version: 10, opset_import: ["": 21]>
    g (float[32] x) => (float[32] y) { y = Add(x, w) })").IsOK());
  auto *w = model.mutable_graph()->add_initializer();
  w->set_name("w");
  w->set_data_type(1);
  w->add_dims(32);
  w->set_data_location(pb::TensorProto::EXTERNAL);
  auto *entry = w->add_external_data();
  entry->set_key("location");
  entry->set_value("data.bin");
  // Absent, then too short, then right.
  EXPECT_FALSE(read(model.SerializeAsString()));
  std::string data = (llvm::sys::path::parent_path(path) + "/data.bin").str();
  std::ofstream(data) << std::string(127, 'x');
  EXPECT_FALSE(read(model.SerializeAsString()));
  EXPECT_NE(errors.find("needs 128 bytes at 0, 'data.bin' has 127"), std::string::npos) << errors;
  std::ofstream(data) << std::string(64, 'x') + std::string(64, 'y');
  auto module = read(model.SerializeAsString());
  ASSERT_TRUE(module) << errors;
  module->walk([](ssm::onnx::ConstantOp op) { EXPECT_TRUE(isa<DenseResourceElementsAttr>(op.getValue())); });
}

TEST_F(Import, ExportIsTheInverse) {
  auto module = parse(R"(<ir_version: 10, opset_import: ["": 21]>
    g (float[n, 4] x, bool c) => (float[n, 4] y, float[n, 4] same) <float[4] w = {1.0, 2.0, 3.0, 4.0}> {
      [scale] a = Mul(x, w)
      [pick] y = If (c) <then_branch = t () => (float[n, 4] p) { p = Relu(a) }, else_branch = e () => (float[n, 4] q) { q = Identity(x) }>
      same = Clip(a, , w0)
      w0 = Constant<value_float = 1.0>()
    })");
  EXPECT_FALSE(module); // w0 is used before it is computed
  errors.clear();
  module = parse(R"(<ir_version: 10, opset_import: ["": 21]>
    g (float[n, 4] x, bool c) => (float[n, 4] y, float[n, 4] same) <float[4] w = {1.0, 2.0, 3.0, 4.0}> {
      [scale] a = Mul(x, w)
      [pick] y = If (c) <then_branch = t () => (float[n, 4] p) { p = Relu(a) }, else_branch = e () => (float[n, 4] q) { q = Identity(x) }>
      w0 = Constant<value_float = 1.0>()
      same = Clip(a, , w0)
    })");
  ASSERT_TRUE(module) << errors;
  std::string first, bytes;
  llvm::raw_string_ostream os(bytes);
  ASSERT_TRUE(succeeded(ssm::exportModel(*module, os))) << errors;
  pb::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(bytes));
  EXPECT_EQ(model.graph().input(0).name(), "x");
  EXPECT_EQ(model.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "n");
  EXPECT_EQ(model.graph().output(1).name(), "same");
  auto again = read(bytes);
  ASSERT_TRUE(again) << errors;
  std::vector<std::string> before = operations(*module), after = operations(*again);
  auto isConstant = [](const std::string &s) { return s == "onnx.Constant" || s == "onnx.NoValue"; };
  llvm::erase_if(before, isConstant); // constants come first in a file
  llvm::erase_if(after, isConstant);
  EXPECT_EQ(before, after);
}

TEST_F(Import, GarbageIsRefused) {
  for (const char *bytes : {"", "hello", "\x08\x07"})
    EXPECT_FALSE(read(bytes));
  EXPECT_NE(errors.find("is not an ONNX model"), std::string::npos);
}
} // namespace
