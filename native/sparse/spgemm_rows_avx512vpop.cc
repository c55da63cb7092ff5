// The loops of spgemm with AVX-512: ranks by vector population counts, dense sums taken out by compression.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "core/dispatch.h"
#include "sparse/semiring.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX512VPOP

namespace {

size_t popcount64(uint64_t word) { return static_cast<size_t>(__builtin_popcountll(word)); }
uint64_t bits_below(uint64_t word, uint32_t n) { return _bzhi_u64(word, n); }

#include "sparse/semiring_lanes.h"

// Neighbouring rows of B fall on places shifted by one, and a load that takes parts of two recent stores waits until
// both are in the cache. So vectors stand at multiples of eight places, and the values of B are shifted under a mask.
void add_run(size_t n, double a, const double* b, double* sums, size_t first) {
  const __m512d x = _mm512_set1_pd(a);
  const size_t end = first + n;
  for (size_t j = first & ~size_t{7}; j < end; j += 8) {
    uint32_t lanes = 0xff;
    if (j < first) lanes &= 0xffu << (first - j);
    if (end - j < 8) lanes &= 0xffu >> (8 - (end - j));
    const __mmask8 mask = static_cast<__mmask8>(lanes);
    const __m512d y = _mm512_maskz_loadu_pd(mask, b + static_cast<ptrdiff_t>(j - first));
    const __m512d sum = _mm512_loadu_pd(sums + j);
    _mm512_storeu_pd(sums + j, _mm512_mask_add_pd(sum, mask, sum, _mm512_mul_pd(x, y)));
  }
}
template <class T>
void add_run(size_t n, T a, const T* b, T* sums, size_t first) {
  for (size_t q = 0; q < n; q++) sums[first + q] = plus_of(sums[first + q], times_of(a, b[q]));
}

// By masks: rows are short, and a call of memcpy costs more than the copy.
template <class T>
void copy_values(size_t n, const T* from, T* to) {
  for (size_t e = 0; e < n; e += 64 / sizeof(T)) {
    const size_t left = n - e;
    if constexpr (sizeof(T) == 8) {
      const __mmask8 mask = static_cast<__mmask8>(left < 8 ? 0xffu >> (8 - left) : 0xffu);
      _mm512_mask_storeu_epi64(to + e, mask, _mm512_maskz_loadu_epi64(mask, from + e));
    } else {
      const __mmask16 mask = static_cast<__mmask16>(left < 16 ? 0xffffu >> (16 - left) : 0xffffu);
      _mm512_mask_storeu_epi32(to + e, mask, _mm512_maskz_loadu_epi32(mask, from + e));
    }
  }
}

// Where a column is that is there.
size_t place_of(uint32_t column, const uint32_t* columns) {
  const __m512i x = _mm512_set1_epi32(static_cast<int32_t>(column));
  for (size_t place = 0;; place += 16) {
    const uint32_t same = _mm512_cmpeq_epi32_mask(x, _mm512_loadu_si512(columns + place));
    if (same != 0) return place + static_cast<size_t>(__builtin_ctz(same));
  }
}

#include "sparse/spgemm_rows_lanes.h"

// Other operators than plus and times, and rows under a complemented mask, run one product at a time: the loops of AVX2
// have the same instructions.
const RowKernels<double>& with_avx2(double) { return spgemm_rows_f64__avx2; }
const RowKernels<float>& with_avx2(float) { return spgemm_rows_f32__avx2; }
const RowKernels<int32_t>& with_avx2(int32_t) { return spgemm_rows_i32__avx2; }

template <class T>
size_t add_by_rank_x1(const RowInput<T>& row, Semiring s, uint32_t base, const uint64_t* bits, const uint32_t* before,
                      bool masked, uint32_t* indices, T* values) {
  if (!s.is_plus_times() || masked)
    return with_avx2(T{}).add_by_rank(row, s, base, bits, before, masked, indices, values);
  return add_ranked<T, AddOp::plus, true, false>(row, s.multiply, base, bits, before, indices, values);
}

template <class T>
void add_allowed_x1(const RowInput<T>& row, Semiring s, uint32_t base, const uint64_t* allowed, const uint32_t* before,
                    uint64_t* found, T* sums) {
  with_avx2(T{}).add_allowed(row, s, base, allowed, before, found, sums);
}

template <class T>
void add_dense_x1(const RowInput<T>& row, Semiring s, uint32_t base, T* sums) {
  if (!s.is_plus_times()) return with_avx2(T{}).add_dense(row, s, base, sums);
  add_to_sums<T, AddOp::plus, true>(row, s.multiply, base, sums);
}

template <class T>
void add_by_place_x8(const RowInput<T>& row, Semiring s, const uint32_t* places, size_t nnz, T nothing_yet, T* sums,
                     T* values) {
  if (!s.is_plus_times()) return with_avx2(T{}).add_by_place(row, s, places, nnz, nothing_yet, sums, values);
  for (size_t e = 0; e < nnz; e++) sums[e] = nothing_yet;
  add_times_placed(row, places, sums);
  copy_values(nnz, sums, values);
}

// Eight words a step: population counts and their running sums in one register. Bound: a dozen instructions a step.
size_t rank_words(const uint64_t* bits, size_t n, uint32_t* before) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i sum = zero;  // of all words so far, in every lane
  for (size_t w = 0; w < n; w += 8) {
    const uint32_t lanes = n - w < 8 ? 0xffu >> (8 - (n - w)) : 0xffu;
    const __mmask8 mask = static_cast<__mmask8>(lanes);
    const __m512i count = _mm512_popcnt_epi64(_mm512_maskz_loadu_epi64(mask, bits + w));
    __m512i upto = _mm512_add_epi64(count, _mm512_alignr_epi64(count, zero, 7));
    upto = _mm512_add_epi64(upto, _mm512_alignr_epi64(upto, zero, 6));
    upto = _mm512_add_epi64(upto, _mm512_alignr_epi64(upto, zero, 4));
    const __m512i place = _mm512_add_epi64(sum, _mm512_sub_epi64(upto, count));
    _mm256_mask_storeu_epi32(before + w, mask, _mm512_cvtepi64_epi32(place));
    sum = _mm512_add_epi64(sum, _mm512_permutexvar_epi64(_mm512_set1_epi64(7), upto));
  }
  return static_cast<size_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(sum)));
}

