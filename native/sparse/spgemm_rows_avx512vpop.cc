// The loops of spgemm with AVX-512: ranks by vector population counts, dense sums taken out by compression.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
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

// Which of n columns are allowed, by their numbers: sixteen bits are looked up at a time. hit has room for 16 more.
size_t find_allowed(const uint32_t* columns, size_t n, uint32_t base, const uint64_t* allowed, uint32_t* hit) {
  const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(static_cast<int32_t>(base));
  size_t hits = 0;
  for (size_t c = 0; c < n; c += 16) {
    const __mmask16 front = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n - c)));
    const __m512i j = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(front, columns + c), low);
    const __m512i half =
        _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), front, _mm512_srli_epi32(j, 5), allowed, 4);
    const __mmask16 found = _mm512_test_epi32_mask(half, _mm512_rolv_epi32(one, j));
    const __m512i number = _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int32_t>(c)));
    _mm512_storeu_si512(hit + hits, _mm512_maskz_compress_epi32(found, number));
    hits += popcount64(found);
  }
  return hits;
}

template <class T, Products kProducts>
void add_found(const RowInput<T>& row, uint32_t base, const uint64_t* allowed, const uint32_t* before, uint64_t* found,
               T* sums) {
  constexpr size_t kChunk = 128;  // _bzhi_u32 looks at eight bits of a number
  for (size_t e = 0; e < row.n; e++) {
    prefetch_row<T>(row, kProducts == Products::ones ? nullptr : row.b_values, e);
    const RowExtent k = row.extent(e);
    const T a = row.values[e];
    for (size_t q = k.begin; q < k.end; q += kChunk) {
      uint32_t hit[kChunk + 16];
      const uint32_t* const columns = row.b_indices + q;
      const size_t hits = find_allowed(columns, std::min<size_t>(k.end - q, kChunk), base, allowed, hit);
      for (size_t h = 0; h < hits; h++) {
        const uint32_t j = columns[hit[h]] - base;
        T& sum = sums[before[j / 64] + popcount64(bits_below(allowed[j / 64], j % 64))];
        sum = plus_of(sum, kProducts == Products::ones ? T{1} : times_of(a, row.b_values[q + hit[h]]));
        found[j / 64] |= uint64_t{1} << j % 64;
      }
    }
  }
}

template <class T>
void add_allowed_x16(const RowInput<T>& row, Semiring s, uint32_t base, const uint64_t* allowed, const uint32_t* before,
                     uint64_t* found, T* sums) {
  if (s.is_plus_times()) return add_found<T, Products::times>(row, base, allowed, before, found, sums);
  if (s.add == AddOp::plus && s.multiply == MultiplyOp::pair)
    return add_found<T, Products::ones>(row, base, allowed, before, found, sums);
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

// A word with many bits goes by vectors, with fewer where the sums of a row fit the first-level cache, since all lines
// of a word are touched then: its sums and columns are compressed in registers (compressing to memory is slow on Zen 4)
// and stored under a mask, so that nothing past the row is touched.
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

#include "sparse/tile_avx512_lanes.h"

// The words of a row of B in one register. Bound: two loads for each entry of A.
void mark_blocks_x8(const RowPattern& row, const BlockRows& b, uint32_t base, uint64_t* bits) {
  if (!b.narrow()) return mark_bits_of_blocks(row, b, base, bits);
  const __mmask8 front = static_cast<__mmask8>(_bzhi_u32(~0u, b.words));
  __m512i all = _mm512_setzero_si512();
  for (size_t e = 0; e < row.n; e++)
    all = _mm512_or_si512(all, _mm512_maskz_loadu_epi64(front, b.mask + size_t{row.columns[e]} * b.stride));
  _mm512_mask_storeu_epi64(bits, front, all);
}

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

#include "sparse/spgemm_short_lanes.h"
#include "sparse/spgemm_tile_lanes.h"

// Values of 32 bits, eight rows: AVX-512 has nothing that turns 16 of them around as well.
template <class T>
void add_tiles_x8(const TileRun<T>& run, T* values) {
  with_avx2(T{}).add_by_tile(run, values);
}

}  // namespace

const PatternKernels spgemm_pattern__avx512vpop = {
    mark_bits,   mark_blocks_x8,     mark_flat_rows, count_few_columns, count_bits_and_clear, rank_words,
    find_places, repeat_columns_x16, nullptr,        nullptr,           sort_products,        find_places_of_sorted};
const RowKernels<double> spgemm_rows_f64__avx512vpop = {
    add_by_rank_x1<double>,     add_flat_rows<double>, append_row_x16<double>,
    add_allowed_x16<double>,    add_dense_x1<double>,  add_by_place_x8<double>,
    add_blocks<F64x8>,          take_words<double>,    {3, true},
    add_sorted_keys<double>,    add_tiles<TileF64x8>,  TileF64x8::kLanes,
    add_dense_flat_rows<double>};
const RowKernels<float> spgemm_rows_f32__avx512vpop = {
    add_by_rank_x1<float>,     add_flat_rows<float>, append_row_x16<float>,
    add_allowed_x16<float>,    add_dense_x1<float>,  add_by_place_x8<float>,
    add_blocks<F32x16>,        take_words<float>,    {4, true},
    add_sorted_keys<float>,    add_tiles_x8<float>,  8,
    add_dense_flat_rows<float>};
const RowKernels<int32_t> spgemm_rows_i32__avx512vpop = {
    add_by_rank_x1<int32_t>,     add_flat_rows<int32_t>, append_row_x16<int32_t>,
    add_allowed_x16<int32_t>,    add_dense_x1<int32_t>,  add_by_place_x8<int32_t>,
    add_blocks<I32x16>,          take_words<int32_t>,    {4, true},
    add_sorted_keys<int32_t>,    add_tiles_x8<int32_t>,  8,
    add_dense_flat_rows<int32_t>};

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
