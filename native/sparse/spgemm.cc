#include "sparse/spgemm.h"

#include <algorithm>
#include <atomic>

#include "core/memory.h"
#include "core/thread_pool.h"
#include "sparse/accumulators.h"
#include "sparse/convert.h"
#include "sparse/spgemm_blocks.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spgemm_rows.h"
#include "sparse/spgemm_wide.h"

namespace lapidary {
namespace {

constexpr size_t kMostFlat = 64;      // products for each entry of A, where the columns of a row are put together first
constexpr size_t kMostPlaces = 4096;  // products of a row whose places are kept for the rows that repeat it

// A new row is written in any order: its lines are asked for while its pattern is made.
template <class T>
[[gnu::always_inline]] inline void prefetch_for_write(T* row, size_t n) {
  constexpr size_t kMost = 8192 / sizeof(T);
  for (size_t e = 0; e < std::min(n, kMost); e += 64 / sizeof(T)) __builtin_prefetch(row + e, 1);
}

void set_bits(const uint32_t* column, const uint32_t* end, uint32_t base, uint64_t* bits) {
  for (; column < end; column++) bits[(*column - base) / 64] |= uint64_t{1} << (*column - base) % 64;
}

// A product and where its rows lie.
struct Product {
  const CsrPattern& a;
  const CsrPattern& b;
  const SpgemmOptions& options;
  const SpgemmPlan& plan;

  RowPattern row(size_t i) const {
    const size_t p = a.indptr[i];
    return {a.indices + p, a.indptr[i + 1] - p, a.nnz - p, plan.extents, b.indices};
  }
  MaskRow mask_row(size_t i) const {
    if (options.mask == nullptr) return {};
    const CsrPattern& m = *options.mask;
    return {m.indices + m.indptr[i], m.indices + m.indptr[i + 1], true, options.complement};
  }
};

// The rows of B that a slice sees: cut to its columns.
class SliceRow {
 public:
  bool init(ArenaFrame& scratch, size_t entries) {
    columns_ = scratch.take<uint32_t>(entries);
    extents_ = scratch.take<RowExtent>(entries);
    return columns_ != nullptr && extents_ != nullptr;
  }
  // What is left of a row in the columns of a window, and how many products that is.
  RowPattern cut(const RowPattern& row, const Window& window, uint64_t& products) {
    products = 0;
    for (size_t e = 0; e < row.n; e++) {
      const RowExtent k = row.extents[row.columns[e]];
      const uint32_t* const first = std::lower_bound(row.b_indices + k.begin, row.b_indices + k.end, window.low);
      const uint32_t* const last = std::upper_bound(first, row.b_indices + k.end, window.high);
      columns_[e] = static_cast<uint32_t>(e);
      extents_[e] = {static_cast<uint32_t>(first - row.b_indices), static_cast<uint32_t>(last - row.b_indices),
                     window.low, window.high};
      products += static_cast<uint64_t>(last - first);
    }
    return {columns_, row.n, row.n, extents_, row.b_indices};
  }

 private:
  uint32_t* columns_ = nullptr;
  RowExtent* extents_ = nullptr;
};

// The bitmap of a row in a dense window.
class DensePattern {
 public:
  bool init(ArenaFrame& scratch, size_t words, bool masked) {
    bits_ = scratch.take<uint64_t>(words);
    flat_ = scratch.take<uint32_t>(kMostPlaces + kRunSlack);
    if (masked) allowed_ = scratch.take<uint64_t>(words);
    if (bits_ == nullptr || flat_ == nullptr || (masked && allowed_ == nullptr)) return false;
    std::fill_n(bits_, words, 0);
    if (masked) std::fill_n(allowed_, words, 0);
    return true;
  }

