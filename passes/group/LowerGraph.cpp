//===- LowerGraph.cpp - @main into host code -------------------------------===//
// Expects: @main after ssm-form-dispatches. Leaves: func.func @ssm_generated_main in scf, arith and llvm.
// A value is a pointer and the sizes its type names; a buffer has one owner, the block that made it, and is freed after
// its last use there. What a region yields is handed over, or copied when the region does not own it.
//===----------------------------------------------------------------------===//
#include "passes/group/GraphLowering.h"
#include "passes/group/Passes.h"
#include "passes/lower/Registry.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_LOWERGRAPH
#include "passes/group/Passes.h.inc"
} // namespace ssm

/// TensorProto.DataType of an element type.
int32_t ssm::onnxDtype(Type t) {
  if (auto i = dyn_cast<IntegerType>(t)) {
    bool u = i.isUnsigned();
    switch (i.getWidth()) {
    case 1: return 9;
    case 2: return u ? 25 : 26;
    case 4: return u ? 21 : 22;
    case 8: return u ? 2 : 3;
    case 16: return u ? 4 : 5;
    case 32: return u ? 12 : 6;
    default: return u ? 13 : 7;
    }
  }
  if (auto c = dyn_cast<ComplexType>(t))
    return c.getElementType().isF32() ? 14 : 15;
  if (t.isF32()) return 1;
  if (t.isF16()) return 10;
  if (t.isF64()) return 11;
  if (t.isBF16()) return 16;
  if (isa<Float8E4M3FNType>(t)) return 17;
  if (isa<Float8E4M3FNUZType>(t)) return 18;
  if (isa<Float8E5M2Type>(t)) return 19;
  if (isa<Float8E5M2FNUZType>(t)) return 20;
  if (isa<Float4E2M1FNType>(t)) return 23;
  if (isa<Float8E8M0FNUType>(t)) return 24;
  return 8;
}

namespace {
constexpr int64_t kEmbedLimit = 64 << 10;
// While dispatches still lie in the same module their C declarations need other names.
constexpr StringLiteral kCallPrefix = "call.";
} // namespace

int64_t ssm::elementBytes(Type t) {
  if (auto c = dyn_cast<ComplexType>(t))
    return 2 * elementBytes(c.getElementType());
  return std::max(1u, storageType(t).getIntOrFloatBitWidth() / 8);
}

static bool isViewOp(Operation *op) {
  const Lowering *l = Registry::get().lookup(op);
  return l && l->isView;
}

std::string GraphLowering::nodeName(Location loc) {
  std::string name;
  loc->walk([&](Location l) {
    if (auto n = dyn_cast<NameLoc>(l); n && name.empty())
      name = n.getName().str();
    return WalkResult::advance();
  });
  return name;
}

/// The source nodes of a dispatch, the first few by name.
std::string GraphLowering::profileName(Location loc) {
  SmallVector<StringRef> names;
  loc->walk([&](Location l) {
    if (auto n = dyn_cast<NameLoc>(l); n && !llvm::is_contained(names, n.getName().strref()))
      names.push_back(n.getName());
    return WalkResult::advance();
  });
  constexpr size_t kShown = 4;
  std::string text = llvm::join(ArrayRef(names).take_front(kShown), " + ");
  if (names.size() > kShown)
    text += " + " + std::to_string(names.size() - kShown) + " more";
  return text;
}

Value GraphLowering::size(AffineExpr e) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return h.constant(c.getValue());
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    Value v = symbols.lookup(s.getPosition());
    return v ? v : h.constant(0); // a size that no executed iteration has given
  }
  auto bin = cast<AffineBinaryOpExpr>(e);
  Value x = size(bin.getLHS()), y = size(bin.getRHS());
  switch (e.getKind()) {
  case AffineExprKind::Add: return h.add(x, y);
  case AffineExprKind::Mul: return h.mul(x, y);
  case AffineExprKind::CeilDiv: return h.binary<arith::CeilDivSIOp>(x, y);
  case AffineExprKind::FloorDiv: return h.binary<arith::FloorDivSIOp>(x, y);
  default: return h.binary<arith::SubIOp>(x, h.mul(h.binary<arith::FloorDivSIOp>(x, y), y));
  }
}

