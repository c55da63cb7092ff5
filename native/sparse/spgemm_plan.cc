#include "sparse/spgemm_plan.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "core/checked.h"
#include "core/thread_pool.h"
#include "sparse/convert.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 16;  // entries of A that one part of the counting takes
// The same where what was found before counts: for matrices of less than a million entries a quarter of them.
constexpr size_t kLeastRowGrain = size_t{1} << 16, kMostRowGrain = size_t{1} << 18, kRowParts = 4;
// Products: tens of microseconds between looks at the cancel flag, but for runs of rows that repeat, which end with
// their part.
constexpr uint64_t kWindow = uint64_t{1} << 15;
constexpr uint64_t kPart = uint64_t{1} << 20;  // products: milliseconds, against tens of microseconds to set up
// The same where most rows are like others: each part finds its patterns anew, but every thread shall have some.
constexpr uint64_t kLeastPatternPart = uint64_t{1} << 19, kMostPatternPart = uint64_t{3} << 20, kPatternParts = 8;
constexpr uint64_t kMostParts = 128;
constexpr size_t kMostRows = size_t{1} << 12;   // of a window: its accumulator must suit them all
constexpr uint64_t kSlice = uint64_t{1} << 21;  // products: a row with more is cut by columns
constexpr uint64_t kMostSlices = 64;
constexpr uint64_t kNarrowest = uint64_t{1} << 12;  // columns of a slice
constexpr size_t kAhead = 16;                       // entries of A whose rows of B are asked for
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

// Where B is narrow every row can reach all of its columns: they need not be looked at.
RowWork work_in_narrow(const CsrPattern& a, const CsrPattern& b, size_t i, Repeat repeat) {
  uint64_t products = 0;
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++)
    products += b.indptr[a.indices[p] + size_t{1}] - b.indptr[a.indices[p]];
  if (products == 0) return {0, static_cast<uint64_t>(repeat), 0, 0, kNoColumn, 0};
  return {products, static_cast<uint64_t>(repeat), 0, 0, 0, static_cast<uint32_t>(b.cols - 1)};
}

RowWork work_of(const CsrPattern& a, const CsrPattern& b, size_t i, Repeat repeat) {
  uint64_t products = 0;
  uint32_t low = kNoColumn, high = 0;
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
    if (p + kAhead < a.nnz) __builtin_prefetch(b.indices + b.indptr[a.indices[p + kAhead]]);
    const uint32_t begin = b.indptr[a.indices[p]], end = b.indptr[a.indices[p] + size_t{1}];
    if (begin == end) continue;
    products += end - begin;
    low = std::min(low, b.indices[begin]);
    high = std::max(high, b.indices[end - 1]);
  }
  return {products, static_cast<uint64_t>(repeat), 0, 0, low, high};
}

// Whether all of rows i … i + kTogether − 1 repeat the row before, shifted; row i − 1 is there.
bool all_repeat(const CsrPattern& a, size_t i, const uint8_t* shifted, bool square) {
  if (square ? !all_set(shifted + i) : !are_shifted(a, i)) return false;
  for (size_t p = a.indptr[i - 1]; p < a.indptr[i]; p++)
    if (!all_set(shifted + a.indices[p] + 1)) return false;
  return true;
}

// Where row i of C and the rows of A and B that it comes from lie, counted from i.
uint64_t pattern_hash(const CsrPattern& a, const CsrPattern& b, size_t i) {
  uint64_t hash = 0, factor = 0x9e3779b97f4a7c15u;
  for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++, factor += 0x6a09e667f3bcc908u) {
    const size_t k = a.indices[p];
    hash += (uint64_t{a.indices[p] - static_cast<uint32_t>(i)} << 32 | (b.indptr[k + 1] - b.indptr[k])) * factor;
  }
  return hash;
}

// Whether row i of C has the products of row j, all columns moved by i − j.
bool same_pattern(const CsrPattern& a, const CsrPattern& b, size_t i, size_t j) {
  const uint32_t* const now = a.indices + a.indptr[i];
  const uint32_t* const before = a.indices + a.indptr[j];
  const size_t n = a.indptr[i + 1] - a.indptr[i];
  const uint32_t step = static_cast<uint32_t>(i - j);
  if (a.indptr[j + 1] - a.indptr[j] != n || !same_plus(before, now, n, step)) return false;
  for (size_t e = 0; e < n; e++) {
    const size_t p = b.indptr[now[e]], q = b.indptr[before[e]], length = b.indptr[now[e] + size_t{1}] - p;
    if (b.indptr[before[e] + size_t{1}] - q != length || !same_plus(b.indices + q, b.indices + p, length, step))
      return false;
  }
  return true;
}

