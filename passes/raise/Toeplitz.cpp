//===- Toeplitz.cpp - convolutions written as products with a matrix -------===//
// The matrix is gathered from taps at positions that are constants, masked by constants, or a constant itself. Every
// element of it is looked at: positions must depend on t - s only, and everything above the diagonal must be zero.
//===----------------------------------------------------------------------===//
#include "passes/raise/Convolution.h"

using namespace mlir;
using namespace ssm;

namespace {
constexpr int64_t kZero = -1; // an element that is zero
constexpr int64_t kLongest = 2048;

/// The matrix over (t, s): from which position of the taps each element comes.
class Matrix {
public:
  Matrix(ElementReader &reader, unsigned t, unsigned s, int64_t size) : reader(reader), t(t), s(s), size(size) {}
  bool read(const Element &e, int depth);

  ElementReader &reader;
  unsigned t, s;
  int64_t size;
  Element taps; // read at a position on tapsAxis
  size_t tapsAxis = 0;
  std::optional<size_t> sourceAxis; // of s, where the matrix is a constant
  std::vector<int64_t> positions;   // row by row
  bool geometric = false;           // a constant whose taps are powers of one number: a decay

private:
  /// Numbers of an element over the matrix.
  std::optional<std::vector<double>> numbers(const Element &e, int depth);
  bool readConstant(const Element &at);
};

std::optional<std::vector<double>> Matrix::numbers(const Element &e, int depth) {
  Element at = reader.root(e);
  std::vector<double> r(size * size);
  if (auto n = reader.number(at)) {
    std::fill(r.begin(), r.end(), *n);
    return r;
  }
  auto constant = at.tensor.getDefiningOp<onnx::ConstantOp>();
  if (constant) {
    auto values = numbersOf(constant.getValue());
    auto shape = cast<ShapedType>(constant.getValue().getType()).getShape();
    if (!values)
      return std::nullopt;
    int64_t strideT = 0, strideS = 0, stride = 1;
    for (size_t a = shape.size(); a-- > 0; stride *= shape[a]) {
      if (at.at[a] == Subscript::atom(t))
        strideT = stride;
      else if (at.at[a] == Subscript::atom(s))
        strideS = stride;
      else if (shape[a] != 1 && !at.at[a].is(0))
        return std::nullopt;
    }
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j)
        r[i * size + j] = (*values)[i * strideT + j * strideS];
    return r;
  }
  StringRef name = reader.operatorOf(at);
  if (name == "Range") {
    auto start = reader.number({at.tensor.getDefiningOp()->getOperand(0), {}}),
         step = reader.number({at.tensor.getDefiningOp()->getOperand(2), {}});
    bool rows = at.at[0] == Subscript::atom(t), columns = at.at[0] == Subscript::atom(s);
    if (!start || !step || rows == columns)
      return std::nullopt;
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j)
        r[i * size + j] = *start + *step * (rows ? i : j);
    return r;
  }
  auto operands = depth ? reader.operandsOf(at) : std::nullopt;
  if (!operands || operands->empty())
    return std::nullopt;
  SmallVector<std::vector<double>> in;
  for (const Element &o : *operands) {
    auto v = onnx::isNone(o.tensor) ? std::nullopt : numbers(o, depth - 1);
    if (!v)
      return std::nullopt;
    in.push_back(std::move(*v));
  }
  auto apply = [&](auto fn) {
    for (int64_t k = 0; k < size * size; ++k)
      r[k] = fn(k);
    return r;
  };
  auto x = [&](int64_t k) { return in[0][k]; };
  auto y = [&](int64_t k) { return in[1][k]; };
  if (name == "Cast")
    return in[0];
  if (name == "Neg")
    return apply([&](int64_t k) { return -x(k); });
  if (name == "Abs")
    return apply([&](int64_t k) { return std::abs(x(k)); });
  if (name == "Not")
    return apply([&](int64_t k) { return !x(k); });
  if (name == "Where")
    return apply([&](int64_t k) { return x(k) ? y(k) : in[2][k]; });
  if (name == "Clip")
    return in.size() == 3 ? std::optional(apply([&](int64_t k) { return std::min(std::max(x(k), y(k)), in[2][k]); }))
                          : std::nullopt;
  if (in.size() != 2)
    return std::nullopt;
  if (name == "Add")
    return apply([&](int64_t k) { return x(k) + y(k); });
  if (name == "Sub")
    return apply([&](int64_t k) { return x(k) - y(k); });
  if (name == "Mul")
    return apply([&](int64_t k) { return x(k) * y(k); });
  if (name == "Max")
    return apply([&](int64_t k) { return std::max(x(k), y(k)); });
  if (name == "Min")
    return apply([&](int64_t k) { return std::min(x(k), y(k)); });
  if (name == "Less")
    return apply([&](int64_t k) { return x(k) < y(k); });
  if (name == "LessOrEqual")
    return apply([&](int64_t k) { return x(k) <= y(k); });
  if (name == "Greater")
    return apply([&](int64_t k) { return x(k) > y(k); });
  if (name == "GreaterOrEqual")
    return apply([&](int64_t k) { return x(k) >= y(k); });
  if (name == "And")
    return apply([&](int64_t k) { return x(k) && y(k); });
  if (name == "Or")
    return apply([&](int64_t k) { return x(k) || y(k); });
  return std::nullopt;
}