Value GraphLowering::count(RankedTensorType t) {
  Value n = h.constant(1);
  for (AffineExpr e : onnx::getDimExprs(t))
    n = h.mul(n, size(e));
  return n;
}
Value GraphLowering::bytes(RankedTensorType t) { return h.mul(count(t), h.constant(elementBytes(t.getElementType()))); }

/// The bytes of a value, or an impossible number where they are too many or a size is negative.
Value GraphLowering::checkedBytes(RankedTensorType t) {
  if (t.hasStaticShape())
    return bytes(t);
  Value n = h.constant(elementBytes(t.getElementType()));
  for (AffineExpr e : onnx::getDimExprs(t))
    n = h.call("ssmrt_times", h.i64(), {n, size(e)});
  return n;
}

Value ssm::bufferOf(Value v) {
  while (Operation *def = v.getDefiningOp()) {
    if (!isViewOp(def) || def->getNumOperands() == 0)
      break;
    v = def->getOperand(0);
  }
  return v;
}

void GraphLowering::planLifetimes(Block &block, Scope &scope) {
  DenseMap<Value, Operation *> last;
  for (Operation &op : block)
    op.walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        last[bufferOf(v)] = &op;
    });
  for (auto [v, op] : last)
    if (!op->hasTrait<OpTrait::IsTerminator>())
      scope.dies[op].push_back(v);
}

void GraphLowering::setOwned(Value v, Value buffer) {
  pointers[v] = buffer;
  scopes.back()->owned[v] = buffer;
}

void GraphLowering::freeScope() {
  for (auto [v, buffer] : scopes.back()->owned)
    h.call("ssmrt_free", {}, {rt, buffer});
  for (Value memory : scopes.back()->arenas)
    h.call("ssmrt_free", {}, {rt, memory});
  scopes.back()->owned.clear();
}

SmallVector<std::pair<Value, int64_t>> ssm::directOutputs(func::FuncOp main) {
  SmallVector<std::pair<Value, int64_t>> outputs;
  for (auto [i, v] : llvm::enumerate(main.getBody().front().getTerminator()->getOperands()))
    if (Operation *def = v.getDefiningOp(); def && (isa<DispatchOp>(def) || def->getName().getStringRef() == "onnx.Concat"))
      outputs.push_back({v, i});
  return outputs;
}

Value GraphLowering::pointer(Value v) {
  if (Value known = pointers.lookup(v))
    return known;
  auto pack = v.getDefiningOp<PackOp>();
  ElementsAttr value = onnx::constantValue(pack ? pack.getValue() : v);
  assert(value && "a value without a buffer");
  StoredConstant constant = pack ? StoredConstant(value, pack.getTransposed()) : StoredConstant(value);
  int64_t n = constant.bytes();
  if (n > kEmbedLimit) {
    auto [it, fresh] = sideOffsets.try_emplace(constant.attribute(), sideBytes);
    if (fresh) {
      side.push_back(constant.attribute());
      sideBytes += (n + 63) / 64 * 64;
    }
    return h.offset(h.load(h.ptr(), rt), it->second); // ssmrt.side is the first field
  }
  std::string content;
  llvm::raw_string_ostream os(content);
  constant.write(os);
  content.resize(std::max<int64_t>(n, 1));
  return h.bytes(content, "ssm_constant");
}

Value GraphLowering::own(Value v) {
  auto &owned = scopes.back()->owned;
  if (auto it = owned.find(v); it != owned.end()) {
    Value buffer = it->second;
    owned.erase(it);
    return buffer;
  }
  Value n = bytes(cast<RankedTensorType>(v.getType()));
  Value buffer = allocate(n);
  h.copy(buffer, pointer(v), n);
  return buffer;
}

SmallVector<Value> GraphLowering::sizesOf(Value v) {
  if (auto it = runtimeDims.find(v); it != runtimeDims.end())
    return it->second;
  SmallVector<Value> out;
  if (auto t = dyn_cast<RankedTensorType>(v.getType()))
    for (AffineExpr e : onnx::getDimExprs(t))
      out.push_back(size(e));
  return out;
}

Value GraphLowering::dimsArray(RankedTensorType t) {
  Value array = h.slot(8 * std::max<int64_t>(1, t.getRank()));
  for (auto [i, e] : llvm::enumerate(onnx::getDimExprs(t)))
    h.store(size(e), h.offset(array, 8 * i));
  return array;
}