// A word with many bits goes by vectors, with fewer where the sums of a row fit the first-level cache, since all lines of
// a word are touched then: its sums and columns are compressed in registers (compressing to memory is
// slow on Zen 4) and stored under a mask, so that nothing past the row is touched.
template <class T>
size_t take_words(uint64_t* bits, size_t n, uint32_t base, T* sums, T nothing_yet, uint32_t* indices, T* values) {
  constexpr int kLanes = 64 / sizeof(T);
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const size_t crowded = 64 * n * sizeof(T) <= (size_t{32} << 10) ? 8 : 24;  // bits of a word
  size_t found = 0;
  for (size_t w = 0; w < n; w++) {
    uint64_t word = bits[w];
    if (word == 0) continue;
    bits[w] = 0;
    const uint32_t first = base + static_cast<uint32_t>(64 * w);
    T* const from = sums + 64 * w;
    if (popcount64(word) < crowded) {
      for (; word != 0; word &= word - 1) {
        const uint32_t j = static_cast<uint32_t>(__builtin_ctzll(word));
        indices[found] = first + j;
        values[found++] = from[j];
        from[j] = nothing_yet;
      }
      continue;
    }
    for (int j = 0; j < 64; j += kLanes) {
      const uint32_t lanes = static_cast<uint32_t>(word >> j) & ((1u << kLanes) - 1);
      const uint32_t count = static_cast<uint32_t>(popcount64(lanes));
      const uint32_t front = (1u << count) - 1;
      const __m512i column = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(first) + j));
      const __m512i packed = _mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), column);
      _mm512_mask_storeu_epi32(indices + found, static_cast<__mmask16>(front), packed);
      const __m512i sum = _mm512_loadu_si512(from + j);
      if constexpr (sizeof(T) == 8) {
        const __m512i x = _mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes), sum);
        _mm512_mask_storeu_epi64(values + found, static_cast<__mmask8>(front), x);
        _mm512_storeu_pd(from + j, _mm512_set1_pd(nothing_yet));
      } else {
        const __m512i x = _mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), sum);
        _mm512_mask_storeu_epi32(values + found, static_cast<__mmask16>(front), x);
        for (int q = 0; q < kLanes; q++) from[j + q] = nothing_yet;
      }
      found += count;
    }
  }
  return found;
}

