//===- ExprWriter.cpp - index expressions back to operators ----------------===//
#include "passes/raise/ExprWriter.h"
#include "passes/lower/Registry.h"
#include "passes/raise/ConstantParts.h"
#include "passes/raise/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

//===- operators -----------------------------------------------------------===//

Value ExprWriter::create(StringRef name, ArrayRef<Value> operands, Type result, ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, ("onnx." + name).str(), operands, TypeRange(result), attributes);
  return b.create(state)->getResult(0);
}

Value ExprWriter::none() { return onnx::NoValueOp::create(b, loc, b.getNoneType()); }

Value ExprWriter::constantInts(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({(int64_t)values.size()}, b.getI64Type());
  return onnx::ConstantOp::create(b, loc, type, cast<ElementsAttr>(DenseElementsAttr::get(type, values)));
}

Value ExprWriter::sizeVector(ArrayRef<AffineExpr> sizes) {
  SmallVector<int64_t> known;
  for (AffineExpr e : sizes)
    if (auto c = dyn_cast<AffineConstantExpr>(e))
      known.push_back(c.getValue());
  if (known.size() == sizes.size())
    return constantInts(known);
  return onnx::sizesOf(b, loc, sizes, RankedTensorType::get({(int64_t)sizes.size()}, b.getI64Type()));
}

Value ExprWriter::placeholder(ArrayRef<AffineExpr> dims, Type element) {
  return create("ConstantOfShape", {none()}, onnx::withDims(element, dims));
}

Value ExprWriter::floatConstant(double value, Type element) {
  auto type = RankedTensorType::get({}, element);
  Attribute a = isa<FloatType>(element) ? (Attribute)b.getFloatAttr(element, value)
                                        : (Attribute)IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), (uint64_t)(int64_t)value, false, true));
  return onnx::ConstantOp::create(b, loc, type, cast<ElementsAttr>(DenseElementsAttr::get(type, a)));
}

Value ExprWriter::reshape(Value v, ArrayRef<AffineExpr> dims) {
  Type type = onnx::withDims(typeOf(v).getElementType(), dims);
  return type == v.getType() ? v : create("Reshape", {v, none()}, type);
}

Value ExprWriter::expand(Value v, ArrayRef<AffineExpr> dims) {
  Type type = onnx::withDims(typeOf(v).getElementType(), dims);
  return type == v.getType() ? v : create("Expand", {v, none()}, type);
}

Value ExprWriter::transpose(Value v, ArrayRef<int64_t> perm) {
  if (llvm::is_sorted(perm))
    return v;
  SmallVector<AffineExpr> dims;
  for (int64_t p : perm)
    dims.push_back(onnx::getDimExpr(typeOf(v), p));
  return create("Transpose", {v}, onnx::withDims(typeOf(v).getElementType(), dims),
                b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
}

Value ExprWriter::slice(Value v, int64_t axis, AffineExpr start, AffineExpr size) {
  SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(v));
  if (start == x.number(0) && dims[axis] == size)
    return v;
  auto first = dyn_cast<AffineConstantExpr>(start), count = dyn_cast<AffineConstantExpr>(size);
  if (ElementsAttr value = onnx::constantValue(v); value && first && count)
    if (ElementsAttr part = sliceOf(value, axis, first.getValue(), count.getValue()))
      return onnx::ConstantOp::create(b, loc, cast<RankedTensorType>(part.getType()), part);
  bool inside = x.isNonNegative(dims[axis] - start - size);
  dims[axis] = size;
  Value r = create("Slice", {v, sizeVector({start}), sizeVector({x.simplified(start + size)}), constantInts({axis}), none()},
                   onnx::withDims(typeOf(v).getElementType(), dims));
  if (!inside)
    r.getDefiningOp()->setAttr(kUncheckedAttr, b.getUnitAttr());
  return r;
}

Value ExprWriter::flip(Value v, int64_t axis) {
  return create("Slice", {v, constantInts({-1}), constantInts({std::numeric_limits<int64_t>::min()}), constantInts({axis}), constantInts({-1})},
                v.getType());
}

