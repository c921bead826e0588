//===- FormDispatches.cpp - groups of operators into dispatch functions ----===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "mlir/IR/Remarks.h"
#include "passes/group/Passes.h"
#include "passes/lower/Registry.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_FORMDISPATCHES
#include "passes/group/Passes.h.inc"
} // namespace ssm

bool ssm::isHostCopy(Operation *op) {
  constexpr size_t kManyParts = 16; // bufferisation is cubic in the parts of one tensor
  StringRef name = op->getName().getStringRef();
  return (name == "onnx.Concat" && op->getNumOperands() > kManyParts) ||
         (name == "onnx.Split" && op->getNumResults() > kManyParts);
}

namespace {
constexpr size_t kMaxMembers = 32, kMaxOperands = 16;
constexpr int64_t kMaxInlineConstant = 16;

struct Group {
  SmallVector<Operation *> members;
  bool open = true;
};

class Former {
public:
  explicit Former(ModuleOp module) : module(module), b(module.getContext()) {}
  LogicalResult run(func::FuncOp main);

private:
  LogicalResult formBlock(Block &block);
  void outline(Group &group);
  ModuleOp module;
  OpBuilder b;
  llvm::StringMap<std::string> functions; // text of the body -> name
  int64_t made = 0;
};

/// What a dispatch takes in by itself instead of as an operand.
bool isInlined(Value v) {
  Operation *def = v.getDefiningOp();
  if (!def)
    return false;
  if (isa<onnx::NoValueOp, onnx::DimsOp>(def))
    return true;
  ElementsAttr value = onnx::constantValue(v);
  return value && value.getNumElements() <= kMaxInlineConstant && isa<DenseElementsAttr>(value);
}

/// The elements of a constant that dispatches take as symbols, so that slices that differ only in where they start are
/// one function: starts of Slice, and indices of Gather.
std::optional<SmallVector<int64_t>> symbolicConstant(OpOperand &use) {
  StringRef name = use.getOwner()->getName().getStringRef();
  if (use.getOperandNumber() != 1 || (name != "onnx.Slice" && name != "onnx.Gather"))
    return std::nullopt;
  ElementsAttr value = onnx::constantValue(use.get());
  auto type = dyn_cast<RankedTensorType>(use.get().getType());
  if (!value || type.getRank() > 1 || !type.getElementType().isInteger(64) || type.getNumElements() > 4)
    return std::nullopt;
  return onnx::intValues(value);
}

/// Whether the ends beside symbolic starts say nothing that the result's type does not.
bool hasConstantEnds(OpOperand &starts) {
  Operation *op = starts.getOwner();
  return op->getNumOperands() > 2 && onnx::constantValue(op->getOperand(2)) &&
         op->getOperand(2).getType() == starts.get().getType();
}

LogicalResult Former::formBlock(Block &block) {
  SmallVector<std::unique_ptr<Group>> groups;
  DenseMap<Operation *, Group *> groupOf;
  DenseMap<Group *, llvm::SmallDenseSet<Value>> operandsOf;
  SmallVector<onnx::DimsOp> hostDims;
  for (Operation &op : block) {
    if (isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op))
      continue;
    const Lowering *lowering = Registry::get().lookup(&op);
    for (Region &r : op.getRegions())
      for (Block &inner : r)
        if (!lowering && failed(formBlock(inner))) // a region of what is lowered goes with it
          return failure();
    Group *joined = nullptr;
    if (lowering && lowering->element) {
      auto type = Emitter::resultType(&op);
      for (Value v : op.getOperands()) {
        Operation *def = v.getDefiningOp();
        Group *g = def ? groupOf.lookup(def) : nullptr;
        if (!g || !g->open || g->members.size() >= kMaxMembers)
          continue;
        const Lowering *first = Registry::get().lookup(g->members[0]);
        if (!first->element || onnx::getDimExprs(Emitter::resultType(g->members[0])) != onnx::getDimExprs(type))
          continue;
        size_t added = llvm::count_if(op.getOperands(), [&](Value o) {
          return !isInlined(o) && !operandsOf[g].contains(o) &&
                 (!o.getDefiningOp() || groupOf.lookup(o.getDefiningOp()) != g);
        });
        if (operandsOf[g].size() + added > kMaxOperands)
          continue;
        joined = g;
        break;
      }
    }
    // Whatever reads from an open group and does not join it closes it: the group will stand before this operator.
    op.walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (Operation *def = v.getDefiningOp())
          if (Group *g = groupOf.lookup(def); g && g != joined)
            g->open = false;
    });
    if (!lowering || lowering->isView || isHostCopy(&op))
      continue;
    if (!joined) {
      groups.push_back(std::make_unique<Group>());
      joined = groups.back().get();
    }
    joined->members.push_back(&op);
    groupOf[&op] = joined;
    for (Value v : op.getOperands()) // regions are of groups of one, which nothing joins
      if (!isInlined(v) && (!v.getDefiningOp() || groupOf.lookup(v.getDefiningOp()) != joined))
        operandsOf[joined].insert(v);
  }
  for (auto &g : groups)
    outline(*g);
  // A size tensor that the host reads as a buffer is made by a dispatch too.
  for (Operation &op : llvm::make_early_inc_range(block))
    if (auto dims = dyn_cast<onnx::DimsOp>(op)) {
      if (dims.use_empty())
        dims.erase();
      else
        hostDims.push_back(dims);
    }
  for (onnx::DimsOp dims : hostDims) {
    Group g;
    g.members.push_back(dims);
    outline(g);
  }
  return success();
}

