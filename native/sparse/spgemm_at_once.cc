// A product in one phase. The bitmap and the rank directory of a row, and its columns where they are put together, are
// made once and serve both to count the row and to fill it; or its products are sorted, where there is a kernel for
// that and few enough of them; or, where no order is asked for or under a mask, the row itself is kept and copied. Rows
// go in groups that leave what is kept of them in the second-level cache. Where a group begins in C it learns from the
// group before, which says where it ends once it has counted, before it fills (the chained scan of Merrill & Garland
// 2016, a step back at a time). Groups are taken in order, so whoever waits waits for a thread that is at work; they
// depend on the matrices alone, and so does C.
#include <algorithm>
#include <atomic>
#include <thread>

#include "core/memory.h"
#include "core/thread_pool.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_made_rows.h"
#include "sparse/spgemm_pattern.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spgemm_writer.h"

namespace lapidary {
namespace {

constexpr uint64_t kFewest = uint64_t{1} << 15;       // products: below it a second phase costs microseconds
constexpr uint64_t kSamples = 64;                     // rows
constexpr size_t kSampleParts = 8;                    // shared by threads: together they may be all of the product
constexpr size_t kKept = size_t{192} << 10;           // bytes of a group: a part of a second-level cache
constexpr size_t kBodies = 256;                       // at least as many as there can be threads
constexpr size_t kShortRow = 64;                      // products and words of a row that goes by bitmap, not sorted
constexpr uint64_t kMostMet = 6;                      // of a row that is left in the order of its products
constexpr size_t kMostMaskedWords = size_t{1} << 12;  // of a row's bitmap: three of them in a second-level cache
constexpr uint64_t kRankedWords = 32;                 // for each product: a table would cost as much
constexpr uint64_t kGroupShare = 2;                   // bytes of a group that a masked product counts for, as a shift
constexpr int kSpins = 1000;                          // before a thread that waits lets others run

// Of the bitmaps of dense windows, and of short rows in others, or of all rows under a mask.
size_t most_words(const SpgemmPlan& plan, const SpgemmOptions& options, size_t rows) {
  size_t words = kShortRow;
  if (options.mask != nullptr)
    for (size_t i = 0; i < rows; i++)
      if (plan.work[i].products > 0) words = std::max(words, plan.work[i].words());
  for (size_t part = 0; part < plan.part_count; part++) words = std::max(words, plan.parts[part].words);
  return words;
}

// What is kept of a row.
struct Kept {
  size_t words;    // of its bitmap
  size_t columns;  // or keys
  bool sorted;
  size_t values;  // where the row itself is kept
  size_t more;    // bytes that it counts for, so that groups are of about equal work

  size_t bytes() const { return sizeof(MarkedRow) + 12 * words + 4 * columns + 8 * values + more; }
};

// Which rows are sorted. A bitmap costs a cycle for each of its words and eight for each product; sorting costs what
// the next power of two would.
class Keeping {
 public:
  Keeping(const SpgemmPlan& plan, const SpgemmOptions& options)
      : can_sort_(may_sort(pattern_kernels(), options) && options.semiring.is_plus_times()),
        mask_(options.mask),
        appends_(mask_ == nullptr && !options.sorted && options.accumulator == Accumulator::automatic &&
                 options.semiring.is_plus_times()) {
    // Where rows are few products over many columns, as many stamps miss the caches: those are sorted in registers.
    for (size_t w = 0; w < plan.window_count && appends_; w++) appends_ = plan.windows[w].kind == Accumulator::dense;
    for (size_t w = 0; w < plan.window_count && appends_; w++)
      for (size_t i = plan.windows[w].first; i < plan.windows[w].last && appends_; i++)
        appends_ = plan.work[i].products <= kMostAppended && 64 * plan.work[i].words() <= kMostStamps;
    appends_ = appends_ && seldom_meet(plan);
  }

  // Whether all rows are kept as they are to be, in no order.
  bool appends() const { return appends_; }

  // Whether rows are made under a mask.
  bool masks() const { return mask_ != nullptr; }

  static bool is_short(const RowWork& work) { return work.products + work.words() <= kShortRow; }
  // Whether a row can be kept that is not in a dense window.
  bool suits(const RowWork& work) const { return work.products == 0 || is_short(work) || sorts(work); }
  bool sorts(const RowWork& work) const {
    return can_sort_ && work.products > 0 && fit_keys(work.products, work.words()) && !is_short(work);
  }

