#include "sparse/spgemm_plan.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "core/checked.h"
#include "core/thread_pool.h"
#include "sparse/convert.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 16;       // entries of A that one part of the counting takes
constexpr uint64_t kWindow = uint64_t{1} << 15;  // products: tens of microseconds between looks at the cancel flag
constexpr uint64_t kPart = uint64_t{1} << 20;    // products: milliseconds, against tens of microseconds to set up
constexpr uint64_t kMostParts = 128;
constexpr size_t kMostRows = size_t{1} << 12;   // of a window: its accumulator must suit them all
constexpr uint64_t kSlice = uint64_t{1} << 21;  // products: a row with more is cut by columns
constexpr uint64_t kMostSlices = 64;
constexpr uint64_t kNarrowest = uint64_t{1} << 12;  // columns of a slice
constexpr uint32_t kNoColumn = std::numeric_limits<uint32_t>::max();

bool same_plus(const uint32_t* x, const uint32_t* y, size_t n, uint32_t step) {
  uint32_t different = 0;
  for (size_t e = 0; e < n; e++) different |= (x[e] + step) ^ y[e];
  return different == 0;
}

// Row k of B is row k − 1 with one added to its columns.
bool is_shifted(const CsrPattern& b, size_t k) {
  const size_t p = b.indptr[k], n = b.indptr[k + 1] - p;
  if (k == 0 || n == 0 || p - b.indptr[k - 1] != n) return false;
  const uint32_t* const now = b.indices + p;
  const uint32_t* const before = now - n;
  return before[0] + 1 == now[0] && before[n - 1] + 1 == now[n - 1] && same_plus(before, now, n, 1);
}

// Rows are looked at kTogether at a time where one has been found to be like the row before: their entries are then one
// long run against another.
constexpr size_t kTogether = 16;

// Whether all of rows k … k + kTogether − 1 are shifted; row k − 1 is there.
bool are_shifted(const CsrPattern& b, size_t k) {
  const size_t p = b.indptr[k], n = p - b.indptr[k - 1];
  uint32_t different = n == 0;
  for (size_t r = k; r < k + kTogether; r++) different |= (b.indptr[r + 1] - b.indptr[r]) ^ static_cast<uint32_t>(n);
  return different == 0 && same_plus(b.indices + p - n, b.indices + p, kTogether * n, 1);
}

// shifted[k] for rows first … last − 1.
void find_shifted(const CsrPattern& b, size_t first, size_t last, uint8_t* shifted) {
  for (size_t k = first; k < last;) {
    shifted[k] = is_shifted(b, k);
    if (!shifted[k++] || k + kTogether > last) continue;
    if (are_shifted(b, k))
      std::fill_n(shifted + k, kTogether, uint8_t{1});
    else
      for (size_t r = k; r < k + kTogether; r++) shifted[r] = is_shifted(b, r);
    k += kTogether;
  }
}

bool all_set(const uint8_t* flags) {
  static constexpr uint8_t kOnes[kTogether] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return std::memcmp(flags, kOnes, kTogether) == 0;
}

// shifted: whether a row of B is the one before with one added, `square`: A is B, so that the rows of A are known too.
Repeat repeat_of(const CsrPattern& a, size_t i, const uint8_t* shifted, bool square) {
  const size_t p = a.indptr[i], n = a.indptr[i + 1] - p;
  if (i == 0 || n == 0 || p - a.indptr[i - 1] != n) return Repeat::no;
  const uint32_t* const now = a.indices + p;
  const uint32_t* const before = now - n;
  if (now[0] == before[0]) return same_plus(before, now, n, 0) ? Repeat::same : Repeat::no;
  if (now[0] != before[0] + 1) return Repeat::no;
  if (square ? !shifted[i] : !same_plus(before, now, n, 1)) return Repeat::no;
  for (size_t e = 0; e < n; e++)
    if (!shifted[now[e]]) return Repeat::no;
  return Repeat::shifted;
}