  // Sets the bits of the row that the mask allows. blocks: the rows of B in words, or nothing. True if the columns of
  // all products lie in flat() afterwards.
  bool mark(const RowPattern& row, uint64_t products, const BlockRows* blocks, uint32_t base, size_t words,
            const MaskRow& mask) {
    bool flat = false;
    if (blocks != nullptr && blocks->indptr != nullptr)
      kernels_.mark_blocks(row, *blocks, base, bits_);
    else if (kernels_.mark_flat != nullptr && products <= std::min(kMostPlaces, kMostFlat * row.n)) {
      kernels_.mark_flat(row, base, flat_, bits_);
      flat = true;
    } else
      kernels_.mark(row, base, bits_);
    if (mask.given) restrict(base, words, mask);
    return flat;
  }
  const uint32_t* flat() const { return flat_; }
  void clear(size_t words) { std::fill_n(bits_, words, 0); }
  size_t count_and_clear(size_t words) { return kernels_.count_and_clear(bits_, words); }
  // The columns that a mask allows, as bits; to be all zero again at the end of the row.
  uint64_t* allowed() { return allowed_; }
  size_t count_few(const RowPattern& row, uint32_t base) { return kernels_.count_few(row, base, bits_); }
  uint64_t* bits() { return bits_; }

 private:
  void restrict(uint32_t base, size_t words, const MaskRow& mask) {
    const MaskRow in_reach = mask.between(base, words);
    if (mask.complement) {
      for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++)
        bits_[(*c - base) / 64] &= ~(uint64_t{1} << (*c - base) % 64);
      return;
    }
    set_bits(in_reach.begin, in_reach.end, base, allowed_);
    for (size_t w = 0; w < words; w++) {
      bits_[w] &= allowed_[w];
      allowed_[w] = 0;
    }
  }

  const PatternKernels& kernels_ = pattern_kernels();
  uint64_t* bits_ = nullptr;
  uint32_t* flat_ = nullptr;
  uint64_t* allowed_ = nullptr;  // all zero between rows
};

// Counts the rows of the windows of one part.
class Counter {
 public:
  bool init(ArenaFrame& scratch, const WindowPart& part, bool masked) {
    return (part.words == 0 || dense_.init(scratch, part.words, masked)) &&
           (part.bound == 0 || wide_.init(scratch, part)) && slice_.init(scratch, part.entries);
  }

  uint32_t count(const Product& product, const Window& window, size_t i) {
    RowPattern row = product.row(i);
    uint64_t products = product.plan.work[i].products;
    uint32_t base = product.plan.work[i].base();
    size_t words = product.plan.work[i].words();
    const BlockRows* blocks = &product.plan.blocks;
    if (window.slice) {
      row = slice_.cut(row, window, products);
      base = window.low & ~63u;
      words = window.high / 64 - window.low / 64 + 1;
      blocks = nullptr;
    }
    if (products == 0) return 0;
    const MaskRow mask = product.mask_row(i);
    if (window.kind != Accumulator::dense)
      return static_cast<uint32_t>(wide_.count(window.kind, row, std::min<uint64_t>(products, window.width()), mask));
    if (!mask.given && products < words / 4) return static_cast<uint32_t>(dense_.count_few(row, base));
    dense_.mark(row, products, blocks, base, words, mask);
    return static_cast<uint32_t>(dense_.count_and_clear(words));
  }

 private:
  DensePattern dense_;
  WidePattern wide_;
  SliceRow slice_;
};

// Fills the rows of the windows of one part.
template <class T>
class Writer {
 public:
  bool init(ArenaFrame& scratch, const WindowPart& part, const SpgemmOptions& options) {
    nothing_ = nothing_of<T>(options.semiring.add);
    width_ = 64 * part.words;
    if (part.words > 0) {
      before_ = scratch.take<uint32_t>(part.words);
      columns_ = scratch.take<uint32_t>(kMostPlaces + kDrainSlack);
      places_ = scratch.take<uint32_t>(kMostPlaces);
      placed_ = scratch.take<T>(kMostPlaces + kRunSlack);
      sums_ = scratch.take<T>(width_);
      if (before_ == nullptr || columns_ == nullptr || places_ == nullptr || placed_ == nullptr || sums_ == nullptr ||
          !dense_.init(scratch, part.words, options.mask != nullptr) || !blocks_.init(scratch, kMostPlaces))
        return false;
    }
    return (part.bound == 0 || wide_.init(scratch, part)) && slice_.init(scratch, part.entries);
  }

