//===- OutlineParallel.cpp - parallel loops to calls of the runtime -----------===//
// Expects: dispatches with the machine-level signature. Leaves: no outermost parallel loop. Linear.
//===----------------------------------------------------------------------===//
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/target/Passes.h"

using namespace mlir;

namespace ssm {
#define GEN_PASS_DEF_OUTLINEPARALLEL
#include "passes/target/Passes.h.inc"
} // namespace ssm

namespace {
struct OutlineParallel : ssm::impl::OutlineParallelBase<OutlineParallel> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> dispatches;
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr("ssm.dispatch"))
        dispatches.push_back(func);
    LLVMTypeConverter types(&getContext());
    for (func::FuncOp func : dispatches) {
      SmallVector<scf::ParallelOp> loops;
      func.walk<WalkOrder::PreOrder>([&](scf::ParallelOp loop) {
        if (loop.getNumLoops() == 1 && loop.getNumReductions() == 0)
          loops.push_back(loop);
        return WalkResult::skip();
      });
      for (auto [i, loop] : llvm::enumerate(loops))
        outline(func, loop, i, types);
    }
  }

  /// Says in the body what noalias says of a dispatch's arguments.
  void separate(OpBuilder &b, Location loc, ArrayRef<Value> captured, IRMapping &map) {
    SmallVector<Value> inputs, others;
    for (Value v : captured) {
      Operation *def = v.getDefiningOp();
      if (isa<MemRefType>(v.getType()) && isa_and_nonnull<UnrealizedConversionCastOp, memref::AllocaOp>(def))
        (def->hasAttr("ssm.input") ? inputs : others).push_back(v);
    }
    auto distinct = [&](ArrayRef<Value> values) {
      SmallVector<Value> now = llvm::map_to_vector(values, [&](Value v) { return map.lookup(v); });
      auto op = memref::DistinctObjectsOp::create(b, loc, now);
      for (auto [v, r] : llvm::zip_equal(values, op->getResults()))
        map.map(v, r);
    };
    if (inputs.empty() && others.size() > 1)
      distinct(others);
    if (others.empty())
      return;
    for (Value input : inputs) {
      SmallVector<Value> values(others);
      values.push_back(input);
      distinct(values);
    }
  }

  void outline(func::FuncOp func, scf::ParallelOp loop, unsigned number, LLVMTypeConverter &types) {
    Location loc = loop.getLoc();
    OpBuilder b(loop);
    Value rt = func.getArgument(0), lower = loop.getLowerBound()[0], step = loop.getStep()[0];
    auto ptr = rt.getType();
    Type i64 = b.getI64Type(), index = b.getIndexType();
    Value span = arith::SubIOp::create(b, loc, loop.getUpperBound()[0], lower);
    Value count = arith::CeilDivSIOp::create(b, loc, span, step);

    // What the body uses from outside; constants are repeated in it.
    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(loop.getRegion(), used);
    used.insert(lower);
    used.insert(step);
    SmallVector<Value> captured;
    SmallVector<Operation *> constants;
    for (Value v : used) {
      if (Operation *def = v.getDefiningOp(); def && def->hasTrait<OpTrait::ConstantLike>())
        constants.push_back(def);
      else
        captured.push_back(v);
    }
    SmallVector<Type> fields;
    for (Value v : captured)
      fields.push_back(types.convertType(v.getType()));
    auto frame = LLVM::LLVMStructType::getLiteral(&getContext(), fields);
    Value args;
    {
      OpBuilder entry = OpBuilder::atBlockBegin(&func.front());
      Value one = LLVM::ConstantOp::create(entry, loc, i64, entry.getI64IntegerAttr(1));
      args = LLVM::AllocaOp::create(entry, loc, ptr, frame, one, 8);
    }
    auto field = [&](OpBuilder &at, Value base, int32_t i) -> Value {
      return LLVM::GEPOp::create(at, loc, ptr, frame, base, ArrayRef<LLVM::GEPArg>{0, i});
    };
    auto cast = [&](OpBuilder &at, Value v, Type to) -> Value {
      return v.getType() == to ? v : UnrealizedConversionCastOp::create(at, loc, to, v).getResult(0);
    };
    for (auto [i, v] : llvm::enumerate(captured))
      LLVM::StoreOp::create(b, loc, cast(b, v, fields[i]), field(b, args, i));

    OpBuilder after(func->getContext());
    after.setInsertionPointAfter(func);
    auto body = func::FuncOp::create(after, loc, (func.getName() + "_body" + Twine(number)).str(),
                                     after.getFunctionType({ptr, i64, i64}, {}));
    body->setAttr("ssm.dispatch", after.getUnitAttr());
    body.setArgAttr(0, "llvm.readonly", after.getUnitAttr());
    OpBuilder in = OpBuilder::atBlockBegin(body.addEntryBlock());
    IRMapping map;
    for (Operation *constant : constants)
      in.clone(*constant, map);
    for (auto [i, v] : llvm::enumerate(captured)) {
      Value loaded = LLVM::LoadOp::create(in, loc, fields[i], field(in, body.getArgument(0), i));
      map.map(v, cast(in, loaded, v.getType()));
    }
    separate(in, loc, captured, map);
    Value begin = arith::IndexCastOp::create(in, loc, index, body.getArgument(1));
    Value end = arith::IndexCastOp::create(in, loc, index, body.getArgument(2));
    Value one = arith::ConstantIndexOp::create(in, loc, 1);
    auto range = scf::ForOp::create(in, loc, begin, end, one);
    func::ReturnOp::create(in, loc);
    in.setInsertionPointToStart(range.getBody());
    Value offset = arith::MulIOp::create(in, loc, range.getInductionVar(), map.lookup(step));
    map.map(loop.getInductionVars()[0], arith::AddIOp::create(in, loc, map.lookup(lower), offset).getResult());
    for (Operation &op : loop.getBody()->without_terminator())
      in.clone(op, map);

    Value address = func::ConstantOp::create(b, loc, body.getFunctionType(), body.getName());
    LLVM::CallOp::create(b, loc, TypeRange{}, SymbolRefAttr::get(&getContext(), "ssmrt_parallel_for"),
                         ValueRange{rt, arith::IndexCastOp::create(b, loc, i64, count), cast(b, address, ptr), args});
    loop.erase();
  }
};
} // namespace
