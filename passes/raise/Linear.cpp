//===- Linear.cpp - expressions that are linear in a state -----------------===//
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/raise/Linear.h"

using namespace mlir;
using namespace ssm;

bool Linear::readsState(ExprRef e) {
  if (!e)
    return false;
  auto it = reading.find(e);
  if (it != reading.end())
    return it->second;
  bool r = e->kind == Expr::Kind::Read ? isState(e->source)
                                       : llvm::any_of(e->operands, [&](ExprRef o) { return readsState(o); });
  return reading[e] = r;
}

std::optional<SmallVector<LinearTerm>> Linear::of(ExprRef e) {
  using Terms = SmallVector<LinearTerm>;
  if (!readsState(e))
    return Terms{{nullptr, {e}, {}}};
  auto append = [](Terms &to, Terms &&from) { to.append(std::make_move_iterator(from.begin()), std::make_move_iterator(from.end())); };
  auto scaled = [](Terms terms, ExprRef factor) {
    for (LinearTerm &t : terms)
      t.factors.push_back(factor);
    return terms;
  };
  switch (e->kind) {
  case Expr::Kind::Read:
    return Terms{{e, {}, {}}};
  case Expr::Kind::Reduce: {
    if (e->name != "ReduceSum")
      break;
    auto terms = of(e->operands[0]);
    if (!terms)
      return std::nullopt;
    for (LinearTerm &t : *terms)
      t.bound.append(e->indices.begin(), e->indices.end());
    return terms;
  }
  case Expr::Kind::Op: {
    if (e->name == "Add" || e->name == "Sub" || e->name == "Sum") {
      Terms out;
      for (auto [n, o] : llvm::enumerate(e->operands)) {
        auto terms = of(o);
        if (!terms)
          return std::nullopt;
        append(out, e->name == "Sub" && n == 1 ? scaled(std::move(*terms), x.constant(-1, e->type)) : std::move(*terms));
      }
      return out;
    }
    if (e->name == "Neg") {
      auto terms = of(e->operands[0]);
      if (!terms)
        return std::nullopt;
      return scaled(std::move(*terms), x.constant(-1, e->type));
    }
    if (e->name == "Mul" && !(readsState(e->operands[0]) && readsState(e->operands[1]))) {
      unsigned which = readsState(e->operands[0]) ? 0 : 1;
      auto terms = of(e->operands[which]);
      if (!terms)
        return std::nullopt;
      return scaled(std::move(*terms), e->operands[1 - which]);
    }
    if (e->name == "Mul") {
      reason = "the carried state is multiplied by itself or by another value that depends on it";
      return std::nullopt;
    }
    if (e->name == "Div" && !readsState(e->operands[1])) {
      auto terms = of(e->operands[0]);
      if (!terms)
        return std::nullopt;
      return scaled(std::move(*terms), x.op("Reciprocal", {e->operands[1]}, e->type));
    }
    break;
  }
  default:
    break;
  }
  StringRef name = e->kind == Expr::Kind::Select ? "a choice between elements" : e->name;
  reason = ("the carried state enters " + name + ": not linear").str();
  return std::nullopt;
}

bool ssm::isInPlace(Exprs &x, ArrayRef<AffineExpr> indices, ArrayRef<AffineExpr> iterators) {
  return indices.size() == iterators.size() && llvm::all_of(llvm::zip(indices, iterators), [&](auto p) {
           return std::get<0>(p) == std::get<1>(p) || x.sizeOf(std::get<1>(p)) == x.number(1);
         });
}

SmallVector<ExprRef> ssm::factorsOf(Exprs &x, ArrayRef<ExprRef> product) {
  SmallVector<ExprRef> out;
  std::function<void(ExprRef)> add = [&](ExprRef e) {
    if (e->isOp("Mul")) {
      add(e->operands[0]);
      add(e->operands[1]);
    } else if (e->isOp("Neg")) {
      out.push_back(x.constant(-1, e->type));
      add(e->operands[0]);
    } else if (e->isOp("Div") && isa<FloatType>(e->type)) {
      add(e->operands[0]);
      out.push_back(x.op("Reciprocal", {e->operands[1]}, e->type));
    } else {
      out.push_back(e);
    }
  };
  for (ExprRef e : product)
    add(e);
  return out;
}

ExprRef ssm::sumOf(Exprs &x, ArrayRef<LinearTerm> terms, Type type) {
  ExprRef sum = nullptr;
  for (const LinearTerm &t : terms) {
    ExprRef term = x.product(t.factors, type);
    if (!t.bound.empty())
      term = x.reduce("ReduceSum", t.bound, term);
    sum = sum ? x.add(sum, term) : term;
  }
  return sum ? sum : x.constant(0, type);
}

ExprRef ssm::peeled(Exprs &x, ExprRef read) {
  auto leaf = x.isLeaf;
  auto expands = x.expands;
  Value v = read->source;
  x.isLeaf = [v](Value u) { return u != v && u.getDefiningOp() && !isMovement(u.getDefiningOp()); };
  x.expands = [](Operation *) { return true; };
  x.forget();
  ExprRef r = x.at(v, read->indices);
  x.isLeaf = leaf;
  x.expands = expands;
  x.forget();
  return r;
}

/// A constant whose elements are all more than 0.
static bool isPositiveConstant(Value v) {
  ElementsAttr value = onnx::constantValue(v);
  if (!value || value.getNumElements() > 65536 || value.getNumElements() == 0)
    return false;
  if (auto dense = dyn_cast<DenseElementsAttr>(value); dense && isa<FloatType>(value.getElementType()))
    return llvm::all_of(dense.getValues<APFloat>(), [](const APFloat &f) { return f.convertToDouble() > 0; });
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob || !value.getElementType().isF32())
    return false;
  for (int64_t i = 0, n = value.getNumElements(); i < n; ++i) {
    float f;
    memcpy(&f, blob->getData().data() + i * sizeof(f), sizeof(f));
    if (!(f > 0))
      return false;
  }
  return true;
}

ExprRef ssm::logarithm(Exprs &x, ExprRef e) {
  if (e->isOp("Exp"))
    return e->operands[0];
  if (e->kind == Expr::Kind::Constant)
    return e->number > 0 ? x.constant(std::log(e->number), e->type) : nullptr;
  if (e->isOp("Sigmoid"))
    return x.neg(x.op("Softplus", {x.neg(e->operands[0])}, e->type));
  if (e->isOp("Mul") || e->isOp("Div")) {
    ExprRef a = logarithm(x, e->operands[0]), b = logarithm(x, e->operands[1]);
    return a && b ? x.op(e->isOp("Mul") ? "Add" : "Sub", {a, b}, e->type) : nullptr;
  }
  if (e->isOp("Reciprocal")) {
    ExprRef a = logarithm(x, e->operands[0]);
    return a ? x.neg(a) : nullptr;
  }
  if (e->kind == Expr::Kind::Read && isPositiveConstant(e->source))
    return x.op("Log", {e}, e->type);
  if (e->kind == Expr::Kind::Read) {
    ExprRef inner = peeled(x, e);
    if (inner == e || (inner->kind == Expr::Kind::Read && inner->source == e->source))
      return nullptr;
    return logarithm(x, inner);
  }
  return nullptr;
}
