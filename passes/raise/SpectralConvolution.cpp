//===- SpectralConvolution.cpp - convolutions as products of spectra -------===//
// With U and K the spectra of length n of real sequences u and k, the inverse transform of U K is their circular
// convolution, and its first elements are those of the causal one when n is at least len(u) + len(k) - 1. The product
// may be spelled in any way over real and imaginary parts: both parts are expanded to polynomials over the elements of
// the two spectra and compared with those of the product. A half of the spectrum stands for all of it, as U(n - f) is
// the conjugate of U(f); where the other half is put together by hand, each piece is compared.
//===----------------------------------------------------------------------===//
#include "passes/raise/SpectralConvolution.h"
#include "dialects/Ssm/SsmDialect.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr size_t kMostTerms = 64;

/// A sum of products: coefficients by their factors, in order.
using Polynomial = std::map<std::vector<ExprRef>, double>;

/// One transform of a real sequence.
struct Transform {
  Operation *op = nullptr;
  Indices outer;    // where its spectrum is read, but for frequency and part
  ExprRef sequence; // over `time`
  AffineExpr time;
};

RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }
bool isTransform(Operation *op) { return op && op->getName().getStringRef() == "onnx.DFT"; }
bool isInverse(Operation *op) { return onnx::intAttr(op, "inverse"); }
bool isHalf(Operation *op) { return onnx::intAttr(op, "onesided"); }

class SpectralConvolution {
public:
  SpectralConvolution(Operation *inverse, std::string &missed)
      : inverse(inverse), missed(missed), x(inverse->getContext()) {}
  bool run();

private:
  std::optional<int64_t> axisOf(Operation *op);
  AffineExpr lengthOf(Operation *op, int64_t axis);
  /// Replaces a value that is the real parts at times 0, 1, 2 ... of some rows.
  bool replace(Operation *root, ArrayRef<AffineExpr> indices, ArrayRef<AffineExpr> iterators);
  bool matchProduct(ArrayRef<AffineExpr> outer);
  bool matchPiece(ExprRef re, ExprRef im);
  bool expand(ExprRef e, Polynomial &out, int depth = 0);
  bool describe(Transform &t);
  AffineExpr lengthOf(const Transform &t) { return x.sizeOf(t.time); }

  Operation *inverse;
  std::string &missed;
  Exprs x;
  int64_t axis = 0;
  AffineExpr n, frequency;
  Transform first, second;
  double scale = 1;
  std::vector<ExprRef> scales; // factors of the product that are the same at all frequencies
  bool known = false;
};

std::optional<int64_t> SpectralConvolution::axisOf(Operation *op) {
  int64_t rank = typeOf(op->getOperand(0)).getRank(), a = -2;
  if (!onnx::isNone(op->getOperand(2))) {
    auto values = onnx::intValues(op->getOperand(2));
    if (!values || values->size() != 1)
      return std::nullopt;
    a = (*values)[0];
  }
  return a < 0 ? a + rank : a;
}

AffineExpr SpectralConvolution::lengthOf(Operation *op, int64_t axis) {
  if (!onnx::isNone(op->getOperand(1)))
    return x.indexValue(op->getOperand(1));
  AffineExpr d = onnx::getDimExpr(typeOf(op->getOperand(0)), axis);
  return isInverse(op) && isHalf(op) ? (d - 1) * 2 : d;
}