  // Writes row i, or a slice of it, with `count` entries; false if it has not so many.
  bool fill(const Product& product, const CsrView<T>& a, const CsrView<T>& b, const Window& window, size_t i,
            uint32_t* indices, T* values, size_t count) {
    RowInput<T> row{product.row(i), a.values + a.indptr[i], b.values};
    const RowWork& work = product.plan.work[i];
    uint64_t products = work.products;
    uint32_t base = work.base();
    size_t words = work.words();
    const BlockRows* blocks = &product.plan.blocks;
    if (window.slice) {
      static_cast<RowPattern&>(row) = slice_.cut(row, window, products);
      base = window.low & ~63u;
      words = window.high / 64 - window.low / 64 + 1;
      blocks = nullptr;
    }
    if (products == 0) return count == 0;
    const MaskRow mask = product.mask_row(i);
    const Semiring semiring = product.options.semiring;
    if (window.kind != Accumulator::dense)
      return wide_.fill(window.kind, row, semiring, std::min<uint64_t>(products, window.width()), mask,
                        product.options.sorted, indices, values, count);
    if (mask.given && !mask.complement) return fill_allowed(row, semiring, base, words, mask, indices, values, count);
    const bool may_repeat = !mask.given && !window.slice;
    prefetch_for_write(indices, count);
    prefetch_for_write(values, count);
    const bool flat = dense_.mark(row, products, blocks, base, words, mask);
    const bool head = may_repeat && i + 1 < product.a.rows && products <= kMostPlaces &&
                      product.plan.work[i + 1].repeat != static_cast<uint64_t>(Repeat::no);
    if (!head && !mask.given && (count >= 8 * words || products >= 4 * count)) {
      ready_sums();
      // A row that is not as counted must not be written: its end would be another's begin.
      if (rank_(dense_.bits(), words, before_) != count) return false;
      rows_.add_dense(row, semiring, base, sums_);
      rows_.take_dense(dense_.bits(), words, base, sums_, nothing_, indices, values);
      return true;
    }
    if (rank_(dense_.bits(), words, before_) != count) return false;
    if (head) {
      kernels_.places(row, base, dense_.bits(), before_, places_);
      const size_t found = drain_(dense_.bits(), nullptr, words, columns_);
      for (size_t e = 0; e < found; e++) indices[e] = base + columns_[e];
      placed_row_ = i;
      placed_count_ = count;
      by_block_ = semiring.is_plus_times() && blocks_.build(row, rows_.blocks, places_, products, count);
      if (by_block_)
        rows_.add_by_block(blocks_.run(row, 1, false), count, values);
      else
        rows_.add_by_place(row, semiring, places_, count, nothing_, placed_, values);
      return true;
    }
    std::fill_n(values, count, nothing_);
    if (flat && !mask.given && semiring.is_plus_times())
      rows_.add_flat(row, base, dense_.bits(), before_, dense_.flat(), placed_, indices, values);
    else
      rows_.add_by_rank(row, semiring, base, dense_.bits(), before_, mask.given, indices, values);
    dense_.clear(words);
    return true;
  }

