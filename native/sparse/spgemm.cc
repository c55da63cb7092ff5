#include "sparse/spgemm.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "core/memory.h"
#include "core/thread_pool.h"
#include "sparse/accumulators.h"
#include "sparse/convert.h"
#include "sparse/spgemm_plan.h"

namespace lapidary {
namespace {

// Rows of B are short and come from anywhere. The extents are asked for kFar entries of A ahead, and the first lines of
// the row itself once its extent is there.
constexpr size_t kFar = 24;
constexpr size_t kNear = 8;
constexpr uint32_t kAhead = 32;  // entries of a row; the hardware follows from there

// The two functions below do nothing but prefetch, which GCC takes for no effect: it drops calls of them that it does
// not inline first.
#define LAPIDARY_PREFETCH [[gnu::always_inline]] inline

// Every line that n values touch: where they do not begin on one, there is one more than their bytes fill.
template <class T>
LAPIDARY_PREFETCH void prefetch_run(const T* first, size_t n) {
  for (size_t q = 0; q < n; q += 64 / sizeof(T)) __builtin_prefetch(first + q);
  if (n > 0) __builtin_prefetch(first + n - 1);
}

template <class T>
LAPIDARY_PREFETCH void prefetch_ahead(const CsrPattern& a, const CsrPattern& b, const T* values,
                                      const RowExtent* extents, size_t p) {
  if (p + kFar < a.nnz) __builtin_prefetch(&extents[a.indices[p + kFar]]);
  if (p + kNear >= a.nnz) return;
  const RowExtent& k = extents[a.indices[p + kNear]];
  prefetch_run(b.indices + k.begin, std::min(k.end - k.begin, kAhead));
  if (values != nullptr) prefetch_run(values + k.begin, std::min(k.end - k.begin, kAhead));
}

// Calls use(column) for each product of row i.
template <class Use>
void for_columns(const CsrPattern& a, const CsrPattern& b, const RowExtent* extents, size_t i, Use use) {
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
    prefetch_ahead<double>(a, b, nullptr, extents, p);
    const RowExtent k = extents[a.indices[p]];
    for (size_t q = k.begin; q < k.end; q++) use(b.indices[q]);
  }
}

// Calls use(column, product) for each product of row i, in the order of k.
template <class T, class Use>
void for_products(const CsrView<T>& a, const CsrView<T>& b, const RowExtent* extents, size_t i, Use use) {
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
    prefetch_ahead(a, b, b.values, extents, p);
    const RowExtent k = extents[a.indices[p]];
    const T x = a.values[p];
    for (size_t q = k.begin; q < k.end; q++) use(b.indices[q], x * b.values[q]);
  }
}

// A row with so many products for its width that looking at every column costs less than keeping a bitmap.
bool is_crowded(const RowWork& row, size_t width) { return row.products >= width / 4; }

// The columns in use of a window, for counting: bits, or bytes for crowded rows, whose neighbouring columns would make
// one chain of reads and writes of the same word.
class DenseCounter {
 public:
  bool init(ArenaFrame& scratch, size_t width) {
    flags_ = scratch.take<uint8_t>(width);
    if (flags_ == nullptr || !bits_.init(scratch, width)) return false;
    std::memset(flags_, 0, width);
    return true;
  }

  uint32_t count(const CsrPattern& a, const CsrPattern& b, const SpgemmPlan& plan, const Window& window, size_t i) {
    const size_t width = window.width();
    const uint32_t low = window.low;
    uint32_t found = 0;
    if (is_crowded(plan.work[i], width)) {
      for_columns(a, b, plan.extents, i, [&](uint32_t column) { flags_[column - low] = 1; });
      for (size_t j = 0; j < width; j++) found += flags_[j];
      std::memset(flags_, 0, width);
    } else {
      for_columns(a, b, plan.extents, i, [&](uint32_t column) { found += bits_.add(column - low); });
      bits_.clear(width);
    }
    return found;
  }