void Former::outline(Group &group) {
  Operation *last = group.members.back();
  llvm::SmallPtrSet<Operation *, 8> members(group.members.begin(), group.members.end());
  SmallVector<Value> inputs, outputs;
  SmallVector<Operation *> inlined;
  DenseMap<int64_t, int64_t> local;
  SmallVector<AffineExpr> outer, inner;
  MLIRContext *context = b.getContext();
  // Local numbers in order of first use. A shared expression walk keeps equal groups equal.
  auto note = [&](AffineExpr e) {
    e.walk([&](AffineExpr part) {
      if (auto s = dyn_cast<AffineSymbolExpr>(part))
        if (local.try_emplace(s.getPosition(), outer.size()).second)
          outer.push_back(s);
    });
  };
  auto noteType = [&](Type t) {
    if (auto r = dyn_cast<RankedTensorType>(t))
      for (AffineExpr e : onnx::getDimExprs(r))
        note(e);
  };
  struct Symbolic {
    OpOperand *use;
    int64_t first, count; // its symbols
  };
  SmallVector<Symbolic> symbolic;
  auto noteDims = [&](Operation *op) {
    if (auto d = dyn_cast_if_present<onnx::DimsOp>(op))
      for (AffineExpr e : d.getMap().getResults())
        note(e);
    if (auto seed = op ? op->getAttrOfType<AffineMapAttr>(kSeedAttr) : nullptr)
      note(seed.getValue().getResult(0));
  };
  auto take = [&](Value v) {
    Operation *def = v.getDefiningOp();
    if (isInlined(v)) {
      if (!llvm::is_contained(inlined, def))
        inlined.push_back(def);
    } else if (!llvm::is_contained(inputs, v)) {
      inputs.push_back(v);
    }
    noteType(v.getType());
    noteDims(def);
  };
  for (Operation *op : group.members) {
    for (OpOperand &use : op->getOpOperands()) {
      Value v = use.get();
      Operation *def = v.getDefiningOp();
      if (def && members.contains(def))
        continue;
      if (auto values = symbolicConstant(use)) {
        symbolic.push_back({&use, (int64_t)outer.size(), (int64_t)values->size()});
        for (int64_t e : *values)
          outer.push_back(getAffineConstantExpr(e, context));
        continue;
      }
      // The ends of a Slice are in its result's type.
      if (use.getOperandNumber() == 2 && !symbolic.empty() && symbolic.back().use->getOwner() == op &&
          hasConstantEnds(*symbolic.back().use))
        continue;
      take(v);
    }
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::for_each(captured, take);
    op->walk([&](Operation *inner) {
      noteDims(inner);
      for (Region &region : inner->getRegions())
        llvm::for_each(region.getArgumentTypes(), noteType);
      if (inner != op)
        llvm::for_each(inner->getResultTypes(), noteType);
    });
    for (Value r : op->getResults()) {
      noteType(r.getType());
      if (!isa<NoneType>(r.getType()) && llvm::any_of(r.getUsers(), [&](Operation *u) {
            while (u->getBlock() != last->getBlock())
              u = u->getParentOp();
            return !members.contains(u);
          }))
        outputs.push_back(r);
    }
  }
  if (outputs.empty())
    return;
  int64_t numSymbols = 0;
  for (auto [symbol, number] : local)
    numSymbols = std::max(numSymbols, symbol + 1);
  SmallVector<AffineExpr> renamed(numSymbols, getAffineConstantExpr(0, context));
  for (auto [symbol, number] : local)
    renamed[symbol] = getAffineSymbolExpr(number, context);
  auto localType = [&](Type t) -> Type {
    auto r = dyn_cast<RankedTensorType>(t);
    if (!r || !r.getEncoding())
      return t;
    SmallVector<AffineExpr> dims;
    for (AffineExpr e : onnx::getDimExprs(r))
      dims.push_back(e.replaceSymbols(renamed));
    return onnx::withDims(r.getElementType(), dims);
  };

  SmallVector<Type> inTypes, outTypes;
  for (Value v : inputs)
    inTypes.push_back(localType(v.getType()));
  for (Value v : outputs)
    outTypes.push_back(localType(v.getType()));
  SmallVector<Location> locations;
  for (Operation *op : group.members)
    locations.push_back(op->getLoc());
  Location loc = FusedLoc::get(context, locations);
  auto function = func::FuncOp::create(loc, "dispatch", FunctionType::get(context, inTypes, outTypes));
  function.setPrivate();
  function->setAttr(kDispatchAttr, b.getUnitAttr());
  function->setAttr(kSymbolsAttr, b.getI64IntegerAttr(outer.size()));
  Block *entry = function.addEntryBlock();
  IRMapping mapping;
  mapping.map(inputs, entry->getArguments());
  OpBuilder body = OpBuilder::atBlockEnd(entry);
  auto copy = [&](Operation *op) {
    Operation *clone = body.clone(*op, mapping);
    for (const Symbolic &s : symbolic)
      if (s.use->getOwner() == op) {
        SmallVector<AffineExpr> elements;
        for (int64_t i = 0; i < s.count; ++i)
          elements.push_back(getAffineSymbolExpr(s.first + i, context));
        OpBuilder before(clone);
        Value dims = onnx::DimsOp::create(before, op->getLoc(), s.use->get().getType(),
                                          AffineMapAttr::get(AffineMap::get(0, outer.size(), elements, context)));
        clone->setOperand(s.use->getOperandNumber(), dims);
        if (hasConstantEnds(*s.use))
          clone->setOperand(2, dims);
      }
    clone->walk([&](Operation *inner) {
      for (Value r : inner->getResults())
        r.setType(localType(r.getType()));
      for (Region &region : inner->getRegions())
        for (BlockArgument argument : region.getArguments())
          argument.setType(localType(argument.getType()));
      if (auto seed = inner->getAttrOfType<AffineMapAttr>(kSeedAttr))
        inner->setAttr(kSeedAttr, AffineMapAttr::get(AffineMap::get(
                                      0, outer.size(), seed.getValue().getResult(0).replaceSymbols(renamed))));
      if (auto d = dyn_cast<onnx::DimsOp>(inner)) {
        SmallVector<AffineExpr> dims;
        for (AffineExpr e : d.getMap().getResults())
          dims.push_back(e.replaceSymbols(renamed));
        d.setMap(AffineMap::get(0, outer.size(), dims, context));
      }
    });
  };
  for (Operation *op : inlined)
    copy(op);
  for (Operation *op : group.members)
    copy(op);
  SmallVector<Value> results;
  for (Value v : outputs)
    results.push_back(mapping.lookup(v));
  func::ReturnOp::create(body, loc, results);

  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.useLocalScope().skipRegions(false);
  function->print(os, flags);
  std::string &name = functions[text];
  if (name.empty()) {
    name = "dispatch_" + std::to_string(made++);
    function.setName(name);
    module.push_back(function);
  } else {
    function.erase();
  }
  b.setInsertionPointAfter(last);
  auto call = DispatchOp::create(b, loc, TypeRange(ValueRange(outputs)), FlatSymbolRefAttr::get(context, name), inputs,
                                 AffineMapAttr::get(AffineMap::get(0, numSymbols, outer, context)));
  if (group.members.size() > 1)
    remark::passed(loc, remark::RemarkOpts::name("fuse").category("group"))
        << "starts " << name << " of " << std::to_string(group.members.size()) << " operators";
  for (auto [v, r] : llvm::zip(outputs, call.getResults()))
    v.replaceUsesWithIf(r, [&](OpOperand &use) { return !members.contains(use.getOwner()); });
  for (Operation *op : llvm::reverse(group.members))
    op->erase();
}

/// Operators that host code does itself (LowerGraph.cpp).
static bool isHostOperator(Operation *op) {
  StringRef name = op->getName().stripDialect();
  return !isa<onnx::OnnxDialect>(op->getDialect()) || op->hasTrait<OpTrait::IsTerminator>() || op->getNumRegions() ||
         isa<onnx::ConstantOp, onnx::NoValueOp, onnx::DimsOp>(op) || name.starts_with("Sequence") ||
         name.starts_with("Optional") || name == "SplitToSequence" || name == "ConcatFromSequence";
}

LogicalResult Former::run(func::FuncOp main) {
  bool supported = true;
  main.walk([&](Operation *op) {
    if (op == main || isHostOperator(op) || Registry::get().lookup(op))
      return;
    op->emitError("operator ") << op->getName().stripDialect() << " is not supported";
    supported = false;
  });
  if (!supported)
    return failure(); // one run lists them all
  return formBlock(main.getBody().front());
}

struct FormDispatchesPass : ssm::impl::FormDispatchesBase<FormDispatchesPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (main && failed(Former(getOperation()).run(main)))
      signalPassFailure();
  }
};
} // namespace
