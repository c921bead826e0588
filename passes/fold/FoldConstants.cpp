//===- FoldConstants.cpp - values that no input changes --------------------===//
// Operators whose operands are all constants are taken out of @main into a module of their own, compiled by the phases
// that compile every other operator, run here, and replaced by what they gave. There is no second implementation of any
// operator that could differ from the first, and an operator that is lowered is folded. float32 arithmetic is carried
// out in float64 and rounded once at the end, so that a chain of operators loses no digits, except around operators
// that are not continuous, which keep the decisions that float32 arithmetic makes. Large results stay where they are
// computed from: an operator may not give more bytes than it reads, beyond 64 KiB. A view of a constant is a constant
// that refers to the same bytes. Linear in operators and bytes.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Splat.h"
#include "lib/Target/Cpu/Cpu.h"
#include "lib/Target/Cpu/Jit.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Iterators.h"
#include "passes/fold/Passes.h"
#include "passes/group/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "passes/fold/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kSmall = 64 << 10;   // bytes that any operator may give
constexpr int64_t kLargest = 16 << 20; // of one value
constexpr int64_t kBudget = 64 << 20;  // of all values of one run

int64_t bytesOf(Type type) {
  auto t = dyn_cast<RankedTensorType>(type);
  if (!t)
    return 0;
  Type e = t.getElementType();
  int64_t width = isa<ComplexType>(e) ? 2 * cast<ComplexType>(e).getElementType().getIntOrFloatBitWidth()
                                      : storageType(e).getIntOrFloatBitWidth();
  return t.getNumElements() * width / 8;
}

/// Element types whose constants have one byte or more an element.
bool isStorable(Type type) {
  auto t = dyn_cast<RankedTensorType>(type);
  if (!t || !t.hasStaticShape())
    return false;
  Type e = t.getElementType();
  if (auto c = dyn_cast<ComplexType>(e))
    return c.getElementType().isF32() || c.getElementType().isF64();
  return e.isInteger(1) || (e.isIntOrFloat() && e.getIntOrFloatBitWidth() >= 8);
}

/// Smooth arithmetic and movement, which float64 only makes better.
bool isContinuous(Operation *op) {
  static const llvm::StringSet<> names = {
      "Add",    "Concat",  "Cos",        "Cosh",       "CumSum",     "Div",       "Erf",     "Exp",
      "Expand", "Flatten", "Gather",     "Gemm",       "Identity",   "Log",       "MatMul",  "Mul",
      "Neg",    "Pow",     "Reciprocal", "ReduceMean", "ReduceProd", "ReduceSum", "Reshape", "Sigmoid",
      "Sin",    "Sinh",    "Slice",      "Softplus",   "Split",      "Sqrt",      "Squeeze", "Sub",
      "Sum",    "Tanh",    "Tile",       "Transpose",  "Unsqueeze"};
  return names.contains(op->getName().stripDialect());
}

class Folder {
public:
  explicit Folder(func::FuncOp main) : main(main), b(main.getContext()) {}
  /// The number of values that became constants.
  int64_t run();

private:
  bool isFoldable(Operation *op);
  void foldViews();
  void collect();
  OwningOpRef<ModuleOp> extract();
  bool evaluate(ModuleOp module);
  void *address(Value v);
  ElementsAttr attribute(Type type, const char *bytes);

  func::FuncOp main;
  OpBuilder b;
  SmallVector<Operation *> members; // in order
  llvm::SmallPtrSet<Operation *, 16> isMember;
  SmallVector<Value> frontier;
  SmallVector<ElementsAttr> results;
  DenseMap<Value, void *> addresses;
  std::vector<std::unique_ptr<char, decltype(&std::free)>> memory;
};
} // namespace

/// A view of a constant is the same bytes under another type.
void Folder::foldViews() {
  main.walk([&](Operation *op) {
    const Lowering *lowering = Registry::get().lookup(op);
    if (!lowering || !lowering->isView || op->getNumOperands() == 0)
      return;
    auto to = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    ElementsAttr value = onnx::constantValue(op->getOperand(0));
    if (!value || !to || !to.hasStaticShape() || to.getNumElements() != value.getNumElements() ||
        to.getElementType() != value.getElementType())
      return;
    ElementsAttr made;
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
      made = DenseResourceElementsAttr::get(to, resource.getRawHandle());
    else if (auto dense = dyn_cast<DenseElementsAttr>(value))
      made = dense.reshape(to);
    if (!made)
      return;
    b.setInsertionPoint(op);
    op->getResult(0).replaceAllUsesWith(onnx::ConstantOp::create(b, op->getLoc(), to, made));
    op->erase();
  });
}

