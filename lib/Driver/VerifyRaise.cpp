//===- VerifyRaise.cpp - runs what was raised against its source -----------===//
// All parts that can be cut out go through one pair of libraries; when a pair cannot be compiled or run, its parts are
// tried in halves, and one alone in float32. A part that disagrees is looked at again: with the rounding error of the
// source side in float32, and with the values that the model itself gives to its inputs. Compilation and the runs are
// child processes, which may crash.
//===----------------------------------------------------------------------===//
#include "lib/Driver/VerifyRaise.h"
#include "dialects/Ssm/Mixers.h"
#include "lib/Driver/IrFile.h"
#include "lib/Driver/Model.h"
#include "lib/Driver/RaiseSides.h"
#include "passes/raise/Provenance.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include <unistd.h>

using namespace mlir;
using namespace ssm;

namespace {
constexpr double kDouble = 2e-6, kSingle = 2e-3,
                 kHalf = 2e-2; // tolerances: float64, float32, rounding to half precision
constexpr int kCompileSeconds = 600, kRunSeconds = 20;

struct Verdict {
  std::string obstacle; // why the part was not compared
  std::string kind;     // of the input on which it disagrees
  std::string note;
  double worst = 0;
  int64_t runs = 0, output = 0;
  std::vector<std::vector<int64_t>> sizes; // of the inputs on which it disagrees
  bool disagrees() const { return !kind.empty(); }
};

class Verification {
public:
  Verification(RaiseOrigin &origin, ModuleOp raised, const CompilerOptions &options, ScratchFiles &scratch)
      : origin(origin), raised(raised), options(options), scratch(scratch) {}
  bool run(llvm::json::Array &entries);

private:
  using Cuts = ArrayRef<const RaiseCut *>;
  std::vector<Verdict> check(Cuts cuts, bool promote, bool estimate);
  std::vector<Verdict> checkInParts(Cuts cuts);
  Verdict checkAgain(const RaiseCut &cut, Verdict first);
  std::string compile(ModuleOp side, StringRef name, std::string &library);
  std::string execute(ArrayRef<StringRef> arguments, int seconds);
  llvm::json::Object entryOf(const RaiseCut &cut, const Verdict &v);
  void complain(const RaiseCut &cut, const Verdict &v);

  RaiseOrigin &origin;
  ModuleOp raised;
  const CompilerOptions &options;
  ScratchFiles &scratch;
  int made = 0;
};
} // namespace

/// Runs this program; gives the last line it says when it fails.
std::string Verification::execute(ArrayRef<StringRef> arguments, int seconds) {
  std::string log = scratch.add(options.output + "." + std::to_string(::getpid()) + ".log");
  llvm::sys::fs::remove(log); // a redirection does not shorten the file
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  std::string error;
  SmallVector<StringRef> all = {options.program};
  all.append(arguments.begin(), arguments.end());
  int status = llvm::sys::ExecuteAndWait(options.program, all, std::nullopt, redirects, seconds, 0, &error);
  if (status == 0)
    return "";
  if (!error.empty())
    return error;
  auto text = llvm::MemoryBuffer::getFile(log);
  StringRef said = text ? StringRef((*text)->getBuffer()).trim() : StringRef();
  StringRef last = said.substr(said.rfind('\n') + 1).trim();
  return last.empty() ? "exit status " + std::to_string(status) : last.str();
}

/// The reason when it cannot be compiled, else the library.
std::string Verification::compile(ModuleOp side, StringRef name, std::string &library) {
  recordModel(side);
  std::string base = options.output + "." + std::to_string(::getpid()) + "." + name.str() + std::to_string(made++);
  std::string ir = scratch.add(base + ".mlirbc");
  scratch.add(base + ".safetensors");
  library = scratch.add(base + "-lib.so");
  scratch.add(base + "-lib.safetensors");
  if (failed(writeIr(side, ir, true)))
    return "its IR cannot be written";
  std::string level = "-O" + std::to_string(options.cpu.optLevel), cpu = "--mcpu=" + options.cpu.cpu;
  std::string threads = "--threads=" + std::to_string(options.threads);
  return execute({ir, "-o", library, "--compile-from=raise", level, cpu, threads}, kCompileSeconds);
}