 private:
  ColumnBits bits_;
  uint8_t* flags_ = nullptr;
};

// Sums over the columns of a window. −0 stands for "nothing added": −0 + x is x to the last bit, zeros included.
template <class T>
class DenseSums {
 public:
  bool init(ArenaFrame& scratch, size_t width) {
    sums_ = scratch.take<T>(width);
    columns_ = scratch.take<uint32_t>(width + kDrainSlack);
    if (sums_ == nullptr || columns_ == nullptr || !bits_.init(scratch, width)) return false;
    std::fill_n(sums_, width, kNothing);
    return true;
  }

  // Writes row i to indices and values; false if it has not `count` entries.
  bool fill(const CsrView<T>& a, const CsrView<T>& b, const SpgemmPlan& plan, const Window& window, size_t i,
            uint32_t* indices, T* values, size_t count) {
    const size_t width = window.width();
    const uint32_t low = window.low;
    if (is_crowded(plan.work[i], width)) {
      for_products(a, b, plan.extents, i, [&](uint32_t column, T x) { sums_[column - low] += x; });
      if (drain_all(window, indices, values, count) == count) return true;
      // Some entry sums to −0 and looks like nothing: again, with the bitmap.
    }
    size_t found;
    if (plan.work[i].products >= width / 128) {
      for_products(a, b, plan.extents, i, [&](uint32_t column, T x) {
        sums_[column - low] += x;
        bits_.add(column - low);
      });
      found = bits_.drain(width, columns_);
    } else {
      for_products(a, b, plan.extents, i, [&](uint32_t column, T x) {
        sums_[column - low] += x;
        bits_.note(column - low);
      });
      found = bits_.drain_noted(width, columns_);
    }
    if (found != count) return false;
    for (size_t e = 0; e < count; e++) {
      const uint32_t j = columns_[e];
      indices[e] = low + j;
      values[e] = sums_[j];
      sums_[j] = kNothing;
    }
    return true;
  }

 private:
  static constexpr T kNothing = T{-0.0};
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

  // Every column whose sum is not −0, without a branch that depends on it.
  size_t drain_all(const Window& window, uint32_t* indices, T* values, size_t count) {
    const size_t width = window.width();
    size_t found = 0, j = 0;
    for (; j < width && found < count; j++) {
      const T sum = sums_[j];
      indices[found] = window.low + static_cast<uint32_t>(j);
      values[found] = sum;
      sums_[j] = kNothing;
      found += std::bit_cast<Bits>(sum) != std::bit_cast<Bits>(kNothing);
    }
    std::fill(sums_ + j, sums_ + width, kNothing);
    return found;
  }

  T* sums_ = nullptr;
  uint32_t* columns_ = nullptr;
  ColumnBits bits_;
};

// Sums in a hash table.
template <class T>
class HashSums {
 public:
  bool init(ArenaFrame& scratch, size_t bound) {
    sums_ = scratch.take<T>(ColumnTable::slots_for(bound));
    keys_ = scratch.take<uint64_t>(bound);
    other_ = scratch.take<uint64_t>(bound);
    return table_.init(scratch, bound) && sums_ != nullptr && keys_ != nullptr && other_ != nullptr;
  }

  bool fill(const CsrView<T>& a, const CsrView<T>& b, const SpgemmPlan& plan, const Window& window, size_t i,
            bool sorted, uint32_t* indices, T* values, size_t count) {
    table_.open(std::min<uint64_t>(plan.work[i].products, window.width()));
    size_t found = 0;
    for_products(a, b, plan.extents, i, [&](uint32_t column, T x) {
      bool added;
      const size_t slot = table_.find(column, added);
      if (added) {
        sums_[slot] = x;
        keys_[found++] = uint64_t{column} << 32 | slot;
      } else {
        sums_[slot] += x;
      }
    });
    if (found != count) return false;
    if (sorted) sort_by_column(keys_, other_, count, window.low, window.high);
    for (size_t e = 0; e < count; e++) {
      indices[e] = static_cast<uint32_t>(keys_[e] >> 32);
      values[e] = sums_[static_cast<uint32_t>(keys_[e])];
    }
    return true;
  }

