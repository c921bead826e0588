//===- RerollSteps.cpp - the states of a step, by what they depend on ------===//
// Steps take slices of the same tensors at places that move evenly. The last place that a value depends on, over
// whatever chain of operators, is its step; what a later step reads of an earlier one is a state. So all states of a
// step are found at once, however they depend on each other. Linear in the graph for each Concat that stacks results.
//===----------------------------------------------------------------------===//
#include "passes/raise/Reroll.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace ssm;

static RankedTensorType typeOf(Value v) { return dyn_cast<RankedTensorType>(v.getType()); }

namespace {
constexpr int kRoleDepth = 5;
constexpr size_t kMaxProposals = 12;
constexpr int64_t kUnset = std::numeric_limits<int64_t>::min();

/// An element that an operator reads, through everything that only moves elements.
struct Edge {
  Value source;
  SmallVector<std::optional<int64_t>> offsets; // constants in the indices, by axis
};

/// States, each with its values after each step, and the values that all steps read.
struct Proposal {
  SmallVector<Class> chains;
  llvm::DenseSet<Value> leaves;
};

class Steps {
public:
  Steps(Block &block, Exprs &x) : block(block), x(x) {}
  /// States of the steps that this Concat stacks.
  SmallVector<Proposal> statesOf(Operation *stack);

private:
  const SmallVector<Edge> &edgesOf(Operation *op);
  std::optional<int64_t> timeAxis(Value source, int64_t n);
  void collect(Operation *stack, int64_t n);
  bool number(Operation *stack, int64_t n, bool backward);
  bool recurs(Value v);
  bool canWait(Value v, Operation *stack);
  llvm::SetVector<Value> madeLater(const llvm::SetVector<Value> &now, Operation *stack);
  std::string signature(Value v, int depth);
  size_t role(Value v, int64_t k, Operation *stack, int depth);

  Block &block;
  Exprs &x;
  DenseMap<Operation *, std::unique_ptr<SmallVector<Edge>>> edges;
  llvm::SetVector<Operation *> history;  // of the stack, up to what is sliced by time
  llvm::MapVector<Value, int64_t> times; // what is sliced by time, and along which axis
  DenseMap<Value, int64_t> spacing, step;
  DenseMap<Value, bool> recurrent, waits;
  DenseMap<Value, SmallVector<Operation *>> users; // in the history, through movement
  DenseMap<Value, unsigned> ordinals;
  llvm::DenseSet<Value> notTime;
};
} // namespace

const SmallVector<Edge> &Steps::edgesOf(Operation *op) {
  if (auto it = edges.find(op); it != edges.end())
    return *it->second;
  SmallVector<Edge> out;
  for (Value v : op->getOperands()) {
    auto type = typeOf(v);
    if (!type || isa_and_nonnull<onnx::ConstantOp, onnx::DimsOp>(v.getDefiningOp()))
      continue;
    ExprRef e = x.at(v, x.iterators(onnx::getDimExprs(type)));
    for (ExprRef r : x.readsOf(e)) {
      Edge edge{r->source, {}};
      for (AffineExpr i : r->indices) {
        int64_t offset = 0;
        bool known = true;
        std::function<void(AffineExpr)> walk = [&](AffineExpr part) {
          auto binary = dyn_cast<AffineBinaryOpExpr>(part);
          if (auto c = dyn_cast<AffineConstantExpr>(part)) {
            offset += c.getValue();
          } else if (binary && part.getKind() == AffineExprKind::Add) {
            walk(binary.getLHS());
            walk(binary.getRHS());
          } else if (part.isSymbolicOrConstant()) {
            known = false;
          }
        };
        walk(i);
        edge.offsets.push_back(known ? std::optional(offset) : std::nullopt);
      }
      out.push_back(std::move(edge));
    }
  }
  return *(edges[op] = std::make_unique<SmallVector<Edge>>(std::move(out)));
}