// The rows of C that repeat: all products of a row of B that fall on one register of sums are a step, whatever the gaps
// between their places: they are loaded together and permuted to their lanes (an expansion takes five cycles on Zen 5,
// a permutation one). A masked add leaves the other sums alone.
struct F64x8 {
  using T = double;
  using V = __m512d;
  static constexpr size_t kLanes = 8;
  static V nothing() { return _mm512_set1_pd(-0.0); }
  struct Step {
    __m512i from;
    size_t offset;
    __mmask8 lanes, front;
    explicit Step(const BlockStep& s)
        : from(_mm512_cvtepu8_epi64(_mm_loadu_si64(s.from))),
          offset(s.offset),
          lanes(static_cast<__mmask8>(s.lanes)),
          front(static_cast<__mmask8>(s.front)) {}
    V add(V sum, const double* b, double a) const {
      const V x = _mm512_permutexvar_pd(from, _mm512_maskz_loadu_pd(front, b + offset));
      return _mm512_mask_add_pd(sum, lanes, sum, _mm512_mul_pd(_mm512_set1_pd(a), x));
    }
  };
  static void store(double* to, V v, size_t n) {
    if (n >= kLanes) return _mm512_storeu_pd(to, v);
    _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << n) - 1), v);
  }
};

struct Step16 {
  __m512i from;
  size_t offset;
  __mmask16 lanes, front;
  explicit Step16(const BlockStep& s)
      : from(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(s.from)))),
        offset(s.offset),
        lanes(s.lanes),
        front(s.front) {}
};

struct F32x16 {
  using T = float;
  using V = __m512;
  static constexpr size_t kLanes = 16;
  static V nothing() { return _mm512_set1_ps(-0.0f); }
  struct Step : Step16 {
    using Step16::Step16;
    V add(V sum, const float* b, float a) const {
      const V x = _mm512_permutexvar_ps(from, _mm512_maskz_loadu_ps(front, b + offset));
      return _mm512_mask_add_ps(sum, lanes, sum, _mm512_mul_ps(_mm512_set1_ps(a), x));
    }
  };
  static void store(float* to, V v, size_t n) {
    if (n >= kLanes) return _mm512_storeu_ps(to, v);
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), v);
  }
};

struct I32x16 {
  using T = int32_t;
  using V = __m512i;
  static constexpr size_t kLanes = 16;
  static V nothing() { return _mm512_setzero_si512(); }
  struct Step : Step16 {
    using Step16::Step16;
    V add(V sum, const int32_t* b, int32_t a) const {
      const V x = _mm512_permutexvar_epi32(from, _mm512_maskz_loadu_epi32(front, b + offset));
      return _mm512_mask_add_epi32(sum, lanes, sum, _mm512_mullo_epi32(_mm512_set1_epi32(a), x));
    }
  };
  static void store(int32_t* to, V v, size_t n) {
    if (n >= kLanes) return _mm512_storeu_si512(to, v);
    _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << n) - 1), v);
  }
};