bool Folder::isFoldable(Operation *op) {
  const Lowering *lowering = Registry::get().lookup(op);
  if (!lowering || op->getNumRegions() || op->getNumOperands() == 0 || !isPure(op))
    return false;
  StringRef name = op->getName().stripDialect();
  if (name == "Dropout")
    return false;
  int64_t in = 0, out = 0;
  for (Value v : op->getOperands()) {
    if (onnx::isNone(v))
      continue;
    Operation *def = v.getDefiningOp();
    if (!def || !(isa<onnx::ConstantOp>(def) || isMember.contains(def)) || !isStorable(v.getType()))
      return false;
    if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(onnx::constantValue(v));
        resource && !resource.getRawHandle().getBlob())
      return false; // the text of a module without its weights
    in += bytesOf(v.getType());
  }
  for (Value r : op->getResults()) {
    if (isa<NoneType>(r.getType()))
      continue;
    if (!isStorable(r.getType()))
      return false;
    out += bytesOf(r.getType());
  }
  if (out > std::max(in, kSmall) || out > kLargest || in > kBudget)
    return false;
  // Of what does more than look at each element a few times only small ones, so that time is bounded by bytes.
  static const llvm::StringSet<> costly = {
      "Conv", "ConvInteger", "ConvTranspose", "DFT",         "Einsum",        "GRU", "Gemm",
      "LSTM", "MatMul",      "MatMulInteger", "QLinearConv", "QLinearMatMul", "RNN"};
  if (costly.contains(name) && in > (1 << 20))
    return false;
  // An integer division by zero would stop the compiler.
  if ((name == "Div" || name == "Mod") &&
      isa<IntegerType>(cast<TensorType>(op->getResult(0).getType()).getElementType())) {
    auto divisor = onnx::intValues(op->getOperand(1));
    if (!divisor || llvm::any_of(*divisor, [](int64_t v) { return v == 0 || v == -1; }))
      return false;
  }
  return true;
}

void Folder::collect() {
  int64_t total = 0;
  main.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isa<onnx::OnnxDialect>(op->getDialect()) || isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op) ||
        !isFoldable(op))
      return;
    for (Value r : op->getResults())
      total += bytesOf(r.getType());
    if (total > kBudget)
      return;
    members.push_back(op);
    isMember.insert(op);
  });
  for (Operation *op : members)
    for (Value r : op->getResults())
      if (llvm::any_of(r.getUsers(), [&](Operation *u) { return !isMember.contains(u); }))
        frontier.push_back(r);
}

/// @main without inputs that gives the frontier.
OwningOpRef<ModuleOp> Folder::extract() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(main.getLoc());
  OpBuilder body = OpBuilder::atBlockEnd(module->getBody());
  auto function = func::FuncOp::create(body, main.getLoc(), "main",
                                       b.getFunctionType({}, SmallVector<Type>(ValueRange(frontier).getTypes())));
  body.setInsertionPointToStart(function.addEntryBlock());
  IRMapping plain;
  DenseMap<Value, Value> wide; // float64 versions
  Type f32 = b.getF32Type(), f64 = b.getF64Type();
  auto retyped = [](Type t, Type element) {
    return RankedTensorType::get(cast<RankedTensorType>(t).getShape(), element);
  };
  auto isF32 = [&](Value v) {
    auto t = dyn_cast<RankedTensorType>(v.getType());
    return t && t.getElementType() == f32;
  };
  auto cast = [&](Value v, Type element, int64_t dtype, Location loc) {
    OperationState state(loc, "onnx.Cast", v, {retyped(v.getType(), element)},
                         b.getNamedAttr("to", IntegerAttr::get(b.getIntegerType(64, true), dtype)));
    return body.create(state)->getResult(0);
  };
  auto narrowOf = [&](Value v) -> Value {
    if (Value known = plain.lookupOrNull(v))
      return known;
    if (Value w = wide.lookup(v)) {
      Value made = cast(w, f32, 1, v.getLoc());
      plain.map(v, made);
      return made;
    }
    Operation *def = body.clone(*v.getDefiningOp(), plain); // a constant or no value
    return def->getResult(0);
  };
  auto wideOf = [&](Value v) -> Value {
    if (!isF32(v))
      return narrowOf(v);
    Value &known = wide[v];
    if (!known) {
      Value from = narrowOf(v);
      known = cast(from, f64, 11, v.getLoc());
    }
    return known;
  };
  for (Operation *op : members) {
    bool widen = isContinuous(op) && llvm::any_of(op->getResults(), isF32);
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) {
      Value used = widen ? wideOf(v) : narrowOf(v);
      operands.push_back(used);
    }
    Operation *clone = op->clone();
    clone->setOperands(operands);
    body.insert(clone);
    for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults())) {
      if (widen && isF32(from)) {
        to.setType(retyped(to.getType(), f64));
        wide[from] = to;
      } else {
        plain.map(from, to);
      }
    }
  }
  SmallVector<Value> outputs;
  for (Value v : frontier)
    outputs.push_back(narrowOf(v));
  func::ReturnOp::create(body, main.getLoc(), outputs);
  return module;
}