/// The axis along which steps of about n slice a value.
std::optional<int64_t> Steps::timeAxis(Value source, int64_t n) {
  auto type = typeOf(source);
  if (!type || notTime.contains(source))
    return std::nullopt;
  SmallVector<llvm::SmallDenseSet<int64_t>> places(type.getRank());
  // Readers, through movement.
  SmallVector<Operation *> readers(source.getUsers().begin(), source.getUsers().end());
  llvm::SmallDenseSet<Operation *> seen;
  while (!readers.empty()) {
    Operation *op = readers.pop_back_val();
    if (op->getBlock() != &block || !seen.insert(op).second)
      continue;
    if (isMovement(op)) {
      for (Value r : op->getResults())
        readers.append(r.getUsers().begin(), r.getUsers().end());
      continue;
    }
    for (const Edge &e : edgesOf(op))
      if (e.source == source)
        for (auto [axis, o] : llvm::enumerate(e.offsets))
          if (o)
            places[axis].insert(*o);
  }
  for (auto [axis, set] : llvm::enumerate(places)) {
    int64_t m = set.size();
    if (m < 2 || m < n - 1 || m > n + 1)
      continue;
    SmallVector<int64_t> sorted(set.begin(), set.end());
    llvm::sort(sorted);
    int64_t by = sorted[1] - sorted[0];
    bool even = true;
    for (int64_t i = 2; i < m; ++i)
      even &= sorted[i] - sorted[i - 1] == by;
    if (!even)
      continue;
    spacing[source] = by;
    return axis;
  }
  return std::nullopt;
}

void Steps::collect(Operation *stack, int64_t n) {
  // What every step slices alike (gates) is no sequence: it depends on another of its kind.
  for (int round = 0; round < 3; ++round) {
    history.clear();
    times.clear();
    history.insert(stack);
    for (size_t i = 0; i < history.size(); ++i)
      for (const Edge &e : edgesOf(history[i])) {
        if (times.count(e.source))
          continue;
        if (history[i] != stack)
          if (auto axis = timeAxis(e.source, n)) {
            times[e.source] = *axis;
            continue;
          }
        Operation *def = e.source.getDefiningOp();
        if (def && def->getBlock() == &block && !def->getNumRegions())
          history.insert(def);
      }
    llvm::MapVector<std::pair<StringAttr, Type>, SmallVector<Value>> kinds;
    for (auto &[v, axis] : times)
      if (Operation *def = v.getDefiningOp())
        kinds[{def->getName().getIdentifier(), v.getType()}].push_back(v);
    bool changed = false;
    for (auto &[kind, values] : kinds) {
      if (values.size() < 2)
        continue;
      llvm::SmallDenseSet<Value> set(values.begin(), values.end());
      llvm::SetVector<Operation *> before;
      before.insert(values.back().getDefiningOp());
      bool dependent = false;
      for (Value v : values) // the last in the block depends on the others
        if (before[0]->isBeforeInBlock(v.getDefiningOp()))
          before.clear(), before.insert(v.getDefiningOp());
      Operation *latest = before[0];
      for (size_t i = 0; i < before.size() && before.size() < 20000 && !dependent; ++i)
        for (const Edge &e : edgesOf(before[i])) {
          Operation *def = e.source.getDefiningOp();
          if (set.contains(e.source) && def != latest) {
            dependent = true;
            break;
          }
          if (def && def->getBlock() == &block && !times.count(e.source))
            before.insert(def);
        }
      if (dependent)
        notTime.insert(values.begin(), values.end()), changed = true;
    }
    if (!changed)
      return;
  }
}

/// Steps of all values, and whether the stack's operands are one each.
bool Steps::number(Operation *stack, int64_t n, bool backward) {
  step.clear();
  SmallVector<Operation *> order(history.begin(), history.end());
  llvm::sort(order, [](Operation *p, Operation *q) { return p->isBeforeInBlock(q); });
  SmallVector<int64_t> of(n, kUnset);
  for (Operation *op : order) {
    int64_t s = kUnset;
    for (const Edge &e : edgesOf(op)) {
      if (auto it = times.find(e.source); it != times.end()) {
        if (auto o = e.offsets[it->second]) {
          int64_t place = *o / spacing[e.source];
          s = std::max(s, backward ? -place : place);
        }
      } else if (auto known = step.find(e.source); known != step.end()) {
        s = std::max(s, known->second);
      }
    }
    if (s != kUnset && op != stack)
      for (Value r : op->getResults())
        step[r] = s;
  }
  // A step for each operand.
  for (auto [j, v] : llvm::enumerate(stack->getOperands())) {
    ExprRef e = x.at(v, x.iterators(onnx::getDimExprs(typeOf(v))));
    for (ExprRef r : x.readsOf(e))
      if (auto it = step.find(r->source); it != step.end())
        of[j] = std::max(of[j], it->second);
  }
  if (llvm::is_contained(of, kUnset))
    return false;
  int64_t low = *llvm::min_element(of);
  bool rising = true, falling = true;
  for (int64_t j = 0; j < n; ++j) {
    rising &= of[j] == low + j;
    falling &= of[j] == low + n - 1 - j;
  }
  if (!rising && !falling)
    return false;
  for (auto &entry : step)
    entry.second -= low;
  return true;
}

