//===- FieldEvaluator.cpp - operators over a finite field ------------------===//
#include "passes/raise/FieldEvaluator.h"
#include "passes/lower/Emitter.h"
#include "passes/raise/Operands.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }
static bool isPresent(Operation *op, unsigned n) {
  return n < op->getNumOperands() && !onnx::isNone(op->getOperand(n));
}
using Shape = SmallVector<int64_t>;

static int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}
static Shape stridesOf(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (int64_t a = (int64_t)shape.size() - 2; a >= 0; --a)
    strides[a] = strides[a + 1] * shape[a + 1];
  return strides;
}
/// Calls fn(position) for every place of a shape, in row-major order.
template <typename Fn> static void forEach(ArrayRef<int64_t> shape, Fn fn) {
  Shape at(shape.size(), 0);
  for (int64_t n = countOf(shape); n-- > 0;) {
    fn(ArrayRef<int64_t>(at));
    for (int64_t a = (int64_t)shape.size() - 1; a >= 0 && ++at[a] == shape[a]; --a)
      at[a] = 0;
  }
}

FieldElement ssm::fieldOf(double v) {
  int exponent;
  double mantissa = std::frexp(std::abs(v), &exponent);
  FieldElement r = (uint64_t)std::ldexp(mantissa, 53) % kFieldPrime;
  // 2 has the order 61, and the inverse 2^60.
  r = fieldMul(r, FieldElement(1) << (((exponent - 53) % 61 + 61) % 61));
  return v < 0 ? fieldNeg(r) : r;
}

std::optional<Shape> FieldEvaluator::shapeOf(Value v) const {
  auto type = typeOf(v);
  if (!type)
    return std::nullopt;
  Shape shape;
  int64_t count = 1;
  for (AffineExpr d : onnx::getDimExprs(type)) {
    DenseMap<AffineExpr, AffineExpr> sizes;
    d.walk([&](AffineExpr part) {
      if (isa<AffineSymbolExpr>(part))
        sizes[part] = getAffineConstantExpr(symbol, d.getContext());
    });
    auto c = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(d.replace(sizes), 0, 0));
    if (!c || c.getValue() < 0)
      return std::nullopt;
    shape.push_back(c.getValue());
    count *= c.getValue();
    if (count > (int64_t(1) << 24))
      return std::nullopt;
  }
  return shape;
}

bool FieldEvaluator::covers(Operation *op) {
  static constexpr StringRef names[] = {
      "Add",     "Sub",     "Mul",    "Neg",   "Cast",   "Identity",  "MatMul",          "ReduceSum",       "Slice",
      "Split",   "Gather",  "Concat", "Pad",   "Expand", "Transpose", "Unsqueeze",       "Squeeze",         "Reshape",
      "Flatten", "EyeLike", "Tile",   "Trilu", "Sum",    "ScatterND", "ScatterElements", "ConstantOfShape", "Constant",
      "Einsum"};
  return op->getDialect() && op->getDialect()->getNamespace() == "onnx" &&
         llvm::is_contained(names, op->getName().stripDialect());
}

std::optional<Shape> FieldEvaluator::integers(Value v) const {
  while (Operation *op = v.getDefiningOp()) {
    StringRef name = op->getName().stripDialect();
    if (auto values = onnx::intValues(v))
      return Shape(*values);
    if (name == "Expand" || name == "Reshape" || name == "Unsqueeze" || name == "Squeeze" || name == "Identity") {
      auto all = integers(op->getOperand(0));
      auto shape = shapeOf(v);
      if (!all || !shape)
        return std::nullopt;
      if (name != "Expand" || (int64_t)all->size() == countOf(*shape))
        return all;
      if (all->size() != 1)
        return std::nullopt;
      return Shape(countOf(*shape), all->front());
    }
    return std::nullopt;
  }
  return std::nullopt;
}

