#include "sparse/spgemm.h"

#include <algorithm>
#include <atomic>

#include "core/memory.h"
#include "core/thread_pool.h"
#include "sparse/convert.h"
#include "sparse/spgemm_pattern.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spgemm_writer.h"

namespace lapidary {
namespace {

// Runs all parts; the first status that is not ok is the result.
template <class Part>
Status run(const SpgemmPlan& plan, Context context, Part run_part) {
  std::atomic<Status> result{Status::ok};
  parallel_for(plan.part_count, [&](size_t part) {
    if (result.load(std::memory_order_relaxed) != Status::ok) return;
    const Status status = context.cancelled() ? Status::aborted : run_part(plan.parts[part]);
    if (status != Status::ok) result.store(status, std::memory_order_relaxed);
  });
  return result.load();
}

// How many entries rows have that others are like: the last few.
class PatternCounts {
 public:
  bool find(const RowWork& work, size_t i, uint32_t& count) const {
    if (work.back == 0) return false;
    for (size_t s = 0; s < std::min(added_, kLastPatterns); s++) {
      if (roots_[s] != i - work.back) continue;
      count = counts_[s];
      return true;
    }
    return false;
  }
  void add(const RowWork& work, size_t i, uint32_t count) {
    if (work.back == 0 && !work.again) return;
    roots_[added_ % kLastPatterns] = i - work.back;
    counts_[added_++ % kLastPatterns] = count;
  }

 private:
  size_t roots_[kLastPatterns];
  uint32_t counts_[kLastPatterns];
  size_t added_ = 0;
};

// Counts the rows of all windows, or those of slices only. Slices keep their count; other rows go to use(i, count).
template <class Use>
Status count_windows(const Product& product, bool only_slices, Use use, Context context) {
  const SpgemmPlan& plan = product.plan;
  return run(plan, context, [&](const WindowPart& part) {
    ArenaFrame scratch;
    Counter counter;
    if (!counter.init(scratch, part, product.options.mask != nullptr)) return Status::out_of_memory;
    PatternCounts patterns;
    uint32_t count = 0;
    const size_t first = plan.windows[part.first].first;
    for (size_t w = part.first; w < part.last; w++) {
      Window& window = plan.windows[w];
      if (only_slices && !window.slice) continue;
      if (context.cancelled()) return Status::aborted;
      if (window.slice) {
        window.count = counter.count(product, window, window.first);
        continue;
      }
      for (size_t i = window.first; i < window.last; i++) {
        const bool repeats =
            i > first && product.options.mask == nullptr && plan.work[i].repeat != static_cast<uint64_t>(Repeat::no);
        if (!repeats && !patterns.find(plan.work[i], i, count)) {
          count = counter.count(product, window, i);
          patterns.add(plan.work[i], i, count);
        }
        use(i, count);
      }
    }
    return Status::ok;
  });
}

}  // namespace

Status spgemm_count(SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b, const SpgemmOptions& options,
                    uint32_t* indptr, SpgemmStats& stats, Context context) {
  const Product product{a, b, options, plan};
  const Status status = count_windows(
      product, false, [&](size_t i, uint32_t count) { indptr[i + 1] = count; }, context);
  stats = plan.stats;
  if (status != Status::ok) return status;
  plan.slices_counted = true;
  plan.bits_kept = plan.row_bits != nullptr;
  for (size_t w = 0; w < plan.window_count; w++) {
    const Window& window = plan.windows[w];
    if (!window.slice) continue;
    const bool first = w == 0 || plan.windows[w - 1].first != window.first;
    indptr[window.first + 1] = window.count + (first ? 0 : indptr[window.first + 1]);
  }
  stats.nnz = counts_to_pointers({indptr, a.rows + 1});
  return Status::ok;
}

template <class T>
Status spgemm_fill(SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                   const CsrPattern& c, uint32_t* indices, T* values, Context context) {
  const Product product{a, b, options, plan};
  if (plan.has_slices) {
    if (!plan.slices_counted) {
      const Status counted = count_windows(
          product, true, [](size_t, uint32_t) {}, context);
      if (counted != Status::ok) return counted;
    }
    // From here on the count of a slice is where it ends in its row.
    for (size_t w = 1; w < plan.window_count; w++) {
      Window& window = plan.windows[w];
      const Window& before = plan.windows[w - 1];
      if (window.slice && before.first == window.first) window.count += before.count;
    }
    for (size_t w = 0; w < plan.window_count; w++) {
      const Window& window = plan.windows[w];
      const bool last = w + 1 == plan.window_count || plan.windows[w + 1].first != window.first;
      if (window.slice && last && window.count != c.indptr[window.last] - c.indptr[window.first])
        return Status::bad_structure;
    }
  }
  expect_full_write(indices, c.nnz * sizeof *indices);
  expect_full_write(values, c.nnz * sizeof *values);
  return run(plan, context, [&](const WindowPart& part) {
    ArenaFrame scratch;
    Writer<T> writer;
    if (!writer.init(scratch, part, options, plan.most_repeated)) return Status::out_of_memory;
    size_t i = 0;  // the next row
    const size_t end = plan.windows[part.last - 1].last;
    for (size_t w = part.first; w < part.last; w++) {
      if (context.cancelled()) return Status::aborted;
      const Window& window = plan.windows[w];
      i = window.slice ? window.first : std::max(i, window.first);
      while (i < window.last) {
        size_t p = c.indptr[i], count = c.indptr[i + 1] - p;
        if (window.slice) {
          const bool first = w == 0 || plan.windows[w - 1].first != i;
          const size_t begin = first ? 0 : plan.windows[w - 1].count;
          p += begin;
          count = window.count - begin;
        }
        if (!writer.fill(product, a, b, window, i, end, indices + p, values + p, count)) return Status::bad_structure;
        i = writer.fill_repeats(product, a, b, i + 1, end, c, indices, values);
      }
      if (i == Writer<T>::kNone) return Status::bad_structure;
    }
    return Status::ok;
  });
}

#define LAPIDARY_INSTANTIATE(T)                                                                        \
  template Status spgemm_fill(SpgemmPlan&, const CsrView<T>&, const CsrView<T>&, const SpgemmOptions&, \
                              const CsrPattern&, uint32_t*, T*, Context)
LAPIDARY_INSTANTIATE(double);
LAPIDARY_INSTANTIATE(float);
LAPIDARY_INSTANTIATE(int32_t);
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