/// All elements of a constant that an element with some fixed indices can be are zero.
bool zerosAt(ElementsAttr value, const Element &e) {
  auto numbers = numbersOf(value);
  auto shape = cast<ShapedType>(value.getType()).getShape();
  if (!numbers)
    return false;
  for (size_t k = 0; k < numbers->size(); ++k) {
    size_t rest = k;
    bool inside = true;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a])
      if (auto c = e.at[a].constant())
        inside &= *c == (int64_t)(rest % shape[a]);
    if (inside && (*numbers)[k] != 0)
      return false;
  }
  return true;
}

/// A constant is its own taps: those of its first column, by the distance from the diagonal.
bool Matrix::readConstant(const Element &at) {
  auto value = at.tensor.getDefiningOp<onnx::ConstantOp>().getValue();
  auto shape = cast<ShapedType>(value.getType()).getShape();
  auto numbers = value.getNumElements() <= (1 << 24) ? numbersOf(value) : std::nullopt;
  int64_t strideT = 0, strideS = 0, stride = 1;
  SmallVector<int64_t> others = {0}; // offsets along axes that the matrix does not have
  taps = at;
  for (size_t a = shape.size(); a-- > 0; stride *= shape[a]) {
    if (at.at[a] == Subscript::atom(t)) {
      strideT = stride;
      tapsAxis = a;
      taps.at[a] = 0;
    } else if (at.at[a] == Subscript::atom(s)) {
      strideS = stride;
      sourceAxis = a;
      taps.at[a] = 0;
    } else if (reader.depends(Element{at.tensor, {at.at[a]}}, t) || reader.depends(Element{at.tensor, {at.at[a]}}, s)) {
      return false;
    } else {
      SmallVector<int64_t> more;
      for (int64_t o : others)
        for (int64_t i = 0; i < shape[a]; ++i)
          more.push_back(o + i * stride);
      others = std::move(more);
    }
  }
  if (!numbers || !strideT || !strideS || !isa<FloatType>(getElementTypeOrSelf(value.getType())))
    return false;
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j) {
      bool zero = true;
      for (int64_t o : others) {
        double v = (*numbers)[o + i * strideT + j * strideS];
        if (j <= i && v != (*numbers)[o + (i - j) * strideT])
          return false;
        zero &= v == 0;
      }
      if (j > i && !zero)
        return false;
      positions.push_back(zero ? kZero : i - j);
    }
  geometric = llvm::all_of(others, [&](int64_t o) {
    double first = (*numbers)[o], ratio = (*numbers)[o + strideT] / first;
    for (int64_t i = 0; i < size; ++i)
      if (!(std::abs((*numbers)[o + i * strideT] - first * std::pow(ratio, i)) <= 1e-4 * std::abs(first)))
        return false;
    return true;
  });
  return true;
}