const FieldTensor *FieldEvaluator::get(Value v) {
  if (auto it = known.find(v); it != known.end())
    return &it->second;
  Operation *op = v.getDefiningOp();
  if (!op || !covers(op))
    return nullptr;
  // Operands first, without recursion: chains of rows are long.
  SmallVector<Operation *> stack = {op};
  while (!stack.empty()) {
    Operation *top = stack.back();
    bool ready = true;
    if (!known.count(top->getResult(0))) {
      static constexpr StringRef byType[] = {"EyeLike", "ConstantOfShape", "Constant"};
      if (!llvm::is_contained(byType, top->getName().stripDialect()))
        for (auto [n, o] : llvm::enumerate(top->getOperands())) {
          auto type = typeOf(o);
          if (!type || !isa<FloatType>(type.getElementType()) || known.count(o))
            continue;
          Operation *def = o.getDefiningOp();
          if (!def || !covers(def))
            return nullptr;
          stack.push_back(def);
          ready = false;
        }
      if (ready && !evaluate(top))
        return nullptr;
      // What nothing is left to read goes.
      if (ready)
        for (Value o : top->getOperands())
          if (o != v && !given.contains(o) && ++reads[o] >= (int64_t)std::distance(o.use_begin(), o.use_end()))
            known.erase(o);
    }
    if (ready)
      stack.pop_back();
  }
  return &known[v];
}

bool FieldEvaluator::evaluate(Operation *op) {
  StringRef name = op->getName().stripDialect();
  if (auto shape = shapeOf(op->getResult(0)))
    work -= countOf(*shape);
  else
    return false;
  if (work < 0)
    return false;
  if (name == "Constant" || name == "ConstantOfShape" || name == "EyeLike")
    return constant(op);
  if (name == "Add" || name == "Sub" || name == "Mul" || name == "Neg" || name == "Cast" || name == "Identity" ||
      name == "Sum")
    return elementwise(op);
  if (name == "MatMul" || name == "ReduceSum" || name == "Einsum")
    return contraction(op);
  if (name == "ScatterND" || name == "ScatterElements")
    return scatter(op);
  return movement(op);
}

bool FieldEvaluator::constant(Operation *op) {
  Value r = op->getResult(0);
  FieldTensor t{*shapeOf(r), {}};
  StringRef name = op->getName().stripDialect();
  int64_t count = countOf(t.shape);
  if (name == "EyeLike") {
    t.data.assign(count, 0);
    for (int64_t i = 0; i < t.shape[0]; ++i)
      if (int64_t j = i + onnx::intAttr(op, "k"); j >= 0 && j < t.shape[1])
        t.data[i * t.shape[1] + j] = 1;
  } else if (name == "ConstantOfShape") {
    auto value = op->getAttrOfType<DenseElementsAttr>("value");
    if (value && !isa<FloatType>(value.getElementType()))
      return false;
    t.data.assign(count, value ? fieldOf(value.getSplatValue<APFloat>().convertToDouble()) : 0);
  } else {
    auto numbers = numbersOf(onnx::constantValue(r));
    if (!numbers)
      return false;
    for (double v : *numbers) {
      if (!std::isfinite(v))
        return false;
      t.data.push_back(fieldOf(v));
    }
    if (t.data.size() == 1)
      t.data.assign(count, t.data[0]);
  }
  if ((int64_t)t.data.size() != count)
    return false;
  known[r] = std::move(t);
  return true;
}

bool FieldEvaluator::elementwise(Operation *op) {
  StringRef name = op->getName().stripDialect();
  if (name == "Cast" && !isa<FloatType>(typeOf(op->getOperand(0)).getElementType()))
    return false;
  FieldTensor t{*shapeOf(op->getResult(0)), {}};
  for (auto [n, o] : llvm::enumerate(op->getOperands())) {
    const FieldTensor &in = known[o];
    Shape strides = stridesOf(in.shape);
    size_t shift = t.shape.size() - in.shape.size(), next = 0;
    for (auto [a, d] : llvm::enumerate(in.shape))
      if (d != t.shape[a + shift]) {
        if (d != 1)
          return false;
        strides[a] = 0;
      }
    bool first = n == 0;
    if (first)
      t.data.resize(countOf(t.shape));
    forEach(t.shape, [&](ArrayRef<int64_t> at) {
      int64_t from = 0;
      for (size_t a = 0; a < strides.size(); ++a)
        from += strides[a] * at[a + shift];
      FieldElement v = in.data[from], &to = t.data[next++];
      if (first)
        to = name == "Neg" ? fieldNeg(v) : v;
      else
        to = name == "Mul" ? fieldMul(to, v) : fieldAdd(to, name == "Sub" ? fieldNeg(v) : v);
    });
  }
  known[op->getResult(0)] = std::move(t);
  return true;
}

