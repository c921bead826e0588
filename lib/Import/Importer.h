//===- Importer.h - state of one import -------------------------*- C++ -*-===//
// Graph.cpp walks graphs and nodes, Check.cpp refuses what is not ONNX, Normalise.cpp turns old operator versions into the
// latest form, Functions.cpp expands function bodies, ResultTypes.cpp and Tensors.cpp make types and constants.
//===----------------------------------------------------------------------===//
#ifndef SSM_LIB_IMPORT_IMPORTER_H
#define SSM_LIB_IMPORT_IMPORTER_H

#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Builders.h"
#include "onnx/defs/schema.h"
#include "onnx/onnx_pb.h"
#include "ssm-mlir/Import.h"
#include <map>
#include <memory>

namespace ssm {
namespace pb = ::ONNX_NAMESPACE;

/// One node on its way into the dialect: operands by value, attributes by ONNX name.
struct Node {
  std::string op, domain;
  int64_t version = 0; // since-version of the operator in the node's opset
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<std::string> inputNames, outputNames;
  llvm::MapVector<llvm::StringRef, const pb::AttributeProto *> attributes;
  llvm::SmallVector<mlir::NamedAttribute> extra; // attributes made by normalisation
  const pb::NodeProto *proto = nullptr;
  const pb::AttributeProto *take(llvm::StringRef name) {
    auto it = attributes.find(name);
    if (it == attributes.end())
      return nullptr;
    const pb::AttributeProto *a = it->second;
    attributes.erase(it);
    return a;
  }
};

/// What makes a node impossible to import; becomes an entry of the report.
struct Refusal {
  std::string reason;
};

/// Subgraphs and function bodies inside each other; nodes with bodies expanded.
inline constexpr int64_t kMaxNesting = 64, kMaxNodes = 1 << 20;
/// Dimensions of a tensor, as SSM_MAX_RANK of the C interface.
inline constexpr int64_t kMaxRank = 16;

/// libonnx's messages without the context they carry along.
std::string firstLine(llvm::StringRef message);

class Importer {
public:
  Importer(mlir::MLIRContext &context, llvm::StringRef path, ImportReport &report);
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  using Scope = std::map<std::string, mlir::Value>;

  // Graph.cpp
  void importMain(const pb::GraphProto &graph);
  void importNodes(const google::protobuf::RepeatedPtrField<pb::NodeProto> &nodes);
  void importNode(const pb::NodeProto &proto);
  void importOperator(Node &node, mlir::Location loc);
  mlir::Operation *build(Node &node, mlir::Location loc);
  void importBatchedScan(Node &node, mlir::Location loc);
  void noteRanks(const pb::GraphProto &graph);
  void describe(mlir::Type type, pb::TypeProto &proto, int64_t rank = -1);
  void expandFunction(const pb::FunctionProto &function, Node &node, mlir::Location loc);
  bool expandBody(Node &node, mlir::Location loc);
  void importRegion(mlir::Region &region, const pb::GraphProto &graph, llvm::ArrayRef<mlir::Type> argumentTypes);
  void define(const std::string &name, mlir::Value v);
  mlir::Value lookup(const std::string &name);
  mlir::Type resultType(const Node &node, const pb::OpSchema &schema, unsigned index);
  mlir::Attribute convertAttribute(const pb::AttributeProto &a);
  int64_t versionOf(llvm::StringRef domain) const;
  mlir::Location locationOf(const pb::NodeProto &proto);
  void refuse(const Node &node, const std::string &reason);
  std::string nameOf(const Node &node) const;

  // Check.cpp
  /// Versions, cycles among functions and their size.
  void checkModel();
  /// Attribute names and kinds, numbers of inputs and outputs, against the schema of the node's version.
  void checkAttributes(const Node &node, const pb::OpSchema &schema);
  /// The same, and the types of operands.
  void checkNode(const Node &node, const pb::OpSchema &schema);
  /// Kinds and element types of what subgraphs take and give.
  void checkRegions(const Node &node, mlir::ValueRange operands, llvm::ArrayRef<std::unique_ptr<mlir::Region>> regions);
  int64_t rankOf(const Node &node, unsigned operand);
  void inferRanks();

  // Normalise.cpp
  /// Gives false when the node has been imported by other means.
  bool normalise(Node &node, mlir::Location loc);
  /// Tells the function body of a node what it needs to know of its operands and only the node's result says.
  void completeOperands(Node &node, mlir::Location loc);

  // BatchStatistics.cpp
  /// Gives a BatchNormalization that trains the statistics of its batch as inputs, and defines all outputs but the first.
  void takeBatchStatistics(Node &node, mlir::Location loc);

  // Vendor.cpp
  /// Takes an operator of com.microsoft through a body of ai.onnx operators; false where there is none.
  bool expandVendor(Node &node, mlir::Location loc);

  // Tensors.cpp
  mlir::Type elementType(int32_t dtype);
  mlir::Type typeOf(const pb::TypeProto &type, bool symbolic);
  mlir::ElementsAttr convertTensor(const pb::TensorProto &tensor);
  mlir::ElementsAttr intsConstant(llvm::ArrayRef<int64_t> values, bool scalar = false);
  mlir::Value constant(mlir::Location loc, mlir::ElementsAttr value);
  std::shared_ptr<llvm::MemoryBuffer> mapExternal(const std::string &location);

  mlir::Value none(mlir::Location loc);
  mlir::Value emit(mlir::Location loc, llvm::StringRef op, mlir::ValueRange operands, mlir::Type result,
                   llvm::ArrayRef<mlir::NamedAttribute> attributes = {});
  int64_t symbolNamed(const std::string &name);

  mlir::MLIRContext &context;
  std::string path;
  ImportReport &report;
  mlir::OpBuilder b;
  std::shared_ptr<pb::ModelProto> model;
  std::map<std::string, int64_t> opsets;
  std::vector<Scope> scopes;
  std::map<std::string, int64_t> symbols;
  std::vector<std::string> symbolNames;
  std::map<std::string, int64_t> ranks; // of values, where libonnx could tell; old broadcast rules need them
  std::map<std::string, int64_t> hints; // the same, and what the model declares
  std::map<std::string, std::shared_ptr<llvm::MemoryBuffer>> externals;
  std::vector<std::string> problems;
  int64_t ordinal = 0, nodeCount = 0, depth = 0;
  int64_t inBody = 0; // function bodies that are being expanded
};

/// A tensor type with any rank; other types as they are.
mlir::Type withoutShape(mlir::Type t);

} // namespace ssm
#endif
