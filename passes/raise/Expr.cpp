//===- Expr.cpp - expression nodes and how they simplify -------------------===//
#include "passes/raise/Expr.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace ssm;

void Expr::Profile(llvm::FoldingSetNodeID &id) const {
  id.AddInteger((unsigned)kind);
  id.AddPointer(type.getAsOpaquePointer());
  id.AddPointer(source.getAsOpaquePointer());
  uint64_t bits;
  memcpy(&bits, &number, sizeof(bits));
  id.AddInteger(bits);
  id.AddString(name);
  id.AddPointer(attributes.getAsOpaquePointer());
  for (AffineExpr e : indices)
    id.AddPointer(e.getAsOpaquePointer());
  id.AddInteger(0);
  for (ExprRef e : operands)
    id.AddPointer(e);
}

/// A hash that is the same in every run.
static uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t h = (a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdull;
  return h ^ (h >> 32);
}

/// Structure of an index; a constant added at the top does not count, and nothing depends on addresses.
static uint64_t shapeOf(AffineExpr e, bool top = true) {
  if (auto c = dyn_cast<AffineConstantExpr>(e))
    return top ? 1 : mixed(2, c.getValue());
  if (auto d = dyn_cast<AffineDimExpr>(e))
    return mixed(3, d.getPosition());
  if (auto s = dyn_cast<AffineSymbolExpr>(e))
    return mixed(4, s.getPosition());
  auto b = cast<AffineBinaryOpExpr>(e);
  if (top && e.getKind() == AffineExprKind::Add && isa<AffineConstantExpr>(b.getRHS()))
    return shapeOf(b.getLHS(), true);
  return mixed((unsigned)e.getKind(), mixed(shapeOf(b.getLHS(), false), shapeOf(b.getRHS(), false)));
}

ExprRef Exprs::unique(Expr &&e) {
  llvm::FoldingSetNodeID id;
  e.Profile(id);
  void *position;
  if (Expr *known = table.FindNodeOrInsertPos(id, position))
    return known;
  for (ExprRef o : e.operands)
    if (o)
      e.height = std::max(e.height, o->height);
  if (e.kind == Expr::Kind::Reduce)
    e.height += e.indices.size();
  uint64_t bits;
  memcpy(&bits, &e.number, sizeof(bits));
  uint64_t shape = mixed(mixed((unsigned)e.kind, llvm::xxh3_64bits(e.name)), bits);
  if (e.source)
    shape = mixed(shape, ordinals.try_emplace(e.source, ordinals.size()).first->second);
  for (AffineExpr i : e.indices)
    shape = mixed(shape, shapeOf(i));
  for (ExprRef o : e.operands)
    shape = mixed(shape, o ? o->shape : 0);
  e.shape = shape;
  e.indices = e.indices.copy(allocator);
  e.operands = e.operands.copy(allocator);
  e.name = e.name.copy(allocator);
  e.id = made++;
  --budget;
  auto *node = new (allocator.Allocate<Expr>()) Expr(std::move(e));
  table.InsertNode(node, position);
  return node;
}

//===- iterators -----------------------------------------------------------===//

AffineExpr Exprs::iterator(AffineExpr size) {
  sizes.push_back(size);
  return getAffineDimExpr(sizes.size() - 1, context);
}

Indices Exprs::iterators(ArrayRef<AffineExpr> sizes) {
  Indices out;
  for (AffineExpr s : sizes)
    out.push_back(iterator(s));
  return out;
}

AffineExpr Exprs::sizeOf(AffineExpr iterator) const { return sizes[cast<AffineDimExpr>(iterator).getPosition()]; }

AffineExpr Exprs::boundIterator(AffineExpr size, uint32_t height) {
  AffineExpr &b = bound[{size, height}];
  if (!b)
    b = iterator(size);
  return b;
}

Indices Exprs::axisIterators(ArrayRef<AffineExpr> sizes) {
  Indices out;
  for (auto [axis, s] : llvm::enumerate(sizes))
    out.push_back(boundIterator(s, (1u << 24) + axis)); // no sum is nested so deeply
  return out;
}

