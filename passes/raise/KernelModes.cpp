//===- KernelModes.cpp - long convolutions that are recurrences ------------===//
// A kernel element is expanded to a sum of products of one exponential and at most one cosine or sine, whose arguments
// are multiples of the tap's number, with factors that do not know the tap:
//
//   k_j = sum_n exp(a j) (p cos(b j) + q sin(b j))     h_t = exp(a + i b) h_{t-1} + x_t,  y_t = Re sum_n (p - i q) h_t
//
// All terms must have the same a and b: one state for each n. The kernel must be as long as the sequence, as the
// recurrence never ends.
//===----------------------------------------------------------------------===//
#include "passes/raise/KernelModes.h"
#include "dialects/Ssm/Mixers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/raise/Operands.h"

using namespace mlir;
using namespace ssm;

namespace {
class KernelModes {
public:
  explicit KernelModes(LongConvOp conv) : conv(conv), x(conv->getContext()), b(conv), w(x, b, conv.getLoc()) {}
  bool run();

private:
  /// rate times the tap's number, plus what does not know it (null for zero).
  struct Linear {
    ExprRef rate, rest;
  };
  std::optional<Linear> linear(ExprRef e, int depth = 8);
  bool collect(ExprRef e, ExprRef factor, int depth = 24);
  bool collectProduct(ExprRef e, ExprRef factor, int depth);
  ExprRef sum(ExprRef a, ExprRef b) { return a && b ? x.add(a, b) : a ? a : b; }
  ExprRef product(ExprRef a, ExprRef b) { return a && b ? x.mul(a, b) : a ? a : b; }