// The last few rows that were not like the row before and not like one of these.
class LastPatterns {
 public:
  static constexpr size_t kNone = ~size_t{0};

  // The one that row i is like, or none, and then row i is one of them. Comparisons that fail cost more than they could
  // save: with too many of them nothing is compared any more.
  size_t find_or_add(const CsrPattern& a, const CsrPattern& b, size_t i) {
    if (failed_ > kMostFailed + 2 * found_) return kNone;
    const uint64_t hash = pattern_hash(a, b, i);
    for (size_t s = 0; s < std::min(added_, kSlots); s++) {
      if (hashes_[s] != hash || i - rows_[s] >= size_t{1} << kBackBits) continue;
      if (same_pattern(a, b, i, rows_[s])) {
        found_++;
        return rows_[s];
      }
      failed_++;
    }
    hashes_[added_ % kSlots] = hash;
    rows_[added_++ % kSlots] = i;
    return kNone;
  }

 private:
  static constexpr size_t kSlots = kLastPatterns, kMostFailed = 1024;
  size_t found_ = 0, failed_ = 0;
  uint64_t hashes_[kSlots];
  size_t rows_[kSlots];
  size_t added_ = 0;
};

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

// A window, its products, and what it needs of the scratch of its part, as in WindowPart.
struct CutWindow {
  Window window;
  uint64_t products;
  uint64_t most;  // products of one row
  size_t words;   // of a row
  size_t empty;   // rows without a product
};

// The next window, without its accumulator.
CutWindow next_window(const RowWork* work, size_t first, size_t last) {
  CutWindow cut{{first, first, kNoColumn, 0, Accumulator::dense, false, 0}, 0, 0, 0, 0};
  Window& window = cut.window;
  const size_t end = std::min(last, first + kMostRows);
  while (window.last < end && cut.products < kWindow) {
    const RowWork& row = work[window.last];
    if (row.products > kSlice && window.last > first && slices_of(row) > 1) break;
    window.last++;
    if (row.products == 0) {
      cut.empty++;
      continue;
    }
    cut.products += row.products;
    cut.most = std::max<uint64_t>(cut.most, row.products);
    cut.words = std::max(cut.words, row.words());
    window.low = std::min(window.low, row.low);
    window.high = std::max(window.high, row.high);
  }
  if (cut.products == 0) window.low = window.high = 0;
  return cut;
}

void add_scratch(const CsrPattern& a, const CutWindow& cut, WindowPart& part) {
  const Window& window = cut.window;
  if (window.slice || window.kind == Accumulator::heap)
    for (size_t i = window.first; i < window.last; i++)
      part.entries = std::max<size_t>(part.entries, a.indptr[i + 1] - a.indptr[i]);
  if (cut.products == 0) return;
  if (window.kind == Accumulator::dense) {
    part.words = std::max(part.words, window.slice ? window.high / 64 - window.low / 64 + size_t{1} : cut.words);
  } else {
    part.bound = std::max<size_t>(part.bound, std::min<uint64_t>(cut.most, window.width()));
    if (window.kind == Accumulator::sort) part.products = std::max<size_t>(part.products, cut.most);
  }
}

// A bitmap costs half a cycle for each of its words and each row; sorting a row costs some twenty for each product.
Accumulator choose(const Window& window, uint64_t products, uint64_t entries) {
  const uint64_t rows = window.last - window.first;
  if (window.width() <= 1024 * (products / rows + 1)) return Accumulator::dense;
  if (entries <= 2 * rows) return Accumulator::heap;
  return products <= 512 * rows ? Accumulator::sort : Accumulator::hash;
}

// How many words a row of B has where each has all of them, or 0 if they are too many, or most of them would be empty.
uint32_t narrow_words(const CsrPattern& b) {
  const size_t words = ceil_div(b.cols, 64);
  if (words == 0 || words > kMostNarrowWords || std::bit_ceil(words) * b.rows > 4 * b.nnz) return 0;
  return static_cast<uint32_t>(words);
}

// Rows of B as all words of theirs.
Status fill_narrow(const CsrPattern& b, uint32_t words, ArenaFrame& scratch, BlockRows& blocks) {
  const uint32_t stride = std::bit_ceil(words);
  uint64_t* const masks = scratch.take<uint64_t>(b.rows * stride);
  if (masks == nullptr) return Status::out_of_memory;
  const RowParts parts(b, kGrain);
  parallel_for(parts.count(), [&](size_t part) {
    std::fill(masks + parts.begin(part) * stride, masks + parts.begin(part + 1) * stride, 0);
    for (size_t k = parts.begin(part), last = parts.begin(part + 1); k < last; k++)
      for (size_t p = b.indptr[k]; p < b.indptr[k + 1]; p++)
        masks[k * stride + b.indices[p] / 64] |= uint64_t{1} << b.indices[p] % 64;
  });
  blocks = {nullptr, nullptr, masks, words, stride};
  return Status::ok;
}

