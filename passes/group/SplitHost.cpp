//===- SplitHost.cpp - long host functions in pieces -----------------------===//
// Expects: ssm_generated_main after ssm-lower-graph. Leaves: the same, where no function is longer than the bound.
// LLVM weighs live ranges against each other, which takes time quadratic in the calls of one function. So runs of
// operations of a long block become functions of their own, the blocks inside of loops and branches first. What one
// function makes and another reads lies in a frame on the stack of ssm_generated_main, 8 bytes for each value.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"
#include "passes/group/Passes.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_SPLITHOST
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kPlaceBytes = 8;

class HostSplitter {
public:
  HostSplitter(func::FuncOp host, int64_t limit);
  void run();

private:
  int64_t splitBlock(Block &block);
  void outline(ArrayRef<Operation *> run);
  void readFromFrame(Operation *user, func::FuncOp in, Operation *before, DenseMap<Value, Value> &known);
  Value read(Value v, func::FuncOp in, DenseMap<Value, Value> &known);
  int64_t place(Value v);
  Value address(int64_t place, func::FuncOp in);
  Value frame(func::FuncOp in) { return in == host ? frameOfCall : Value(in.getArgument(0)); }
  static func::FuncOp functionOf(Value v) { return v.getParentRegion()->getParentOfType<func::FuncOp>(); }

  func::FuncOp host;
  int64_t limit, pieces = 0;
  OpBuilder b;
  Location loc;
  Value frameOfCall;
  DenseMap<Value, int64_t> places;
};
} // namespace

HostSplitter::HostSplitter(func::FuncOp host, int64_t limit)
    : host(host), limit(limit), b(host.getContext()), loc(b.getUnknownLoc()) {}

Value HostSplitter::address(int64_t place, func::FuncOp in) {
  return LLVM::GEPOp::create(b, loc, frameOfCall.getType(), b.getI8Type(), frame(in),
                             ArrayRef<LLVM::GEPArg>{int32_t(place * kPlaceBytes)});
}

/// The place in the frame where a value is written as soon as it is made.
int64_t HostSplitter::place(Value v) {
  auto [it, fresh] = places.try_emplace(v, places.size());
  if (!fresh)
    return it->second;
  OpBuilder::InsertionGuard guard(b);
  if (Operation *def = v.getDefiningOp())
    b.setInsertionPointAfter(def);
  else if (v.getParentBlock() == &host.front())
    b.setInsertionPointAfterValue(frameOfCall);
  else
    b.setInsertionPointToStart(v.getParentBlock());
  LLVM::StoreOp::create(b, loc, v, address(it->second, functionOf(v)));
  return it->second;
}

/// A value of another function: made again where that is no work, else read from the frame.
Value HostSplitter::read(Value v, func::FuncOp in, DenseMap<Value, Value> &known) {
  if (functionOf(v) == in)
    return v;
  if (v == frameOfCall)
    return frame(in);
  if (Value done = known.lookup(v))
    return done;
  Operation *def = v.getDefiningOp();
  auto offset = dyn_cast_or_null<LLVM::GEPOp>(def);
  bool isAtConstant =
      offset && llvm::all_of(offset.getDynamicIndices(), [](Value i) { return matchPattern(i, m_Constant()); });
  Value again;
  if (isAtConstant || isa_and_nonnull<arith::ConstantOp, LLVM::AddressOfOp>(def)) {
    IRMapping map;
    for (Value operand : def->getOperands())
      map.map(operand, read(operand, in, known));
    again = b.clone(*def, map)->getResult(0);
  } else {
    again = LLVM::LoadOp::create(b, loc, v.getType(), address(place(v), in));
  }
  return known[v] = again;
}

/// Gives an operation of `in`, and those inside it, operands of that function, which are made before `before`.
void HostSplitter::readFromFrame(Operation *user, func::FuncOp in, Operation *before, DenseMap<Value, Value> &known) {
  b.setInsertionPoint(before);
  user->walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      operand.set(read(operand.get(), in, known));
  });
}

void HostSplitter::outline(ArrayRef<Operation *> run) {
  b.setInsertionPoint(run.front());
  std::string name = (kHostPiecePrefix + Twine(pieces++)).str();
  func::CallOp::create(b, loc, name, TypeRange(), frameOfCall);
  b.setInsertionPoint(host);
  auto piece = func::FuncOp::create(b, loc, name, b.getFunctionType(frameOfCall.getType(), {}));
  piece.setPrivate();
  Block *body = piece.addEntryBlock();
  b.setInsertionPointToEnd(body);
  Operation *end = func::ReturnOp::create(b, loc);
  for (Operation *op : run)
    op->moveBefore(end);
  DenseMap<Value, Value> known;
  for (Operation *op : run)
    readFromFrame(op, piece, run.front(), known);
}

/// Operations of a block and of the blocks in it when it has been split.
int64_t HostSplitter::splitBlock(Block &block) {
  DenseMap<Operation *, int64_t> inside;
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        inside[&op] += splitBlock(inner);
  // Only now, because what blocks inside read from the frame is written here.
  SmallVector<std::pair<Operation *, int64_t>> costs;
  int64_t total = 0;
  for (Operation &op : block) {
    costs.push_back({&op, 1 + inside.lookup(&op)});
    total += costs.back().second;
  }
  if (total <= limit)
    return total;
  // Stack space of the whole call stays where it is made, at the start.
  ArrayRef<std::pair<Operation *, int64_t>> rest = ArrayRef(costs).drop_back();
  auto stack = std::find_if(rest.rbegin(), rest.rend(), [](const auto &c) { return isa<LLVM::AllocaOp>(c.first); });
  rest = rest.take_back(stack - rest.rbegin());
  while (!rest.empty()) {
    SmallVector<Operation *> run;
    for (int64_t sum = 0; !rest.empty() && (run.empty() || sum + rest.front().second <= limit);
         rest = rest.drop_front()) {
      sum += rest.front().second;
      run.push_back(rest.front().first);
    }
    outline(run);
  }
  DenseMap<Value, Value> known;
  readFromFrame(block.getTerminator(), host, block.getTerminator(), known);
  return std::distance(block.begin(), block.end());
}

void HostSplitter::run() {
  Block &entry = host.front();
  b.setInsertionPointToStart(&entry);
  Type pointer = LLVM::LLVMPointerType::get(host.getContext());
  auto bytes = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0));
  frameOfCall = LLVM::AllocaOp::create(b, loc, pointer, b.getI8Type(), bytes, kPlaceBytes);
  splitBlock(entry);
  bytes.setValueAttr(b.getI64IntegerAttr(places.size() * kPlaceBytes));
  if (pieces)
    return;
  frameOfCall.getDefiningOp()->erase();
  bytes.erase();
}

namespace {
struct SplitHostPass : ssm::impl::SplitHostBase<SplitHostPass> {
  using SplitHostBase::SplitHostBase;
  void runOnOperation() override {
    if (auto host = getOperation().lookupSymbol<func::FuncOp>("ssm_generated_main"))
      HostSplitter(host, maxOperations).run();
  }
};
} // namespace