bool SpectralConvolution::expand(ExprRef e, Polynomial &out, int depth) {
  auto scaled = [&](const Polynomial &p, double by) {
    for (auto &[factors, c] : p)
      if ((out[factors] += c * by) == 0)
        out.erase(factors);
    return out.size() <= kMostTerms;
  };
  if (depth > 24)
    return false;
  if (e->kind == Expr::Kind::Constant)
    return scaled({{{}, 1.0}}, e->number);
  if (e->kind == Expr::Kind::Op) {
    SmallVector<Polynomial> operands(e->operands.size());
    bool sum = e->name == "Add" || e->name == "Sub" || e->name == "Neg";
    if (sum || e->name == "Mul" || e->name == "Div") {
      for (auto [o, p] : llvm::zip(e->operands, operands))
        if (!o || !expand(o, p, depth + 1))
          return false;
      if (sum) {
        for (auto [k, p] : llvm::enumerate(operands))
          if (!scaled(p, e->name == "Neg" || (k && e->name == "Sub") ? -1 : 1))
            return false;
        return true;
      }
      if (e->name == "Mul") {
        for (auto &[f, c] : operands[0])
          for (auto &[g, d] : operands[1]) {
            std::vector<ExprRef> both = f;
            both.insert(both.end(), g.begin(), g.end());
            llvm::sort(both, [](ExprRef a, ExprRef b) { return a->id < b->id; });
            if (!scaled({{both, c}}, d))
              return false;
          }
        return true;
      }
      // By a number, else by what stays a factor of its own.
      ExprRef by = e->operands[1];
      if (by->kind == Expr::Kind::Constant)
        return by->number != 0 && scaled(operands[0], 1 / by->number);
      if (x.dependsOn(by, frequency))
        return false;
      ExprRef factor = x.op("Div", {x.constant(1, by->type), by}, by->type);
      for (auto &[f, c] : operands[0]) {
        std::vector<ExprRef> both = f;
        both.push_back(factor);
        llvm::sort(both, [](ExprRef a, ExprRef b) { return a->id < b->id; });
        if (!scaled({{both, c}}, 1))
          return false;
      }
      return true;
    }
  }
  return scaled({{{e}, 1.0}}, 1);
}

/// Re and im are those of first times second, at one frequency for which both hold.
bool SpectralConvolution::matchPiece(ExprRef re, ExprRef im) {
  // Each product as the parts (0 real, 1 imaginary) of the two spectra that it takes, with signs of conjugates.
  std::map<std::pair<int, int>, double> parts[2];
  std::optional<std::vector<ExprRef>> common;
  for (int k : {0, 1}) {
    Polynomial p;
    if (!expand(k ? im : re, p))
      return false;
    for (auto &[factors, c] : p) {
      std::vector<ExprRef> rest;
      int part[2] = {-1, -1};
      double sign = c;
      for (ExprRef f : factors) {
        Operation *op = f->kind == Expr::Kind::Read ? f->source.getDefiningOp() : nullptr;
        if (!isTransform(op) || isInverse(op)) {
          if (x.dependsOn(f, frequency))
            return false;
          rest.push_back(f);
          continue;
        }
        auto a = axisOf(op);
        if (!a || lengthOf(op, *a) != n)
          return false;
        Indices outer(f->indices);
        AffineExpr at = outer[*a], which = outer.back();
        outer[*a] = outer.back() = x.number(0);
        auto imaginary = dyn_cast<AffineConstantExpr>(which);
        bool mirrored = at != frequency;
        if (!imaginary || (mirrored && x.simplified(at + frequency) != n))
          return false;
        int slot = !first.op || (first.op == op && first.outer == outer) ? 0 : 1;
        Transform &t = slot ? second : first;
        if (!t.op)
          t.op = op, t.outer = outer;
        if (t.op != op || t.outer != outer || part[slot] >= 0)
          return false;
        part[slot] = imaginary.getValue();
        if (mirrored && part[slot])
          sign = -sign;
      }
      if (part[0] < 0 || part[1] < 0 || (common && *common != rest))
        return false;
      common = rest;
      parts[k][{part[0], part[1]}] = sign;
    }
  }
  double s = parts[0][{0, 0}];
  if (s == 0 || parts[0].size() != 2 || parts[1].size() != 2 || parts[0][{1, 1}] != -s || parts[1][{0, 1}] != s ||
      parts[1][{1, 0}] != s)
    return false;
  if (known && (scale != s || scales != *common))
    return false;
  known = true;
  scale = s;
  scales = *common;
  return true;
}