bool Matrix::read(const Element &e, int depth) {
  Element at = reader.root(e);
  StringRef name = reader.operatorOf(at);
  Operation *op = at.tensor.getDefiningOp();
  if (name == "Gather") {
    auto data = reader.dims(op->getOperand(0)), index = reader.dims(op->getOperand(1));
    size_t axis = onnx::intAttr(op, "axis") < 0 ? onnx::intAttr(op, "axis") + data.size() : onnx::intAttr(op, "axis");
    Element position{op->getOperand(1), {}};
    position.at.assign(at.at.begin() + axis, at.at.begin() + axis + index.size());
    taps = {op->getOperand(0), {}};
    taps.at.assign(at.at.begin(), at.at.begin() + axis);
    taps.at.push_back(0);
    taps.at.insert(taps.at.end(), at.at.begin() + axis + index.size(), at.at.end());
    tapsAxis = axis;
    auto n = data[axis].constant();
    auto values = numbers(position, 12);
    if (!n || !values || reader.depends(taps, t) || reader.depends(taps, s))
      return false;
    for (double v : *values)
      positions.push_back(v < 0 ? v + *n : v);
    // Positions beyond what was padded with zeros.
    std::map<int64_t, bool> zero;
    for (int64_t &p : positions) {
      auto [it, isNew] = zero.try_emplace(p, false);
      if (isNew) {
        Element one = taps;
        one.at[axis] = p;
        one = reader.root(one);
        Operation *from = one.tensor.getDefiningOp();
        if (reader.operatorOf(one) == "Pad" && onnx::stringAttr(from, "mode", "constant") == "constant" &&
            (from->getNumOperands() < 3 || onnx::isNone(from->getOperand(2)) ||
             reader.number(reader.root({from->getOperand(2), {}})) == 0.0) &&
            (from->getNumOperands() < 4 || onnx::isNone(from->getOperand(3)))) {
          auto pads = reader.integers(from->getOperand(1));
          auto inner = reader.dims(from->getOperand(0));
          for (size_t a = 0; pads && a < inner.size(); ++a)
            if (auto c = (one.at[a] - (*pads)[a]).constant(), limit = inner[a].constant(); c && limit)
              it->second |= *c < 0 || *c >= *limit;
        } else if (auto constant = one.tensor.getDefiningOp<onnx::ConstantOp>()) {
          it->second = zerosAt(constant.getValue(), one);
        } else {
          it->second = reader.number(one) == 0.0;
        }
      }
      if (it->second)
        p = kZero;
    }
    return true;
  }
  if (op && isa<onnx::ConstantOp>(op))
    return readConstant(at);
  auto cut = [&](const std::vector<double> &keep) {
    for (size_t k = 0; k < positions.size(); ++k)
      if (keep[k] == 0)
        positions[k] = kZero;
      else if (keep[k] != 1)
        return false;
    return true;
  };
  if (name == "Trilu" && depth) {
    auto k = onnx::isNone(op->getOperand(1)) ? std::optional<double>(0)
                                             : reader.number(reader.root({op->getOperand(1), {0}}));
    size_t rank = at.at.size();
    if (!k || at.at[rank - 2] != Subscript::atom(t) || at.at[rank - 1] != Subscript::atom(s) ||
        !read({op->getOperand(0), at.at}, depth - 1))
      return false;
    bool upper = onnx::intAttr(op, "upper", 1);
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j)
        if (upper ? j < i + *k : j > i + *k)
          positions[i * size + j] = kZero;
    return true;
  }
  auto operands = depth ? reader.operandsOf(at) : std::nullopt;
  if (!operands)
    return false;
  if (name == "Where") {
    bool first = reader.number(reader.root((*operands)[2])) == 0.0,
         second = reader.number(reader.root((*operands)[1])) == 0.0;
    auto keep = first || second ? numbers((*operands)[0], 12) : std::nullopt;
    if (!keep || !read((*operands)[first ? 1 : 2], depth - 1))
      return false;
    if (!first)
      for (double &v : *keep)
        v = !v;
    return cut(*keep);
  }
  if (name == "Mul")
    for (int k : {0, 1})
      if (auto keep = numbers((*operands)[k], 12))
        return read((*operands)[1 - k], depth - 1) && cut(*keep);
  return false;
}