const Indices &Exprs::freeIterators(ExprRef e) {
  if (auto it = freeMemo.find(e); it != freeMemo.end())
    return *it->second;
  llvm::SetVector<AffineExpr> out;
  if (e->kind != Expr::Kind::Reduce)
    for (AffineExpr i : e->indices)
      i.walk([&](AffineExpr part) {
        if (isa<AffineDimExpr>(part))
          out.insert(part);
      });
  for (ExprRef o : e->operands)
    if (o)
      out.insert(freeIterators(o).begin(), freeIterators(o).end());
  if (e->kind == Expr::Kind::Reduce)
    for (AffineExpr i : e->indices)
      out.remove(i);
  auto stored = std::make_unique<Indices>(out.begin(), out.end());
  return *(freeMemo[e] = std::move(stored));
}

bool Exprs::dependsOn(ExprRef e, AffineExpr iterator) { return llvm::is_contained(freeIterators(e), iterator); }
bool Exprs::dependsOnAny(ExprRef e, ArrayRef<AffineExpr> iterators) {
  return llvm::any_of(iterators, [&](AffineExpr i) { return dependsOn(e, i); });
}

//===- nodes ---------------------------------------------------------------===//

ExprRef Exprs::read(Value source, ArrayRef<AffineExpr> indices) {
  Expr e;
  e.kind = Expr::Kind::Read;
  e.type = cast<TensorType>(source.getType()).getElementType();
  e.source = source;
  e.indices = indices;
  return unique(std::move(e));
}

ExprRef Exprs::constant(double value, Type type) {
  Expr e;
  e.kind = Expr::Kind::Constant;
  e.type = type;
  e.number = value;
  return unique(std::move(e));
}

ExprRef Exprs::index(AffineExpr i, Type type) {
  i = simplified(i);
  if (auto c = dyn_cast<AffineConstantExpr>(i))
    return constant(c.getValue(), type);
  Expr e;
  e.kind = Expr::Kind::Index;
  e.type = type;
  e.indices = i;
  return unique(std::move(e));
}

/// A whole number as an affine expression.
static AffineExpr asIndex(Exprs &exprs, ExprRef e) {
  if (!e || !isa<IntegerType>(e->type) || e->type.isInteger(1))
    return {};
  if (e->kind == Expr::Kind::Index)
    return e->indices[0];
  if (e->kind == Expr::Kind::Constant)
    return exprs.number((int64_t)e->number);
  return {};
}

/// Arithmetic and comparisons of indices.
static ExprRef foldIndex(Exprs &x, StringRef name, ArrayRef<ExprRef> operands, Type type) {
  AffineExpr a = asIndex(x, operands[0]);
  if (!a)
    return nullptr;
  if (name == "Neg")
    return x.index(-a, type);
  if (name == "Cast" && isa<IntegerType>(type) && !type.isInteger(1))
    return x.index(a, type);
  AffineExpr b = operands.size() == 2 ? asIndex(x, operands[1]) : AffineExpr();
  if (!b)
    return nullptr;
  auto constant = dyn_cast<AffineConstantExpr>(b);
  if (name == "Add")
    return x.index(a + b, type);
  if (name == "Sub")
    return x.index(a - b, type);
  if (name == "Mul" && (a.isSymbolicOrConstant() || b.isSymbolicOrConstant()))
    return x.index(b.isSymbolicOrConstant() ? a * b : b * a, type);
  if (name == "Div" && constant && constant.getValue() > 0 && x.isNonNegative(a))
    return x.index(x.floorDiv(a, b), type);
  if (name == "Mod" && constant && constant.getValue() > 0 && x.isNonNegative(a))
    return x.index(x.modulo(a, b), type);
  ExprRef yes = x.constant(1, type), no = x.constant(0, type);
  if (name == "Less")
    return x.select({b - a - 1}, yes, no);
  if (name == "LessOrEqual")
    return x.select({b - a}, yes, no);
  if (name == "Greater")
    return x.select({a - b - 1}, yes, no);
  if (name == "GreaterOrEqual")
    return x.select({a - b}, yes, no);
  if (name == "Equal")
    return x.select({a - b, b - a}, yes, no);
  return nullptr;
}