// One row of C a lane.
struct TileF64x8 {
  using T = double;
  using V = __m512d;
  static constexpr size_t kLanes = 8;
  static __mmask8 front(size_t n) { return static_cast<__mmask8>(_bzhi_u32(~0u, static_cast<uint32_t>(n))); }
  static constexpr size_t kTogether = 8;  // registers of rows
  static V load(const double* from) { return _mm512_loadu_pd(from); }
  static V load(const double* from, size_t n) {
    return n >= kLanes ? _mm512_loadu_pd(from) : _mm512_maskz_loadu_pd(front(n), from);
  }
  static void store(double* to, V v) { _mm512_storeu_pd(to, v); }
  static void store(double* to, V v, size_t n) {
    if (n >= kLanes) return _mm512_storeu_pd(to, v);
    _mm512_mask_storeu_pd(to, front(n), v);
  }
  static V add(V x, V y) { return _mm512_add_pd(x, y); }
  static V multiply(V x, V y) { return _mm512_mul_pd(x, y); }
  [[gnu::always_inline]] static inline void turn(V* x) {
    V y[8];
#pragma GCC unroll 4
    for (size_t l = 0; l < 8; l += 2) {
      y[l] = _mm512_unpacklo_pd(x[l], x[l + 1]);
      y[l + 1] = _mm512_unpackhi_pd(x[l], x[l + 1]);
    }
    // quarters: columns 0 2 4 6 in even registers, 1 3 5 7 in odd ones
#pragma GCC unroll 2
    for (size_t l = 0; l < 2; l++) {
      const V a = _mm512_shuffle_f64x2(y[l], y[l + 2], 0x88), b = _mm512_shuffle_f64x2(y[l + 4], y[l + 6], 0x88);
      const V c = _mm512_shuffle_f64x2(y[l], y[l + 2], 0xdd), d = _mm512_shuffle_f64x2(y[l + 4], y[l + 6], 0xdd);
      x[l] = _mm512_shuffle_f64x2(a, b, 0x88);
      x[l + 4] = _mm512_shuffle_f64x2(a, b, 0xdd);
      x[l + 2] = _mm512_shuffle_f64x2(c, d, 0x88);
      x[l + 6] = _mm512_shuffle_f64x2(c, d, 0xdd);
    }
  }
};

// The last register of a row by mask, all others whole.
void repeat_columns_x16(const uint32_t* head, size_t n, size_t rows, uint32_t step, uint32_t* columns) {
  for (size_t r = 0; r < rows; r++, columns += n) {
    const __m512i shift = _mm512_set1_epi32(static_cast<int32_t>(step * static_cast<uint32_t>(r + 1)));
    size_t e = 0;
    for (; e + 16 <= n; e += 16)
      _mm512_storeu_si512(columns + e, _mm512_add_epi32(_mm512_loadu_si512(head + e), shift));
    const __mmask16 tail = static_cast<__mmask16>((1u << (n - e)) - 1);
    _mm512_mask_storeu_epi32(columns + e, tail, _mm512_add_epi32(_mm512_maskz_loadu_epi32(tail, head + e), shift));
  }
}

// Up to 32 entries of a row of B without a branch that depends on how many there are.
constexpr uint32_t kShort = 32;
inline uint32_t front_of(uint32_t left) { return _bzhi_u32(~0u, left < kShort ? left : kShort); }
// Values that are loaded together, of 16 on average.
template <class T>
constexpr uint32_t kTogether = sizeof(T) == 8 ? 24 : 32;
inline uint32_t within(uint32_t q, uint32_t n) { return q & -static_cast<uint32_t>(q < n); }

inline __m512d products_of(uint32_t front, double a, const double* b) {
  return _mm512_mul_pd(_mm512_set1_pd(a), _mm512_maskz_loadu_pd(static_cast<__mmask8>(front), b));
}
inline __m512 products_of(uint32_t front, float a, const float* b) {
  return _mm512_mul_ps(_mm512_set1_ps(a), _mm512_maskz_loadu_ps(static_cast<__mmask16>(front), b));
}
inline __m512i products_of(uint32_t front, int32_t a, const int32_t* b) {
  return _mm512_mullo_epi32(_mm512_set1_epi32(a), _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), b));
}

void put_columns(const uint32_t* from, uint32_t n, uint32_t* to) {
  for (uint32_t q = 0; q < n; q += kShort) {
    const uint32_t front = front_of(n - q);
    _mm512_storeu_si512(to + q, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front), from + q));
    _mm512_storeu_si512(to + q + 16, _mm512_maskz_loadu_epi32(static_cast<__mmask16>(front >> 16), from + q + 16));
  }
}
template <class T>
void put_products(T a, const T* from, uint32_t n, T* to) {
  constexpr uint32_t kLanes = 64 / sizeof(T);
  for (uint32_t q = 0; q < n; q += kTogether<T>) {
    uint32_t front = front_of(n - q);
#pragma GCC unroll 4
    for (uint32_t part = 0; part < kTogether<T>; part += kLanes, front >>= kLanes) {
      const auto x = products_of(front, a, from + q + part);
      std::memcpy(to + q + part, &x, sizeof x);
    }
  }
}
// Rows are asked for further ahead than by loops that look at each product.
constexpr size_t kNearShort = 16, kFarShort = 32;

