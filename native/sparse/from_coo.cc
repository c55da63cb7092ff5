#include "sparse/from_coo.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/arena.h"
#include "core/checked.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "sparse/convert.h"

namespace lapidary {
namespace {

constexpr size_t kSlice = size_t{1} << 16;  // entries of a part: tens of microseconds
constexpr size_t kMostSlices = 64;
constexpr size_t kBucket = size_t{1} << 14;  // entries of a bucket, if rows are of about one length
constexpr size_t kMostBuckets = 1024;
constexpr size_t kFew = 48;  // entries that are sorted by insertion

// An entry of a bucket: row and column, and its position before sorting.
struct Entry {
  uint64_t key;
  uint32_t position;
};

// Sorts n entries by the low `bits` of their keys, stable; gives whichever of the two arrays holds the result.
Entry* sort_entries(Entry* entries, Entry* other, size_t n, int bits) {
  if (n <= kFew) {
    for (size_t i = 1; i < n; i++) {
      const Entry entry = entries[i];
      size_t j = i;
      for (; j > 0 && entries[j - 1].key > entry.key; j--) entries[j] = entries[j - 1];
      entries[j] = entry;
    }
    return entries;
  }
  constexpr int kDigit = 10;
  const int passes = (bits + kDigit - 1) / kDigit;
  for (int pass = 0, shift = 0; pass < passes; pass++) {
    const int width = (bits - shift + passes - pass - 1) / (passes - pass);
    const uint64_t mask = (uint64_t{1} << width) - 1;
    uint32_t start[size_t{1} << kDigit] = {};
    for (size_t e = 0; e < n; e++) start[entries[e].key >> shift & mask]++;
    uint32_t sum = 0;
    for (uint64_t digit = 0; digit <= mask; digit++) sum += std::exchange(start[digit], sum);
    for (size_t e = 0; e < n; e++) other[start[entries[e].key >> shift & mask]++] = entries[e];
    std::swap(entries, other);
    shift += width;
  }
  return entries;
}

// Integers wrap.
template <class T>
T sum_of(T x, T y) {
  using Ring = std::conditional_t<std::is_integral_v<T>, uint32_t, T>;
  return static_cast<T>(static_cast<Ring>(x) + static_cast<Ring>(y));
}

int bits_for(size_t count) { return count <= 1 ? 0 : std::bit_width(count - 1); }

// How triplets are cut: entries into slices of one length, rows into buckets of 2^shift.
struct Deal {
  size_t slices;
  size_t slice;
  size_t buckets;
  int shift;