RowWork work_of(const CsrPattern& a, const CsrPattern& b, size_t i, Repeat repeat) {
  uint64_t products = 0;
  uint32_t low = kNoColumn, high = 0;
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
    const uint32_t begin = b.indptr[a.indices[p]], end = b.indptr[a.indices[p] + size_t{1}];
    if (begin == end) continue;
    products += end - begin;
    low = std::min(low, b.indices[begin]);
    high = std::max(high, b.indices[end - 1]);
  }
  return {products, static_cast<uint64_t>(repeat), low, high};
}

// Whether all of rows i … i + kTogether − 1 repeat the row before, shifted; row i − 1 is there.
bool all_repeat(const CsrPattern& a, size_t i, const uint8_t* shifted, bool square) {
  if (square ? !all_set(shifted + i) : !are_shifted(a, i)) return false;
  for (size_t p = a.indptr[i - 1]; p < a.indptr[i]; p++)
    if (!all_set(shifted + a.indices[p] + 1)) return false;
  return true;
}

// Windows of one row that is too long for one thread.
uint64_t slices_of(const RowWork& row) {
  if (row.products <= kSlice) return 1;
  const uint64_t width = uint64_t{row.high} - row.low + 1;
  return std::clamp<uint64_t>(std::min(row.products / (kSlice / 2), width / kNarrowest), 1, kMostSlices);
}

// Where the slices of a long row end, such that each has about the same number of products: a histogram of a sample of
// them over ranges of columns. ends[s] is the first column of slice s + 1.
void cut_evenly(const CsrPattern& a, const CsrPattern& b, size_t i, const RowWork& row, uint64_t slices,
                uint64_t* ends) {
  constexpr uint64_t kRanges = 2048, kSample = uint64_t{1} << 18;
  const uint64_t width = uint64_t{row.high} - row.low + 1, step = row.products / kSample + 1;
  uint32_t found[kRanges] = {};
  uint64_t total = 0, next = step / 2;  // products until the next of the sample
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
    const size_t k = a.indices[p], begin = b.indptr[k];
    const uint64_t n = b.indptr[k + 1] - begin;
    for (; next < n; next += step, total++) found[(b.indices[begin + next] - row.low) * kRanges / width]++;
    next -= n;
  }
  uint64_t range = 0, below = 0;
  for (uint64_t s = 0; s < slices; s++) {
    const uint64_t least = range + 1, most = kRanges - (slices - 1 - s);
    while (range < least || (range < most && below * slices < total * (s + 1))) below += found[range++];
    if (s + 1 == slices) range = kRanges;
    ends[s] = row.low + ceil_div(range * width, kRanges);
  }
}

// The next window, without its accumulator, and its products.
Window next_window(const RowWork* work, size_t first, size_t rows, uint64_t& products) {
  Window window{first, first, kNoColumn, 0, Accumulator::dense, false, 0};
  products = 0;
  const size_t most = std::min(rows, first + kMostRows);
  while (window.last < most && products < kWindow) {
    const RowWork& row = work[window.last];
    if (window.last > first && slices_of(row) > 1) break;
    window.last++;
    if (row.products == 0) continue;
    products += row.products;
    window.low = std::min(window.low, row.low);
    window.high = std::max(window.high, row.high);
  }
  if (products == 0) window.low = window.high = 0;
  return window;
}

// What a window needs of the scratch of its part.
void add_scratch(const CsrPattern& a, const RowWork* work, const Window& window, WindowPart& part) {
  const bool slice = window.slice;
  for (size_t i = window.first; i < window.last; i++) {
    const RowWork& one = work[i];
    if (slice || window.kind == Accumulator::heap)
      part.entries = std::max<size_t>(part.entries, a.indptr[i + 1] - a.indptr[i]);
    if (one.products == 0) continue;
    if (window.kind == Accumulator::dense) {
      part.words = std::max(part.words, slice ? window.high / 64 - window.low / 64 + size_t{1} : one.words());
    } else {
      part.bound = std::max<size_t>(part.bound, std::min<uint64_t>(one.products, window.width()));
      if (window.kind == Accumulator::sort) part.products = std::max<size_t>(part.products, one.products);
    }
  }
}

