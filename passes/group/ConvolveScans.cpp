//===- ConvolveScans.cpp - time-invariant scans as convolutions -------------===//
// Expects: @main with forms chosen. Leaves: each ssm.selective_scan of form `convolution` as an ssm.long_conv whose kernel
// is the same scan of an impulse, in front of it. Linear in operators.
//===----------------------------------------------------------------------===//
#include "dialects/Ssm/Mixers.h"
#include "passes/group/Passes.h"
#include "passes/raise/Tensors.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_CONVOLVESCANS
#include "passes/group/Passes.h.inc"
} // namespace ssm

namespace {
constexpr int64_t kLongest = int64_t(1) << 30; // a bound for the search of a length

/// 1 in the first step and 0 in all others.
Value impulse(Tensors &t, AffineExpr length, Type element) {
  Value isFirst = t.make("Equal", {t.range(length), t.integer(0)}, onnx::withDims(t.b.getI1Type(), length));
  return t.cast(isFirst, element);
}

struct ConvolveScansPass : ssm::impl::ConvolveScansBase<ConvolveScansPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<SelectiveScanOp> scans;
    getOperation().walk([&](SelectiveScanOp op) {
      if (op.getPreferredForm() == "convolution")
        scans.push_back(op);
    });
    numConvolved += scans.size();
    for (SelectiveScanOp op : scans)
      convolve(op->hasAttr(kShortFormAttr) ? branched(op) : op);
  }

  /// A scan whose length only run time knows: the recurrence where it costs less. Gives the scan that is convolved.
  static SelectiveScanOp branched(SelectiveScanOp op) {
    OpBuilder b(op);
    Tensors t{b, op.getLoc()};
    // Costs are smooth enough that the first power of two at which they cross is where they do.
    int64_t least = 2;
    while (least < kLongest && formFor(op, least) != "convolution")
      least *= 2;
    AffineExpr length = iterationSizes(op)[op.getTimeDim()];
    Value enough =
        t.make("GreaterOrEqual", {t.size(length), t.integer(least)}, RankedTensorType::get({}, b.getI1Type()));
    OperationState state(t.loc, onnx::IfOp::getOperationName(), enough, op.getOutput().getType());
    for (unsigned i = 0; i < 2; ++i)
      state.addRegion()->emplaceBlock();
    Operation *branch = b.create(state);
    op.getOutput().replaceAllUsesWith(branch->getResult(0));
    op->removeAttr(kShortFormAttr);
    auto recurrent = cast<SelectiveScanOp>(op->clone());
    recurrent.setForm("recurrent");
    op->remove();
    for (auto [region, scan] : {std::pair<unsigned, SelectiveScanOp>{0, op}, {1, recurrent}}) {
      b.setInsertionPointToEnd(&branch->getRegion(region).front());
      b.insert(scan);
      onnx::YieldOp::create(b, t.loc, scan.getOutput());
    }
    return op;
  }

  static void convolve(SelectiveScanOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    Tensors t{b, loc};
    unsigned input = *convolvedInput(op), dims = numIterationDims(op), time = op.getTimeDim();
    SmallVector<AffineMap> maps = indexingMaps(op);
    SmallVector<AffineExpr> sizes = iterationSizes(op);
    AffineMap timeOnly = AffineMap::get(dims, 0, b.getAffineDimExpr(time));

    // The kernel is over time and what its operands are over.
    SmallVector<AffineExpr> kernelDims(dims), convDims(dims), kernelAxes, convAxes, kernelSizes;
    unsigned kept = 0;
    for (unsigned d = 0; d < dims; ++d) {
      convDims[d] = b.getAffineDimExpr(d);
      if (d < time && !isOfKernel(op, input, d))
        continue;
      kernelDims[d] = b.getAffineDimExpr(kept++);
      if (d > time)
        continue;
      kernelAxes.push_back(kernelDims[d]);
      convAxes.push_back(b.getAffineDimExpr(d == time ? time + 1 : d));
      kernelSizes.push_back(sizes[d]);
    }
    SmallVector<AffineMap> kernelMaps;
    SmallVector<Value> inputs(op.getInputs());
    Block &producer = op.getProducer().front();
    inputs[input] = impulse(t, sizes[time], producer.getArgument(input).getType());
    for (unsigned i = 0; i < inputs.size(); ++i)
      kernelMaps.push_back((i == input ? timeOnly : maps[i]).replaceDimsAndSymbols(kernelDims, {}, kept, 0));
    kernelMaps.push_back(AffineMap::get(kept, 0, kernelAxes, b.getContext()));
    auto kernelType = onnx::withDims(stateType(op), kernelSizes);
    auto scan = SelectiveScanOp::create(b, loc, kernelType, TypeRange(), inputs, ValueRange(),
                                        b.getAffineMapArrayAttr(kernelMaps), op.getStateRankAttr(), op.getComplexAttr(),
                                        op.getReadBeforeAttr(), UnitAttr(), b.getStringAttr("recurrent"));
    scan.getProducer().takeBody(op.getProducer());

    auto overConv = [&](AffineMap map) { return map.replaceDimsAndSymbols(convDims, {}, time + 2, 0); };
    SmallVector<AffineMap> convMaps = {overConv(maps[input]), AffineMap::get(time + 2, 0, convAxes, b.getContext()),
                                       overConv(maps[op->getNumOperands()])};
    auto conv = LongConvOp::create(b, loc, op.getOutput().getType(), op.getInputs()[input], scan.getOutput(),
                                   b.getAffineMapArrayAttr(convMaps), op.getReverseAttr(), StringAttr());
    setForm(conv);
    op.getOutput().replaceAllUsesWith(conv.getOutput());
    op.erase();
  }
};
} // namespace