  Deal(size_t n, size_t rows) {
    slices = std::clamp<size_t>(n / kSlice, 1, kMostSlices);
    slice = ceil_div(n, slices);
    const size_t most = std::clamp<size_t>(n / kBucket, 1, kMostBuckets);
    shift = 0;
    while (rows > 0 && (rows - 1) >> shift >= most) shift++;
    buckets = rows == 0 ? 0 : ((rows - 1) >> shift) + 1;
  }
};

}  // namespace

template <class T>
size_t first_out_of_range(const Triplets<T>& entries) {
  const size_t n = entries.row.size();
  const Deal deal(n, entries.rows);
  const auto outside = [&](size_t e) { return entries.row[e] >= entries.rows || entries.col[e] >= entries.cols; };
  std::atomic<bool> any{false};
  parallel_for(deal.slices, [&](size_t s) {
    bool found = false;  // without a branch for each entry
    for (size_t e = s * deal.slice, end = std::min(n, (s + 1) * deal.slice); e < end; e++) found |= outside(e);
    if (found) any.store(true, std::memory_order_relaxed);
  });
  size_t e = any.load() ? 0 : n;
  while (e < n && !outside(e)) e++;
  return e;
}

template <class T>
Status from_coo(const Triplets<T>& entries, std::span<uint32_t> indptr, uint32_t* indices, T* values, size_t& nnz,
                Context context) {
  const size_t n = entries.row.size(), rows = entries.rows;
  const Deal deal(n, rows);
  ArenaFrame scratch;
  uint64_t* keys = scratch.take<uint64_t>(n);
  uint32_t* cursors = scratch.take<uint32_t>(deal.slices * deal.buckets);
  uint32_t* starts = scratch.take<uint32_t>(deal.buckets + 1);
  uint32_t* kept = scratch.take<uint32_t>(deal.buckets);
  if (keys == nullptr || cursors == nullptr || starts == nullptr || kept == nullptr) return Status::out_of_memory;
  expect_full_write(indices, n * sizeof *indices);
  expect_full_write(values, n * sizeof *values);

  const auto for_slices = [&](auto use) {
    parallel_for(deal.slices, [&](size_t s) {
      if (!context.cancelled()) use(cursors + s * deal.buckets, s * deal.slice, std::min(n, (s + 1) * deal.slice));
    });
  };
  for_slices([&](uint32_t* cursor, size_t begin, size_t end) {
    std::fill_n(cursor, deal.buckets, 0);
    for (size_t e = begin; e < end; e++) cursor[entries.row[e] >> deal.shift]++;
  });
  if (context.cancelled()) return Status::aborted;
  uint32_t sum = 0;
  for (size_t b = 0; b < deal.buckets; b++) {
    starts[b] = sum;
    for (size_t s = 0; s < deal.slices; s++) sum += std::exchange(cursors[s * deal.buckets + b], sum);
  }
  starts[deal.buckets] = sum;
  // Values go to where those of their bucket will be in the end, in the order in which they came.
  for_slices([&](uint32_t* cursor, size_t begin, size_t end) {
    for (size_t e = begin; e < end; e++) {
      const uint32_t place = cursor[entries.row[e] >> deal.shift]++;
      keys[place] = uint64_t{entries.row[e]} << 32 | entries.col[e];
      values[place] = entries.value[e];
    }
  });
  if (context.cancelled()) return Status::aborted;

  std::atomic<bool> full{false};
  const int column_bits = bits_for(entries.cols);
  parallel_for(deal.buckets, [&](size_t b) {
    const size_t begin = starts[b], m = starts[b + 1] - begin, first = b << deal.shift;
    const size_t last = std::min(rows, (b + 1) << deal.shift);
    std::fill(indptr.begin() + static_cast<ptrdiff_t>(first + 1), indptr.begin() + static_cast<ptrdiff_t>(last + 1), 0);
    kept[b] = 0;
    if (m == 0 || context.cancelled()) return;
    ArenaFrame frame;
    Entry* sorted = frame.take<Entry>(m);
    Entry* other = frame.take<Entry>(m);
    T* value = frame.take<T>(m);
    if (sorted == nullptr || other == nullptr || value == nullptr) return full.store(true, std::memory_order_relaxed);
    for (size_t e = 0; e < m; e++) {
      const uint64_t key = keys[begin + e];
      sorted[e] = {((key >> 32) - first) << column_bits | (key & 0xffffffff), static_cast<uint32_t>(e)};
    }
    std::copy_n(values + begin, m, value);
    sorted = sort_entries(sorted, other, m, column_bits + bits_for(last - first));
    const uint64_t column_mask = (uint64_t{1} << column_bits) - 1;
    size_t p = begin;
    uint64_t before = ~uint64_t{0};  // no key: rows are fewer than 2^32 − 1
    for (size_t e = 0; e < m; e++) {
      const uint64_t key = sorted[e].key;
      const T x = value[sorted[e].position];
      if (key == before) {
        values[p - 1] = sum_of(values[p - 1], x);
        continue;
      }
      before = key;
      indices[p] = static_cast<uint32_t>(key & column_mask);
      values[p++] = x;
      indptr[first + (key >> column_bits) + 1]++;
    }
    kept[b] = static_cast<uint32_t>(p - begin);
  });
  if (context.cancelled()) return Status::aborted;
  if (full.load()) return Status::out_of_memory;

  nnz = counts_to_pointers(indptr);
  if (nnz == n) return Status::ok;
  size_t p = 0;
  for (size_t b = 0; b < deal.buckets; p += kept[b++]) {
    if (p == starts[b]) continue;
    std::memmove(indices + p, indices + starts[b], kept[b] * sizeof *indices);
    std::memmove(values + p, values + starts[b], kept[b] * sizeof *values);
  }
  return Status::ok;
}

#define LAPIDARY_INSTANTIATE(T)                           \
  template size_t first_out_of_range(const Triplets<T>&); \
  template Status from_coo(const Triplets<T>&, std::span<uint32_t>, uint32_t*, T*, size_t&, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