void GraphLowering::fail(Value condition, const Twine &message, Value x, Value y) {
  scf::IfOp::create(h.b, h.loc, condition, [&](OpBuilder &b, Location l) {
    OpBuilder::InsertionGuard guard(h.b);
    h.b.setInsertionPointToEnd(b.getInsertionBlock());
    std::string text = message.str();
    text.push_back('\0');
    h.call("ssmrt_fail_sizes", {}, {rt, h.bytes(text, "ssm_message"), x, y});
    scf::YieldOp::create(h.b, l);
  });
}

void GraphLowering::emitView(Operation *op) {
  Value x = op->getOperand(0), r = op->getResult(0);
  pointers[r] = pointer(x);
  auto from = dyn_cast<RankedTensorType>(x.getType()), to = dyn_cast<RankedTensorType>(r.getType());
  if (!from || !to || (from.hasStaticShape() && to.hasStaticShape()))
    return;
  if (onnx::getDimExprs(from) == onnx::getDimExprs(to))
    return;
  StringRef name = op->getName().stripDialect();
  if (name == "Reshape" || name == "Squeeze") {
    Value n = count(from), m = count(to);
    fail(h.compare(Pred::ne, n, m), "node '" + nodeName(op->getLoc()) + "': " + name + " changes the number of elements", n, m);
  }
}

void GraphLowering::emitArena(ArenaOp op) {
  Value n = size(op.getBytes().getResult(0));
  bool ofCall = op->getBlock()->getParentOp()->getParentOp() == module;
  Value memory = h.call(ofCall ? "ssmrt_arena" : "ssmrt_alloc", h.ptr(), {rt, n});
  arenas[op.getArena()] = memory;
  if (!ofCall)
    scopes.back()->arenas.push_back(memory);
}

/// Memory for a value that is computed now: an output, its place in an arena, or a buffer.
Value GraphLowering::makePlace(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  auto it = outputs.find(v);
  unsigned number = cast<OpResult>(v).getResultNumber();
  auto in = v.getDefiningOp()->getAttrOfType<DenseI64ArrayAttr>(kArenasAttr);
  if (it == outputs.end() && in && in[number] >= 0)
    pointers[v] = h.offset(arenas.lookup(in[number]),
                           size(v.getDefiningOp()->getAttrOfType<AffineMapAttr>(kOffsetsAttr).getValue().getResult(number)));
  else if (it == outputs.end())
    setOwned(v, allocate(checkedBytes(type)));
  else
    pointers[v] = h.call("ssmrt_output", h.ptr(),
                         {rt, h.offset(out, kValueBytes * it->second), h.constant32(onnxDtype(type.getElementType())),
                          h.constant32(type.getRank()), dimsArray(type)});
  return pointers[v];
}

/// Concat and Split of many parts: each part is rows of bytes in the whole.
void GraphLowering::emitParts(Operation *op) {
  bool joins = op->getName().stripDialect() == "Concat";
  Value whole = joins ? op->getResult(0) : op->getOperand(0);
  auto type = cast<RankedTensorType>(whole.getType());
  int64_t axis = normalAxis(onnx::intAttr(op, "axis"), type.getRank());
  SmallVector<AffineExpr> dims = onnx::getDimExprs(type);
  auto product = [&](ArrayRef<AffineExpr> of) {
    Value n = h.constant(1);
    for (AffineExpr e : of)
      n = h.mul(n, size(e));
    return n;
  };
  Value rows = product(ArrayRef(dims).take_front(axis));
  Value inner = h.mul(product(ArrayRef(dims).drop_front(axis + 1)), h.constant(elementBytes(type.getElementType())));
  Value at = joins ? makePlace(whole) : pointer(whole), step = h.mul(size(dims[axis]), inner);
  for (Value part : joins ? SmallVector<Value>(op->getOperands()) : SmallVector<Value>(op->getResults())) {
    Value own = joins ? pointer(part) : makePlace(part);
    Value width = h.mul(size(onnx::getDimExpr(cast<RankedTensorType>(part.getType()), axis)), inner);
    if (joins)
      h.call("ssmrt_copy_rows", {}, {at, step, own, width, width, rows});
    else
      h.call("ssmrt_copy_rows", {}, {own, width, at, step, width, rows});
    at = h.offset(at, width);
  }
}

