//===- RaiseConvolutions.cpp - causal convolutions of single channels ------===//
// Expects: @main after fold. Leaves: ssm.causal_conv for at most 32 fixed taps or with a history, ssm.long_conv for
// more. A value is one of them when its element at time t is a sum over taps j of w[j] x[t - K + 1 + j], x read from
// before its first element as zero or as the end of another tensor. Spellings: Conv with any padding, a Slice of it,
// Concat or Pad in front; shifted slices multiplied and added; a Toeplitz matrix gathered from the taps. Each
// convolution, sum and product is looked at once.
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Convolution.h"
#include "passes/raise/Passes.h"
#include "passes/raise/Provenance.h"

using namespace mlir;
using namespace ssm;

namespace ssm {
#define GEN_PASS_DEF_RAISECONVOLUTIONS
#include "passes/raise/Passes.h.inc"
} // namespace ssm

namespace {

/// Convolution operator under views.
bool matchConv(Convolution &c, Operation *root) {
  ElementReader &reader = c.reader;
  IndexSpace &space = c.reader.space;
  Element y = reader.root(c.start(root->getResult(0)));
  if (reader.operatorOf(y) != "Conv" || y.at.size() != 3)
    return false;
  Operation *op = y.tensor.getDefiningOp();
  Value x = op->getOperand(0), w = op->getOperand(1);
  auto xDims = reader.dims(x), wDims = reader.dims(w);
  auto one = [&](StringRef name) { return llvm::all_of(onnx::intsAttr(op, name), [](int64_t v) { return v == 1; }); };
  SmallVector<int64_t> pads = onnx::intsAttr(op, "pads");
  if (pads.empty())
    pads = {0, 0};
  StringRef automatic = onnx::stringAttr(op, "auto_pad", "NOTSET");
  if (!one("strides") || !one("dilations") || (automatic != "NOTSET" && automatic != "VALID"))
    return false;
  // One filter per channel.
  if (xDims[1] != wDims[0] || !wDims[1].is(1) || xDims[1] != Subscript(onnx::intAttr(op, "group", 1)))
    return false;
  auto time = c.timeOf(y.at[2]);
  if (!time)
    return false;
  Subscript j = space.iterator(wDims[2]);
  c.length = wDims[2];
  c.tap = *j.asAtom();
  c.weight = Element{w, {y.at[1], 0, j}};
  if (!onnx::isNone(op->getOperand(2)))
    c.bias = Element{op->getOperand(2), {y.at[1]}};
  c.nodes.push_back(op);
  // Padding reads zeros, also where a slice in front has cut elements off.
  if (!c.trace(Element{x, {y.at[0], y.at[1], y.at[2] - Subscript(pads[0]) + j}}, pads[0] > 0 || pads[1] > 0))
    return false;
  return c.offset == Subscript(0) - (c.length - 1);
}

/// A sum of products of one shifted sequence with one number per channel.
bool matchShifts(Convolution &c, Operation *root) {
  ElementReader &reader = c.reader;
  SmallVector<Element> terms, work = {c.start(root->getResult(0))};
  while (!work.empty()) {
    Element e = reader.root(work.pop_back_val());
    auto operands = reader.operatorOf(e) == "Add" ? reader.operandsOf(e) : std::nullopt;
    if (operands && terms.size() + work.size() < 40) {
      c.nodes.push_back(e.tensor.getDefiningOp());
      work.append({(*operands)[1], (*operands)[0]});
    } else {
      terms.push_back(e);
    }
  }
  if (terms.size() < 2 || terms.size() > 33)
    return false;
  std::map<int64_t, Element> taps; // by shift into the past
  std::optional<Element> sequence;
  Convolution::Source source;
  for (const Element &term : terms) {
    auto factors = reader.operatorOf(term) == "Mul" ? reader.operandsOf(term) : std::nullopt;
    bool found = false;
    for (int k = 0; factors && k < 2 && !found; ++k) {
      Convolution::Source s;
      Element x = (*factors)[k], w = (*factors)[1 - k];
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
    if (found) {
      c.nodes.push_back(term.tensor.getDefiningOp());
      continue;
    }
    if (c.bias || reader.depends(term, c.time))
      return false;
    c.bias = term;
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
    llvm::DenseSet<int64_t> sizes = IndexSpace::sizeSymbols(getOperation());
    SmallVector<Operation *> slices, convolutions, sums, products;
    SmallVector<Block *> blocks;
    main.walk([&](Block *block) { blocks.push_back(block); });
    main.walk([&](Operation *op) {
      StringRef name = op->getName().getStringRef();
      if (name == "onnx.Slice")
        slices.push_back(op);
      else if (name == "onnx.Conv")
        convolutions.push_back(op);
      else if (name == "onnx.Add")
        sums.push_back(op);
      else if (name == "onnx.MatMul" || name == "onnx.Einsum")
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
    for (Block *block : llvm::reverse(blocks))
      eraseDead(*block);
  }
};
} // namespace