/// Truth values that depend on indices only.
static ExprRef foldCondition(Exprs &x, StringRef name, ArrayRef<ExprRef> operands, Type type) {
  auto isTest = [](ExprRef e) {
    return e && e->kind == Expr::Kind::Select && e->type.isInteger(1) && e->operands[0]->kind == Expr::Kind::Constant &&
           e->operands[1]->kind == Expr::Kind::Constant;
  };
  ExprRef a = operands[0];
  if (name == "Where") {
    if (a->kind == Expr::Kind::Constant)
      return operands[a->number ? 1 : 2];
    if (isTest(a))
      return x.select(a->indices, operands[a->operands[0]->number ? 1 : 2], operands[a->operands[1]->number ? 1 : 2]);
    return nullptr;
  }
  if (!isTest(a))
    return nullptr;
  if (name == "Not")
    return x.select(a->indices, x.constant(!a->operands[0]->number, type), x.constant(!a->operands[1]->number, type));
  if (name == "Cast")
    return x.select(a->indices, x.constant(a->operands[0]->number, type), x.constant(a->operands[1]->number, type));
  if (name == "And" && isTest(operands[1]))
    return x.select(a->indices, a->operands[0]->number ? operands[1] : a->operands[0],
                    a->operands[1]->number ? operands[1] : a->operands[1]);
  return nullptr;
}

static ExprRef foldArithmetic(Exprs &x, StringRef name, ArrayRef<ExprRef> o, Type type) {
  if (name == "Identity" || (name == "Cast" && o[0]->type == type))
    return o[0];
  if (name == "Cast" && o[0]->kind == Expr::Kind::Constant && isa<FloatType>(type) &&
      (double)(float)o[0]->number == o[0]->number && cast<FloatType>(type).getWidth() >= 32)
    return x.constant(o[0]->number, type);
  if (name == "Neg" && o[0]->isOp("Neg"))
    return o[0]->operands[0];
  if (name == "Neg" && o[0]->kind == Expr::Kind::Constant)
    return x.constant(-o[0]->number, type);
  if (o.size() == 1 && (name == "Sum" || name == "Max" || name == "Min" || name == "Mean"))
    return o[0];
  if (o.size() != 2)
    return nullptr;
  if (name == "Mul" && o[1]->isConstant(1))
    return o[0];
  if (name == "Mul" && o[0]->isConstant(1))
    return o[1];
  if ((name == "Div" || name == "Pow") && o[1]->isConstant(1))
    return o[0];
  if (name == "Add" && o[0]->isConstant(0))
    return o[1];
  if ((name == "Add" || name == "Sub") && o[1]->isConstant(0))
    return o[0];
  return nullptr;
}

ExprRef Exprs::op(StringRef name, ArrayRef<ExprRef> operands, Type type, Operation *prototype) {
  if (!llvm::is_contained(operands, nullptr)) {
    if (ExprRef r = foldArithmetic(*this, name, operands, type))
      return r;
    if (ExprRef r = foldIndex(*this, name, operands, type))
      return r;
    if (ExprRef r = foldCondition(*this, name, operands, type))
      return r;
  }
  static constexpr StringRef plain[] = {"Add", "Sub", "Mul", "Div", "Neg", "Exp", "Log", "Max", "Min", "Sum",
                                        "Reciprocal", "Sigmoid", "Softplus", "Sqrt", "Abs", "Tanh", "Where"};
  Expr e;
  e.kind = Expr::Kind::Op;
  e.name = name;
  e.type = type;
  if (prototype && !llvm::is_contained(plain, name)) {
    e.prototype = prototype;
    e.attributes = prototype->getAttrDictionary();
    if (name == "Cast" || name == "CastLike") { // the result type says it
      NamedAttrList kept;
      if (Attribute saturate = prototype->getAttr("saturate"))
        kept.append("saturate", saturate);
      e.attributes = kept.getDictionary(context);
      e.name = "Cast";
    }
  }
  SmallVector<ExprRef> sorted(operands);
  if (name == "Add" || name == "Mul" || name == "Max" || name == "Min" || name == "Sum")
    llvm::sort(sorted, [](ExprRef x, ExprRef y) { return std::pair(x->shape, x->id) < std::pair(y->shape, y->id); });
  if (name == "Sum" && sorted.size() == 2)
    e.name = "Add";
  e.operands = sorted;
  return unique(std::move(e));
}

ExprRef Exprs::select(ArrayRef<AffineExpr> nonNegative, ExprRef yes, ExprRef no) {
  Indices conditions;
  for (AffineExpr c : nonNegative) {
    c = simplified(c);
    if (isNonNegative(c))
      continue;
    if (isNonNegative(-c - 1))
      return no;
    if (!llvm::is_contained(conditions, c))
      conditions.push_back(c);
  }
  if (conditions.empty() || yes == no)
    return yes;
  Expr e;
  e.kind = Expr::Kind::Select;
  e.type = yes->type;
  e.indices = conditions;
  ExprRef operands[] = {yes, no};
  e.operands = operands;
  return unique(std::move(e));
}