std::vector<Verdict> Verification::check(Cuts cuts, bool promote, bool estimate) {
  std::vector<Verdict> verdicts(cuts.size());
  auto refuse = [&](const std::string &why) {
    for (Verdict &v : verdicts)
      v.obstacle = why;
    return verdicts;
  };
  RaiseSides sides = makeSides(cuts, origin.module(), raised);
  if (!sides.obstacle.empty())
    return refuse(sides.obstacle);
  std::string before, after, single;
  if (estimate)
    if (std::string why = compile(OwningOpRef<ModuleOp>(sides.before->clone()).get(), "single", single); !why.empty())
      return refuse("the source side in float32: " + why);
  bool rounds = false;
  if (promote) {
    promoteFloats(*sides.before, rounds);
    promoteFloats(*sides.after, rounds);
  }
  if (std::string why = compile(*sides.before, "before", before); !why.empty())
    return refuse("the source side does not compile: " + why);
  if (std::string why = compile(*sides.after, "after", after); !why.empty())
    return refuse("the raised side does not compile: " + why);

  llvm::json::Array sizes, groups;
  auto list = [](ArrayRef<int64_t> numbers) { return llvm::json::Value(llvm::json::Array(numbers)); };
  for (auto &choice : sides.sizes) {
    llvm::json::Array rows;
    for (auto &row : choice)
      rows.push_back(list(row));
    sizes.push_back(std::move(rows));
  }
  for (auto [cut, group] : llvm::zip(cuts, sides.groups)) {
    bool testsNan = llvm::any_of(cut->before, [](Operation *op) { return op->getName().stripDialect() == "IsNaN"; });
    groups.push_back(
        llvm::json::Object{{"inputs", list(group.first)}, {"outputs", list(group.second)}, {"tests_nan", testsNan}});
  }
  double tolerance = rounds ? kHalf : promote ? kDouble : kSingle;
  llvm::json::Object plan{{"before", before},           {"after", after},         {"single", single},
                          {"tolerance", tolerance},     {"seconds", kRunSeconds}, {"sizes", std::move(sizes)},
                          {"groups", std::move(groups)}};
  std::string planFile = scratch.add(before + ".plan"), foundFile = scratch.add(before + ".found");
  std::error_code ec;
  llvm::raw_fd_ostream(planFile, ec) << llvm::json::Value(std::move(plan));
  if (ec)
    return refuse("cannot write '" + planFile + "': " + ec.message());
  if (std::string why = execute({planFile, "-o", foundFile, "--compare-sides"}, 10 * kRunSeconds); !why.empty())
    return refuse("the comparison ended early: " + why);
  auto text = llvm::MemoryBuffer::getFile(foundFile);
  auto found = text ? llvm::json::parse((*text)->getBuffer()) : llvm::json::Value(nullptr);
  if (!found || !found->getAsObject()) {
    llvm::consumeError(found.takeError());
    return refuse("the comparison gave no result");
  }
  if (StringRef refused = *found->getAsObject()->getString("refused"); !refused.empty())
    return refuse("the source side does not run: " + refused.str());
  for (auto [v, g] : llvm::zip(verdicts, *found->getAsObject()->getArray("groups"))) {
    llvm::json::Object &result = *g.getAsObject();
    v.runs = *result.getInteger("compared");
    v.worst = *result.getNumber("worst");
    v.kind = result.getString("kind")->str();
    if (!promote)
      v.note = "in float32";
    if (int64_t extreme = *result.getInteger("extreme"))
      v.note += (v.note.empty() ? "" : "; ") + std::to_string(extreme) +
                " runs on extreme inputs differ and agree on milder ones";
    if (StringRef text = *found->getAsObject()->getString("guarded"); !text.empty())
      v.note += (v.note.empty() ? "" : "; ") + ("the raised side refuses some sizes: " + text).str();
    if (v.disagrees()) {
      v.output = *result.getInteger("output");
      v.sizes = sides.sizes[*result.getInteger("sizes")];
    } else if (v.runs == 0) {
      v.obstacle = v.note.empty() ? "no element of the source side is finite" : v.note;
    }
  }
  return verdicts;
}

/// Parts that do not compile or run together are tried apart.
std::vector<Verdict> Verification::checkInParts(Cuts cuts) {
  std::vector<Verdict> verdicts = check(cuts, true, false);
  if (cuts.empty() || verdicts[0].obstacle.empty() || verdicts[0].runs)
    return verdicts;
  if (cuts.size() == 1) {
    Verdict narrow = check(cuts, false, false)[0];
    return {narrow};
  }
  verdicts = checkInParts(cuts.take_front(cuts.size() / 2));
  llvm::append_range(verdicts, checkInParts(cuts.drop_front(cuts.size() / 2)));
  return verdicts;
}