// The words of 64 columns in which row k has entries.
uint32_t count_words(const CsrPattern& b, size_t k) {
  const size_t begin = b.indptr[k], end = b.indptr[k + 1];
  uint32_t count = begin < end;
  for (size_t p = begin + 1; p < end; p++) count += b.indices[p] / 64 != b.indices[p - 1] / 64;
  return count;
}

// Whether a sample says that rows of B have hardly fewer words than entries: then they need not all be counted.
bool hardly_compress(const CsrPattern& a, const CsrPattern& b) {
  constexpr size_t kSample = 1024;
  const size_t step = a.nnz / kSample + 1, most = b.nnz / 8;
  size_t entries = 0, words = 0;
  for (size_t p = step / 2; p < a.nnz && entries <= most; p += step) {
    const size_t k = a.indices[p];
    entries += b.indptr[k + 1] - b.indptr[k];
    words += count_words(b, k);
  }
  return 4 * words > 3 * entries;
}

// Rows of B in words of 64 columns; `blocks` stays as it is if that saves less than half of all products.
Status compress(const CsrPattern& a, const CsrPattern& b, uint64_t products, ArenaFrame& scratch, BlockRows& blocks) {
  if (hardly_compress(a, b)) return Status::ok;
  uint32_t* indptr = scratch.take<uint32_t>(b.rows + 1);
  if (indptr == nullptr) return Status::out_of_memory;
  const RowParts parts(b, kGrain);
  uint64_t sums[RowParts::kMost];
  parallel_for(parts.count(), [&](size_t part) {
    sums[part] = 0;
    for (size_t k = parts.begin(part), last = parts.begin(part + 1); k < last; k++)
      sums[part] += indptr[k] = count_words(b, k);
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
  blocks = {indptr, block, mask, 0, 0};
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
  const uint32_t narrow = narrow_words(b);
  const RowParts row_parts(a, std::clamp((a.nnz + a.rows) / kRowParts, kLeastRowGrain, kMostRowGrain));
  struct Sums {
    uint64_t products, counted, windows;  // windows: at most
    uint64_t repeated;                    // rows
    uint64_t most_repeated;               // products of one of them
  };
  Sums sums[RowParts::kMost];
  parallel_for(row_parts.count(), [&](size_t part) {
    const size_t first = row_parts.begin(part), last = row_parts.begin(part + 1);
    Sums sum{};
    const auto put = [&](size_t i, const RowWork& row) {
      row_work[i] = row;
      sum.products += row.products;
      if (masked || (row.repeat == static_cast<uint64_t>(Repeat::no) && row.back == 0)) sum.counted += row.products;
      if (row.repeat != static_cast<uint64_t>(Repeat::no) || row.back > 0) {
        sum.repeated++;
        if (!masked) sum.most_repeated = std::max<uint64_t>(sum.most_repeated, row.products);
      }
      if (row.products > kSlice) sum.windows += 1 + slices_of(row);
    };
    const auto put_repeated = [&](size_t i, Repeat repeat) {
      const RowWork& before = row_work[i - 1];
      const bool moves = repeat == Repeat::shifted && narrow == 0;
      put(i, {before.products, static_cast<uint64_t>(repeat), 0, 0, before.low + moves, before.high + moves});
    };
    // Looked for where at least half of all products so far repeated some.
    LastPatterns patterns;
    const auto put_like_another = [&](size_t i) {
      if (2 * sum.counted > sum.products || a.indptr[i] == a.indptr[i + 1]) return false;
      const size_t j = patterns.find_or_add(a, b, i);
      if (j == LastPatterns::kNone) return false;
      RowWork& other = row_work[j];
      if (uint64_t{other.high} + (i - j) > kNoColumn) return false;  // columns of some would be alike modulo 2^32 only
      other.again = 1;
      const uint32_t back = static_cast<uint32_t>(i - j), moved = narrow > 0 ? 0 : back;
      put(i, {other.products, static_cast<uint64_t>(Repeat::no), 0, back, other.low + moved, other.high + moved});
      return true;
    };
    for (size_t i = first; i < last; i++) {
      const Repeat repeat = repeat_of(a, i, shifted, square);
      if (repeat == Repeat::no || i == first) {
        if (repeat != Repeat::no || masked || !put_like_another(i))
          put(i, narrow > 0 ? work_in_narrow(a, b, i, repeat) : work_of(a, b, i, repeat));
        continue;
      }
      put_repeated(i, repeat);
      if (repeat == Repeat::shifted && i + kTogether < last && all_repeat(a, i + 1, shifted, square))
        for (size_t r = 0; r < kTogether; r++) put_repeated(++i, repeat);
    }
    // A window ends where it has its rows or its products, or before and after a row of slices.
    sum.windows += 2 + (last - first) / kMostRows + sum.products / kWindow;
    sums[part] = sum;
  });
  uint64_t total = 0;
  uint64_t counted = 0;  // rows that repeat the one before are not, unless a mask makes them differ
  size_t most_windows = 0;
  repeated_rows = most_repeated = 0;
  for (size_t part = 0; part < row_parts.count(); part++) {
    total += sums[part].products;
    counted += sums[part].counted;
    repeated_rows += sums[part].repeated;
    most_repeated = std::max<size_t>(most_repeated, sums[part].most_repeated);
    most_windows += std::exchange(sums[part].windows, most_windows);
  }
  blocks = {};
  Status compressed = Status::ok;
  if (counted >= 2 * b.nnz)
    compressed = narrow > 0 ? fill_narrow(b, narrow, scratch, blocks) : compress(a, b, total, scratch, blocks);
  if (compressed != Status::ok) return compressed;
  // Bits that would be made twice, where they take less than a byte for each product.
  row_bits = nullptr;
  bits_kept = false;
  if (blocks.narrow() && !masked && most_repeated == 0 && accumulator == Accumulator::automatic &&
      8 * uint64_t{blocks.words} * a.rows <= total) {
    row_bits = scratch.take<uint64_t>(blocks.words * a.rows);
    if (row_bits == nullptr) return Status::out_of_memory;
  }
  if (context.cancelled()) return Status::aborted;

  CutWindow* cuts = scratch.take<CutWindow>(most_windows);
  const uint64_t pattern_part = std::clamp(total / kPatternParts, kLeastPatternPart, kMostPatternPart);
  const uint64_t part_products = std::max(4 * counted < total ? pattern_part : kPart, total / kMostParts);
  windows = scratch.take<Window>(most_windows);
  WindowPart* part = scratch.take<WindowPart>(std::min<uint64_t>(most_windows, 2 * (total / part_products + 1)));
  if (cuts == nullptr || windows == nullptr || part == nullptr) return Status::out_of_memory;
  size_t cut_count[RowParts::kMost];
  parallel_for(row_parts.count(), [&](size_t p) {
    CutWindow* const begin = cuts + sums[p].windows;
    CutWindow* to = begin;
    const size_t last = row_parts.begin(p + 1);
    for (size_t row = row_parts.begin(p); row < last; row = to[-1].window.last) {
      CutWindow next = next_window(row_work, row, last);
      Window& window = next.window;
      const uint64_t slices = slices_of(row_work[row]);
      const uint64_t entries = a.indptr[window.last] - a.indptr[window.first];
      window.kind = accumulator == Accumulator::automatic ? choose(window, next.products, entries) : accumulator;
      window.slice = slices > 1;
      if (!window.slice) {
        *to++ = next;
        continue;
      }
      uint64_t ends[kMostSlices];
      cut_evenly(a, b, row, row_work[row], slices, ends);
      next.products /= slices;
      for (uint64_t s = 0; s < slices; s++) {
        if (s > 0) window.low = static_cast<uint32_t>(ends[s - 1]);
        window.high = static_cast<uint32_t>(ends[s] - 1);
        *to++ = next;
      }
    }
    cut_count[p] = static_cast<size_t>(to - begin);
    assert(to <= cuts + (p + 1 < row_parts.count() ? sums[p + 1].windows : most_windows));
  });

  stats = {};
  stats.products = total;
  has_slices = slices_counted = false;
  size_t parts_made = 0;
  uint64_t part_sum = part_products;  // as if a part were full
  window_count = 0;
  for (size_t p = 0; p < row_parts.count(); p++) {
    for (const CutWindow* cut = cuts + sums[p].windows; cut < cuts + sums[p].windows + cut_count[p]; cut++) {
      const Window& window = cut->window;
      if (part_sum >= part_products) {
        part[parts_made++] = {window_count, window_count, 0, 0, 0, 0};
        part_sum = 0;
      }
      part_sum += cut->products;
      add_scratch(a, *cut, part[parts_made - 1]);
      has_slices |= window.slice;
      if (!window.slice || window_count == 0 || windows[window_count - 1].first != window.first) {
        stats.rows[static_cast<size_t>(Accumulator::automatic)] += cut->empty;
        stats.rows[static_cast<size_t>(window.kind)] += window.last - window.first - cut->empty;
      }
      windows[window_count++] = window;
      part[parts_made - 1].last = window_count;
    }
  }
  work = row_work;
  parts = part;
  part_count = parts_made;
  return Status::ok;
}

}  // namespace lapidary
