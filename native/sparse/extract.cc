#include "sparse/extract.h"

#include <algorithm>
#include <atomic>

#include "core/arena.h"
#include "sparse/convert.h"
#include "sparse/rows.h"

namespace lapidary {
namespace {

// Where each column of A goes: targets[start[j] … start[j + 1]), ascending.
struct Targets {
  const uint32_t* start = nullptr;
  const uint32_t* targets = nullptr;
  bool ascending = false;  // no row needs sorting

  size_t count(uint32_t column) const { return start[column + size_t{1}] - start[column]; }
};

bool make_targets(ArenaFrame& scratch, const Picks& cols, size_t width, Targets& out) {
  uint32_t* start = scratch.take<uint32_t>(width + 2);
  uint32_t* targets = scratch.take<uint32_t>(cols.count);
  if (start == nullptr || targets == nullptr) return false;
  std::fill_n(start, width + 2, 0);
  out.ascending = true;
  for (size_t k = 0; k < cols.count; k++) {
    start[cols.list[k] + size_t{2}]++;
    out.ascending &= k == 0 || cols.list[k - 1] <= cols.list[k];
  }
  for (size_t j = 0; j < width; j++) start[j + 2] += start[j + 1];
  for (size_t k = 0; k < cols.count; k++) targets[start[cols.list[k] + size_t{1}]++] = static_cast<uint32_t>(k);
  out.start = start;
  out.targets = targets;
  return true;
}

struct Run {
  size_t begin;
  size_t end;
};

// The entries of row i with columns in a range.
Run run_of(const CsrPattern& a, size_t i, const Picks& cols) {
  const uint32_t* begin = a.indices + a.indptr[i];
  const uint32_t* end = a.indices + a.indptr[i + 1];
  if (cols.from == 0 && cols.count >= a.cols) return {a.indptr[i], a.indptr[i + 1]};
  const auto below = [](uint32_t column, size_t limit) { return column < limit; };
  const uint32_t* first = std::lower_bound(begin, end, cols.from, below);
  const uint32_t* last = std::lower_bound(first, end, cols.from + cols.count, below);
  return {static_cast<size_t>(first - a.indices), static_cast<size_t>(last - a.indices)};
}

}  // namespace

size_t first_pick_out_of_range(const Picks& picks, size_t limit) {
  if (picks.list == nullptr) {
    if (picks.from <= limit && picks.count <= limit - picks.from) return picks.count;
    return picks.from < limit ? limit - picks.from : 0;
  }
  const auto outside = [&](uint32_t index) { return index >= limit; };
  return static_cast<size_t>(std::find_if(picks.list, picks.list + picks.count, outside) - picks.list);
}

Status extract_count(const CsrPattern& a, const Picks& rows, const Picks& cols, uint32_t* indptr, Context context) {
  ArenaFrame scratch;
  Targets targets;
  if (cols.list != nullptr && !make_targets(scratch, cols, a.cols, targets)) return Status::out_of_memory;
  constexpr size_t kRows = 1024;  // of the result, for each part
  parallel_for(ceil_div(rows.count, kRows), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t r = part * kRows; r < std::min(rows.count, (part + 1) * kRows); r++) {
      size_t count = 0;
      if (cols.list == nullptr) {
        const Run run = run_of(a, rows[r], cols);
        count = run.end - run.begin;
      } else {
        for (size_t p = a.indptr[rows[r]]; p < a.indptr[rows[r] + 1]; p++) count += targets.count(a.indices[p]);
      }
      indptr[r + 1] = static_cast<uint32_t>(count);
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template <class T>
Status extract_fill(const CsrView<T>& a, const Picks& rows, const Picks& cols, const CsrPattern& out, uint32_t* indices,
                    T* values, Context context) {
  ArenaFrame scratch;
  Targets targets;
  if (cols.list != nullptr && !make_targets(scratch, cols, a.cols, targets)) return Status::out_of_memory;
  std::atomic<bool> full{false};
  const Status status = fill_rows(out, out, context, [&](size_t r, size_t q, size_t end) {
    const size_t i = rows[r];
    if (cols.list == nullptr) {
      const Run run = run_of(a, i, cols);
      if (run.end - run.begin != end - q) return SIZE_MAX;
      const uint32_t from = static_cast<uint32_t>(cols.from);
      for (size_t p = run.begin; p < run.end; p++) indices[q + p - run.begin] = a.indices[p] - from;
      std::copy_n(a.values + run.begin, run.end - run.begin, values + q);
      return end;
    }
    if (targets.ascending) {
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++)
        for (size_t t = targets.start[a.indices[p]]; t < targets.start[a.indices[p] + size_t{1}]; t++) {
          if (q == end) return SIZE_MAX;
          indices[q] = targets.targets[t];
          values[q++] = a.values[p];
        }
      return q;
    }
    // New column in the high half, position in the low: sorted, they are the row.
    const size_t n = end - q;
    ArenaFrame row_scratch;
    uint64_t* keys = row_scratch.take<uint64_t>(n);
    if (keys == nullptr) {
      full.store(true, std::memory_order_relaxed);
      return end;
    }
    size_t count = 0;
    for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++)
      for (size_t t = targets.start[a.indices[p]]; t < targets.start[a.indices[p] + size_t{1}]; t++) {
        if (count == n) return SIZE_MAX;
        keys[count++] = uint64_t{targets.targets[t]} << 32 | p;
      }
    if (count != n) return SIZE_MAX;
    std::sort(keys, keys + n);
    for (size_t e = 0; e < n; e++) {
      indices[q + e] = static_cast<uint32_t>(keys[e] >> 32);
      values[q + e] = a.values[static_cast<uint32_t>(keys[e])];
    }
    return end;
  });
  return full.load() ? Status::out_of_memory : status;
}

Status is_permutation(const uint32_t* list, size_t n, bool& yes, size_t& bad) {
  ArenaFrame scratch;
  uint64_t* seen = scratch.take<uint64_t>(ceil_div(n, 64));
  if (seen == nullptr) return Status::out_of_memory;
  std::fill_n(seen, ceil_div(n, 64), 0);
  for (bad = 0; bad < n; bad++) {
    const uint32_t index = list[bad];
    if (index >= n || (seen[index / 64] >> (index % 64) & 1)) break;
    seen[index / 64] |= uint64_t{1} << (index % 64);
  }
  yes = bad == n;
  return Status::ok;
}

#define LAPIDARY_INSTANTIATE(T)                                                                                 \
  template Status extract_fill(const CsrView<T>&, const Picks&, const Picks&, const CsrPattern&, uint32_t*, T*, \
                               Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
