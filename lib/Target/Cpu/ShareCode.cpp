//===- ShareCode.cpp - one function for code that differs in numbers ------===//
// A graph of thousands of different operators mostly has few kinds of them, at different sizes and with different
// scalars. LLVM takes milliseconds for each function, so functions that differ in constants only become one, which
// takes them as arguments; the body of a parallel loop, whose type the runtime prescribes, takes them in its frame.
// Linear.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/ShareCode.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;

/// Functions with more differences would pass more than their code is worth.
constexpr size_t kMaxDifferences = 64, kMaxParameters = 24;

namespace {
/// A function whose values have numbers in the order of its text.
struct Numbered {
  explicit Numbered(Function &f);
  Function *function;
  std::vector<Instruction *> instructions;
  DenseMap<const Value *, unsigned> numbers;
};

/// An operand, by the numbers of its instruction and in it.
using Position = std::pair<unsigned, unsigned>;
using Differences = MapVector<Position, Constant *>;

/// Functions that differ from the first in constants only.
struct Family {
  Numbered first;
  std::vector<std::pair<Function *, Differences>> others;
};

/// A constant that every function of a family has: what the first and the others hold at some positions.
struct Parameter {
  std::vector<Constant *> values;
  SmallVector<Position> positions;
};
} // namespace

Numbered::Numbered(Function &f) : function(&f) {
  for (const Argument &a : f.args())
    numbers.insert({&a, numbers.size()});
  for (BasicBlock &block : f) {
    numbers.insert({&block, numbers.size()});
    for (Instruction &i : block) {
      numbers.insert({&i, numbers.size()});
      instructions.push_back(&i);
    }
  }
}

/// Division by a number that is not known is many times slower.
static bool isDivisor(const Instruction &i, unsigned operand) {
  return operand == 1 && is_contained({Instruction::UDiv, Instruction::SDiv, Instruction::URem, Instruction::SRem},
                                      (Instruction::BinaryOps)i.getOpcode());
}

static bool canBeParameter(const Instruction &i, unsigned operand, const Constant &x, const Constant &y) {
  // Numbers, tables, and what describes a table.
  auto isPlain = [](const Constant &c) {
    return isa<ConstantInt, ConstantFP, GlobalVariable, ConstantStruct>(c) && !c.getType()->isVectorTy();
  };
  return x.getType() == y.getType() && isPlain(x) && isPlain(y) && !isDivisor(i, operand) &&
         canReplaceOperandWithVariable(&i, operand);
}

static bool haveEqualMetadata(const Instruction &x, const Instruction &y) {
  SmallVector<std::pair<unsigned, MDNode *>> of[2];
  x.getAllMetadataOtherThanDebugLoc(of[0]);
  y.getAllMetadataOtherThanDebugLoc(of[1]);
  return of[0] == of[1];
}

/// The constants of y where x has others, or nothing where they differ in anything else.
static std::optional<Differences> compare(const Numbered &x, const Numbered &y) {
  if (x.instructions.size() != y.instructions.size() || x.function->size() != y.function->size())
    return std::nullopt;
  Differences differences;
  auto areSame = [&](const Value *v, const Value *w) {
    auto number = x.numbers.find(v);
    return number == x.numbers.end() ? v == w : y.numbers.contains(w) && number->second == y.numbers.at(w);
  };
  for (auto [n, i, j] : enumerate(x.instructions, y.instructions)) {
    if (!areSame(i, j) || !areSame(i->getParent(), j->getParent()) || !i->isSameOperationAs(j) ||
        i->getRawSubclassOptionalData() != j->getRawSubclassOptionalData() || !haveEqualMetadata(*i, *j))
      return std::nullopt;
    if (auto *phi = dyn_cast<PHINode>(i); phi && !equal(phi->blocks(), cast<PHINode>(j)->blocks(), areSame))
      return std::nullopt;
    for (unsigned k = 0; k < i->getNumOperands(); ++k) {
      Value *v = i->getOperand(k), *w = j->getOperand(k);
      if (areSame(v, w))
        continue;
      auto *c = dyn_cast<Constant>(v), *d = dyn_cast<Constant>(w);
      if (!c || !d || !canBeParameter(*i, k, *c, *d) || differences.size() == kMaxDifferences)
        return std::nullopt;
      differences[{n, k}] = d;
    }
  }
  return differences;
}

static hash_code hashOf(const Function &f) {
  hash_code hash = hash_combine(f.getFunctionType(), f.getAttributes().getRawPointer(), f.size());
  for (const BasicBlock &block : f)
    for (const Instruction &i : block)
      hash = hash_combine(hash, i.getOpcode(), i.getType(), i.getNumOperands());
  return hash;
}

/// Functions of more than one member each, in the order of the module.
static std::vector<Family> findFamilies(Module &module, function_ref<bool(Function &)> isCandidate) {
  MapVector<size_t, std::vector<Family>> byHash;
  for (Function &f : module) {
    if (f.isDeclaration() || !f.hasLocalLinkage() || f.hasFnAttribute(Attribute::OptimizeNone) || !isCandidate(f))
      continue;
    std::vector<Family> &families = byHash[hashOf(f)];
    Numbered now(f);
    bool found = false;
    for (Family &family : families) {
      const Function &first = *family.first.function;
      if (first.getFunctionType() != f.getFunctionType() || first.getAttributes() != f.getAttributes())
        continue;
      if (auto differences = compare(family.first, now)) {
        family.others.push_back({&f, std::move(*differences)});
        found = true;
        break;
      }
    }
    if (!found)
      families.push_back({std::move(now), {}});
  }
  std::vector<Family> result;
  for (auto &[hash, families] : byHash)
    for (Family &family : families)
      if (!family.others.empty())
        result.push_back(std::move(family));
  return result;
}