  // The bits of the mask's row and its rank directory stand in for those of the products, which are then looked at
  // once.
  bool fill_allowed(const RowInput<T>& row, Semiring semiring, uint32_t base, size_t words, const MaskRow& mask,
                    uint32_t* indices, T* values, size_t count) {
    const MaskRow in_reach = mask.between(base, words);
    if (in_reach.begin == in_reach.end) return count == 0;
    ready_sums();
    uint64_t* const allowed = dense_.allowed();
    uint64_t* const found = dense_.bits();
    set_bits(in_reach.begin, in_reach.end, base, allowed);
    rank_(allowed, words, before_);
    rows_.add_allowed(row, semiring, base, allowed, before_, found, sums_);
    // The sums lie as the mask's columns do. As everywhere, nothing is written beyond `count`.
    size_t n = 0;
    for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++) {
      const uint32_t j = *c - base;
      T& sum = sums_[c - in_reach.begin];
      if (found[j / 64] >> j % 64 & 1) {
        if (n < count) {
          indices[n] = *c;
          values[n] = sum;
        }
        n++;
        sum = nothing_;
      }
    }
    for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++)
      allowed[(*c - base) / 64] = found[(*c - base) / 64] = 0;
    return n == count;
  }

  // Fills the rows from i on that repeat row i − 1, if its places are known: up to the row that is the result, or none
  // if one of them is not as long as c says.
  size_t fill_repeats(const Product& product, const CsrView<T>& a, const CsrView<T>& b, const Window& window, size_t i,
                      const CsrPattern& c, uint32_t* indices, T* values) {
    if (placed_row_ == kNone || placed_row_ + 1 != i || window.kind != Accumulator::dense || window.slice) return i;
    const size_t count = placed_count_;
    while (i < window.last && product.plan.work[i].repeat != static_cast<uint64_t>(Repeat::no)) {
      const uint64_t kind = product.plan.work[i].repeat;
      const size_t first = i;
      bool as_counted = true;
      do {
        as_counted &= c.indptr[i + 1] - c.indptr[i] == count;
        i++;
      } while (i < window.last && product.plan.work[i].repeat == kind);
      if (!as_counted) return kNone;
      const size_t p = c.indptr[first];
      const bool shifted = kind == static_cast<uint64_t>(Repeat::shifted);
      kernels_.repeat_columns(indices + p - count, count, i - first, shifted, indices + p);
      add_repeats(product, a, b, first, i, shifted, values + p);
      placed_row_ = i - 1;
    }
    return i;
  }

  static constexpr size_t kNone = ~size_t{0};

 private:
  void add_repeats(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t first, size_t last,
                   bool shifted, T* values) {
    const auto row = [&](size_t i) { return RowInput<T>{product.row(i), a.values + a.indptr[i], b.values}; };
    if (by_block_) return rows_.add_by_block(blocks_.run(row(first), last - first, shifted), placed_count_, values);
    for (size_t i = first; i < last; i++, values += placed_count_)
      rows_.add_by_place(row(i), product.options.semiring, places_, placed_count_, nothing_, placed_, values);
  }

  void ready_sums() {
    if (!sums_ready_) std::fill_n(sums_, width_, nothing_);
    sums_ready_ = true;
  }

  const PatternKernels& kernels_ = pattern_kernels();
  const RowKernels<T>& rows_ = row_kernels<T>();
  size_t (*const rank_)(const uint64_t*, size_t, uint32_t*) = kernels_.rank;
  const DrainBits drain_ = drain_bits();
  DensePattern dense_;
  WideRow<T> wide_;
  SliceRow slice_;
  T nothing_{};
  size_t width_ = 0;
  uint32_t* before_ = nullptr;   // ranks of words
  uint32_t* columns_ = nullptr;  // of a row whose places are kept
  T* sums_ = nullptr;            // over columns, all nothing_ between rows once ready
  bool sums_ready_ = false;
  // The last row whose places are known.
  uint32_t* places_ = nullptr;
  PlaceBlocks<T> blocks_;
  bool by_block_ = false;
  T* placed_ = nullptr;
  size_t placed_row_ = kNone;
  size_t placed_count_ = 0;
};

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

// Counts the rows of all windows, or those of slices only. Slices keep their count; other rows go to use(i, count).
template <class Use>
Status count_windows(const Product& product, bool only_slices, Use use, Context context) {
  const SpgemmPlan& plan = product.plan;
  return run(plan, context, [&](const WindowPart& part) {
    ArenaFrame scratch;
    Counter counter;
    if (!counter.init(scratch, part, product.options.mask != nullptr)) return Status::out_of_memory;
    for (size_t w = part.first; w < part.last; w++) {
      Window& window = plan.windows[w];
      if (only_slices && !window.slice) continue;
      if (context.cancelled()) return Status::aborted;
      if (window.slice) {
        window.count = counter.count(product, window, window.first);
        continue;
      }
      uint32_t count = 0;
      for (size_t i = window.first; i < window.last; i++) {
        const bool repeats = i > window.first && product.options.mask == nullptr &&
                             plan.work[i].repeat != static_cast<uint64_t>(Repeat::no);
        if (!repeats) count = counter.count(product, window, i);
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
    if (!writer.init(scratch, part, options)) return Status::out_of_memory;
    for (size_t w = part.first; w < part.last; w++) {
      if (context.cancelled()) return Status::aborted;
      const Window& window = plan.windows[w];
      size_t i = writer.fill_repeats(product, a, b, window, window.first, c, indices, values);
      while (i < window.last) {
        size_t p = c.indptr[i], count = c.indptr[i + 1] - p;
        if (window.slice) {
          const bool first = w == 0 || plan.windows[w - 1].first != i;
          const size_t begin = first ? 0 : plan.windows[w - 1].count;
          p += begin;
          count = window.count - begin;
        }
        if (!writer.fill(product, a, b, window, i, indices + p, values + p, count)) return Status::bad_structure;
        i = writer.fill_repeats(product, a, b, window, i + 1, c, indices, values);
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