// As many lines as 32 entries fill, the first one again where there are fewer: a branch on the length would be foreseen
// half of the time.
template <class T>
LAPIDARY_PREFETCH void prefetch_short(const T* first, uint32_t n) {
  for (uint32_t q = 0; q < kTogether<T>; q += 64 / sizeof(T)) __builtin_prefetch(first + within(q, n));
  __builtin_prefetch(first + n - (n > 0));
}

// The columns of all products of a row, one after another; returns where they end. `row` is a copy: the compiler cannot
// know that what is written is no part of it.
uint32_t* put_down_columns(RowPattern row, uint32_t* to) {
  for (size_t e = 0; e < row.n; e++) {
    if (e + kFarShort < row.ahead) __builtin_prefetch(&row.begins[row.columns[e + kFarShort]]);
    if (e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      prefetch_short(row.b_indices + near.begin, near.end - near.begin);
    }
    const RowExtent k = row.extent(e);
    put_columns(row.b_indices + k.begin, k.end - k.begin, to);
    to += k.end - k.begin;
  }
  return to;
}

void mark_flat_rows(const RowPattern& row, uint32_t base, uint32_t* columns, uint64_t* bits) {
  const uint32_t* const end = put_down_columns(row, columns);
  for (const uint32_t* column = columns; column < end; column++) {
    const uint32_t j = *column - base;
    bits[j / 64] |= uint64_t{1} << j % 64;
  }
}

// All products of a row, one after another; returns where they end.
template <class T>
T* multiply_rows(RowInput<T> row, T* to) {
  for (size_t e = 0; e < row.n; e++) {
    if (e + kNearShort < row.ahead) {
      const RowExtent near = row.extent(e + kNearShort);
      prefetch_short(row.b_values + near.begin, near.end - near.begin);
    }
    const RowExtent k = row.extent(e);
    put_products(row.values[e], row.b_values + k.begin, k.end - k.begin, to);
    to += k.end - k.begin;
  }
  return to;
}

template <class T>
size_t append_row_x16(const RowInput<T>& row, uint32_t base, const Stamps& stamps, uint32_t* indices, T* values) {
  const size_t n = static_cast<size_t>(put_down_columns(row, indices) - indices);
  multiply_rows(row, values);
  return take_out_known(n, base, stamps, indices, values);
}

template <class T>
void add_flat_rows(const RowInput<T>& row, uint32_t base, const uint64_t* bits, const uint32_t* before,
                   const uint32_t* columns, T* products, uint32_t* indices, T* values) {
  const T* const end = multiply_rows(row, products);
  RankSink<T, AddOp::plus, false> sink{base, bits, before, indices, values};
  for (const T* product = products; product < end; product++) sink(*columns++, *product);
}

#include "sparse/spgemm_sort_lanes.h"
#include "sparse/spgemm_tile_lanes.h"

// 16 columns as keys, the first of them of product `number`.
inline __m512i keys_of(__m512i columns, uint32_t base, size_t number) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i shifted =
      _mm512_slli_epi32(_mm512_sub_epi32(columns, _mm512_set1_epi32(static_cast<int32_t>(base))), kNumberBits);
  return _mm512_or_si512(shifted, _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(number))));
}

// Which of the keys p … p + 15 of n are the first of their column.
inline uint32_t first_of_column(const uint32_t* keys, size_t p, size_t n) {
  const __m512i key = _mm512_loadu_si512(keys + p);
  const __m512i before =
      p == 0 ? _mm512_alignr_epi32(key, _mm512_set1_epi32(-1), 15) : _mm512_loadu_si512(keys + p - 1);
  const uint32_t heads =
      _mm512_cmpge_epu32_mask(_mm512_xor_si512(key, before), _mm512_set1_epi32(int32_t{1} << kNumberBits));
  return heads & front_of(n - p);
}

