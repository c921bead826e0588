//===- RaiseConvolutions.cpp - causal convolutions of single channels ------===//
// Expects: @main after fold. Leaves: ssm.causal_conv for at most 32 fixed taps or with a history, ssm.long_conv for
// more, or for as many as there are times. A value is one of them when its element at time t is a sum over taps j of
// w[j] x[t - K + 1 + j], x read from before its first element as zero or as the end of another tensor. Spellings: Conv
// with any padding, a Slice of it, Concat or Pad in front; shifted slices multiplied and added; a Toeplitz matrix
// gathered from the taps; spectra multiplied. A long convolution whose kernel is a sum of modes becomes their
// ssm.selective_scan. Each convolution, sum, product and transform is looked at once.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Convolution.h"
#include "passes/raise/KernelModes.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"
#include "passes/raise/SpectralConvolution.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISECONVOLUTIONS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {

/// Zeros in front of and behind a spatial axis of a convolution of stride 1.
std::optional<std::pair<int64_t, int64_t>> paddingOf(Operation *op, size_t axis, size_t count,
                                                     std::optional<int64_t> taps) {
  SmallVector<int64_t> pads = onnx::intsAttr(op, "pads");
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  if (automatic == "NOTSET")
    return pads.empty() ? std::pair<int64_t, int64_t>(0, 0) : std::pair(pads[axis], pads[axis + count]);
  if (automatic == "VALID")
    return std::pair<int64_t, int64_t>(0, 0);
  if (!taps)
    return std::nullopt;
  int64_t total = *taps - 1, less = total / 2;
  return automatic == "SAME_UPPER" ? std::pair(less, total - less) : std::pair(total - less, less);
}

constexpr int64_t kMostSpreadTaps = 32;

/// The weight with zeros between its taps, `by` of them from one to the next.
Value spreadTaps(Operation *op, Value w, size_t axis, int64_t by) {
  OpBuilder b(op);
  Location loc = op->getLoc();
  auto type = cast<RankedTensorType>(w.getType());
  Type element = type.getElementType();
  auto number = [&](int64_t v) { return b.getAffineConstantExpr(v); };
  auto ints = [&](ArrayRef<int64_t> values) -> Value {
    auto list = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
    return onnx::ConstantOp::create(b, loc, list, cast<ElementsAttr>(DenseElementsAttr::get(list, values)));
  };
  auto make = [&](StringRef name, ValueRange operands, ArrayRef<AffineExpr> dims,
                  ArrayRef<NamedAttribute> attributes = {}) {
    OperationState state(loc, ("onnx." + name).str(), operands, {onnx::withDims(element, dims)}, attributes);
    return b.create(state)->getResult(0);
  };
  SmallVector<AffineExpr> dims = onnx::getDimExprs(type), split(dims);
  int64_t taps = type.getDimSize(axis);
  split.insert(split.begin() + axis + 1, number(1));
  Value v = reshapeTo(b, loc, w, onnx::withDims(element, split));
  SmallVector<int64_t> pads(2 * split.size(), 0);
  pads[split.size() + axis + 1] = by - 1;
  split[axis + 1] = number(by);
  Value none = onnx::NoValueOp::create(b, loc, b.getNoneType());
  v = make("Pad", {v, ints(pads), none, none}, split, b.getNamedAttr("mode", b.getStringAttr("constant")));
  dims[axis] = number(taps * by);
  v = reshapeTo(b, loc, v, onnx::withDims(element, dims));
  int64_t length = (taps - 1) * by + 1;
  dims[axis] = number(length);
  return make("Slice", {v, ints({0}), ints({length}), ints({(int64_t)axis}), ints({1})}, dims);
}