LogicalResult GraphLowering::emitDispatch(DispatchOp op) {
  SmallVector<Value> arguments = {rt};
  for (Value v : op.getInputs())
    arguments.push_back(pointer(v));
  for (Value r : op.getOutputs())
    arguments.push_back(makePlace(r));
  for (AffineExpr e : op.getSymbols().getResults())
    arguments.push_back(size(e));
  Value id = h.constant32(profile.size());
  profile.push_back(h.b.getStringAttr(profileName(op.getLoc())));
  h.call("ssmrt_profile_begin", {}, {rt, id});
  h.call((kCallPrefix + op.getCallee()).str(), {}, arguments);
  h.call("ssmrt_profile_end", {}, {rt, id});
  return success();
}

LogicalResult GraphLowering::emit(Operation *op) {
  h.loc = op->getLoc();
  if (isa<onnx::ConstantOp, onnx::NoValueOp, PackOp>(op))
    return success();
  if (auto x = dyn_cast<DispatchOp>(op))
    return emitDispatch(x);
  if (auto x = dyn_cast<ArenaOp>(op)) {
    emitArena(x);
    return success();
  }
  if (auto x = dyn_cast<BindSeedOp>(op)) {
    bind(x.getSymbol(), h.call("ssmrt_seed", h.i64(), {rt}));
    return success();
  }
  if (auto x = dyn_cast<BindDimOp>(op)) {
    if (!symbols.count(x.getSymbol()))
      bind(x.getSymbol(), sizesOf(x.getValue())[x.getAxis()]);
    return success();
  }
  if (auto x = dyn_cast<BindElementOp>(op)) {
    Type t = cast<TensorType>(x.getValue().getType()).getElementType();
    int64_t n = elementBytes(t);
    Value v = h.load(storageType(t), h.offset(pointer(x.getValue()), n * x.getIndex()));
    if (n < 8)
      v = isUnsigned(t) ? arith::ExtUIOp::create(h.b, h.loc, h.i64(), v).getResult()
                        : arith::ExtSIOp::create(h.b, h.loc, h.i64(), v).getResult();
    bind(x.getSymbol(), v);
    return success();
  }
  if (auto x = dyn_cast<BindExprOp>(op)) {
    SmallVector<Value> v;
    for (AffineExpr e : x.getMap().getResults())
      v.push_back(size(e));
    Value r = v[0];
    StringRef kind = x.getKind();
    if (kind == "min" || kind == "max") {
      for (Value y : ArrayRef(v).drop_front())
        r = kind == "min" ? h.binary<arith::MinSIOp>(r, y) : h.binary<arith::MaxSIOp>(r, y);
    } else if (kind == "broadcast") {
      Value one = h.constant(1);
      Value first = h.compare(Pred::eq, v[0], one);
      Value differ = h.compare(Pred::ne, v[0], v[1]);
      Value bad = h.binary<arith::AndIOp>(differ, h.binary<arith::AndIOp>(h.compare(Pred::ne, v[0], one),
                                                                          h.compare(Pred::ne, v[1], one)));
      fail(bad, "sizes cannot be broadcast", v[0], v[1]);
      r = h.select(first, v[1], v[0]);
    } else if (kind == "same") {
      auto given = x->getAttrOfType<StringAttr>("message");
      StringRef message = given ? given.getValue() : "sizes that must be equal differ";
      fail(h.compare(Pred::ne, v[0], v[1]), "node '" + nodeName(op->getLoc()) + "': " + message, v[0], v[1]);
    } else {
      Value c = h.compare(kind == "eq" ? Pred::eq : Pred::slt, v[0], v[1]);
      r = arith::ExtUIOp::create(h.b, h.loc, h.i64(), c);
    }
    bind(x.getSymbol(), r);
    return success();
  }
  if (auto x = dyn_cast<onnx::IfOp>(op))
    return emitIf(x);
  if (auto x = dyn_cast<onnx::LoopOp>(op))
    return emitLoop(x);
  if (auto x = dyn_cast<onnx::ScanOp>(op))
    return emitScan(x);
  if (auto x = dyn_cast<func::ReturnOp>(op))
    return emitReturn(x);
  if (isa<onnx::YieldOp>(op))
    return success();
  if (isViewOp(op) && op->getNumOperands()) {
    emitView(op);
    return success();
  }
  if (StringRef name = op->getName().getStringRef(); name == "onnx.Concat" || name == "onnx.Split") {
    emitParts(op);
    return success();
  }
  return emitSequence(op);
}