/// A disagreement may be one of rounding, or of values that the model never gives.
Verdict Verification::checkAgain(const RaiseCut &cut, Verdict first) {
  bool promote = !StringRef(first.note).starts_with("in float32");
  if (promote) {
    Verdict estimated = check({&cut}, true, true)[0];
    if (estimated.obstacle.empty() && !estimated.disagrees()) {
      estimated.note =
          "differences of " + llvm::formatv("{0:e1}", first.worst).str() + " are of the source's own rounding";
      return estimated;
    }
    if (!estimated.obstacle.empty() && estimated.runs == 0 && StringRef(estimated.obstacle).starts_with("no element")) {
      estimated.obstacle = "the source side is too sensitive to rounding";
      return estimated;
    }
  }
  if (cut.whole)
    return first;
  RaiseCut wide = origin.widened(cut);
  if (!wide.obstacle.empty())
    return first;
  Verdict again = check({&wide}, promote, false)[0];
  if (again.disagrees() && promote)
    again = check({&wide}, true, true)[0];
  if (again.obstacle.empty() && !again.disagrees()) {
    again.note = "only for values that the model gives to its inputs";
    return again;
  }
  return again.disagrees() ? again : first;
}

llvm::json::Object Verification::entryOf(const RaiseCut &cut, const Verdict &v) {
  llvm::json::Array kinds, nodes;
  llvm::SetVector<StringAttr> names;
  for (Operation *op : cut.changed) {
    op->walk([&](SequenceMixerOpInterface mixer) { kinds.push_back(mixer.getKind().str()); });
    for (StringAttr name : nodeNames(op->getLoc()))
      names.insert(name);
  }
  for (StringAttr name : names)
    nodes.push_back(llvm::json::fixUTF8(name.getValue()));
  llvm::json::Object entry{{"kinds", std::move(kinds)}, {"nodes", std::move(nodes)}, {"whole", cut.whole}};
  entry["result"] = v.disagrees() ? "disagrees" : v.obstacle.empty() ? "agrees" : "unverifiable";
  if (!v.obstacle.empty()) {
    entry["reason"] = llvm::json::fixUTF8(v.obstacle);
    return entry;
  }
  entry["runs"] = v.runs;
  entry["error"] = v.worst;
  if (v.disagrees())
    entry["inputs"] = v.kind;
  if (!v.note.empty())
    entry["note"] = v.note;
  return entry;
}

void Verification::complain(const RaiseCut &cut, const Verdict &v) {
  std::string kinds, nodes;
  llvm::SetVector<StringAttr> names;
  for (Operation *op : cut.changed) {
    op->walk(
        [&](SequenceMixerOpInterface mixer) { kinds += (kinds.empty() ? "ssm." : ", ssm.") + mixer.getKind().str(); });
    for (StringAttr name : nodeNames(op->getLoc()))
      names.insert(name);
  }
  for (StringAttr name : names.getArrayRef().take_front(20))
    nodes += (nodes.empty() ? "'" : ", '") + name.str() + "'";
  if (names.size() > 20)
    nodes += " and " + std::to_string(names.size() - 20) + " more";
  llvm::errs() << "error: --verify-raise: " << (kinds.empty() ? "what was made" : kinds) << " of nodes " << nodes
               << " disagrees with them: relative error " << llvm::formatv("{0:e2}", v.worst) << " in output "
               << v.output << " on inputs '" << v.kind << "', sizes";
  for (auto &shape : v.sizes) {
    llvm::errs() << " ";
    llvm::interleave(shape, llvm::errs(), "x");
  }
  llvm::errs() << "\n";
}

bool Verification::run(llvm::json::Array &entries) {
  std::vector<RaiseCut> cuts = origin.cuts(raised);
  std::vector<Verdict> verdicts(cuts.size());
  SmallVector<const RaiseCut *> together;
  SmallVector<size_t> places;
  for (auto [i, cut] : llvm::enumerate(cuts)) {
    if (!cut.obstacle.empty()) {
      verdicts[i].obstacle = cut.obstacle;
    } else if (computesSizes(cut, origin.module(), raised)) {
      verdicts[i] = checkInParts({&cut})[0];
    } else {
      together.push_back(&cut);
      places.push_back(i);
    }
  }
  for (auto [i, verdict] : llvm::zip(places, checkInParts(together)))
    verdicts[i] = verdict;
  bool agree = true;
  for (auto [cut, verdict] : llvm::zip(cuts, verdicts)) {
    if (verdict.disagrees())
      verdict = checkAgain(cut, verdict);
    entries.push_back(entryOf(cut, verdict));
    if (verdict.disagrees()) {
      complain(cut, verdict);
      agree = false;
    }
  }
  return agree;
}

bool ssm::verifyRaise(RaiseOrigin &origin, ModuleOp raised, const CompilerOptions &options, ScratchFiles &scratch,
                      llvm::json::Array &entries) {
  return Verification(origin, raised, options, scratch).run(entries);
}