// A bitmap costs half a cycle for each of its words and each row; sorting a row costs some twenty for each product.
Accumulator choose(const Window& window, uint64_t products, uint64_t entries) {
  const uint64_t rows = window.last - window.first;
  if (window.width() <= 1024 * (products / rows + 1)) return Accumulator::dense;
  if (entries <= 2 * rows) return Accumulator::heap;
  return products <= 512 * rows ? Accumulator::sort : Accumulator::hash;
}

// Rows of B in words of 64 columns; `blocks` stays as it is if that saves less than half of all products.
Status compress(const CsrPattern& a, const CsrPattern& b, uint64_t products, ArenaFrame& scratch, BlockRows& blocks) {
  uint32_t* indptr = scratch.take<uint32_t>(b.rows + 1);
  if (indptr == nullptr) return Status::out_of_memory;
  const RowParts parts(b, kGrain);
  uint64_t sums[RowParts::kMost];
  const auto count_row = [&](size_t k) {
    const size_t begin = b.indptr[k], end = b.indptr[k + 1];
    uint32_t count = begin < end;
    for (size_t p = begin + 1; p < end; p++) count += b.indices[p] / 64 != b.indices[p - 1] / 64;
    return count;
  };
  parallel_for(parts.count(), [&](size_t part) {
    sums[part] = 0;
    for (size_t k = parts.begin(part), last = parts.begin(part + 1); k < last; k++)
      sums[part] += indptr[k] = count_row(k);
  });
  uint64_t total = 0;
  for (size_t part = 0; part < parts.count(); part++) total += std::exchange(sums[part], total);
  uint64_t used[RowParts::kMost];
  const RowParts a_parts(a, kGrain);
  parallel_for(a_parts.count(), [&](size_t part) {
    used[part] = 0;
    const size_t last = a.indptr[a_parts.begin(part + 1)];
    for (size_t p = a.indptr[a_parts.begin(part)]; p < last; p++) used[part] += indptr[a.indices[p]];
  });
  if (std::accumulate(used, used + a_parts.count(), uint64_t{0}) > products / 2) return Status::ok;
  uint32_t* block = scratch.take<uint32_t>(total);
  uint64_t* mask = scratch.take<uint64_t>(total);
  if (block == nullptr || mask == nullptr) return Status::out_of_memory;
  parallel_for(parts.count(), [&](size_t part) {
    uint32_t next = static_cast<uint32_t>(sums[part]);
    for (size_t k = parts.begin(part), last = parts.begin(part + 1); k < last; k++) {
      indptr[k] = next;
      for (size_t p = b.indptr[k]; p < b.indptr[k + 1];) {
        block[next] = b.indices[p] / 64;
        uint64_t bits = 0;
        for (; p < b.indptr[k + 1] && b.indices[p] / 64 == block[next]; p++) bits |= uint64_t{1} << b.indices[p] % 64;
        mask[next++] = bits;
      }
    }
  });
  indptr[b.rows] = static_cast<uint32_t>(total);
  blocks = {indptr, block, mask};
  return Status::ok;
}

}  // namespace