LogicalResult GraphLowering::emitBlock(Block &block) {
  planLifetimes(block, *scopes.back());
  for (Operation &op : block) {
    if (failed(emit(&op)))
      return failure();
    Scope &scope = *scopes.back();
    auto dies = scope.dies.find(&op);
    if (dies == scope.dies.end())
      continue;
    for (Value v : dies->second) {
      auto it = scope.owned.find(v);
      if (it == scope.owned.end())
        continue;
      h.call("ssmrt_free", {}, {rt, it->second});
      scope.owned.erase(it);
    }
  }
  return success();
}

LogicalResult GraphLowering::emitReturn(func::ReturnOp op) {
  for (auto [i, v] : llvm::enumerate(op.getOperands())) {
    Value place = h.offset(out, kValueBytes * i);
    auto t = dyn_cast<RankedTensorType>(v.getType());
    if (!t) {
      h.call("ssmrt_output_value", {}, {rt, place, pointer(v)});
      continue;
    }
    if (auto it = outputs.find(v); it != outputs.end() && it->second == (int64_t)i)
      continue;
    Value buffer = h.call("ssmrt_output", h.ptr(), {rt, place, h.constant32(onnxDtype(t.getElementType())),
                                                    h.constant32(t.getRank()), dimsArray(t)});
    h.copy(buffer, pointer(v), bytes(t));
  }
  freeScope();
  func::ReturnOp::create(h.b, h.loc, h.constant32(0));
  return success();
}

LogicalResult GraphLowering::run(func::FuncOp main) {
  MLIRContext *context = module.getContext();
  h.b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(h.b, main.getLoc(), "ssm_generated_main",
                                       FunctionType::get(context, {h.ptr(), h.ptr(), h.ptr()}, {h.b.getI32Type()}));
  h.entry = function.addEntryBlock();
  h.b.setInsertionPointToStart(h.entry);
  rt = h.entry->getArgument(0), in = h.entry->getArgument(1), out = h.entry->getArgument(2);
  for (Value arg : main.getArguments()) {
    Value value = h.offset(in, kValueBytes * cast<BlockArgument>(arg).getArgNumber());
    auto t = dyn_cast<RankedTensorType>(arg.getType());
    if (!t) {
      pointers[arg] = value;
      continue;
    }
    pointers[arg] = h.load(h.ptr(), h.offset(value, kDataOffset));
    SmallVector<Value> dims;
    auto isBoundTo = [&](int64_t axis) { // also where checks have made the size a constant
      return llvm::any_of(arg.getUsers(), [&](Operation *user) {
        auto bind = dyn_cast<BindDimOp>(user);
        return bind && (int64_t)bind.getAxis() == axis;
      });
    };
    for (int64_t i = 0; i < t.getRank(); ++i)
      dims.push_back(t.isDynamicDim(i) || isBoundTo(i) ? h.load(h.i64(), h.offset(value, kShapeOffset + 8 * i))
                                                       : h.constant(t.getDimSize(i)));
    runtimeDims[arg] = dims;
  }
  for (auto [v, index] : directOutputs(main))
    outputs.try_emplace(v, index);
  Scope scope;
  scopes.push_back(&scope);
  if (failed(emitBlock(main.getBody().front())))
    return failure();
  scopes.pop_back();
  module->setAttr(kSideAttr, ArrayAttr::get(context, side));
  module->setAttr(kProfileAttr, ArrayAttr::get(context, profile));
  main.erase();
  // Dispatches are compiled as a module of their own; here they are functions of C.
  auto dispatches = ModuleOp::create(h.b.getUnknownLoc(), "dispatches");
  for (auto f : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (f->hasAttr(kDispatchAttr)) {
      f->remove();
      dispatches.push_back(f);
    }
  for (LLVM::LLVMFuncOp f : module.getOps<LLVM::LLVMFuncOp>())
    if (f.getName().starts_with(kCallPrefix))
      f.setName(f.getName().drop_front(kCallPrefix.size()));
  module.walk([](LLVM::CallOp call) {
    if (auto callee = call.getCallee(); callee && callee->starts_with(kCallPrefix))
      call.setCallee(callee->drop_front(kCallPrefix.size()));
  });
  module.push_back(dispatches);
  return success();
}

namespace {
struct LowerGraphPass : ssm::impl::LowerGraphBase<LowerGraphPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (main && failed(GraphLowering(getOperation()).run(main)))
      signalPassFailure();
  }
};
} // namespace