/// Positions at which every function holds the same constant as at another are one parameter.
static std::vector<Parameter> parametersOf(const Family &family) {
  SetVector<Position> positions;
  for (const auto &[f, differences] : family.others)
    for (const auto &[position, constant] : differences)
      positions.insert(position);
  std::map<std::vector<Constant *>, size_t> numbers;
  std::vector<Parameter> parameters;
  for (Position position : positions) {
    auto *own = cast<Constant>(family.first.instructions[position.first]->getOperand(position.second));
    std::vector<Constant *> values = {own};
    for (const auto &[f, differences] : family.others) {
      auto other = differences.find(position);
      values.push_back(other == differences.end() ? own : other->second);
    }
    auto [it, fresh] = numbers.insert({values, parameters.size()});
    if (fresh)
      parameters.push_back({std::move(values), {}});
    parameters[it->second].positions.push_back(position);
  }
  return parameters;
}

static void use(const Family &family, const Parameter &parameter, Value *value) {
  for (Position position : parameter.positions)
    family.first.instructions[position.first]->setOperand(position.second, value);
}

static bool isOnlyCalled(Function &f) {
  return !f.isVarArg() && all_of(f.uses(), [](const Use &u) {
    auto *call = dyn_cast<CallInst>(u.getUser());
    return call && call->isCallee(&u);
  });
}

static void passAsArguments(Family &family, ArrayRef<Parameter> parameters) {
  Function &first = *family.first.function;
  SmallVector<Type *> types(first.getFunctionType()->params());
  for (const Parameter &p : parameters)
    types.push_back(p.values.front()->getType());
  auto *type = FunctionType::get(first.getReturnType(), types, false);
  Function *shared = Function::Create(type, first.getLinkage(), first.getAddressSpace(), "", first.getParent());
  shared->copyAttributesFrom(&first);
  shared->takeName(&first);
  shared->splice(shared->end(), &first);
  for (auto [old, now] : zip(first.args(), shared->args()))
    old.replaceAllUsesWith(&now);
  for (auto [i, p] : enumerate(parameters))
    use(family, p, shared->getArg(first.arg_size() + i));
  auto replace = [&](Function &f, size_t member) {
    for (User *user : make_early_inc_range(f.users())) {
      auto *call = cast<CallInst>(user);
      SmallVector<Value *> arguments(call->args());
      for (const Parameter &p : parameters)
        arguments.push_back(p.values[member]);
      auto *now = CallInst::Create(type, shared, arguments, "", call->getIterator());
      now->setAttributes(call->getAttributes());
      now->setCallingConv(call->getCallingConv());
      call->replaceAllUsesWith(now);
      call->eraseFromParent();
    }
    f.eraseFromParent();
  };
  replace(first, 0);
  for (auto [i, other] : enumerate(family.others))
    replace(*other.first, i + 1);
}

/// The call that runs a parallel body, whose frame is the argument after it, or null.
static CallInst *parallelCall(Function &f) {
  auto *call = f.hasOneUse() ? dyn_cast<CallInst>(*f.user_begin()) : nullptr;
  Function *callee = call ? call->getCalledFunction() : nullptr;
  if (!callee || callee->getName() != "ssmrt_parallel_for" || call->getArgOperand(2) != &f)
    return nullptr;
  auto *frame = dyn_cast<AllocaInst>(call->getArgOperand(3));
  return frame && isa<StructType>(frame->getAllocatedType()) ? call : nullptr;
}

static void passInFrames(Family &family, ArrayRef<Parameter> parameters) {
  Function &first = *family.first.function;
  auto frameOf = [](Function &body) { return cast<AllocaInst>(parallelCall(body)->getArgOperand(3)); };
  auto *fields = cast<StructType>(frameOf(first)->getAllocatedType());
  if (any_of(family.others, [&](const auto &other) { return frameOf(*other.first)->getAllocatedType() != fields; }))
    return;
  SmallVector<Type *> types(fields->elements());
  for (const Parameter &p : parameters)
    types.push_back(p.values.front()->getType());
  auto *longer = StructType::get(first.getContext(), types, fields->isPacked());
  auto store = [&](Function &body, size_t member) {
    CallInst *call = parallelCall(body);
    AllocaInst *frame = frameOf(body);
    frame->setAllocatedType(longer);
    IRBuilder<> b(call);
    for (auto [i, p] : enumerate(parameters))
      b.CreateStore(p.values[member], b.CreateStructGEP(longer, frame, fields->getNumElements() + i));
    call->setArgOperand(2, &first);
    if (&body != &first)
      body.eraseFromParent();
  };
  store(first, 0);
  for (auto [i, other] : enumerate(family.others))
    store(*other.first, i + 1);
  IRBuilder<> b(&first.getEntryBlock(), first.getEntryBlock().getFirstInsertionPt());
  for (auto [i, p] : enumerate(parameters)) {
    Value *place = b.CreateStructGEP(longer, first.getArg(0), fields->getNumElements() + i);
    use(family, p, b.CreateLoad(types[fields->getNumElements() + i], place));
  }
}

static void share(Module &module, function_ref<bool(Function &)> isCandidate,
                  function_ref<void(Family &, ArrayRef<Parameter>)> pass) {
  for (Family &family : findFamilies(module, isCandidate))
    if (std::vector<Parameter> parameters = parametersOf(family); parameters.size() <= kMaxParameters)
      pass(family, parameters);
}

void ssm::shareCode(Module &module) {
  // Bodies first: then what belongs to them is a constant of their dispatches.
  share(module, [](Function &f) { return parallelCall(f) != nullptr; }, passInFrames);
  share(module, isOnlyCalled, passAsArguments);
}