bool FieldEvaluator::contraction(Operation *op) {
  FieldTensor t{*shapeOf(op->getResult(0)), {}};
  const FieldTensor &a = known[op->getOperand(0)];
  StringRef name = op->getName().stripDialect();
  t.data.assign(countOf(t.shape), 0);
  if (name == "ReduceSum") {
    auto axes = isPresent(op, 1) ? integers(op->getOperand(1)) : std::nullopt;
    if (!axes)
      return false;
    SmallVector<bool> reduced(a.shape.size(), false);
    for (int64_t x : *axes)
      reduced[normalAxis(x, a.shape.size())] = true;
    // Strides of the result on the operand's axes.
    Shape kept, strides(a.shape.size(), 0);
    int64_t stride = 1;
    for (int64_t x = (int64_t)a.shape.size() - 1; x >= 0; --x)
      if (!reduced[x]) {
        strides[x] = stride;
        stride *= a.shape[x];
      }
    work -= a.data.size();
    size_t from = 0;
    forEach(a.shape, [&](ArrayRef<int64_t> at) {
      int64_t to = 0;
      for (size_t x = 0; x < at.size(); ++x)
        to += strides[x] * at[x];
      t.data[to] = fieldAdd(t.data[to], a.data[from++]);
    });
    known[op->getResult(0)] = std::move(t);
    return true;
  }
  if (op->getNumOperands() != 2)
    return false;
  const FieldTensor &b = known[op->getOperand(1)];
  std::string left, right, out;
  if (name == "Einsum") {
    std::string equation = onnx::stringAttr(op, "equation").str();
    llvm::erase(equation, ' ');
    auto [inputs, result] = StringRef(equation).split("->");
    auto [l, r] = inputs.split(",");
    if (!StringRef(equation).contains("->") || inputs.contains('.'))
      return false;
    left = l.str(), right = r.str(), out = result.str();
  } else {
    size_t rank = t.shape.size();
    if (a.shape.size() < 2 || b.shape.size() < 2)
      return false;
    for (size_t n = 0; n < rank - 2; ++n)
      out.push_back('a' + n);
    left = out.substr(rank - a.shape.size()) + "YZ";
    right = out.substr(rank - b.shape.size()) + "ZX";
    out += "YX";
  }
  if (left.size() != a.shape.size() || right.size() != b.shape.size() || out.size() != t.shape.size())
    return false;
  // One loop over all letters, those of the result outermost.
  std::string letters = out;
  for (char c : left + right)
    if (letters.find(c) == std::string::npos)
      letters.push_back(c);
  Shape sizes(letters.size(), 1), x(letters.size(), 0), y(letters.size(), 0), z(letters.size(), 0);
  auto place = [&](StringRef names, ArrayRef<int64_t> shape, Shape &strides) {
    Shape own = stridesOf(shape);
    for (auto [n, c] : llvm::enumerate(names)) {
      size_t at = letters.find(c);
      if (shape[n] == 1)
        continue;
      if (sizes[at] != 1 && sizes[at] != shape[n])
        return false;
      sizes[at] = shape[n];
      strides[at] += own[n];
    }
    return true;
  };
  if (!place(left, a.shape, x) || !place(right, b.shape, y) || !place(out, t.shape, z))
    return false;
  if ((work -= countOf(sizes)) < 0)
    return false;
  forEach(sizes, [&](ArrayRef<int64_t> at) {
    int64_t i = 0, j = 0, k = 0;
    for (size_t n = 0; n < at.size(); ++n)
      i += x[n] * at[n], j += y[n] * at[n], k += z[n] * at[n];
    if (a.data[i])
      t.data[k] = fieldAdd(t.data[k], fieldMul(a.data[i], b.data[j]));
  });
  known[op->getResult(0)] = std::move(t);
  return true;
}