Value ExprWriter::concat(ArrayRef<Value> parts, int64_t axis) {
  SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(parts[0]));
  for (Value p : parts.drop_front())
    dims[axis] = dims[axis] + onnx::getDimExpr(typeOf(p), axis);
  dims[axis] = x.simplified(dims[axis]);
  return create("Concat", parts, onnx::withDims(typeOf(parts[0]).getElementType(), dims),
                b.getNamedAttr("axis", IntegerAttr::get(b.getIntegerType(64, true), axis)));
}

//===- expressions ---------------------------------------------------------===//

Value ExprWriter::write(ExprRef e, ArrayRef<AffineExpr> iterators) {
  Value v = writeBroadcast(e, iterators);
  if (!v)
    return v;
  SmallVector<AffineExpr> dims;
  for (AffineExpr i : iterators)
    dims.push_back(x.sizeOf(i));
  if (typeOf(v).getRank() == 0 && !iterators.empty())
    v = reshape(v, SmallVector<AffineExpr>(iterators.size(), x.number(1)));
  return expand(v, dims);
}

Value ExprWriter::writeBroadcast(ExprRef e, ArrayRef<AffineExpr> iterators) {
  if (auto it = written.find({e, iterators}); it != written.end())
    return it->second;
  Value r;
  switch (e->kind) {
  case Expr::Kind::Read:
    r = writeRead(e, iterators);
    break;
  case Expr::Kind::Constant:
    r = floatConstant(e->number, e->type);
    break;
  case Expr::Kind::Index:
    r = writeIndex(e->indices[0], e->type, iterators);
    break;
  case Expr::Kind::Select:
    r = writeSelect(e, iterators);
    break;
  case Expr::Kind::Reduce:
    r = writeReduce(e, iterators);
    break;
  case Expr::Kind::Op: {
    SmallVector<Value> operands;
    SmallVector<AffineExpr> dims(iterators.size(), x.number(1));
    bool scalar = true;
    for (ExprRef o : e->operands) {
      operands.push_back(o ? writeBroadcast(o, iterators) : none());
      if (!operands.back())
        return {};
      if (!o || typeOf(operands.back()).getRank() == 0)
        continue;
      scalar = false;
      for (auto [i, d] : llvm::enumerate(onnx::getDimExprs(typeOf(operands.back()))))
        if (d != x.number(1))
          dims[i] = d;
    }
    SmallVector<NamedAttribute> attributes;
    if (e->attributes)
      attributes.assign(e->attributes.begin(), e->attributes.end());
    if (e->name == "Cast") {
      static const std::pair<int64_t, StringRef> codes[] = {{1, "f32"}, {10, "f16"}, {11, "f64"}, {16, "bf16"}, {6, "i32"}, {7, "i64"}, {9, "i1"}};
      std::string text;
      llvm::raw_string_ostream(text) << e->type;
      const auto *code = llvm::find_if(codes, [&](auto &c) { return c.second == text; });
      if (code == std::end(codes))
        return {};
      attributes.push_back(b.getNamedAttr("to", IntegerAttr::get(b.getIntegerType(64, true), code->first)));
    }
    r = create(e->name, operands, onnx::withDims(e->type, scalar ? ArrayRef<AffineExpr>() : ArrayRef<AffineExpr>(dims)), attributes);
    break;
  }
  }
  if (r) {
    keys.push_back(std::make_unique<Indices>(iterators));
    written[{e, *keys.back()}] = r;
  }
  return r;
}

namespace {
/// An index as iterators with strides, most significant first, and an offset.
struct Strided {
  SmallVector<std::pair<AffineExpr, AffineExpr>> terms; // iterator, stride
  AffineExpr offset;
};
} // namespace

/// Splits a sum of iterators times sizes; none when something else occurs in it.
static std::optional<Strided> strided(Exprs &x, AffineExpr e) {
  Strided out{{}, x.number(0)};
  SmallVector<AffineExpr> stack = {e};
  while (!stack.empty()) {
    AffineExpr part = stack.pop_back_val();
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (part.isSymbolicOrConstant()) {
      out.offset = out.offset + part;
    } else if (isa<AffineDimExpr>(part)) {
      out.terms.push_back({part, x.number(1)});
    } else if (binary && part.getKind() == AffineExprKind::Add) {
      stack.push_back(binary.getRHS());
      stack.push_back(binary.getLHS());
    } else if (binary && part.getKind() == AffineExprKind::Mul && isa<AffineDimExpr>(binary.getLHS()) &&
               binary.getRHS().isSymbolicOrConstant()) {
      out.terms.push_back({binary.getLHS(), binary.getRHS()});
    } else {
      return std::nullopt;
    }
  }
  return out;
}

