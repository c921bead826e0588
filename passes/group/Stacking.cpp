//===- Stacking.cpp - buffers of one arena above each other ----------------===//
// A buffer must lie above or below each one that lives with it. Only what is not implied by a third is noted.
//===----------------------------------------------------------------------===//
#include "passes/group/Stacking.h"
#include "llvm/ADT/STLExtras.h"
#include <map>
#include <set>

using namespace mlir;
using namespace ssm;

namespace {
/// Free and used ranges of an arena without end.
class Ranges {
public:
  Ranges() { addGap(0, kEndless); }

  /// The offset of a place of this size in the smallest gap, the lowest of equal ones.
  int64_t take(int64_t size) {
    auto [length, at] = *bySize.lower_bound({size, 0});
    removeGap(at, length);
    addGap(at + size, length - size);
    return at;
  }
  void give(int64_t at, int64_t size) {
    if (auto next = byOffset.find(at + size); next != byOffset.end()) {
      int64_t length = next->second;
      removeGap(at + size, length);
      size += length;
    }
    if (auto after = byOffset.lower_bound(at); after != byOffset.begin()) {
      auto [start, length] = *std::prev(after);
      if (start + length == at) {
        removeGap(start, length);
        at = start;
        size += length;
      }
    }
    addGap(at, size);
  }

private:
  static constexpr int64_t kEndless = INT64_MAX / 2;
  void addGap(int64_t at, int64_t length) {
    if (length == 0)
      return;
    byOffset[at] = length;
    bySize.insert({length, at});
  }
  void removeGap(int64_t at, int64_t length) {
    byOffset.erase(at);
    bySize.erase({length, at});
  }
  std::map<int64_t, int64_t> byOffset;
  std::set<std::pair<int64_t, int64_t>> bySize;
};
} // namespace

/// Of a gap and a buffer only positive sizes make sense.
static int64_t sizeOf(const Lifetime &buffer) { return std::clamp<int64_t>(buffer.size, 1, int64_t(1) << 40); }

/// The living buffers are ordered by offset. A buffer that comes to life goes between two neighbours, and it is enough to
/// note these two: every other living one is above or below a neighbour already, by a chain of notes that stays when the
/// buffers in its middle have died.
static Stacking stackInTime(ArrayRef<Lifetime> buffers) {
  size_t n = buffers.size();
  Stacking result;
  result.below.resize(n);
  result.top.assign(n, true);
  SmallVector<unsigned> births = llvm::to_vector(llvm::seq<unsigned>(0, n)), deaths = births;
  llvm::sort(births, [&](unsigned a, unsigned b) { return std::pair(buffers[a].first, a) < std::pair(buffers[b].first, b); });
  llvm::sort(deaths, [&](unsigned a, unsigned b) { return std::pair(buffers[a].last, a) < std::pair(buffers[b].last, b); });
  Ranges ranges;
  std::map<int64_t, unsigned> living; // by offset
  SmallVector<int64_t> offset(n);
  size_t dead = 0;
  for (unsigned i : births) {
    for (; dead < n && buffers[deaths[dead]].last < buffers[i].first; ++dead) {
      unsigned d = deaths[dead];
      living.erase(offset[d]);
      ranges.give(offset[d], sizeOf(buffers[d]));
    }
    offset[i] = ranges.take(sizeOf(buffers[i]));
    auto place = living.emplace(offset[i], i).first;
    if (place != living.begin()) {
      unsigned lower = std::prev(place)->second;
      result.below[i].push_back(lower);
      result.top[lower] = false;
    }
    if (auto above = std::next(place); above != living.end()) {
      result.below[above->second].push_back(i);
      result.top[i] = false;
    }
  }
  result.order = llvm::to_vector(llvm::seq<unsigned>(0, n));
  llvm::sort(result.order, [&](unsigned a, unsigned b) { return std::pair(offset[a], a) < std::pair(offset[b], b); });
  return result;
}

namespace {
/// For each buffer those that live with it.
using Companions = std::vector<SmallVector<unsigned>>;
} // namespace

/// Nothing when there are very many pairs.
static std::optional<Companions> findCompanions(ArrayRef<Lifetime> buffers) {
  size_t n = buffers.size(), pairs = 0, limit = 32 * n + 100000;
  Companions with(n);
  SmallVector<unsigned> births = llvm::to_vector(llvm::seq<unsigned>(0, n)), living;
  llvm::sort(births, [&](unsigned a, unsigned b) { return std::pair(buffers[a].first, a) < std::pair(buffers[b].first, b); });
  for (unsigned i : births) {
    llvm::erase_if(living, [&](unsigned other) { return buffers[other].last < buffers[i].first; });
    if ((pairs += living.size()) > limit)
      return std::nullopt;
    for (unsigned other : living) {
      with[i].push_back(other);
      with[other].push_back(i);
    }
    living.push_back(i);
  }
  return with;
}

static Stacking stackBySize(ArrayRef<Lifetime> buffers, Companions &with) {
  size_t n = buffers.size();
  SmallVector<int64_t> offset(n, -1);
  auto lower = [&](unsigned a, unsigned b) { return std::pair(offset[a], a) < std::pair(offset[b], b); };
  SmallVector<unsigned> bySize = llvm::to_vector(llvm::seq<unsigned>(0, n));
  llvm::sort(bySize, [&](unsigned a, unsigned b) { return std::pair(-sizeOf(buffers[a]), a) < std::pair(-sizeOf(buffers[b]), b); });
  for (unsigned i : bySize) {
    llvm::sort(with[i], lower); // those without a place come first
    int64_t end = 0, best = -1, room = INT64_MAX;
    for (unsigned other : with[i]) {
      if (offset[other] < 0)
        continue;
      if (int64_t gap = offset[other] - end; gap >= sizeOf(buffers[i]) && gap < room) {
        best = end;
        room = gap;
      }
      end = std::max(end, offset[other] + sizeOf(buffers[other]));
    }
    offset[i] = best < 0 ? end : best;
  }
  Stacking result;
  result.below.resize(n);
  result.top.assign(n, true);
  for (unsigned i = 0; i < n; ++i) {
    llvm::sort(with[i], lower);
    for (unsigned other : llvm::reverse(with[i])) {
      if (offset[other] > offset[i])
        continue;
      result.top[other] = false;
      bool implied = llvm::any_of(result.below[i], [&](unsigned between) {
        return buffers[other].first <= buffers[between].last && buffers[between].first <= buffers[other].last;
      });
      if (!implied)
        result.below[i].push_back(other);
    }
  }
  result.order = llvm::to_vector(llvm::seq<unsigned>(0, n));
  llvm::sort(result.order, lower);
  return result;
}

Stacking ssm::stackBuffers(ArrayRef<Lifetime> buffers) {
  std::optional<Companions> with = findCompanions(buffers);
  return with ? stackBySize(buffers, *with) : stackInTime(buffers);
}