/// Where each element of a result of a movement comes from.
bool FieldEvaluator::movement(Operation *op) {
  StringRef name = op->getName().stripDialect();
  SmallVector<Value> operands(op->getOperands());
  const FieldTensor &in = known[operands[0]];
  Shape strides = stridesOf(in.shape);
  for (auto [number, result] : llvm::enumerate(op->getResults())) {
    auto shape = shapeOf(result);
    if (!shape)
      return false;
    FieldTensor t{*shape, {}};
    t.data.reserve(countOf(t.shape));
    auto gather = [&](auto source) { // gives a place, or -1 for zero
      forEach(t.shape, [&](ArrayRef<int64_t> at) {
        int64_t from = source(at);
        t.data.push_back(from < 0 ? 0 : in.data[from]);
      });
    };
    if (name == "Reshape" || name == "Unsqueeze" || name == "Squeeze" || name == "Flatten") {
      if (countOf(t.shape) != (int64_t)in.data.size())
        return false;
      t.data = in.data;
    } else if (name == "Transpose") {
      SmallVector<int64_t> perm = onnx::intsAttr(op, "perm");
      if (!op->hasAttr("perm"))
        for (int64_t a = in.shape.size() - 1; a >= 0; --a)
          perm.push_back(a);
      gather([&](ArrayRef<int64_t> at) {
        int64_t from = 0;
        for (auto [a, p] : llvm::enumerate(perm))
          from += strides[p] * at[a];
        return from;
      });
    } else if (name == "Expand" || name == "Tile") {
      if (t.shape.size() < in.shape.size())
        return false;
      size_t shift = t.shape.size() - in.shape.size();
      gather([&](ArrayRef<int64_t> at) {
        int64_t from = 0;
        for (auto [a, d] : llvm::enumerate(in.shape))
          from += strides[a] * (at[a + shift] % d);
        return from;
      });
    } else if (name == "Trilu") {
      auto k = isPresent(op, 1) ? integers(op->getOperand(1)) : std::optional<Shape>(Shape{0});
      if (!k || k->size() != 1 || in.shape.size() < 2)
        return false;
      bool upper = onnx::intAttr(op, "upper", 1);
      size_t rank = in.shape.size();
      int64_t next = 0;
      gather([&](ArrayRef<int64_t> at) {
        int64_t above = at[rank - 1] - at[rank - 2] - k->front(), from = next++;
        return (upper ? above >= 0 : above <= 0) ? from : -1;
      });
    } else if (name == "Slice" || name == "Split" || name == "Pad") {
      Shape offsets(in.shape.size(), 0), steps(in.shape.size(), 1);
      if (name == "Split") {
        int64_t axis = normalAxis(onnx::intAttr(op, "axis"), in.shape.size());
        for (unsigned n = 0; n < number; ++n)
          offsets[axis] += (*shapeOf(op->getResult(n)))[axis];
      } else {
        bool pads = name == "Pad";
        auto first = integers(op->getOperand(1));
        auto axes = isPresent(op, 3) ? integers(op->getOperand(3)) : std::nullopt;
        auto by = !pads && isPresent(op, 4) ? integers(op->getOperand(4)) : std::nullopt;
        if (!first || (isPresent(op, 3) && !axes) || (!pads && isPresent(op, 4) && !by))
          return false;
        if (pads && (onnx::stringAttr(op, "mode", "constant") != "constant" || isPresent(op, 2))) {
          auto fill = isPresent(op, 2) ? onnx::constantValue(op->getOperand(2)) : ElementsAttr();
          auto number = fill ? numbersOf(fill) : std::nullopt;
          if (!number || number->size() != 1 || number->front() != 0)
            return false;
        }
        size_t count = pads ? first->size() / 2 : first->size();
        for (size_t n = 0; n < count; ++n) {
          int64_t axis = axes ? normalAxis((*axes)[n], in.shape.size()) : n, start = (*first)[n];
          if (pads) {
            offsets[axis] = -start;
            continue;
          }
          steps[axis] = by ? (*by)[n] : 1;
          int64_t d = in.shape[axis];
          if (start < 0)
            start += d;
          offsets[axis] = std::clamp<int64_t>(start, 0, steps[axis] > 0 ? d : d - 1);
        }
      }
      gather([&](ArrayRef<int64_t> at) {
        int64_t from = 0;
        for (auto [a, d] : llvm::enumerate(in.shape)) {
          int64_t i = offsets[a] + steps[a] * at[a];
          if (i < 0 || i >= d)
            return int64_t(-1);
          from += strides[a] * i;
        }
        return from;
      });
    } else if (name == "Gather") {
      auto which = integers(operands[1]);
      auto indexShape = shapeOf(operands[1]);
      int64_t axis = normalAxis(onnx::intAttr(op, "axis"), in.shape.size());
      if (!which || !indexShape)
        return false;
      Shape own = stridesOf(*indexShape);
      gather([&](ArrayRef<int64_t> at) {
        int64_t place = 0, from = 0;
        for (size_t n = 0; n < own.size(); ++n)
          place += own[n] * at[axis + n];
        int64_t i = (*which)[place];
        from = strides[axis] * (i < 0 ? i + in.shape[axis] : i);
        for (int64_t a = 0; a < axis; ++a)
          from += strides[a] * at[a];
        for (size_t a = axis + 1; a < in.shape.size(); ++a)
          from += strides[a] * at[a + own.size() - 1];
        return from;
      });
    } else if (name == "Concat") {
      int64_t axis = normalAxis(onnx::intAttr(op, "axis"), t.shape.size());
      forEach(t.shape, [&](ArrayRef<int64_t> at) {
        int64_t i = at[axis];
        for (Value v : operands) {
          const FieldTensor &part = known[v];
          if (i >= part.shape[axis]) {
            i -= part.shape[axis];
            continue;
          }
          Shape own = stridesOf(part.shape);
          int64_t from = 0;
          for (auto [a, stride] : llvm::enumerate(own))
            from += stride * ((int64_t)a == axis ? i : at[a]);
          t.data.push_back(part.data[from]);
          break;
        }
      });
    } else {
      return false;
    }
    if ((int64_t)t.data.size() != countOf(t.shape))
      return false;
    known[result] = std::move(t);
  }
  return true;
}