/// An iterator of a read that occurs in a quotient or remainder by a constant, and the constant.
std::optional<std::pair<AffineExpr, int64_t>> ExprWriter::splitIterator(ExprRef e) {
  std::optional<std::pair<AffineExpr, int64_t>> found;
  for (AffineExpr i : e->indices)
    i.walk([&](AffineExpr part) {
      auto division = dyn_cast<AffineBinaryOpExpr>(part);
      if (!division || (part.getKind() != AffineExprKind::FloorDiv && part.getKind() != AffineExprKind::Mod))
        return;
      auto by = dyn_cast<AffineConstantExpr>(division.getRHS());
      if (by && isa<AffineDimExpr>(division.getLHS()))
        found = {division.getLHS(), by.getValue()};
    });
  return found;
}

/// An iterator that every index which has it counts down, by more than one or among other iterators.
static AffineExpr fallingIterator(Exprs &x, ExprRef e) {
  SmallVector<AffineExpr> falling, rising;
  for (AffineExpr i : e->indices) {
    auto parts = strided(x, i);
    for (auto [iterator, stride] : parts ? parts->terms : decltype(parts->terms)()) {
      auto by = dyn_cast<AffineConstantExpr>(stride);
      if (!by || by.getValue() >= 0)
        rising.push_back(iterator);
      else if (by.getValue() < -1 || parts->terms.size() > 1)
        falling.push_back(iterator);
    }
  }
  for (AffineExpr i : falling)
    if (!llvm::is_contained(rising, i))
      return i;
  return {};
}

/// An iterator that a quotient or remainder counts from its end.
AffineExpr ExprWriter::mirroredIterator(ExprRef e) {
  AffineExpr found;
  for (AffineExpr i : e->indices)
    i.walk([&](AffineExpr part) {
      auto division = dyn_cast<AffineBinaryOpExpr>(part);
      if (!division || (part.getKind() != AffineExprKind::FloorDiv && part.getKind() != AffineExprKind::Mod))
        return;
      division.getLHS().walk([&](AffineExpr inner) {
        if (!isa<AffineDimExpr>(inner) || inner == division.getLHS())
          return;
        bool left = false; // what is left without -inner
        x.simplified(division.getLHS() + inner).walk([&](AffineExpr e) { left |= e == inner; });
        if (!left)
          found = inner;
      });
    });
  return found ? found : fallingIterator(x, e);
}

/// i is q * by + r: written over q and r, whose axes then join.
Value ExprWriter::writeSplit(ExprRef e, AffineExpr i, int64_t by, ArrayRef<AffineExpr> iterators) {
  const auto *at = llvm::find(iterators, i);
  AffineExpr size = x.sizeOf(i), count = x.simplified((size + (by - 1)).floorDiv(by));
  if (at == iterators.end())
    return {};
  AffineExpr whole = x.simplified(count * by);
  AffineExpr q = x.iterator(count), r = x.iterator(x.number(by));
  ExprRef inner = x.replace(e, DenseMap<AffineExpr, AffineExpr>{{i, q * by + r}});
  // Where the last run is not full, no index may leave its axis.
  if (whole != size)
    for (auto [n, index] : llvm::enumerate(inner->indices))
      if (!x.isNonNegative(onnx::getDimExpr(typeOf(e->source), n) - 1 - index))
        return {};
  int64_t axis = at - iterators.begin();
  Indices split(iterators);
  split[axis] = q;
  split.insert(split.begin() + axis + 1, r);
  Value v = writeBroadcast(inner, split);
  if (!v || typeOf(v).getRank() == 0)
    return v;
  SmallVector<AffineExpr> dims = onnx::getDimExprs(typeOf(v));
  dims[axis] = count;
  dims[axis + 1] = x.number(by);
  v = expand(v, dims);
  dims.erase(dims.begin() + axis + 1);
  dims[axis] = whole;
  return slice(reshape(v, dims), axis, x.number(0), size);
}

