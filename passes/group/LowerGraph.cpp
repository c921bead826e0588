//===- LowerGraph.cpp - @main into host code -------------------------------===//
// Expects: @main after ssm-form-dispatches. Leaves: func.func @ssm_generated_main in scf, arith and llvm.
// A value is a pointer and the sizes its type names; a buffer has one owner, the block that made it, and is freed after
// its last use there. What a region yields is handed over, or copied when the region does not own it.
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/OnnxDialect.h"
#include "dialects/Ssm/SsmDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/group/Host.h"
#include "passes/group/Passes.h"
#include "passes/lower/Registry.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_LOWERGRAPH
#include "passes/group/Passes.h.inc"
int32_t onnxDtype(Type t);
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
// Layout of ssm_value (include/ssm-mlir-c/model.h).
constexpr int64_t kValueBytes = 152, kShapeOffset = 16, kDataOffset = 144;
constexpr int64_t kEmbedLimit = 64 << 10;
// While dispatches still lie in the same module their C declarations need other names.
constexpr StringLiteral kCallPrefix = "call.";
using Pred = arith::CmpIPredicate;

class GraphLowering {
public:
  explicit GraphLowering(ModuleOp module) : h(module), module(module) {}
  LogicalResult run(func::FuncOp main);

private:
  /// What a block owns while it is emitted.
  struct Scope {
    DenseMap<Value, Value> owned;                   // root value -> buffer
    DenseMap<Operation *, SmallVector<Value>> dies; // roots whose last use an operation is
  };
  LogicalResult emitBlock(Block &block);
  LogicalResult emit(Operation *op);
  LogicalResult emitDispatch(DispatchOp op);
  LogicalResult emitIf(onnx::IfOp op);
  LogicalResult emitLoop(onnx::LoopOp op);
  LogicalResult emitScan(onnx::ScanOp op);
  LogicalResult emitSequence(Operation *op);
  LogicalResult emitReturn(func::ReturnOp op);
  void emitView(Operation *op);
  void emitParts(Operation *op);
  Value makePlace(Value v);
  Value size(AffineExpr e);
  Value count(RankedTensorType t);
  Value bytes(RankedTensorType t);
  Value pointer(Value v);
  Value allocate(Value bytes);
  /// A buffer with v's elements that the caller owns.
  Value own(Value v);
  Value dimsArray(RankedTensorType t);
  SmallVector<Value> sizesOf(Value v);
  void bind(int64_t symbol, Value size) { symbols[symbol] = size; }
  void setOwned(Value v, Value buffer);
  void freeScope();
  Value root(Value v);
  void planLifetimes(Block &block, Scope &scope);
  void fail(Value condition, Twine message, Value x, Value y);
  static std::string nodeName(Location loc);
  static std::string profileName(Location loc);

  Host h;
  ModuleOp module;
  Value rt, in, out;
  DenseMap<Value, Value> pointers;
  DenseMap<Value, SmallVector<Value>> runtimeDims; // of results of control flow, block arguments, sequence elements
  DenseMap<int64_t, Value> symbols;
  DenseMap<Value, int64_t> outputs; // values written directly into an output
  SmallVector<Scope *> scopes;
  SmallVector<Attribute> side, profile;
  DenseMap<Attribute, int64_t> sideOffsets;
  int64_t sideBytes = 0;
};

int64_t elementBytes(Type t) {
  if (auto c = dyn_cast<ComplexType>(t))
    return 2 * elementBytes(c.getElementType());
  return std::max(1u, storageType(t).getIntOrFloatBitWidth() / 8);
}