size_t sort_products(const RowPattern& row, uint32_t base, uint32_t* keys) {
  const size_t n = static_cast<size_t>(put_down_columns(row, keys) - keys);
  const __m512i last = _mm512_set1_epi32(-1);
  for (size_t p = 0; p < n; p += 16) {
    const __mmask16 front = static_cast<__mmask16>(front_of(n - p));
    const __m512i key = keys_of(_mm512_loadu_si512(keys + p), base, p);
    _mm512_storeu_si512(keys + p, _mm512_mask_mov_epi32(last, front, key));
  }
  struct Size {
    size_t room;
    void (*sort)(uint32_t*);
  };
  constexpr Size kSizes[] = {{64, sort_keys<4>},   {128, sort_keys<8>},  {192, sort_keys<12>},
                             {256, sort_keys<16>}, {384, sort_keys<24>}, {kMostSorted, sort_keys<32>}};
  const Size* size = kSizes;
  while (size->room < n) size++;
  for (size_t p = (n + 15) / 16 * 16; p < size->room; p += 16) _mm512_storeu_si512(keys + p, last);
  size->sort(keys);
  size_t count = 0;
  for (size_t p = 0; p < n; p += 16) count += popcount64(first_of_column(keys, p, n));
  return count;
}

void find_places_of_sorted(const uint32_t* keys, size_t n, uint32_t base, uint32_t* places, uint32_t* columns) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), iota), _mm512_set1_epi32(1));
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  uint32_t found = 0;
  for (size_t p = 0; p < n; p += 16) {
    const __mmask16 front = static_cast<__mmask16>(front_of(n - p));
    const __m512i key = _mm512_loadu_si512(keys + p);
    const uint32_t heads = first_of_column(keys, p, n);
    const __m512i rank = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32(static_cast<int32_t>(heads))));
    const __m512i place = _mm512_add_epi32(rank, _mm512_set1_epi32(static_cast<int32_t>(found) - 1));
    const __m512i number = _mm512_and_si512(key, _mm512_set1_epi32(kMostSorted - 1));
    _mm512_mask_i32scatter_epi32(places, front, number, place, 4);
    const __m512i column = _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low);
    const uint32_t count = static_cast<uint32_t>(popcount64(heads));
    const __m512i packed = _mm512_maskz_compress_epi32(static_cast<__mmask16>(heads), column);
    _mm512_mask_storeu_epi32(columns + found, static_cast<__mmask16>(front_of(count)), packed);
    found += count;
  }
}

// values[q] = products[number[q]] for those of 16 lanes that are set, one after another.
inline void take_products(const double* products, __m512i number, uint32_t lanes, double* values) {
  const __m512d low = _mm512_i32gather_pd(_mm512_castsi512_si256(number), products, 8);
  const __m512d high = _mm512_i32gather_pd(_mm512_extracti64x4_epi64(number, 1), products, 8);
  if (lanes == 0xffff) {
    _mm512_storeu_pd(values, low);
    _mm512_storeu_pd(values + 8, high);
    return;
  }
  const uint32_t first = lanes & 0xff, rest = lanes >> 8;
  const uint32_t count = static_cast<uint32_t>(popcount64(first)), more = static_cast<uint32_t>(popcount64(rest));
  _mm512_mask_storeu_pd(values, static_cast<__mmask8>(front_of(count)),
                        _mm512_maskz_compress_pd(static_cast<__mmask8>(first), low));
  _mm512_mask_storeu_pd(values + count, static_cast<__mmask8>(front_of(more)),
                        _mm512_maskz_compress_pd(static_cast<__mmask8>(rest), high));
}
template <class T>
inline void take_products(const T* products, __m512i number, uint32_t lanes, T* values) {
  const uint32_t count = static_cast<uint32_t>(popcount64(lanes));
  const __m512i x = _mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes),
                                                _mm512_i32gather_epi32(number, products, 4));
  _mm512_mask_storeu_epi32(values, static_cast<__mmask16>(front_of(count)), x);
}