Value ExprWriter::writeRead(ExprRef e, ArrayRef<AffineExpr> iterators) {
  // Axis by axis, the tensor becomes one whose axes are iterators (in `axes`); size-1 axes go.
  Value v = e->source;
  SmallVector<AffineExpr> axes;
  SmallVector<AffineExpr> dims;
  auto current = [&] { return onnx::getDimExprs(typeOf(v)); };

  if (auto split = splitIterator(e))
    return writeSplit(e, split->first, split->second, iterators);
  if (AffineExpr i = mirroredIterator(e)) {
    const auto *at = llvm::find(iterators, i);
    if (at == iterators.end())
      return {};
    Indices mirrored(iterators);
    AffineExpr other = x.iterator(x.sizeOf(i));
    mirrored[at - iterators.begin()] = other;
    v = writeBroadcast(x.replace(e, DenseMap<AffineExpr, AffineExpr>{{i, x.sizeOf(i) - 1 - other}}), mirrored);
    return v && typeOf(v).getRank() ? flip(v, at - iterators.begin()) : v;
  }

  ArrayRef<AffineExpr> indices = e->indices;
  for (size_t n = 0; n < indices.size(); ++n) {
    AffineExpr i = indices[n];
    int64_t axis = axes.size();
    auto dropAxis = [&] {
      dims = current();
      dims.erase(dims.begin() + axis);
      v = reshape(v, dims);
    };
    if (i.isSymbolicOrConstant()) {
      v = slice(v, axis, i, x.number(1));
      dropAxis();
      continue;
    }
    auto parts = strided(x, i);
    if (!parts)
      return {};
    if (parts->terms.size() == 1) {
      auto [iterator, stride] = parts->terms[0];
      AffineExpr length = x.sizeOf(iterator);
      if (stride == x.number(1)) {
        v = slice(v, axis, parts->offset, length);
      } else if (stride == x.number(-1)) {
        v = slice(v, axis, x.simplified(parts->offset + 1 - length), length);
        v = flip(v, axis);
      } else {
        auto by = dyn_cast<AffineConstantExpr>(stride);
        if (!by || by.getValue() <= 0)
          return {};
        dims = current();
        dims[axis] = length;
        AffineExpr end = x.simplified(parts->offset + (length - 1) * by.getValue() + 1);
        bool inside = x.isNonNegative(onnx::getDimExpr(typeOf(v), axis) - end);
        v = create("Slice", {v, sizeVector({parts->offset}), sizeVector({end}), constantInts({axis}), constantInts({by.getValue()})},
                   onnx::withDims(typeOf(v).getElementType(), dims));
        if (!inside)
          v.getDefiningOp()->setAttr(kUncheckedAttr, b.getUnitAttr());
      }
      axes.push_back(iterator);
      continue;
    }
    // Several iterators with the strides of a row-major index.
    auto &terms = parts->terms;
    for (size_t p = 1; p < terms.size(); ++p)
      for (size_t q = p; q > 0; --q) {
        AffineExpr stride = x.simplified(terms[q].second * x.sizeOf(terms[q].first));
        if (x.simplified(terms[q - 1].second) == stride || terms[q - 1].second != x.number(1))
          break;
        std::swap(terms[q], terms[q - 1]);
      }
    llvm::sort(terms, [&](auto &p, auto &q) {
      auto c = dyn_cast<AffineConstantExpr>(p.second), d = dyn_cast<AffineConstantExpr>(q.second);
      return c && d ? c.getValue() > d.getValue() : !c && d;
    });
    AffineExpr expected = x.number(1);
    for (auto &[iterator, stride] : llvm::reverse(terms)) {
      if (x.simplified(stride) != x.simplified(expected))
        return {};
      expected = expected * x.sizeOf(iterator);
    }
    v = slice(v, axis, parts->offset, x.simplified(expected));
    dims = current();
    dims.erase(dims.begin() + axis);
    for (auto &[iterator, stride] : llvm::reverse(terms))
      dims.insert(dims.begin() + axis, x.sizeOf(iterator));
    v = reshape(v, dims);
    for (auto &[iterator, stride] : terms)
      axes.push_back(iterator);
  }
  llvm::SmallSetVector<AffineExpr, 8> distinct(axes.begin(), axes.end());
  if (distinct.size() != axes.size())
    return {};
  // Axes in the order of the iterators, and size 1 for the others.
  SmallVector<int64_t> perm;
  dims.clear();
  for (AffineExpr i : iterators) {
    const auto *at = llvm::find(axes, i);
    if (at != axes.end())
      perm.push_back(at - axes.begin());
    dims.push_back(at != axes.end() ? x.sizeOf(i) : x.number(1));
  }
  if (perm.size() != axes.size())
    return {};
  return reshape(transpose(v, perm), dims);
}