/// Depends on a value of an earlier step.
bool Steps::recurs(Value v) {
  auto it = recurrent.find(v);
  if (it != recurrent.end())
    return it->second;
  bool r = false;
  for (const Edge &e : edgesOf(v.getDefiningOp())) {
    auto before = step.find(e.source);
    if (before != step.end() && !times.count(e.source))
      r |= before->second < step.lookup(v) || recurs(e.source);
  }
  return recurrent[v] = r;
}

/// Can be computed when a later step needs it: nothing of its own step reads it, and it reads no slice.
bool Steps::canWait(Value v, Operation *stack) {
  auto it = waits.find(v);
  if (it != waits.end())
    return it->second;
  waits[v] = false;
  bool made = false;
  for (const Edge &e : edgesOf(v.getDefiningOp())) {
    if (times.count(e.source))
      return false;
    auto from = step.find(e.source);
    made |= from != step.end() && from->second == step.lookup(v);
  }
  if (!made)
    return false;
  for (Operation *user : users[v])
    if (user == stack || (step.lookup(user->getResult(0)) <= step.lookup(v) && !canWait(user->getResult(0), stack)))
      return false;
  return waits[v] = true;
}

/// What the next step reads, with work that can wait left to it: where that makes the states fewer, or as many that the
/// step itself reads as well (the state, and not its product with a weight).
llvm::SetVector<Value> Steps::madeLater(const llvm::SetVector<Value> &now, Operation *stack) {
  llvm::SetVector<Value> later, passed;
  std::function<void(Value)> visit = [&](Value v) {
    if (!canWait(v, stack)) {
      later.insert(v);
      return;
    }
    if (!passed.insert(v))
      return;
    for (const Edge &e : edgesOf(v.getDefiningOp()))
      if (auto from = step.find(e.source); from != step.end() && from->second == step.lookup(v))
        visit(e.source);
  };
  for (Value v : now)
    visit(v);
  bool isRead = llvm::all_of(later, [&](Value v) {
    return now.contains(v) || llvm::any_of(users[v], [&](Operation *user) {
             return user == stack ||
                    (step.lookup(user->getResult(0)) == step.lookup(v) && !passed.contains(user->getResult(0)));
           });
  });
  return later.size() < now.size() || (later.size() == now.size() && isRead) ? later : now;
}

/// How a value is made, some operators deep, without places.
std::string Steps::signature(Value v, int depth) {
  Operation *def = v.getDefiningOp();
  if (times.count(v) || !def || !history.contains(def) || depth == 0)
    return "#" + std::to_string(
                     times.count(v) || !step.count(v) ? ordinals.try_emplace(v, ordinals.size() + 1).first->second : 0);
  SmallVector<std::string> parts;
  for (const Edge &e : edgesOf(def))
    parts.push_back(signature(e.source, depth - 1));
  llvm::sort(parts);
  return (def->getName().stripDialect() + "(" + llvm::join(parts, ",") + ")").str();
}

static bool isCommutative(Operation *op) {
  static constexpr StringRef names[] = {"Add", "Mul", "Max", "Min", "Sum"};
  return llvm::is_contained(names, op->getName().stripDialect());
}

/// What the step after k makes of a value, some operators deep, without places.
size_t Steps::role(Value v, int64_t k, Operation *stack, int depth) {
  SmallVector<size_t> parts;
  for (Operation *user : depth ? users[v] : SmallVector<Operation *>()) {
    if (user == stack)
      continue;
    Value made = user->getResult(0);
    int64_t at = step.lookup(made);
    if (at != k + 1 && !(at == k && canWait(made, stack)))
      continue;
    size_t part = llvm::hash_combine(user->getName().stripDialect(), role(made, k, stack, depth - 1));
    for (auto [n, e] : llvm::enumerate(edgesOf(user)))
      if (e.source == v && !isCommutative(user))
        part = llvm::hash_combine(part, n);
    parts.push_back(part);
  }
  llvm::sort(parts);
  return llvm::hash_combine_range(parts.begin(), parts.end());
}