ExprRef Exprs::reduce(StringRef name, ArrayRef<AffineExpr> iterators, ExprRef body) {
  // Iterators of size 1 are 0, and those of the same sum nested inside join.
  DenseMap<AffineExpr, AffineExpr> renamed;
  Indices from, inner;
  for (AffineExpr i : iterators) {
    if (sizeOf(i) == number(1))
      renamed[i] = number(0);
    else
      from.push_back(i);
  }
  if (!renamed.empty())
    body = replace(body, renamed);
  if (from.empty())
    return body;
  if (body->kind == Expr::Kind::Reduce && body->name == name && name != "ReduceMean") {
    inner.assign(body->indices.begin(), body->indices.end());
    body = body->operands[0];
  }
  renamed.clear();
  Indices named(inner);
  for (auto [n, i] : llvm::enumerate(from))
    named.push_back(renamed[i] = boundIterator(sizeOf(i), body->height + inner.size() + n + 1));
  Expr e;
  e.kind = Expr::Kind::Reduce;
  e.name = name;
  e.type = body->type;
  e.indices = named;
  ExprRef operands[] = {replace(body, renamed)};
  e.operands = operands;
  return unique(std::move(e));
}

ExprRef Exprs::product(ArrayRef<ExprRef> factors, Type type) {
  if (factors.empty())
    return constant(1, type);
  ExprRef r = factors[0];
  for (ExprRef f : factors.drop_front())
    r = mul(r, f);
  return r;
}

//===- rewriting -----------------------------------------------------------===//

ExprRef Exprs::replace(ExprRef root, const DenseMap<AffineExpr, AffineExpr> &map, const ReadFn &reads) {
  DenseMap<ExprRef, ExprRef> done;
  std::function<ExprRef(ExprRef)> walk = [&](ExprRef e) -> ExprRef {
    if (!e)
      return e;
    if (!reads && llvm::none_of(freeIterators(e), [&](AffineExpr i) { return map.contains(i); }))
      return e;
    if (auto it = done.find(e); it != done.end())
      return it->second;
    auto moved = [&] {
      Indices out;
      for (AffineExpr i : e->indices)
        out.push_back(map.empty() ? i : simplified(i.replace(map)));
      return out;
    };
    SmallVector<ExprRef> operands;
    for (ExprRef o : e->operands)
      operands.push_back(walk(o));
    ExprRef r = e;
    switch (e->kind) {
    case Expr::Kind::Read:
      if (ExprRef other = reads ? reads(e) : nullptr)
        r = map.empty() ? other : replace(other, map);
      else
        r = read(e->source, moved());
      break;
    case Expr::Kind::Constant:
      break;
    case Expr::Kind::Index:
      r = index(moved()[0], e->type);
      break;
    case Expr::Kind::Op:
      if (ArrayRef<ExprRef>(operands) != e->operands)
        r = op(e->name, operands, e->type, e->prototype);
      break;
    case Expr::Kind::Select:
      r = select(moved(), operands[0], operands[1]);
      break;
    case Expr::Kind::Reduce:
      if (ArrayRef<ExprRef>(operands) != e->operands)
        r = reduce(e->name, e->indices, operands[0]);
      break;
    }
    return done[e] = r;
  };
  return walk(root);
}

bool ssm::isScalar(ExprRef e) {
  return e->kind != Expr::Kind::Reduce && e->kind != Expr::Kind::Select && e->kind != Expr::Kind::Index &&
         llvm::all_of(e->operands, [](ExprRef o) { return !o || isScalar(o); });
}