Value ExprWriter::writeIndex(AffineExpr e, Type type, ArrayRef<AffineExpr> iterators) {
  if (e.isSymbolicOrConstant()) {
    Value v = reshape(sizeVector({e}), {});
    return type.isInteger(64) ? v : Value();
  }
  if (!type.isInteger(64))
    return {};
  auto ranked = [&](ArrayRef<AffineExpr> dims) { return onnx::withDims(type, dims); };
  if (isa<AffineDimExpr>(e)) {
    const auto *at = llvm::find(iterators, e);
    if (at == iterators.end())
      return {};
    AffineExpr size = x.sizeOf(e);
    Value limit = reshape(sizeVector({size}), {});
    Value range = create("Range", {floatConstant(0, type), limit, floatConstant(1, type)}, ranked({size}));
    SmallVector<AffineExpr> dims(iterators.size(), x.number(1));
    dims[at - iterators.begin()] = size;
    return reshape(range, dims);
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  Value l = writeIndex(binary.getLHS(), type, iterators), r = writeIndex(binary.getRHS(), type, iterators);
  if (!l || !r)
    return {};
  SmallVector<AffineExpr> dims(iterators.size(), x.number(1));
  for (Value v : {l, r})
    for (auto [i, d] : llvm::enumerate(onnx::getDimExprs(typeOf(v))))
      if (d != x.number(1))
        dims[i] = d;
  StringRef name = e.getKind() == AffineExprKind::Add ? "Add" : e.getKind() == AffineExprKind::Mul ? "Mul" : e.getKind() == AffineExprKind::FloorDiv ? "Div" : "Mod";
  // Div truncates: the numerator must not be negative.
  if (name == "Div" && !x.isNonNegative(binary.getLHS()))
    return {};
  return create(name, {l, r}, ranked(dims));
}

Value ExprWriter::writeSelect(ExprRef e, ArrayRef<AffineExpr> iterators) {
  Type i1 = b.getI1Type(), i64 = b.getI64Type();
  auto dimsOf = [&](ArrayRef<Value> values) {
    SmallVector<AffineExpr> dims(iterators.size(), x.number(1));
    bool scalar = true;
    for (Value v : values)
      for (auto [i, d] : llvm::enumerate(onnx::getDimExprs(typeOf(v)))) {
        scalar = false;
        if (d != x.number(1))
          dims[i] = d;
      }
    if (scalar)
      dims.clear();
    return dims;
  };
  Value condition;
  for (AffineExpr c : e->indices) {
    Value number = writeIndex(c, i64, iterators);
    if (!number)
      return {};
    Value test = create("GreaterOrEqual", {number, floatConstant(0, i64)}, onnx::withDims(i1, dimsOf({number})));
    condition = condition ? create("And", {condition, test}, onnx::withDims(i1, dimsOf({condition, test}))) : test;
  }
  // A branch that reads outside of its tensor where it is not chosen cannot be written as it is.
  for (ExprRef o : e->operands)
    for (ExprRef r : x.readsOf(o))
      for (auto [n, i] : llvm::enumerate(r->indices))
        if (!x.isNonNegative(i) || !x.isNonNegative(onnx::getDimExpr(typeOf(r->source), n) - 1 - i))
          return {};
  Value yes = writeBroadcast(e->operands[0], iterators), no = writeBroadcast(e->operands[1], iterators);
  if (!yes || !no)
    return {};
  return create("Where", {condition, yes, no}, onnx::withDims(e->type, dimsOf({condition, yes, no})));
}

/// The constant by which an iterator is divided wherever it occurs; 1 when it occurs otherwise.
int64_t ExprWriter::runOf(ExprRef e, AffineExpr iterator) {
  int64_t run = 0;
  std::function<void(AffineExpr)> visit = [&](AffineExpr part) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (part == iterator)
      run = 1;
    if (!binary)
      return;
    auto by = dyn_cast<AffineConstantExpr>(binary.getRHS());
    if (part.getKind() == AffineExprKind::FloorDiv && binary.getLHS() == iterator && by) {
      run = run == 0 || run == by.getValue() ? by.getValue() : 1;
      return;
    }
    visit(binary.getLHS());
    visit(binary.getRHS());
  };
  std::function<void(ExprRef)> walk = [&](ExprRef part) {
    if (!part || !x.dependsOn(part, iterator))
      return;
    for (AffineExpr i : part->indices)
      visit(i);
    for (ExprRef o : part->operands)
      walk(o);
  };
  walk(e);
  return run > 1 ? run : 1;
}