/// Convolution operator under views, with more than one tap along one axis only.
bool matchConv(Convolution &c, Operation *root) {
  ElementReader &reader = c.reader;
  IndexSpace &space = c.reader.space;
  Element y = reader.root(c.start(root->getResult(0)));
  if (reader.operatorOf(y) != "Conv" || y.at.size() < 3)
    return false;
  Operation *op = y.tensor.getDefiningOp();
  Value x = op->getOperand(0), w = op->getOperand(1);
  auto xDims = reader.dims(x), wDims = reader.dims(w);
  auto one = [&](StringRef name) { return llvm::all_of(onnx::intsAttr(op, name), [](int64_t v) { return v == 1; }); };
  SmallVector<int64_t> dilations = onnx::intsAttr(op, "dilations");
  if (!one("strides"))
    return false;
  // One filter per channel, or several on the same one.
  auto channels = xDims[1].constant(), filters = wDims[0].constant();
  if (!channels || !filters || !wDims[1].is(1) || *channels != onnx::intAttr(op, "group", 1) || *channels == 0 ||
      *filters % *channels)
    return false;
  Element input{x, y.at}, weight{w, {y.at[1], 0}};
  input.at[1] = space.floorDiv(y.at[1], Subscript(*filters / *channels));
  bool found = false, padded = false;
  std::pair<size_t, int64_t> spread = {0, 1};
  for (size_t axis = 2; axis < y.at.size(); ++axis) {
    auto taps = wDims[axis].constant();
    int64_t by = dilations.empty() ? 1 : dilations[axis - 2];
    if (by > 1 && taps != 1 && (!taps || (*taps - 1) * by >= kMostSpreadTaps))
      return false;
    Subscript length = by > 1 && taps ? Subscript((*taps - 1) * by + 1) : wDims[axis];
    auto pads = paddingOf(op, axis - 2, y.at.size() - 2, length.constant());
    if (!pads || pads->first < 0 || pads->second < 0)
      return false;
    if (!c.timeOf(y.at[axis]) || (wDims[axis].is(1) && y.at.size() > 3)) {
      if (!wDims[axis].is(1) || pads->first || pads->second)
        return false;
      weight.at.push_back(0);
      continue;
    }
    if (found)
      return false;
    found = true;
    padded = pads->first || pads->second;
    Subscript j = space.iterator(length);
    c.length = length;
    spread = {axis, by};
    c.tap = *j.asAtom();
    weight.at.push_back(j);
    input.at[axis] = y.at[axis] - Subscript(pads->first) + j;
  }
  if (!found)
    return false;
  c.weight = weight;
  if (!onnx::isNone(op->getOperand(2)))
    c.bias = Element{op->getOperand(2), {y.at[1]}};
  c.nodes.push_back(op);
  // Padding reads zeros, also where a slice in front has cut elements off.
  if (!c.trace(input, padded) || !space.nonNegative(Subscript(0) - c.offset - (c.length - 1)))
    return false;
  if (spread.second > 1 && c.length != wDims[spread.first])
    c.weight.tensor = spreadTaps(op, w, spread.first, spread.second);
  return true;
}

/// Products that are added: of a sum over few windows one for each, else those of the operators Add.
bool collectTerms(Convolution &c, Operation *root, SmallVectorImpl<std::pair<Element, std::optional<Element>>> &terms) {
  ElementReader &reader = c.reader;
  SmallVector<Element> work = {c.start(root->getResult(0))};
  while (!work.empty()) {
    Element e = reader.root(work.pop_back_val());
    StringRef name = reader.operatorOf(e);
    if (terms.size() + work.size() > 64)
      return false;
    if (auto operands = name == "Add" ? reader.operandsOf(e) : std::nullopt) {
      c.nodes.push_back(e.tensor.getDefiningOp());
      work.append({(*operands)[1], (*operands)[0]});
      continue;
    }
    auto sum = name == "Mul" ? std::nullopt : reader.contraction(e);
    SmallVector<unsigned> windows;
    if (sum && sum->factors.size() == 2 && sum->scale == 1)
      for (unsigned it : sum->summed)
        if (!reader.space[it].n.is(1) || sum->summed.size() == 1)
          windows.push_back(it);
    auto count = windows.size() == 1 ? reader.space[windows[0]].n.constant() : std::nullopt;
    if (count && *count <= 33) {
      c.nodes.push_back(e.tensor.getDefiningOp());
      for (int64_t j = 0; j < *count; ++j) {
        std::map<unsigned, Subscript> at;
        for (unsigned it : sum->summed)
          at[it] = it == windows[0] ? j : 0;
        terms.push_back({reader.substitute(sum->factors[0], at), reader.substitute(sum->factors[1], at)});
      }
      continue;
    }
    auto factors = name == "Mul" ? reader.operandsOf(e) : std::nullopt;
    if (factors)
      terms.push_back({(*factors)[0], (*factors)[1]});
    else
      terms.push_back({e, std::nullopt});
    if (factors)
      c.nodes.push_back(e.tensor.getDefiningOp());
  }
  return terms.size() >= 2 && terms.size() <= 33;
}