bool isViewOp(Operation *op) {
  if (isa<onnx::OnnxDialect>(op->getDialect())) {
    StringRef name = op->getName().stripDialect();
    if (name == "Optional" || name == "OptionalGetElement")
      return true;
  }
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

Value GraphLowering::allocate(Value n) { return h.call("ssmrt_alloc", h.ptr(), {rt, n}); }

Value GraphLowering::root(Value v) {
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
        last[root(v)] = &op;
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
  scopes.back()->owned.clear();
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

void GraphLowering::fail(Value condition, Twine message, Value x, Value y) {
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

/// Memory for a value that is computed now: an output, or a buffer.
Value GraphLowering::makePlace(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  auto it = outputs.find(v);
  if (it == outputs.end())
    setOwned(v, allocate(bytes(type)));
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
  int64_t axis = onnx::intAttr(op, "axis");
  axis = axis < 0 ? axis + type.getRank() : axis;
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

/// Types of a value that leaves a region: pointer and sizes.
static void appendTypes(Type t, Host &h, SmallVectorImpl<Type> &types) {
  types.push_back(h.ptr());
  if (auto r = dyn_cast<RankedTensorType>(t))
    types.append(r.getRank(), h.i64());
}

LogicalResult GraphLowering::emitIf(onnx::IfOp op) {
  SmallVector<Type> types;
  for (Value r : op.getResults())
    appendTypes(r.getType(), h, types);
  Value condition = h.compare(Pred::ne, arith::ExtUIOp::create(h.b, h.loc, h.i64(), h.load(h.b.getI8Type(), pointer(op.getCond()))),
                              h.constant(0));
  auto choice = scf::IfOp::create(h.b, h.loc, types, condition, true);
  for (int branch = 0; branch < 2; ++branch) {
    OpBuilder::InsertionGuard guard(h.b);
    Block &block = branch ? op.getElseBranch().front() : op.getThenBranch().front();
    h.b.setInsertionPointToStart(branch ? choice.elseBlock() : choice.thenBlock());
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    if (failed(emitBlock(block)))
      return failure();
    SmallVector<Value> results;
    for (Value v : block.getTerminator()->getOperands()) {
      SmallVector<Value> dims = sizesOf(v);
      results.push_back(isa<RankedTensorType>(v.getType()) ? own(v) : pointer(v));
      results.append(dims);
    }
    freeScope();
    scopes.pop_back();
    symbols = outer;
    scf::YieldOp::create(h.b, h.loc, results);
  }
  unsigned at = 0;
  for (Value r : op.getResults()) {
    Value p = choice.getResult(at++);
    if (auto t = dyn_cast<RankedTensorType>(r.getType())) {
      SmallVector<Value> dims(choice.getResults().slice(at, t.getRank()));
      at += t.getRank();
      runtimeDims[r] = dims;
      setOwned(r, p);
    } else {
      pointers[r] = p;
    }
  }
  return success();
}

LogicalResult GraphLowering::emitLoop(onnx::LoopOp op) {
  Block &body = op.getBody().front();
  size_t carried = op.getVInitial().size();
  size_t scanned = op.getNumResults() - carried;
  Operation *yield = body.getTerminator();
  Value limit = h.constant(INT64_MAX);
  if (!onnx::isNone(op.getM()))
    limit = h.load(h.i64(), pointer(op.getM()));
  auto toBool = [&](Value p) {
    Value wide = arith::ExtUIOp::create(h.b, h.loc, h.i64(), h.load(h.b.getI8Type(), p));
    return h.compare(Pred::ne, wide, h.constant(0));
  };
  Value start = onnx::isNone(op.getCond()) ? arith::ConstantOp::create(h.b, h.loc, h.b.getBoolAttr(true)).getResult()
                                           : toBool(pointer(op.getCond()));
  SmallVector<Value> init = {h.constant(0), start};
  for (Value v : op.getVInitial()) {
    SmallVector<Value> dims = sizesOf(v);
    if (isa<RankedTensorType>(v.getType())) {
      Value n = bytes(cast<RankedTensorType>(v.getType()));
      Value buffer = allocate(n);
      h.copy(buffer, pointer(v), n);
      init.push_back(buffer);
    } else {
      init.push_back(pointer(v));
    }
    init.append(dims);
  }
  // Scan outputs: rows are appended to growing buffers; their sizes are carried so that they are known afterwards.
  SmallVector<Value> rows;
  for (size_t i = 0; i < scanned; ++i) {
    rows.push_back(h.call("ssmrt_rows_new", h.ptr(), {rt}));
    auto t = cast<RankedTensorType>(yield->getOperand(1 + carried + i).getType());
    for (AffineExpr e : onnx::getDimExprs(t))
      init.push_back(size(e));
  }
  Value iterationSlot = h.slot(8), conditionSlot = h.slot(8);
  SmallVector<Type> types(ValueRange(init).getTypes());
  SmallVector<Location> locs(types.size(), h.loc);
  auto loop = scf::WhileOp::create(h.b, h.loc, types, init);
  {
    OpBuilder::InsertionGuard guard(h.b);
    Block *before = h.b.createBlock(&loop.getBefore(), {}, types, locs);
    Value more = h.binary<arith::AndIOp>(before->getArgument(1), h.compare(Pred::slt, before->getArgument(0), limit));
    scf::ConditionOp::create(h.b, h.loc, more, before->getArguments());
    Block *after = h.b.createBlock(&loop.getAfter(), {}, types, locs);
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    h.store(after->getArgument(0), iterationSlot);
    h.store(arith::ExtUIOp::create(h.b, h.loc, h.b.getI8Type(), after->getArgument(1)), conditionSlot);
    pointers[body.getArgument(0)] = iterationSlot;
    pointers[body.getArgument(1)] = conditionSlot;
    unsigned at = 2;
    SmallVector<Value> old;
    for (size_t i = 0; i < carried; ++i) {
      Value arg = body.getArgument(i + 2);
      pointers[arg] = after->getArgument(at++);
      if (auto t = dyn_cast<RankedTensorType>(arg.getType())) {
        old.push_back(pointers[arg]);
        runtimeDims[arg] = SmallVector<Value>(after->getArguments().slice(at, t.getRank()));
        at += t.getRank();
      }
    }
    if (failed(emitBlock(body)))
      return failure();
    SmallVector<Value> next = {h.add(after->getArgument(0), h.constant(1)), toBool(pointer(yield->getOperand(0)))};
    // Rows first: a yielded value may be carried as well, and carrying hands its buffer over.
    SmallVector<Value> rowDims;
    for (size_t i = 0; i < scanned; ++i) {
      Value v = yield->getOperand(1 + carried + i);
      h.call("ssmrt_rows_push", {}, {rt, rows[i], pointer(v), bytes(cast<RankedTensorType>(v.getType()))});
      rowDims.append(sizesOf(v));
    }
    for (size_t i = 0; i < carried; ++i) {
      Value v = yield->getOperand(1 + i);
      SmallVector<Value> dims = sizesOf(v);
      next.push_back(isa<RankedTensorType>(v.getType()) ? own(v) : pointer(v));
      next.append(dims);
    }
    next.append(rowDims);
    freeScope();
    for (Value p : old)
      h.call("ssmrt_free", {}, {rt, p});
    scopes.pop_back();
    symbols = outer;
    scf::YieldOp::create(h.b, h.loc, next);
  }
  unsigned at = 2;
  for (auto [i, r] : llvm::enumerate(op.getResults())) {
    auto t = dyn_cast<RankedTensorType>(r.getType());
    if (i < carried) {
      Value p = loop.getResult(at++);
      if (!t) {
        pointers[r] = p;
        continue;
      }
      runtimeDims[r] = SmallVector<Value>(loop.getResults().slice(at, t.getRank()));
      at += t.getRank();
      setOwned(r, p);
      continue;
    }
    SmallVector<Value> dims = {loop.getResult(0)};
    Value n = h.mul(loop.getResult(0), h.constant(elementBytes(t.getElementType())));
    for (int64_t k = 1; k < t.getRank(); ++k) {
      dims.push_back(loop.getResult(at++));
      n = h.mul(n, dims.back());
    }
    runtimeDims[r] = dims;
    Value buffer = allocate(n);
    h.call("ssmrt_rows_take", {}, {rt, rows[i - carried], buffer});
    setOwned(r, buffer);
  }
  return success();
}

LogicalResult GraphLowering::emitScan(onnx::ScanOp op) {
  Block &body = op.getBody().front();
  size_t scanned = op.getNumScanInputs(), carried = op.getInputs().size() - scanned;
  auto nonzero = [](std::optional<ArrayRef<int64_t>> a) { return a && llvm::any_of(*a, [](int64_t v) { return v != 0; }); };
  if (nonzero(op.getScanInputAxes()) || nonzero(op.getScanOutputAxes()))
    return op.emitError("Scan axes other than 0 must have been normalised");
  auto reversed = [](std::optional<ArrayRef<int64_t>> a, size_t i) { return a && i < a->size() && (*a)[i] == 1; };
  Operation *yield = body.getTerminator();
  Value length = sizesOf(op.getInputs()[carried])[0];
  for (size_t i = 1; i < scanned; ++i) {
    Value other = sizesOf(op.getInputs()[carried + i])[0];
    fail(h.compare(Pred::ne, other, length), "node '" + nodeName(op.getLoc()) + "': scanned inputs differ in length", other, length);
  }
  SmallVector<Value> init, results;
  for (Value v : op.getInputs().take_front(carried)) {
    Value n = bytes(cast<RankedTensorType>(v.getType()));
    Value buffer = allocate(n);
    h.copy(buffer, pointer(v), n);
    init.push_back(buffer);
  }
  for (size_t i = carried; i < op.getNumResults(); ++i)
    results.push_back(allocate(bytes(cast<RankedTensorType>(op.getResult(i).getType()))));
  auto loop = scf::ForOp::create(h.b, h.loc, h.constant(0), length, h.constant(1), init);
  {
    OpBuilder::InsertionGuard guard(h.b);
    h.b.setInsertionPointToStart(loop.getBody());
    auto outer = symbols;
    Scope scope;
    scopes.push_back(&scope);
    Value i = loop.getInductionVar();
    Value mirrored = h.binary<arith::SubIOp>(h.binary<arith::SubIOp>(length, h.constant(1)), i);
    for (size_t k = 0; k < carried; ++k)
      pointers[body.getArgument(k)] = loop.getRegionIterArgs()[k];
    for (size_t k = 0; k < scanned; ++k) {
      Value arg = body.getArgument(carried + k);
      Value row = bytes(cast<RankedTensorType>(arg.getType()));
      Value at = reversed(op.getScanInputDirections(), k) ? mirrored : i;
      pointers[arg] = h.offset(pointer(op.getInputs()[carried + k]), h.mul(at, row));
    }
    if (failed(emitBlock(body)))
      return failure();
    for (size_t k = carried; k < op.getNumResults(); ++k) {
      Value v = yield->getOperand(k);
      Value row = bytes(cast<RankedTensorType>(v.getType()));
      Value at = reversed(op.getScanOutputDirections(), k - carried) ? mirrored : i;
      h.copy(h.offset(results[k - carried], h.mul(at, row)), pointer(v), row);
    }
    SmallVector<Value> next;
    for (size_t k = 0; k < carried; ++k)
      next.push_back(own(yield->getOperand(k)));
    freeScope();
    for (size_t k = 0; k < carried; ++k)
      h.call("ssmrt_free", {}, {rt, loop.getRegionIterArgs()[k]});
    scopes.pop_back();
    symbols = outer;
    scf::YieldOp::create(h.b, h.loc, next);
  }
  for (auto [i, r] : llvm::enumerate(op.getResults()))
    setOwned(r, i < carried ? loop.getResult(i) : results[i - carried]);
  return success();
}

LogicalResult GraphLowering::emitSequence(Operation *op) {
  StringRef name = op->getName().stripDialect();
  Value r = op->getNumResults() ? op->getResult(0) : Value();
  auto insert = [&](Value sequence, Value position, Value v) {
    auto t = cast<RankedTensorType>(v.getType());
    h.call("ssmrt_sequence_insert", {}, {rt, sequence, position, h.constant32(onnxDtype(t.getElementType())),
                                         h.constant32(t.getRank()), dimsArray(t), pointer(v)});
  };
  auto position = [&](Value v) {
    Type t = cast<TensorType>(v.getType()).getElementType();
    Value p = h.load(storageType(t), pointer(v));
    return t.isInteger(64) ? p : arith::ExtSIOp::create(h.b, h.loc, h.i64(), p).getResult();
  };
  Value append = h.constant(INT64_MAX);
  if (name == "SequenceEmpty" || name == "SequenceConstruct") {
    pointers[r] = h.call("ssmrt_sequence_new", h.ptr(), {rt});
    for (Value v : op->getOperands())
      insert(pointers[r], append, v);
    return success();
  }
  if (name == "SequenceInsert" || name == "SequenceErase") {
    bool isInsert = name == "SequenceInsert";
    pointers[r] = h.call("ssmrt_sequence_copy", h.ptr(), {rt, pointer(op->getOperand(0))});
    Value at = op->getOperand(isInsert ? 2 : 1);
    Value where = onnx::isNone(at) ? (isInsert ? append : h.constant(-1)) : position(at);
    if (isInsert)
      insert(pointers[r], where, op->getOperand(1));
    else
      h.call("ssmrt_sequence_erase", {}, {rt, pointers[r], where});
    return success();
  }
  auto adopt = [&](Value element) { // a tensor ssm_value becomes a buffer of this block
    auto t = cast<RankedTensorType>(r.getType());
    SmallVector<Value> dims;
    Value n = h.constant(elementBytes(t.getElementType()));
    for (int64_t i = 0; i < t.getRank(); ++i) {
      dims.push_back(h.load(h.i64(), h.offset(element, kShapeOffset + 8 * i)));
      n = h.mul(n, dims.back());
    }
    runtimeDims[r] = dims;
    Value buffer = allocate(n);
    h.copy(buffer, h.load(h.ptr(), h.offset(element, kDataOffset)), n);
    setOwned(r, buffer);
  };
  if (name == "SequenceAt") {
    adopt(h.call("ssmrt_sequence_at", h.ptr(), {rt, pointer(op->getOperand(0)), position(op->getOperand(1))}));
    return success();
  }
  if (name == "SequenceLength") {
    Value buffer = allocate(h.constant(8));
    h.store(h.load(h.i64(), h.offset(pointer(op->getOperand(0)), kShapeOffset)), buffer);
    setOwned(r, buffer);
    return success();
  }
  if (name == "ConcatFromSequence") {
    adopt(h.call("ssmrt_sequence_concat", h.ptr(), {rt, pointer(op->getOperand(0)), h.constant(onnx::intAttr(op, "axis")),
                                                     h.constant(onnx::intAttr(op, "new_axis"))}));
    return success();
  }
  if (name == "SplitToSequence") {
    Value x = op->getOperand(0), split = op->getOperand(1);
    auto t = cast<RankedTensorType>(x.getType());
    Value sizes = h.slot(8), n = h.constant(-1);
    if (!onnx::isNone(split)) {
      auto st = cast<RankedTensorType>(split.getType());
      n = st.getRank() ? count(st) : h.constant(0); // 0: one size for all parts
      sizes = pointer(split);
      if (!st.getElementType().isInteger(64))
        return op->emitError("split of int32 is not supported");
    }
    pointers[r] = h.call("ssmrt_sequence_split", h.ptr(),
                         {rt, h.constant32(onnxDtype(t.getElementType())), h.constant32(t.getRank()), dimsArray(t), pointer(x),
                          h.constant(onnx::intAttr(op, "axis")), n, sizes, h.constant(onnx::intAttr(op, "keepdims", 1))});
    return success();
  }
  if (name == "OptionalHasElement") {
    Value buffer = allocate(h.constant(1));
    bool has = op->getNumOperands() && !onnx::isNone(op->getOperand(0));
    h.store(arith::ConstantOp::create(h.b, h.loc, h.b.getI8IntegerAttr(has)), buffer);
    setOwned(r, buffer);
    return success();
  }
  return op->emitError("operator ") << name << " is not supported";
}

LogicalResult GraphLowering::emitReturn(func::ReturnOp op) {
  for (auto [i, v] : llvm::enumerate(op.getOperands())) {
    Value place = h.offset(out, kValueBytes * i);
    auto t = dyn_cast<RankedTensorType>(v.getType());
    if (!t) {
      h.call("ssmrt_output_sequence", {}, {rt, place, pointer(v)});
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
    for (int64_t i = 0; i < t.getRank(); ++i)
      dims.push_back(t.isDynamicDim(i) ? h.load(h.i64(), h.offset(value, kShapeOffset + 8 * i)) : h.constant(t.getDimSize(i)));
    runtimeDims[arg] = dims;
  }
  for (auto [i, v] : llvm::enumerate(main.getBody().front().getTerminator()->getOperands()))
    if (Operation *def = v.getDefiningOp(); def && (isa<DispatchOp>(def) || def->getName().getStringRef() == "onnx.Concat"))
      outputs.try_emplace(v, i);
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

struct LowerGraphPass : ssm::impl::LowerGraphBase<LowerGraphPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (main && failed(GraphLowering(getOperation()).run(main)))
      signalPassFailure();
  }
};
} // namespace