bool SpectralConvolution::matchProduct(ArrayRef<AffineExpr> outer) {
  Value product = inverse->getOperand(0);
  Indices at(outer);
  at[axis] = frequency;
  at.back() = x.number(0);
  ExprRef re = x.at(product, at);
  at.back() = x.number(1);
  ExprRef im = x.at(product, at);
  // Pieces of the frequencies: every choice of the conditions on them.
  SmallVector<Indices> conditions;
  for (ExprRef root : {re, im}) {
    SmallVector<ExprRef> stack = {root};
    llvm::DenseSet<ExprRef> seen;
    while (!stack.empty()) {
      ExprRef e = stack.pop_back_val();
      if (!e || !seen.insert(e).second)
        continue;
      if (e->kind == Expr::Kind::Select && !llvm::is_contained(conditions, Indices(e->indices)))
        conditions.emplace_back(e->indices);
      stack.append(e->operands.begin(), e->operands.end());
    }
  }
  if (conditions.size() > 3)
    return false;
  for (unsigned choice = 0; choice < (1u << conditions.size()); ++choice) {
    // Frequencies from, to that are left: conditions are that f is at most, or at least, something.
    AffineExpr from = x.number(0), to = x.simplified(x.sizeOf(frequency) - 1);
    for (auto [k, c] : llvm::enumerate(conditions)) {
      if (c.size() != 1)
        return false;
      bool holds = choice >> k & 1;
      AffineExpr rest = x.simplified(c[0] + frequency), other = x.simplified(frequency - c[0]);
      bool atMost = rest.isSymbolicOrConstant();
      if (!atMost && !other.isSymbolicOrConstant())
        return false;
      // f <= rest, or f >= other; else f >= rest + 1, or f <= other - 1
      AffineExpr bound = atMost ? (holds ? rest : rest + 1) : (holds ? other : other - 1);
      if (atMost == holds)
        to = x.isNonNegative(to - bound) ? bound : to;
      else
        from = x.isNonNegative(bound - from) ? bound : from;
    }
    if (x.isNonNegative(from - to - 1))
      continue;
    std::function<ExprRef(ExprRef)> chosen = [&](ExprRef e) -> ExprRef {
      if (!e || e->kind == Expr::Kind::Read)
        return e;
      if (e->kind == Expr::Kind::Select) {
        unsigned k = llvm::find(conditions, Indices(e->indices)) - conditions.begin();
        return chosen(e->operands[choice >> k & 1 ? 0 : 1]);
      }
      if (e->kind != Expr::Kind::Op)
        return e;
      SmallVector<ExprRef> operands;
      for (ExprRef o : e->operands)
        operands.push_back(chosen(o));
      return x.op(e->name, operands, e->type, e->prototype);
    };
    if (!matchPiece(chosen(re), chosen(im)))
      return false;
  }
  return known && first.op && second.op;
}

/// The sequence that is transformed, without zeros behind it.
bool SpectralConvolution::describe(Transform &t) {
  int64_t a = *axisOf(t.op);
  Value input = t.op->getOperand(0);
  AffineExpr size = onnx::getDimExpr(typeOf(input), a);
  if (!x.isNonNegative(n - size)) // cut to n
    return false;
  Indices at(t.outer);
  t.time = at[a] = x.iterator(size);
  at.back() = x.number(0);
  t.sequence = x.at(input, at);
  if (typeOf(input).getDimSize(at.size() - 1) == 2) {
    at.back() = x.number(1);
    if (!x.at(input, at)->isConstant(0))
      return false;
  }
  ExprRef e = t.sequence;
  if (e->kind != Expr::Kind::Select || !e->operands[1]->isConstant(0) || e->indices.size() != 1)
    return true;
  AffineExpr last = x.simplified(e->indices[0] + t.time);
  if (!last.isSymbolicOrConstant())
    return true;
  AffineExpr time = x.iterator(last + 1);
  t.sequence = x.replace(e->operands[0], DenseMap<AffineExpr, AffineExpr>{{t.time, time}});
  t.time = time;
  return true;
}