/// A sum of products of one shifted sequence with one number per channel.
bool matchShifts(Convolution &c, Operation *root) {
  ElementReader &reader = c.reader;
  SmallVector<std::pair<Element, std::optional<Element>>> terms;
  if (!collectTerms(c, root, terms))
    return false;
  std::map<int64_t, Element> taps; // by shift into the past
  std::optional<Element> sequence;
  Convolution::Source source;
  for (auto &[first, second] : terms) {
    bool found = false;
    for (int k = 0; second && k < 2 && !found; ++k) {
      Convolution::Source s;
      const Element &x = k ? *second : first, &w = k ? first : *second;
      auto shift = c.shiftOf(x, w, s);
      if (!shift)
        continue;
      if (sequence && !(reader.equal(s.element, *sequence) && s.history.has_value() == source.history.has_value() &&
                        (!s.history || s.history->tensor == source.history->tensor)))
        return false;
      if (!taps.emplace(*shift, w).second)
        return false;
      sequence = s.element;
      source = s;
      found = true;
    }
    if (found)
      continue;
    if (second || c.bias || reader.depends(first, c.time))
      return false;
    c.bias = first;
  }
  // Shifts 0 ... K-1, each once.
  int64_t count = taps.size();
  if (count < 2 || taps.begin()->first != 0 || taps.rbegin()->first != count - 1)
    return false;
  c.source = source;
  c.offset = Subscript(1 - count);
  c.length = Subscript(count);
  c.tap = *reader.space.iterator(c.length).asAtom();
  for (int64_t j = 0; j < count; ++j)
    c.taps.push_back(taps.at(count - 1 - j));
  return true;
}

struct RaiseConvolutionsPass : ssm::impl::RaiseConvolutionsBase<RaiseConvolutionsPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    SizeSymbols sizes = IndexSpace::sizeSymbols(getOperation());
    SmallVector<Operation *> slices, convolutions, sums, products, transforms;
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    main.walk([&](Operation *op) {
      StringRef name = op->getName().getStringRef();
      if (name == "onnx.Slice")
        slices.push_back(op);
      else if (name == "onnx.Conv")
        convolutions.push_back(op);
      else if (name == "onnx.DFT")
        transforms.push_back(op);
      else if (name == "onnx.Add")
        sums.push_back(op);
      else if (name == "onnx.MatMul" || name == "onnx.Einsum" || name == "onnx.ReduceSum")
        products.push_back(op);
    });
    auto run = [&](ArrayRef<Operation *> roots, bool (*match)(Convolution &, Operation *)) {
      for (Operation *root : roots) {
        if (root->use_empty() || !isa<RankedTensorType>(root->getResult(0).getType()))
          continue;
        IndexSpace space(sizes);
        ElementReader reader(space);
        // Time is the axis that makes it match.
        int64_t rank = cast<RankedTensorType>(root->getResult(0).getType()).getRank();
        for (int64_t axis = 0; axis < rank; ++axis) {
          Convolution c(reader, axis);
          if (match(c, root) && c.replace(root))
            break;
        }
      }
    };
    // A slice of a convolution before the convolution itself; of a sum, the whole sum.
    run(slices, matchConv);
    run(convolutions, matchConv);
    run(SmallVector<Operation *>(llvm::reverse(sums)), matchShifts);
    run(products, matchToeplitz);
    run(products, matchShifts);
    for (Operation *transform : transforms) {
      std::string missed;
      if (!raiseSpectralConvolution(transform, missed) && !missed.empty())
        noteMissed(transform, "long convolution: " + missed);
    }
    SmallVector<LongConvOp> made;
    main.walk([&](LongConvOp conv) { made.push_back(conv); });
    for (LongConvOp conv : made)
      raiseKernelModes(conv);
    for (Block *block : llvm::reverse(blocks))
      eraseDead(*block);
  }
};
} // namespace