  Kept of(const RowWork& work, size_t i) const {
    if (work.products == 0) return {};
    if (masks()) {
      const size_t most = std::min<uint64_t>(work.products, mask_->indptr[i + 1] - mask_->indptr[i]);
      return {0, most, false, most, work.products >> kGroupShare};
    }
    if (appends_) return {0, work.products, false, work.products, 0};
    if (sorts(work)) return {0, work.products, true, 0, 0};
    return {work.words(), std::min<uint64_t>(work.products, kMostPlaces), false, 0, 0};
  }

 private:
  // Few of the p products of a row meet another, of p²/2c expected in c columns: each that does is searched for.
  static bool seldom_meet(const SpgemmPlan& plan) {
    uint64_t met = 0, rows = 0;  // in 64ths
    for (size_t w = 0; w < plan.window_count; w++)
      for (size_t i = plan.windows[w].first; i < plan.windows[w].last; i++) {
        const RowWork& work = plan.work[i];
        if (work.products == 0) continue;
        met += work.products * work.products / (2 * work.words());
        rows++;
      }
    return met <= 64 * kMostMet * rows;
  }

  bool can_sort_;
  const CsrPattern* mask_;
  bool appends_;
};

// Rows first[g] … first[g + 1] − 1 are a group.
struct Groups {
  const uint32_t* first = nullptr;
  size_t count = 0;
  size_t rows = 0;  // the most that a group has of each
  size_t words = 0;
  size_t columns = 0;

  bool build(const SpgemmPlan& plan, const Keeping& keeping, size_t rows_of_c, ArenaFrame& scratch) {
    uint32_t* to = nullptr;
    for (int pass = 0; pass < 2; pass++) {
      size_t g = 0, begin = 0, bytes = 0, words_now = 0, columns_now = 0;
      for (size_t i = 0; i < rows_of_c; i++) {
        const Kept row = keeping.of(plan.work[i], i);
        if (i == 0 || bytes + row.bytes() > kKept) {
          if (to != nullptr) to[g] = static_cast<uint32_t>(i);
          g++;
          begin = i;
          bytes = words_now = columns_now = 0;
        }
        bytes += row.bytes();
        rows = std::max(rows, i + 1 - begin);
        words = std::max(words, words_now += row.words);
        columns = std::max(columns, columns_now += row.columns);
      }
      if (to != nullptr) break;
      count = g;
      to = scratch.take<uint32_t>(count + 1);
      if (to == nullptr) return false;
    }
    to[count] = static_cast<uint32_t>(rows_of_c);
    first = to;
    return true;
  }
};

// Marks the rows of a group and keeps what it finds.
class KeptRows {
 public:
  explicit KeptRows(const Keeping& keeping) : keeping_(keeping) {}

  bool init(ArenaFrame& scratch, const Groups& groups) {
    rows_ = scratch.take<MarkedRow>(groups.rows);
    bits_ = scratch.take<uint64_t>(groups.words);
    before_ = scratch.take<uint32_t>(groups.words);
    flat_ = scratch.take<uint32_t>(groups.columns + kMostSorted + kRunSlack);
    if (rows_ == nullptr || bits_ == nullptr || before_ == nullptr || flat_ == nullptr) return false;
    std::fill_n(bits_, groups.words, 0);
    return true;
  }

  // The number of entries of rows first … last − 1.
  uint64_t mark(const Product& product, size_t first, size_t last) {
    uint64_t entries = 0;
    uint64_t* bits = bits_;
    uint32_t* before = before_;
    uint32_t* flat = flat_;
    for (size_t i = first; i < last; i++) {
      const RowWork& work = product.plan.work[i];
      MarkedRow& row = rows_[i - first];
      row = {};
      if (work.products == 0) continue;
      const Kept kept = keeping_.of(work, i);
      if (kept.sorted) {
        const size_t count = kernels_.sort(product.row(i), work.base(), flat);
        row = {work.base(), 0, work.products, nullptr, nullptr, nullptr, flat, count};
        entries += count;
        flat += work.products;
        continue;
      }
      const size_t words = kept.words;
      const bool put_down = mark_row(kernels_, product.row(i), work.products, work.base(), flat, bits);
      const size_t count = kernels_.rank(bits, words, before);
      row = {work.base(), words, work.products, bits, before, put_down ? flat : nullptr, nullptr, count};
      entries += count;
      bits += words;
      before += words;
      if (put_down) flat += work.products;
    }
    return entries;
  }
  const MarkedRow& operator[](size_t r) const { return rows_[r]; }