Status SpgemmPlan::build(const CsrPattern& a, const CsrPattern& b, Accumulator accumulator, bool masked,
                         ArenaFrame& scratch, Context context) {
  RowWork* row_work = scratch.take<RowWork>(a.rows);
  uint8_t* shifted = scratch.take<uint8_t>(b.rows);
  if (row_work == nullptr || shifted == nullptr) return Status::out_of_memory;

  parallel_for(ceil_div(b.rows, kGrain),
               [&](size_t part) { find_shifted(b, part * kGrain, std::min(b.rows, (part + 1) * kGrain), shifted); });
  const bool square = a.indices == b.indices && a.indptr == b.indptr;
  const RowParts row_parts(a, kGrain);
  struct Sums {
    uint64_t products, counted, windows;
  };
  Sums sums[RowParts::kMost];
  parallel_for(row_parts.count(), [&](size_t part) {
    const size_t first = row_parts.begin(part), last = row_parts.begin(part + 1);
    Sums sum{};
    const auto put = [&](size_t i, const RowWork& row) {
      row_work[i] = row;
      sum.products += row.products;
      if (masked || row.repeat == static_cast<uint64_t>(Repeat::no)) sum.counted += row.products;
      if (row.products > kSlice) sum.windows += 1 + slices_of(row);
    };
    const auto put_repeated = [&](size_t i, Repeat repeat) {
      const RowWork& before = row_work[i - 1];
      const bool moves = repeat == Repeat::shifted;
      put(i, {before.products, static_cast<uint64_t>(repeat), before.low + moves, before.high + moves});
    };
    for (size_t i = first; i < last; i++) {
      const Repeat repeat = repeat_of(a, i, shifted, square);
      if (repeat == Repeat::no || i == first) {
        put(i, work_of(a, b, i, repeat));
        continue;
      }
      put_repeated(i, repeat);
      if (repeat == Repeat::shifted && i + kTogether < last && all_repeat(a, i + 1, shifted, square))
        for (size_t r = 0; r < kTogether; r++) put_repeated(++i, repeat);
    }
    sums[part] = sum;
  });
  uint64_t total = 0;
  uint64_t counted = 0;     // rows that repeat the one before are not, unless a mask makes them differ
  size_t most_windows = 2;  // a window ends where it has its rows or its products, or before and after a row of slices
  for (size_t part = 0; part < row_parts.count(); part++) {
    total += sums[part].products;
    counted += sums[part].counted;
    most_windows += sums[part].windows;
  }
  most_windows += a.rows / kMostRows + total / kWindow;
  blocks = {};
  const Status compressed = counted < 2 * b.nnz ? Status::ok : compress(a, b, total, scratch, blocks);
  if (compressed != Status::ok) return compressed;
  if (context.cancelled()) return Status::aborted;

  Window* window = scratch.take<Window>(most_windows);
  const uint64_t part_products = std::max(kPart, total / kMostParts);
  WindowPart* part = scratch.take<WindowPart>(std::min<uint64_t>(most_windows, 2 * (total / part_products + 1)));
  if (window == nullptr || part == nullptr) return Status::out_of_memory;

  stats = {};
  stats.products = total;
  has_slices = slices_counted = false;
  size_t w = 0, parts_made = 0;
  uint64_t part_sum = part_products;  // as if a part were full
  for (size_t row = 0; row < a.rows;) {
    uint64_t products;
    Window next = next_window(row_work, row, a.rows, products);
    const uint64_t slices = slices_of(row_work[row]);
    const uint64_t entries = a.indptr[next.last] - a.indptr[next.first];
    next.kind = accumulator == Accumulator::automatic ? choose(next, products, entries) : accumulator;
    next.slice = slices > 1;
    has_slices |= next.slice;
    uint64_t ends[kMostSlices];
    if (next.slice) cut_evenly(a, b, row, row_work[row], slices, ends);
    for (uint64_t s = 0; s < slices; s++) {
      if (next.slice) {
        if (s > 0) next.low = static_cast<uint32_t>(ends[s - 1]);
        next.high = static_cast<uint32_t>(ends[s] - 1);
      }
      window[w] = next;
      if (part_sum >= part_products) {
        part[parts_made++] = {w, w, 0, 0, 0, 0};
        part_sum = 0;
      }
      part_sum += products / slices;
      WindowPart& current = part[parts_made - 1];
      current.last = ++w;
      add_scratch(a, row_work, next, current);
    }
    for (size_t i = next.first; i < next.last; i++)
      stats.rows[static_cast<size_t>(row_work[i].products == 0 ? Accumulator::automatic : next.kind)]++;
    row = next.last;
  }
  work = row_work;
  windows = window;
  window_count = w;
  parts = part;
  part_count = parts_made;
  return Status::ok;
}

}  // namespace lapidary