 private:
  ColumnTable table_;
  T* sums_ = nullptr;
  uint64_t* keys_ = nullptr;
  uint64_t* other_ = nullptr;
};

// Runs use(window, frame) ... over all parts; the first status that is not ok is the result.
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

}  // namespace

Status spgemm_count(const CsrPattern& a, const CsrPattern& b, size_t width, Accumulator accumulator, uint32_t* indptr,
                    SpgemmStats& stats, Context context) {
  ArenaFrame plan_scratch;
  SpgemmPlan plan;
  const Status planned = plan.build(a, b, width, accumulator, plan_scratch, context);
  if (planned != Status::ok) return planned;
  const Status status = run(plan, context, [&](const WindowPart& part) {
    ArenaFrame scratch;
    DenseCounter dense;
    ColumnTable table;
    if (part.dense_width > 0 && !dense.init(scratch, part.dense_width)) return Status::out_of_memory;
    if (part.hash_bound > 0 && !table.init(scratch, part.hash_bound)) return Status::out_of_memory;
    for (size_t w = part.first; w < part.last; w++) {
      if (context.cancelled()) return Status::aborted;
      const Window& window = plan.windows[w];
      for (size_t i = window.first; i < window.last; i++) {
        uint32_t found = 0;
        if (plan.work[i].products == 0) {
        } else if (window.dense) {
          found = dense.count(a, b, plan, window, i);
        } else {
          table.open(std::min<uint64_t>(plan.work[i].products, window.width()));
          for_columns(a, b, plan.extents, i, [&](uint32_t column) {
            bool added;
            table.find(column, added);
            found += added;
          });
        }
        indptr[i + 1] = found;
      }
    }
    return Status::ok;
  });
  stats = plan.stats;
  if (status == Status::ok) stats.nnz = counts_to_pointers({indptr, a.rows + 1});
  return status;
}

template <class T>
Status spgemm_fill(const CsrView<T>& a, const CsrView<T>& b, Accumulator accumulator, bool sorted, const CsrPattern& c,
                   uint32_t* indices, T* values, Context context) {
  ArenaFrame plan_scratch;
  SpgemmPlan plan;
  const Status planned = plan.build(a, b, sizeof(T), accumulator, plan_scratch, context);
  if (planned != Status::ok) return planned;
  expect_full_write(indices, c.nnz * sizeof *indices);
  expect_full_write(values, c.nnz * sizeof *values);
  return run(plan, context, [&](const WindowPart& part) {
    ArenaFrame scratch;
    DenseSums<T> dense;
    HashSums<T> hash;
    if (part.dense_width > 0 && !dense.init(scratch, part.dense_width)) return Status::out_of_memory;
    if (part.hash_bound > 0 && !hash.init(scratch, part.hash_bound)) return Status::out_of_memory;
    for (size_t w = part.first; w < part.last; w++) {
      if (context.cancelled()) return Status::aborted;
      const Window& window = plan.windows[w];
      for (size_t i = window.first; i < window.last; i++) {
        const size_t p = c.indptr[i], count = c.indptr[i + 1] - p;
        bool as_counted;
        if (plan.work[i].products == 0)
          as_counted = count == 0;
        else if (window.dense)
          as_counted = dense.fill(a, b, plan, window, i, indices + p, values + p, count);
        else
          as_counted = hash.fill(a, b, plan, window, i, sorted, indices + p, values + p, count);
        if (!as_counted) return Status::bad_structure;
      }
    }
    return Status::ok;
  });
}

template Status spgemm_fill(const CsrView<float>&, const CsrView<float>&, Accumulator, bool, const CsrPattern&,
                            uint32_t*, float*, Context);
template Status spgemm_fill(const CsrView<double>&, const CsrView<double>&, Accumulator, bool, const CsrPattern&,
                            uint32_t*, double*, Context);

}  // namespace lapidary