bool SpectralConvolution::replace(Operation *root, ArrayRef<AffineExpr> indices, ArrayRef<AffineExpr> iterators) {
  AffineExpr time = indices[axis];
  if (!isa<AffineDimExpr>(time))
    return false;
  AffineExpr length = x.sizeOf(time);
  frequency = x.iterator(onnx::getDimExpr(typeOf(inverse->getOperand(0)), axis));
  first = second = {};
  known = false;
  Indices outer(indices);
  if (!matchProduct(outer))
    return false;
  // What a sequence is made of is computed before it; only its zeros are looked through.
  x.isLeaf = [](Value v) {
    Operation *op = v.getDefiningOp();
    return op && isa<FloatType>(typeOf(v).getElementType()) && !isMovement(op) && !isa<onnx::ConstantOp>(op) &&
           op->getName().stripDialect() != "ConstantOfShape";
  };
  x.forget();
  if (!describe(first) || !describe(second))
    return false;
  // The sequence is what knows more rows, and at least as long as the result.
  auto rows = [&](const Transform &t) {
    return llvm::count_if(iterators, [&](AffineExpr i) { return i != time && x.dependsOn(t.sequence, i); });
  };
  auto isLongEnough = [&](const Transform &t) { return x.isNonNegative(lengthOf(t) - length); };
  if ((rows(second) > rows(first) && isLongEnough(second)) || !isLongEnough(first))
    std::swap(first, second);
  if (!isLongEnough(first))
    return false;
  if (!x.isNonNegative(n - lengthOf(first) - lengthOf(second) + 1)) {
    missed = "the transform may be shorter than the sequence and the kernel together: their convolution wraps around";
    return false;
  }
  OpBuilder b(root);
  Location loc = fusedLocation({first.op, second.op, inverse, root});
  ExprWriter w(x, b, loc);
  ExprRef input = x.replace(first.sequence, DenseMap<AffineExpr, AffineExpr>{{first.time, time}});
  ExprRef kernel = second.sequence;
  for (ExprRef f : scales)
    kernel = x.mul(kernel, f);
  if (scale != 1)
    kernel = x.mul(kernel, x.constant(scale, kernel->type));
  // Rows, time, tap.
  Indices dims;
  for (AffineExpr i : iterators)
    if (i != time)
      dims.push_back(i);
  dims.append({time, second.time});
  for (ExprRef e : {input, kernel})
    for (AffineExpr i : x.freeIterators(e))
      if (!llvm::is_contained(dims, i) || (e == kernel && i == time))
        return false;
  auto in = w.operand(input, dims, {time}), taps = w.operand(kernel, dims, {second.time});
  if (!in.value || !taps.value)
    return false;
  SmallVector<AffineExpr> order;
  for (AffineExpr i : iterators)
    order.push_back(getAffineDimExpr(llvm::find(dims, i) - dims.begin(), b.getContext()));
  SmallVector<AffineMap> maps = {in.map, taps.map, AffineMap::get(dims.size(), 0, order, b.getContext())};
  OperationState state(loc, LongConvOp::getOperationName());
  state.addOperands({in.value, taps.value});
  state.addTypes({root->getResult(0).getType()});
  state.addAttribute("indexing_maps", b.getAffineMapArrayAttr(maps));
  root->getResult(0).replaceAllUsesWith(b.create(state)->getResult(0));
  return true;
}

bool SpectralConvolution::run() {
  auto type = dyn_cast<RankedTensorType>(inverse->getResult(0).getType());
  auto a = axisOf(inverse);
  if (!type || !a)
    return false;
  axis = *a;
  n = lengthOf(inverse, axis);
  AffineExpr bins = onnx::getDimExpr(typeOf(inverse->getOperand(0)), axis);
  if (!n || typeOf(inverse->getOperand(0)).getDimSize(type.getRank() - 1) != 2 ||
      x.simplified(isHalf(inverse) ? n.floorDiv(2) + 1 : n) != x.simplified(bins))
    return false;
  bool any = false;
  SmallVector<Operation *> work(inverse->getResult(0).getUsers());
  llvm::DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *user = work.pop_back_val();
    if (!seen.insert(user).second || !isMovement(user) || user->getNumResults() != 1)
      continue;
    // Read as a value of the transform, with the real part only.
    x.isLeaf = [&](Value v) { return isTransform(v.getDefiningOp()); };
    x.expands = [](Operation *op) {
      StringRef name = op->getName().stripDialect();
      return name != "MatMul" && name != "Gemm" && name != "Einsum" && !name.starts_with("Reduce");
    };
    x.forget();
    Indices iterators = x.iterators(onnx::getDimExprs(typeOf(user->getResult(0))));
    ExprRef e = x.at(user->getResult(0), iterators);
    Indices indices(e->indices);
    if (e->kind == Expr::Kind::Read && e->source == inverse->getResult(0) && indices.back() == x.number(0)) {
      if (replace(user, indices, iterators)) {
        any = true;
        continue;
      }
    }
    llvm::append_range(work, user->getResult(0).getUsers());
  }
  return any;
}
} // namespace

bool ssm::raiseSpectralConvolution(Operation *inverse, std::string &missed) {
  return isInverse(inverse) && SpectralConvolution(inverse, missed).run();
}