bool FieldEvaluator::scatter(Operation *op) {
  if (onnx::stringAttr(op, "reduction", "none") != "none")
    return false;
  FieldTensor t = known[op->getOperand(0)];
  auto where = integers(op->getOperand(1));
  auto shape = shapeOf(op->getOperand(1));
  const FieldTensor &updates = known[op->getOperand(2)];
  if (!where || !shape || shape->empty())
    return false;
  Shape strides = stridesOf(t.shape);
  if (op->getName().stripDialect() == "ScatterElements") {
    int64_t axis = normalAxis(onnx::intAttr(op, "axis"), t.shape.size());
    size_t next = 0;
    forEach(*shape, [&](ArrayRef<int64_t> at) {
      int64_t to = 0, i = (*where)[next];
      for (auto [a, stride] : llvm::enumerate(strides))
        to += stride * ((int64_t)a == axis ? (i < 0 ? i + t.shape[a] : i) : at[a]);
      t.data[to] = updates.data[next++];
    });
  } else {
    int64_t depth = shape->back(), rows = countOf(*shape) / std::max<int64_t>(depth, 1);
    int64_t slice = countOf(ArrayRef(t.shape).drop_front(depth));
    for (int64_t r = 0; r < rows; ++r) {
      int64_t to = 0;
      for (int64_t d = 0; d < depth; ++d) {
        int64_t i = (*where)[r * depth + d];
        to += strides[d] * (i < 0 ? i + t.shape[d] : i);
      }
      for (int64_t n = 0; n < slice; ++n)
        t.data[to + n] = updates.data[r * slice + n];
    }
  }
  known[op->getResult(0)] = std::move(t);
  return true;
}