ExprRef Exprs::antiUnify(ExprRef a, ExprRef b, AffineExpr step, int64_t at, bool positions) {
  DenseMap<std::pair<ExprRef, ExprRef>, ExprRef> done;
  std::function<ExprRef(ExprRef, ExprRef)> walk = [&](ExprRef a, ExprRef b) -> ExprRef {
    if (a == b)
      return a;
    if (auto it = done.find({a, b}); it != done.end())
      return it->second;
    if (!a || !b || a->kind != b->kind || a->type != b->type || a->name != b->name || a->source != b->source ||
        a->number != b->number || a->attributes != b->attributes || a->indices.size() != b->indices.size() ||
        a->operands.size() != b->operands.size())
      return nullptr;
    if (!positions && (a->kind == Expr::Kind::Select || a->kind == Expr::Kind::Index))
      return nullptr;
    Indices indices;
    for (auto [p, q] : llvm::zip(a->indices, b->indices)) {
      auto delta = dyn_cast<AffineConstantExpr>(simplified(q - p));
      if (!delta || (a->kind == Expr::Kind::Reduce && delta.getValue()))
        return nullptr;
      indices.push_back(delta.getValue() ? simplified(p + (step - at) * delta.getValue()) : p);
    }
    SmallVector<ExprRef> operands;
    for (auto [p, q] : llvm::zip(a->operands, b->operands)) {
      operands.push_back(walk(p, q));
      if (p && !operands.back())
        return nullptr;
    }
    ExprRef r = nullptr;
    switch (a->kind) {
    case Expr::Kind::Read:
      r = read(a->source, indices);
      break;
    case Expr::Kind::Index:
      r = index(indices[0], a->type);
      break;
    case Expr::Kind::Op:
      r = op(a->name, operands, a->type, a->prototype);
      break;
    case Expr::Kind::Select:
      r = select(indices, operands[0], operands[1]);
      break;
    case Expr::Kind::Reduce:
      r = reduce(a->name, a->indices, operands[0]);
      break;
    case Expr::Kind::Constant:
      break;
    }
    return done[{a, b}] = r;
  };
  return walk(a, b);
}

ExprRef Exprs::replace(ExprRef root, const DenseMap<ExprRef, ExprRef> &nodes) {
  DenseMap<ExprRef, ExprRef> done(nodes);
  std::function<ExprRef(ExprRef)> walk = [&](ExprRef e) -> ExprRef {
    if (!e)
      return e;
    if (auto it = done.find(e); it != done.end())
      return it->second;
    SmallVector<ExprRef> operands;
    for (ExprRef o : e->operands)
      operands.push_back(walk(o));
    ExprRef r = e;
    if (ArrayRef<ExprRef>(operands) != e->operands)
      r = e->kind == Expr::Kind::Op       ? op(e->name, operands, e->type, e->prototype)
          : e->kind == Expr::Kind::Select ? select(e->indices, operands[0], operands[1])
                                          : reduce(e->name, e->indices, operands[0]);
    return done[e] = r;
  };
  return walk(root);
}

SmallVector<ExprRef> Exprs::readsOf(ExprRef root) {
  llvm::SetVector<ExprRef> seen;
  SmallVector<ExprRef> out, stack = {root};
  while (!stack.empty()) {
    ExprRef e = stack.pop_back_val();
    if (!e || !seen.insert(e))
      continue;
    if (e->kind == Expr::Kind::Read)
      out.push_back(e);
    for (ExprRef o : llvm::reverse(e->operands))
      stack.push_back(o);
  }
  return out;
}

bool Exprs::reads(ExprRef e, llvm::function_ref<bool(Value)> which) {
  return llvm::any_of(readsOf(e), [&](ExprRef r) { return which(r->source); });
}

//===- printing ------------------------------------------------------------===//

void ssm::print(ExprRef e, llvm::raw_ostream &os, llvm::function_ref<std::string(Value)> name) {
  if (!e) {
    os << "none";
    return;
  }
  auto list = [&](StringRef open, StringRef close) {
    os << open;
    llvm::interleaveComma(e->indices, os);
    os << close;
  };
  auto operands = [&] {
    os << "(";
    llvm::interleaveComma(e->operands, os, [&](ExprRef o) { print(o, os, name); });
    os << ")";
  };
  switch (e->kind) {
  case Expr::Kind::Read:
    os << name(e->source);
    list("[", "]");
    break;
  case Expr::Kind::Constant:
    os << e->number;
    break;
  case Expr::Kind::Index:
    list("{", "}");
    break;
  case Expr::Kind::Op:
    os << e->name;
    operands();
    break;
  case Expr::Kind::Select:
    os << "Select";
    list("[", " >= 0]");
    operands();
    break;
  case Expr::Kind::Reduce:
    os << e->name;
    list("[", "]");
    operands();
    break;
  }
}