ExprWriter::Operand ExprWriter::operand(ExprRef e, ArrayRef<AffineExpr> iterators, ArrayRef<AffineExpr> required) {
  MLIRContext *context = b.getContext();
  auto dimOf = [&](AffineExpr i) -> AffineExpr {
    const auto *at = llvm::find(iterators, i);
    return at == iterators.end() ? AffineExpr() : getAffineDimExpr(at - iterators.begin(), context);
  };
  if (e->kind == Expr::Kind::Read) {
    SmallVector<AffineExpr> results;
    llvm::SmallSetVector<AffineExpr, 8> used;
    for (auto [axis, i] : llvm::enumerate(e->indices)) {
      AffineExpr size = onnx::getDimExpr(typeOf(e->source), axis);
      AffineExpr base = i, r;
      if (auto q = dyn_cast<AffineBinaryOpExpr>(i); q && i.getKind() == AffineExprKind::FloorDiv && isa<AffineConstantExpr>(q.getRHS())) {
        base = q.getLHS();
        if (dimOf(base) && x.simplified(size * q.getRHS()) == x.sizeOf(base))
          r = dimOf(base).floorDiv(cast<AffineConstantExpr>(q.getRHS()).getValue());
      } else if (dimOf(i) && x.sizeOf(i) == size) {
        r = dimOf(i);
      } else if (i == x.number(0) && size == x.number(1)) {
        r = i;
      }
      if (!r || (r != x.number(0) && !used.insert(base)))
        break;
      results.push_back(r);
    }
    bool complete = results.size() == e->indices.size() && llvm::all_of(required, [&](AffineExpr i) {
      return llvm::is_contained(results, dimOf(i));
    });
    if (complete)
      return {e->source, AffineMap::get(iterators.size(), 0, results, context)};
  }
  // Elements shared by a run of an iterator (grouped heads) are written once.
  for (auto [n, i] : llvm::enumerate(iterators)) {
    if (llvm::is_contained(required, i) || !x.dependsOn(e, i))
      continue;
    int64_t by = runOf(e, i);
    AffineExpr count = by > 1 ? x.simplified(x.sizeOf(i).floorDiv(by)) : AffineExpr();
    if (!count || x.simplified(count * by) != x.sizeOf(i))
      continue;
    AffineExpr group = x.iterator(count);
    Indices shared(iterators);
    shared[n] = group;
    Operand o = operand(x.replace(e, DenseMap<AffineExpr, AffineExpr>{{i, group * by}}), shared, required);
    SmallVector<AffineExpr> results;
    for (AffineExpr r : o.map.getResults())
      results.push_back(r == getAffineDimExpr(n, context) ? r.floorDiv(by) : r);
    return {o.value, AffineMap::get(iterators.size(), 0, results, context)};
  }
  Indices own;
  SmallVector<AffineExpr> results;
  for (AffineExpr i : iterators)
    if (x.dependsOn(e, i) || llvm::is_contained(required, i)) {
      own.push_back(i);
      results.push_back(dimOf(i));
    }
  return {write(e, own), AffineMap::get(iterators.size(), 0, results, context)};
}