// Sixteen products at a time. One whose column was there before is added to the first of its column where that was put
// down, before that is taken: in C, written a moment ago, it would have to wait until it is in the cache. So the next
// register of keys is looked at first, and more of them as long as they go on with a column.
template <class T>
void add_sorted_keys(const RowInput<T>& row, uint32_t base, const uint32_t* keys, size_t n, T* products,
                     uint32_t* indices, T* values) {
  multiply_rows(row, products);
  constexpr uint32_t kNumber = kMostSorted - 1;
  uint16_t heads_of[kMostSorted / 16];
  size_t looked_at = 0;
  size_t first = 0, last = n;  // the first product of a column, and the last of its others so far
  const auto look = [&] {
    const size_t p = looked_at;
    const uint32_t heads = first_of_column(keys, p, n);
    for (uint32_t others = heads ^ (front_of(static_cast<uint32_t>(n - p)) & 0xffff); others != 0;
         others &= others - 1) {
      const size_t q = p + static_cast<size_t>(__builtin_ctz(others));
      first = q == last + 1 ? first : keys[q - 1] & kNumber;
      last = q;
      products[first] = plus_of(products[first], products[keys[q] & kNumber]);
    }
    heads_of[p / 16] = static_cast<uint16_t>(heads);
    looked_at += 16;
    return heads != 0;
  };
  look();
  const __m512i low = _mm512_set1_epi32(static_cast<int32_t>(base));
  for (size_t p = 0; p < n; p += 16) {
    if (looked_at == p + 16)
      while (looked_at < n && !look()) continue;
    const uint32_t heads = heads_of[p / 16];
    const __m512i key = _mm512_loadu_si512(keys + p);
    const __m512i columns = _mm512_add_epi32(_mm512_srli_epi32(key, kNumberBits), low);
    const uint32_t count = static_cast<uint32_t>(popcount64(heads));
    if (heads == 0xffff)
      _mm512_storeu_si512(indices, columns);
    else
      _mm512_mask_storeu_epi32(indices, static_cast<__mmask16>(front_of(count)),
                               _mm512_maskz_compress_epi32(static_cast<__mmask16>(heads), columns));
    take_products(products, _mm512_and_si512(key, _mm512_set1_epi32(kNumber)), heads, values);
    indices += count;
    values += count;
  }
}

}  // namespace

const PatternKernels spgemm_pattern__avx512vpop = {
    mark_bits,   mark_bits_of_blocks, mark_flat_rows, count_few_columns, count_bits_and_clear, rank_words,
    find_places, repeat_columns_x16,  nullptr,        nullptr,           sort_products,        find_places_of_sorted};
const RowKernels<double> spgemm_rows_f64__avx512vpop = {
    add_by_rank_x1<double>,  add_flat_rows<double>, append_row_x16<double>,
    add_allowed_x1<double>,  add_dense_x1<double>,  add_by_place_x8<double>,
    add_blocks<F64x8>,       take_words<double>,    {3, true},
    add_sorted_keys<double>, add_tiles<TileF64x8>,  TileF64x8::kLanes};
const RowKernels<float> spgemm_rows_f32__avx512vpop = {
    add_by_rank_x1<float>,  add_flat_rows<float>, append_row_x16<float>,
    add_allowed_x1<float>,  add_dense_x1<float>,  add_by_place_x8<float>,
    add_blocks<F32x16>,     take_words<float>,    {4, true},
    add_sorted_keys<float>, add_tiles<TileF32x8>, TileF32x8::kLanes};
const RowKernels<int32_t> spgemm_rows_i32__avx512vpop = {
    add_by_rank_x1<int32_t>,  add_flat_rows<int32_t>, append_row_x16<int32_t>,
    add_allowed_x1<int32_t>,  add_dense_x1<int32_t>,  add_by_place_x8<int32_t>,
    add_blocks<I32x16>,       take_words<int32_t>,    {4, true},
    add_sorted_keys<int32_t>, add_tiles<TileI32x8>,   TileI32x8::kLanes};

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
