//===- ClosedFormAbsolute.cpp - sums of absolute values over the past ------===//
// A retention that is divided by the sum of its weights' absolute values asks for
//
//   sum over s <= t of |q(t) k(s)| exp((t - s) g)  =  exp(log sum exp over s <= t of log|q(t) k(s)| + (t - s) g),
//
// which no recurrence over a state gives, and which ssm.attention computes without the matrix of all pairs of times.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/lower/Scalar.h"
#include "passes/raise/ClosedFormPasses.h"
#include "passes/raise/ClosedFormWriter.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

bool ClosedForm::matchAbsolute(Value v) {
  Element root = reader.everyElement(v, outer);
  auto sum = reader.reduction(root);
  time = outer[axis];
  if (!sum || sum->kind != "Sum" || sum->over.size() != 1 || space[time].n.is(1) ||
      space[sum->over[0]].n != space[time].n)
    return false;
  source = sum->over[0];
  haveSource = true;
  Element absolute = plain(reader, sum->operand);
  auto operands = reader.operatorOf(absolute) == "Abs" ? reader.operandsOf(absolute) : std::nullopt;
  if (!operands || !on((*operands)[0], time) || !on((*operands)[0], source))
    return false;
  nodes = {v.getDefiningOp(), absolute.tensor.getDefiningOp()};
  return mixed((*operands)[0], false, 24) && finish() && !initial && states.size() == 1;
}

bool ClosedFormWriter::absoluteSum() {
  unsigned k = form.states[0], i = form.time, j = form.source;
  bool decays = !form.logDecay.empty() || !form.decay.empty() || !form.constantDecay.empty();
  if (!(element.isF32() || element.isF64()) || decayDepends(i) || decayDepends(k) || !depends(form.left, i) ||
      !depends(form.left, k) || !depends(form.right, i) || !depends(form.right, k))
    return false;
  loc = fusedLocation(form.nodes);
  SmallVector<unsigned> shared;
  for (unsigned it : form.outer)
    if (it != i)
      shared.push_back(it);
  unsigned f = *space.iterator(Subscript(1)).asAtom();
  order = shared;
  order.append({i, j, k, f});
  for (auto [d, it] : llvm::enumerate(order))
    dims[it] = d;
  SmallVector<unsigned> rows = shared;
  rows.append({i, k});
  AffineMap map;
  auto add = [&](Value v) {
    operands.push_back(v);
    maps.push_back(AffineMapAttr::get(map));
    return v != nullptr;
  };
  if (!add(product(form.left, rows, form.scale, map)))
    return false;
  dims[i] = dims[j]; // what is read at s was matched as a function of t
  if (!add(product(form.right, rows, 1, map)))
    return false;
  dims[i] = dims[j] - 1;
  Value none = onnx::NoValueOp::create(b, loc, b.getNoneType());
  map = AffineMap::get(order.size(), 0, {b.getAffineDimExpr(dims[j]), b.getAffineDimExpr(dims[f])}, b.getContext());
  add(make("Expand", {number(1), none}, onnx::withDims(element, {size(j), b.getAffineConstantExpr(1)})));
  if (decays && !add(logDecay(shared, map)))
    return false;

  auto block = std::make_unique<Block>();
  Value score = block->addArgument(element, loc), at[2];
  for (unsigned d = 0; d <= dims[j]; ++d) {
    Value index = block->addArgument(b.getIndexType(), loc);
    if (d + 1 >= dims[j])
      at[d - dims[i]] = index;
  }
  OpBuilder region(b.getContext());
  region.setInsertionPointToStart(block.get());
  Scalar s(region, loc);
  Value log = math::LogOp::create(region, loc, math::AbsFOp::create(region, loc, score));
  if (decays) {
    Value slope = block->addArgument(element, loc);
    Value distance = s.fromIndex(arith::SubIOp::create(region, loc, at[0], at[1]), element);
    log = s.add(log, s.mul(distance, slope, element), element);
  }
  Value past = arith::CmpIOp::create(region, loc, arith::CmpIPredicate::sle, at[1], at[0]);
  YieldOp::create(region, loc, s.select(past, log, s.constant(element, -std::numeric_limits<double>::infinity())));

  SmallVector<unsigned> columns = shared;
  columns.append({i, f});
  Type output = resultType(columns, element), sums = resultType(form.outer, element);
  Operation *mixer =
      create(AttentionOp::getOperationName(), {output, sums},
             {b.getNamedAttr("scale", b.getF64FloatAttr(1)), b.getNamedAttr("masked_rows", b.getStringAttr("zero")),
              b.getNamedAttr(AttentionOp::getResultSegmentSizeAttr(), b.getDenseI32ArrayAttr({1, 1, 0}))},
             block.release());
  finish(mixer, unary("Exp", mixer->getResult(1)));
  return true;
}

bool ssm::raiseAbsoluteSum(ElementReader &reader, Operation *sum) {
  auto type = dyn_cast<RankedTensorType>(sum->getResult(0).getType());
  for (int64_t axis = 0; type && axis < type.getRank(); ++axis) {
    ClosedForm form(reader, axis);
    if (form.matchAbsolute(sum->getResult(0)) && ClosedFormWriter(form, sum).absoluteSum())
      return true;
  }
  return false;
}