  LongConvOp conv;
  Exprs x;
  OpBuilder b;
  ExprWriter w;
  AffineExpr tap, state;
  ExprRef decay = nullptr, angle = nullptr;     // a and b, the same for all terms
  ExprRef ofCosine = nullptr, ofSine = nullptr; // p and q
  bool any = false;
};

std::optional<KernelModes::Linear> KernelModes::linear(ExprRef e, int depth) {
  if (depth == 0)
    return std::nullopt;
  if (!x.dependsOn(e, tap))
    return Linear{nullptr, e};
  if (e->isOp("Cast") && isa<FloatType>(e->type) && e->operands[0]->kind == Expr::Kind::Index) {
    AffineExpr rest = x.simplified(e->operands[0]->indices[0] - tap);
    auto c = dyn_cast<AffineConstantExpr>(rest);
    if (!c)
      return std::nullopt;
    return Linear{x.constant(1, e->type), c.getValue() ? x.constant(c.getValue(), e->type) : nullptr};
  }
  if (e->kind == Expr::Kind::Read) { // 0, 1, 2 ... as a constant
    auto constant = e->source.getDefiningOp<onnx::ConstantOp>();
    auto numbers = constant ? numbersOf(constant.getValue()) : std::nullopt;
    auto type = cast<RankedTensorType>(e->source.getType());
    bool counts = numbers.has_value();
    for (auto [d, i] : llvm::zip(type.getShape(), e->indices))
      counts &= d == 1 || (i == tap && d == type.getNumElements());
    for (size_t i = 0; counts && i < numbers->size(); ++i)
      counts = (*numbers)[i] == (double)i;
    return counts ? std::optional(Linear{x.constant(1, e->type), nullptr}) : std::nullopt;
  }
  if (e->isOp("Neg")) {
    auto l = linear(e->operands[0], depth - 1);
    return l ? std::optional(Linear{x.neg(l->rate), l->rest ? x.neg(l->rest) : nullptr}) : std::nullopt;
  }
  if (e->isOp("Mul") || e->isOp("Div"))
    for (int k : {0, 1}) {
      ExprRef factor = e->operands[1 - k];
      if (x.dependsOn(factor, tap) || (k && e->isOp("Div")))
        continue;
      auto l = linear(e->operands[k], depth - 1);
      auto scaled = [&](ExprRef v) { return v ? x.op(e->name, {v, factor}, e->type) : nullptr; };
      return l ? std::optional(Linear{scaled(l->rate), scaled(l->rest)}) : std::nullopt;
    }
  if (e->isOp("Add") || e->isOp("Sub")) {
    auto l = linear(e->operands[0], depth - 1), r = linear(e->operands[1], depth - 1);
    if (!l || !r)
      return std::nullopt;
    bool minus = e->isOp("Sub");
    auto signedOf = [&](ExprRef v) { return v && minus ? x.neg(v) : v; };
    return Linear{sum(l->rate, signedOf(r->rate)), sum(l->rest, signedOf(r->rest))};
  }
  return std::nullopt;
}

bool KernelModes::collect(ExprRef e, ExprRef factor, int depth) {
  if (depth == 0 || !x.dependsOn(e, tap))
    return false;
  if (e->isOp("Add") || e->isOp("Sub")) {
    ExprRef other = e->isOp("Sub") ? (factor ? x.neg(factor) : x.constant(-1, e->type)) : factor;
    return collect(e->operands[0], factor, depth - 1) && collect(e->operands[1], other, depth - 1);
  }
  if (e->isOp("Neg"))
    return collect(e->operands[0], factor ? x.neg(factor) : x.constant(-1, e->type), depth - 1);
  if (e->isOp("Mul"))
    for (int k : {0, 1})
      if (!x.dependsOn(e->operands[1 - k], tap))
        return collect(e->operands[k], product(factor, e->operands[1 - k]), depth - 1);
  if (e->isOp("Div") && !x.dependsOn(e->operands[1], tap)) {
    ExprRef one = factor ? factor : x.constant(1, e->type);
    return collect(e->operands[0], x.op("Div", {one, e->operands[1]}, e->type), depth - 1);
  }
  if (e->isSum()) {
    if (e->indices.size() != 1 || (state && state != e->indices[0]))
      return false;
    state = e->indices[0];
    return collect(e->operands[0], factor, depth - 1);
  }
  return collectProduct(e, factor, depth);
}

bool KernelModes::collectProduct(ExprRef e, ExprRef factor, int depth) {
  SmallVector<ExprRef> factors, stack = {e};
  while (!stack.empty()) {
    ExprRef f = stack.pop_back_val();
    if (f->isOp("Mul"))
      stack.append({f->operands[1], f->operands[0]});
    else
      factors.push_back(f);
  }
  // A sum among them is multiplied out.
  for (auto [k, f] : llvm::enumerate(factors))
    if (x.dependsOn(f, tap) && (f->isOp("Add") || f->isOp("Sub"))) {
      SmallVector<ExprRef> others(factors);
      others.erase(others.begin() + k);
      ExprRef rest = x.product(others, e->type);
      ExprRef minus = f->isOp("Sub") ? (factor ? x.neg(factor) : x.constant(-1, e->type)) : factor;
      return collect(x.mul(rest, f->operands[0]), factor, depth - 1) &&
             collect(x.mul(rest, f->operands[1]), minus, depth - 1);
    }
  ExprRef exponent = nullptr, turn = nullptr;
  bool cosine = false, sine = false;
  for (ExprRef f : factors) {
    if (!x.dependsOn(f, tap)) {
      factor = product(factor, f);
      continue;
    }
    bool isExp = f->isOp("Exp");
    if (!isExp && !f->isOp("Cos") && !f->isOp("Sin"))
      return false;
    auto argument = linear(f->operands[0]);
    if (!argument || !argument->rate)
      return false;
    if (isExp) {
      exponent = sum(exponent, argument->rate);
      if (argument->rest)
        factor = product(factor, x.op("Exp", {argument->rest}, e->type));
      continue;
    }
    if (turn || argument->rest)
      return false;
    turn = argument->rate;
    (f->isOp("Cos") ? cosine : sine) = true;
  }
  if (!exponent || (any && (exponent != decay || turn != angle)))
    return false;
  any = true;
  decay = exponent;
  angle = turn;
  if (!factor)
    factor = x.constant(1, e->type);
  (sine ? ofSine : ofCosine) = sum(sine ? ofSine : ofCosine, factor);
  return true;
}

bool KernelModes::run() {
  SmallVector<AffineExpr> sizes = iterationSizes(conv);
  unsigned time = conv.getTimeDim(), j = time + 1;
  Type element = cast<RankedTensorType>(conv.getKernel().getType()).getElementType();
  if (llvm::is_contained(sizes, AffineExpr()) || !x.isNonNegative(sizes[j] - sizes[time]) || !element.isF32())
    return false;
  Indices dims = x.iterators(sizes);
  tap = dims[j];
  DenseMap<AffineExpr, AffineExpr> names;
  for (auto [d, i] : llvm::enumerate(dims))
    names[getAffineDimExpr(d, conv.getContext())] = i;
  SmallVector<AffineMap> given = indexingMaps(conv);
  Indices at;
  for (AffineExpr e : given[1].getResults())
    at.push_back(x.simplified(e.replace(names)));
  if (!collect(x.at(conv.getKernel(), at), nullptr) || !state)
    return false;

  dims[j] = state;
  bool complex = angle != nullptr;
  ExprRef size = x.op("Exp", {decay}, element);
  SmallVector<ExprRef> parts;
  if (complex) {
    parts = {x.mul(size, x.op("Cos", {angle}, element)), x.mul(size, x.op("Sin", {angle}, element)),
             ofCosine ? ofCosine : x.constant(0, element), ofSine ? x.neg(ofSine) : x.constant(0, element)};
  } else {
    parts = {size, ofCosine};
  }
  SmallVector<Value> inputs = {conv.getInput()};
  SmallVector<AffineMap> maps = {given[0]};
  for (ExprRef p : parts) {
    ExprWriter::Operand o = w.operand(p, dims, {state});
    if (!o.value)
      return false;
    inputs.push_back(o.value);
    maps.push_back(o.map);
  }
  maps.push_back(given[2]);
  OperationState scan(conv.getLoc(), SelectiveScanOp::getOperationName());
  scan.addOperands(inputs);
  scan.addTypes({conv.getOutput().getType()});
  scan.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr({(int32_t)inputs.size(), 0}));
  scan.addAttribute("indexing_maps", b.getAffineMapArrayAttr(maps));
  scan.addAttribute("state_rank", b.getI64IntegerAttr(1));
  if (complex)
    scan.addAttribute("complex", b.getUnitAttr());
  if (conv.getReverse())
    scan.addAttribute("reverse", b.getUnitAttr());
  Block *body = new Block;
  scan.addRegion()->push_back(body);
  OpBuilder inside(conv.getContext());
  inside.setInsertionPointToEnd(body);
  SmallVector<Value> a;
  for (Value v : inputs) {
    Type of = getElementTypeOrSelf(v.getType());
    a.push_back(body->addArgument(scalarType(of), conv.getLoc()));
  }
  if (complex) {
    Value zero = arith::ConstantOp::create(inside, conv.getLoc(), inside.getF32FloatAttr(0));
    ssm::YieldOp::create(inside, conv.getLoc(), ValueRange{a[1], a[2], a[0], zero, a[3], a[4]});
  } else {
    ssm::YieldOp::create(inside, conv.getLoc(), ValueRange{a[1], a[0], a[2]});
  }
  conv.getOutput().replaceAllUsesWith(b.create(scan)->getResult(0));
  conv.erase();
  return true;
}
} // namespace

bool ssm::raiseKernelModes(LongConvOp conv) { return KernelModes(conv).run(); }