void *Folder::address(Value v) {
  if (void *known = addresses.lookup(v))
    return known;
  auto allocate = [&](int64_t bytes) {
    memory.emplace_back((char *)std::aligned_alloc(64, (std::max<int64_t>(bytes, 1) + 63) / 64 * 64), &std::free);
    return memory.back().get();
  };
  ElementsAttr value = onnx::constantValue(v);
  if (!value)
    return addresses[v] = allocate(bytesOf(v.getType()));
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    if (const char *data = resource.getRawHandle().getBlob()->getData().data(); (uintptr_t)data % 64 == 0)
      return addresses[v] = (void *)data;
  std::string content;
  llvm::raw_string_ostream os(content);
  StoredConstant(value).write(os);
  char *copy = allocate(content.size());
  std::memcpy(copy, content.data(), content.size());
  return addresses[v] = copy;
}

ElementsAttr Folder::attribute(Type type, const char *bytes) {
  auto t = cast<RankedTensorType>(type);
  int64_t n = t.getNumElements();
  ArrayRef<char> raw(bytes, bytesOf(type));
  if (n <= 16 && t.getElementType().isInteger(1)) {
    SmallVector<bool> values;
    for (char c : raw)
      values.push_back(c != 0);
    return DenseElementsAttr::get(t, ArrayRef<bool>(values));
  }
  if (n <= 16)
    return DenseElementsAttr::getFromRawBuffer(t, raw);
  if (DenseElementsAttr splat = onnx::splatOf(t, raw))
    return splat;
  return DenseResourceElementsAttr::get(t, "folded", HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, 64));
}

bool Folder::evaluate(ModuleOp module) {
  MLIRContext *context = module.getContext();
  PassManager group(context);
  group.enableVerifier(false);
  group.addPass(createFormDispatches());
  if (failed(group.run(module)))
    return false;
  OwningOpRef<ModuleOp> dispatches = ModuleOp::create(module.getLoc());
  auto constants = module.lookupSymbol<func::FuncOp>("main");
  for (auto f : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (f != constants) {
      f->remove();
      dispatches->push_back(f);
    }
  std::unique_ptr<DispatchJit> jit;
  if (!dispatches->getBody()->empty()) {
    PassManager lower(context);
    lower.enableVerifier(false);
    lower.addNestedPass<func::FuncOp>(createLowerDispatch());
    buildDispatchPipeline(lower);
    std::string reason;
    if (failed(lower.run(*dispatches)) || !(jit = DispatchJit::create(*dispatches, reason)))
      return false;
  }
  for (Operation &op : constants.getBody().front()) {
    if (isa<onnx::ConstantOp, onnx::NoValueOp>(op))
      continue;
    if (auto end = dyn_cast<func::ReturnOp>(op)) {
      for (Value v : end.getOperands())
        results.push_back(attribute(v.getType(), (const char *)address(v)));
      return true;
    }
    if (auto call = dyn_cast<DispatchOp>(op)) {
      SmallVector<void *> buffers;
      for (Value v : call.getInputs())
        buffers.push_back(address(v));
      for (Value v : call.getOutputs())
        buffers.push_back(address(v));
      if (call.getSymbols().getNumResults() || !jit->run(call.getCallee(), buffers))
        return false;
      continue;
    }
    const Lowering *lowering = Registry::get().lookup(&op);
    if (!lowering || !lowering->isView)
      return false;
    addresses[op.getResult(0)] = address(op.getOperand(0));
  }
  return false;
}

int64_t Folder::run() {
  foldViews();
  collect();
  if (frontier.empty())
    return 0;
  OwningOpRef<ModuleOp> module = extract();
  {
    // What cannot be folded is computed at run time, or refused where it stands.
    ScopedDiagnosticHandler silent(main.getContext(), [](Diagnostic &) { return success(); });
    if (!evaluate(*module))
      return 0;
  }
  for (auto [v, value] : llvm::zip(frontier, results)) {
    b.setInsertionPoint(v.getDefiningOp());
    Value constant = onnx::ConstantOp::create(b, v.getLoc(), v.getType(), value);
    v.replaceAllUsesWith(constant);
  }
  for (Operation *op : llvm::reverse(members))
    op->erase();
  return frontier.size();
}

namespace {
struct FoldConstantsPass : ssm::impl::FoldConstantsBase<FoldConstantsPass> {
  void runOnOperation() override {
    if (auto main = getOperation().lookupSymbol<func::FuncOp>("main"))
      folded += Folder(main).run();
  }
};
} // namespace