/// The first elements of a constant along one axis, from the last of them on, at the first place of another.
Value tapsOf(Value constant, size_t axis, size_t first, int64_t count, Operation *before) {
  auto value = constant.getDefiningOp<onnx::ConstantOp>().getValue();
  auto type = cast<ShapedType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = count;
  shape[first] = 1;
  auto all = *numbersOf(value);
  OpBuilder b(before);
  SmallVector<Attribute> taps;
  int64_t number = std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<int64_t>());
  for (int64_t k = 0; k < number; ++k) {
    int64_t rest = k, from = 0, stride = 1;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a], stride *= type.getShape()[a])
      from += (a == axis ? count - 1 - rest % shape[a] : rest % shape[a]) * stride;
    taps.push_back(b.getFloatAttr(type.getElementType(), all[from]));
  }
  auto made = RankedTensorType::get(shape, type.getElementType());
  return onnx::ConstantOp::create(b, before->getLoc(), made, DenseElementsAttr::get(made, taps));
}
} // namespace

bool ssm::matchToeplitz(Convolution &c, Operation *root) {
  ElementReader &reader = c.reader;
  IndexSpace &space = reader.space;
  auto product = reader.contraction(c.start(root->getResult(0)));
  if (!product || product->factors.size() != 2 || product->summed.size() != 1 || product->scale != 1)
    return false;
  unsigned s = product->summed[0];
  auto size = space[s].n.constant();
  if (!size || *size < 2 || *size > kLongest || space[c.time].n != Subscript(*size))
    return false;
  for (int k : {0, 1}) {
    const Element &matrix = product->factors[k], &sequence = product->factors[1 - k];
    if (!reader.depends(matrix, c.time) || !reader.depends(matrix, s) || reader.depends(sequence, c.time))
      continue;
    Matrix m(reader, c.time, s, *size);
    if (!m.read(matrix, 6))
      continue;
    // One position per diagonal, nothing above the main one.
    std::vector<int64_t> diagonal(*size, kZero);
    bool good = true;
    for (int64_t i = 0; i < *size && good; ++i)
      for (int64_t j = 0; j < *size && good; ++j) {
        int64_t p = m.positions[i * *size + j];
        if (j > i)
          good = p == kZero;
        else if (j == 0)
          diagonal[i] = p;
      }
    for (int64_t i = 0; i < *size && good; ++i)
      for (int64_t j = 0; j <= i && good; ++j)
        good = m.positions[i * *size + j] == diagonal[i - j];
    int64_t count = *size;
    while (count > 0 && diagonal[count - 1] == kZero)
      --count;
    if (!good || count < 1 || (m.geometric && count == *size) ||
        llvm::is_contained(ArrayRef(diagonal).take_front(count), kZero))
      continue;
    c.length = Subscript(count);
    c.tap = *space.iterator(c.length).asAtom();
    c.weight = m.taps;
    if (m.sourceAxis) {
      c.weight.tensor = tapsOf(c.weight.tensor, m.tapsAxis, *m.sourceAxis, count, root);
    } else {
      c.positionAxis = m.tapsAxis;
      for (int64_t j = 0; j < count; ++j)
        c.positions.push_back(diagonal[count - 1 - j]);
    }
    c.weight.at[m.tapsAxis] = Subscript::atom(c.tap);
    c.source.element = reader.substitute(sequence, {{s, Subscript::atom(c.time)}});
    c.offset = Subscript(1 - count);
    return true;
  }
  return false;
}