SmallVector<Proposal> Steps::statesOf(Operation *stack) {
  int64_t n = stack->getNumOperands();
  notTime.clear();
  collect(stack, n);
  if (times.empty())
    return {};
  SmallVector<Proposal> proposals;
  for (bool backward : {false, true}) {
    if (!number(stack, n, backward))
      continue;
    recurrent.clear();
    waits.clear();
    users.clear();
    for (Operation *op : history)
      for (const Edge &e : edgesOf(op))
        users[e.source].push_back(op);
    // What the next step reads of each step.
    std::vector<llvm::SetVector<Value>> crossing(n);
    for (Operation *op : history)
      for (const Edge &e : edgesOf(op)) {
        auto from = step.find(e.source);
        if (from == step.end() || times.count(e.source) || op == stack)
          continue;
        if (step.lookup(op->getResult(0)) == from->second + 1 && from->second >= 0 && from->second < n)
          crossing[from->second].insert(e.source);
      }
    for (int64_t k = 0; k < n; ++k)
      crossing[k] = madeLater(crossing[k], stack);
    using Key = std::tuple<StringRef, std::string, std::string>; // operator, type, signature
    auto keyed = [&](int64_t k) {
      SmallVector<std::pair<Key, Value>> out;
      for (Value v : crossing[k])
        if (k == 0 || recurs(v)) {
          std::string type;
          llvm::raw_string_ostream(type) << v.getType();
          out.push_back({Key(v.getDefiningOp()->getName().stripDialect(), type, k == 0 ? "" : signature(v, 4)), v});
        }
      llvm::sort(out, [](auto &p, auto &q) {
        return p.first != q.first ? p.first < q.first
                                  : p.second.getDefiningOp()->isBeforeInBlock(q.second.getDefiningOp());
      });
      return out;
    };
    auto model = n > 2 ? keyed(1) : keyed(0);
    if (model.empty() || model.size() > 8)
      continue;
    SmallVector<Class> chains(model.size(), Class(1));
    int64_t last = n - 1;
    for (int64_t k = 1; k < last; ++k) {
      auto now = keyed(k);
      bool same = now.size() == model.size();
      for (size_t i = 0; same && i < now.size(); ++i)
        same = std::get<0>(now[i].first) == std::get<0>(model[i].first) &&
               now[i].second.getType() == model[i].second.getType();
      if (!same) {
        if (k == last - 1 && now.empty()) { // the last state is only read
          last = k;
          break;
        }
        chains.clear();
        break;
      }
      for (auto [c, v] : llvm::zip(chains, now))
        c.push_back(v.second);
    }
    if (chains.empty() || chains[0].size() < 3)
      continue;
    llvm::DenseSet<Value> leaves;
    for (auto &[v, axis] : times)
      leaves.insert(v);
    for (Operation *op : history)
      for (Value r : op->getResults())
        if (!step.count(r) && op != stack)
          leaves.insert(r);
    // The first values may be made in another way; the step behind them does with each what every step does. Those of
    // one type and one use may be in any order.
    auto firsts = keyed(0);
    if (firsts.size() != chains.size())
      continue;
    SmallVector<size_t> wanted, given;
    for (auto [c, v] : llvm::zip(chains, firsts)) {
      wanted.push_back(role(c[1], 1, stack, kRoleDepth));
      given.push_back(role(v.second, 0, stack, kRoleDepth));
    }
    bool known = std::is_permutation(wanted.begin(), wanted.end(), given.begin());
    llvm::SmallBitVector taken(firsts.size());
    std::function<void(unsigned)> choose = [&](unsigned n) {
      if (n == chains.size())
        proposals.push_back({chains, leaves});
      for (unsigned i = 0; n < chains.size() && i < firsts.size() && proposals.size() < kMaxProposals; ++i) {
        if (taken[i] || firsts[i].second.getType() != chains[n][1].getType() || (known && given[i] != wanted[n]))
          continue;
        taken.set(i);
        chains[n][0] = firsts[i].second;
        choose(n + 1);
        taken.reset(i);
      }
    };
    choose(0);
  }
  return proposals;
}

bool Reroller::trySteps() {
  Exprs x(context);
  x.expands = [](Operation *op) { return false; };
  Steps steps(block, x);
  SmallVector<Operation *> stacks;
  for (Operation &op : block)
    if (op.getName().stripDialect() == "Concat" && op.getNumOperands() >= 3 && typeOf(op.getResult(0)) &&
        llvm::all_equal(op.getOperandTypes()))
      stacks.push_back(&op);
  for (Operation *stack : stacks)
    for (const Proposal &p : steps.statesOf(stack))
      if (tryChains(p.chains, &p.leaves))
        return true;
  return false;
}