 private:
  const PatternKernels& kernels_ = pattern_kernels();
  const Keeping& keeping_;
  MarkedRow* rows_ = nullptr;
  uint64_t* bits_ = nullptr;  // all zero between groups
  uint32_t* before_ = nullptr;
  uint32_t* flat_ = nullptr;  // or keys
};

// Entries that there must be room for if rows under a mask can be made in one phase, else 0: not where a row is cut, or
// so many columns are in reach of so few products that a table serves better.
uint64_t masked_room(const SpgemmPlan& plan, const SpgemmOptions& options, size_t rows) {
  if (options.complement || options.accumulator != Accumulator::automatic || plan.has_slices) return 0;
  const CsrPattern& mask = *options.mask;
  uint64_t room = 0, words = 0;
  for (size_t i = 0; i < rows; i++) {
    const RowWork& work = plan.work[i];
    if (work.products == 0) continue;
    if (work.words() > kMostMaskedWords) return 0;
    words += work.words();
    room += std::min<uint64_t>(work.products, mask.indptr[i + 1] - mask.indptr[i]);
  }
  return words <= kRankedWords * plan.stats.products ? room : 0;
}

}  // namespace

// Rows are drawn evenly from all products, so that long ones have the weight that they have in the result.
Status spgemm_room_at_once(const SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b,
                           const SpgemmOptions& options, uint64_t& room, Context context) {
  room = 0;
  const uint64_t total = plan.stats.products;
  if (options.mask != nullptr) {
    if (total >= kFewest) room = masked_room(plan, options, a.rows);
    return Status::ok;
  }
  if (plan.has_slices || (plan.blocks.given() && !plan.blocks.narrow())) return Status::ok;
  if (total < kFewest || total > 0xffffffffu || 8 * plan.repeated_rows > a.rows) return Status::ok;
  const Keeping keeping(plan, options);
  const bool free = options.accumulator == Accumulator::automatic;
  for (size_t w = 0; w < plan.window_count; w++) {
    const Window& window = plan.windows[w];
    for (size_t i = window.first; i < window.last; i++) {
      const RowWork& work = plan.work[i];
      if (window.kind != Accumulator::dense && !(free && keeping.suits(work))) return Status::ok;
    }
  }
  size_t sample[kSamples + 2];
  size_t drawn = 0;
  const uint64_t step = total / kSamples;
  uint64_t seen = 0, next = step / 2, products = 0;
  for (size_t i = 0; i < a.rows; i++) {
    seen += plan.work[i].products;
    if (seen <= next) continue;
    if (plan.work[i].products > step) return Status::ok;  // few rows that long: not worth a sample
    next = seen + step;
    products += plan.work[i].products;
    sample[drawn++] = i;
  }
  const Product product{a, b, options, plan};
  const Window window{0, 0, 0, 0, Accumulator::dense, false, 0};
  const size_t words = most_words(plan, options, a.rows);
  const auto sort = pattern_kernels().sort;
  std::atomic<uint64_t> entries{0};
  std::atomic<Status> result{Status::ok};
  parallel_for(kSampleParts, [&](size_t part) {
    ArenaFrame scratch;
    Counter counter;
    uint32_t* const keys = scratch.take<uint32_t>(kMostSorted + kRunSlack);
    if (keys == nullptr || !counter.init(scratch, {0, 0, words, 0, 0, 0}, false))
      return result.store(Status::out_of_memory);
    for (size_t s = part; s < drawn; s += kSampleParts) {
      if (context.cancelled()) return result.store(Status::aborted);
      const size_t i = sample[s];
      const RowWork& work = plan.work[i];
      const size_t count =
          keeping.sorts(work) ? sort(product.row(i), work.base(), keys) : counter.count(product, window, i);
      entries.fetch_add(count, std::memory_order_relaxed);
    }
  });
  if (8 * entries.load() >= 7 * products) room = total;
  return result.load();
}

template <class T>
Status spgemm_at_once(const SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                      uint64_t room, uint32_t* indptr, uint32_t* indices, T* values, SpgemmStats& stats,
                      Context context) {
  const Product product{a, b, options, plan};
  ArenaFrame shared;
  const Keeping keeping(plan, options);
  Groups groups;
  if (!groups.build(plan, keeping, a.rows, shared)) return Status::out_of_memory;
  uint64_t* const ends = shared.take<uint64_t>(groups.count);  // of each group in C, plus one; 0: not known yet
  if (ends == nullptr) return Status::out_of_memory;
  std::fill_n(ends, groups.count, 0);
  expect_full_write(indices, room * sizeof *indices);
  expect_full_write(values, room * sizeof *values);
  const WindowPart widest{0, 0, most_words(plan, options, a.rows), 0, 0, 0};

  std::atomic<Status> result{Status::ok};
  std::atomic<size_t> taken{0};
  // Where group g begins, once that is known; false if the call ends before.
  const auto begin_of = [&](size_t g, uint64_t& begin) {
    uint64_t end = 1;
    for (int spin = 0; g > 0 && (end = std::atomic_ref(ends[g - 1]).load(std::memory_order_acquire)) == 0; spin++) {
      if (result.load(std::memory_order_relaxed) != Status::ok) return false;
      if (spin >= kSpins) std::this_thread::yield();
    }
    begin = end - 1;
    return true;
  };
  const auto run = [&] {
    ArenaFrame scratch;
    KeptRows kept(keeping);
    MadeRows<T> made;
    Appender<T> appender;
    Writer<T> writer;
    const bool appends = keeping.appends(), makes = appends || keeping.masks();
    if (makes ? !made.init(scratch, groups.rows, groups.columns) : !kept.init(scratch, groups))
      return Status::out_of_memory;
    if (appends ? !appender.init(scratch) : !writer.init(scratch, widest, options, 0)) return Status::out_of_memory;
    const auto make = [&](size_t i, uint32_t* to, T* sums) {
      if (appends) return appender.make(product, a, b, i, to, sums);
      const size_t most = keeping.of(plan.work[i], i).values;
      return most == 0 ? 0 : writer.fill_masked(product, a, b, i, to, sums, most);
    };
    for (size_t g; (g = taken.fetch_add(1, std::memory_order_relaxed)) < groups.count;) {
      if (context.cancelled()) return Status::aborted;
      const size_t first = groups.first[g], last = groups.first[g + 1];
      const uint64_t entries = makes ? made.make(first, last, make) : kept.mark(product, first, last);
      uint64_t p = 0;
      if (!begin_of(g, p)) return Status::ok;
      if (p + entries > room) return Status::bad_structure;
      std::atomic_ref(ends[g]).store(p + entries + 1, std::memory_order_release);
      if (makes) {
        made.write(last - first, entries, p, indptr + first, indices, values);
        continue;
      }
      for (size_t i = first; i < last; i++) {
        const MarkedRow& row = kept[i - first];
        if (i + 1 < last && kept[i + 1 - first].keys == nullptr) {
          prefetch_for_write(indices + p + row.count, kept[i + 1 - first].count);
          prefetch_for_write(values + p + row.count, kept[i + 1 - first].count);
        }
        if (row.count > 0)
          writer.write({product.row(i), a.values + a.indptr[i], b.values}, options.semiring, row, false, indices + p,
                       values + p);
        p += row.count;
        indptr[i + 1] = static_cast<uint32_t>(p);
      }
    }
    return Status::ok;
  };
  indptr[0] = 0;
  parallel_for(std::min(groups.count, kBodies), [&](size_t) {
    if (taken.load(std::memory_order_relaxed) >= groups.count) return;
    const Status status = run();
    if (status != Status::ok) result.store(status, std::memory_order_relaxed);
  });
  stats = plan.stats;
  if (result.load() != Status::ok) return result.load();
  stats.nnz = ends[groups.count - 1] - 1;
  return Status::ok;
}

#define LAPIDARY_INSTANTIATE(T)                                                                                 \
  template Status spgemm_at_once(const SpgemmPlan&, const CsrView<T>&, const CsrView<T>&, const SpgemmOptions&, \
                                 uint64_t, uint32_t*, uint32_t*, T*, SpgemmStats&, Context)
LAPIDARY_INSTANTIATE(double);
LAPIDARY_INSTANTIATE(float);
LAPIDARY_INSTANTIATE(int32_t);
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
