// The loop of sparse/spmv_avx2.cc with two steps of four entries at a time, so that a row of up to eight entries, one
// of a grid, takes one: masks say which lanes count, and one comparison each checks eight indices. Bound: reading the
// matrix; for each eight entries 19 loads and some 45 instructions. x is fetched by scalar loads: a gather costs as
// much on Zen 5 and several times as much on processors that guard it against Downfall.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/spmv.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX512

namespace {

constexpr size_t kAhead = 256;  // entries: the hardware stops fetching ahead at the end of every page

// How many of `count` numbers `next` are the numbers `here`, each with `step` added, before one is not.
inline size_t count_steps(const uint32_t* here, const uint32_t* next, uint32_t step, size_t count) {
  const __m512i steps = _mm512_set1_epi32(static_cast<int32_t>(step));
  for (size_t q = 0; q < count; q += 16) {
    const size_t left = std::min<size_t>(count - q, 16);
    const __mmask16 front = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(left)));
    const __m512i x = _mm512_maskz_loadu_epi32(front, here + q), y = _mm512_maskz_loadu_epi32(front, next + q);
    const uint32_t other = _mm512_mask_cmpneq_epu32_mask(front, _mm512_add_epi32(x, steps), y);
    if (other != 0) return q + static_cast<size_t>(__builtin_ctz(other));
  }
  return count;
}

#include "sparse/spmv_tile_lanes.h"
#include "sparse/tile_avx512_lanes.h"

size_t tiles_of(const SpmvRows<double>& s, size_t i) { return tiles_from<TileF64x8>(s, i); }
// AVX-512 has nothing that turns 16 values of 32 bits around as well.
size_t tiles_of(const SpmvRows<float>& s, size_t i) { return spmv_tiles_f32_x8__avx2(s, i); }

struct F64x4 {
  using T = double;
  using V = __m256d;
  static V zero() { return _mm256_setzero_pd(); }
  // Products of the lanes that are set; +0 in the others.
  static V products(uint32_t lanes, const double* values, const double* x, const uint32_t* j) {
    const __m128d low = _mm_loadh_pd(_mm_load_sd(x + j[0]), x + j[1]);
    const __m128d high = _mm_loadh_pd(_mm_load_sd(x + j[2]), x + j[3]);
    const V picked = _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
    return _mm256_maskz_mul_pd(static_cast<__mmask8>(lanes), picked, _mm256_loadu_pd(values));
  }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static double sum(V v) {
    const __m128d pairs = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pairs, _mm_unpackhi_pd(pairs, pairs)));
  }
};

struct F32x4 {
  using T = float;
  using V = __m128;
  static V zero() { return _mm_setzero_ps(); }
  static V products(uint32_t lanes, const float* values, const float* x, const uint32_t* j) {
    const __m128 low = _mm_insert_ps(_mm_load_ss(x + j[0]), _mm_load_ss(x + j[1]), 0x10);
    const __m128 high = _mm_insert_ps(_mm_load_ss(x + j[2]), _mm_load_ss(x + j[3]), 0x10);
    return _mm_maskz_mul_ps(static_cast<__mmask8>(lanes), _mm_movelh_ps(low, high), _mm_loadu_ps(values));
  }
  static V add(V a, V b) { return _mm_add_ps(a, b); }
  static float sum(V v) {
    const __m128 pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
  }
};

// A chain begins with +0, so it never is −0, and adding the +0 of a cleared lane changes no bit.
// kLong: some rows have more than four entries.
template <class S, bool kLong>
inline bool rows_of(const SpmvRows<typename S::T>& s) {
  using T = typename S::T;
  const CsrPattern a = s.a;
  const T* const values = s.values;
  const T* const x = s.x;
  const __m256i limit = _mm256_set1_epi32(static_cast<int>(static_cast<uint32_t>(a.cols - 1)));
  uint32_t falls = 0;
  // Adds the first n of eight entries, which all have to be in range.
  const auto add = [&](size_t p, uint32_t n, typename S::V& sum) {
    const uint32_t* const j = a.indices + p;
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(j));
    const __m256i next = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(j + 1));
    if (_mm256_cmpgt_epu32_mask(here, limit) != 0) return false;
    const uint32_t lanes = _bzhi_u32(0xff, n);
    falls |= _mm256_cmple_epu32_mask(next, here) & lanes;
    sum = S::add(sum, S::products(lanes, values + p, x, j));
    if constexpr (kLong) sum = S::add(sum, S::products(lanes >> 4, values + p + 4, x, j + 4));
    return true;
  };
  for (size_t i = s.first; i < s.last; i++) {
    size_t p = a.indptr[i];
    const size_t row_end = a.indptr[i + 1];
    typename S::V sum = S::zero();
    for (; p + 8 < row_end; p += 8) {
      _mm_prefetch(reinterpret_cast<const char*>(values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      if (!add(p, 8, sum)) return false;
    }
    if (p + 9 <= a.nnz) {
      _mm_prefetch(reinterpret_cast<const char*>(values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(a.indices + p + kAhead), _MM_HINT_T0);
      const uint32_t n = static_cast<uint32_t>(row_end - p), before = falls;
      if (!add(p, n, sum)) return false;
      falls = before | (falls & ~(uint32_t{1} << n >> 1));  // the last entry of a row is followed by none of it
    } else {                                                // the last rows: no entry lies behind them
      T tail[2][4] = {};
#pragma GCC unroll 1
      for (size_t q = p; q < row_end; q++) {
        const uint32_t j = a.indices[q];
        if (j >= a.cols || (q + 1 < row_end && a.indices[q + 1] <= j)) return false;
        tail[(q - p) / 4][(q - p) % 4] = values[q] * x[j];
      }
      for (const auto& four : tail) {
        typename S::V products;
        __builtin_memcpy(&products, four, sizeof products);
        sum = S::add(sum, products);
      }
    }
    s.y[i] = S::sum(sum);
  }
  return falls == 0;
}

template <class S>
[[gnu::noinline]] bool rows_by_length(const SpmvRows<typename S::T>& s) {
  uint32_t longest = 0;
  for (size_t i = s.first; i < s.last && longest <= 4;)
    for (const size_t end = std::min(s.last, i + 64); i < end; i++)
      longest = std::max(longest, s.a.indptr[i + 1] - s.a.indptr[i]);
  return longest > 4 ? rows_of<S, true>(s) : rows_of<S, false>(s);
}

}  // namespace

bool spmv_f32_x8__avx512(const SpmvRows<float>& rows) { return rows_and_tiles(rows, rows_by_length<F32x4>); }
bool spmv_f64_x8__avx512(const SpmvRows<double>& rows) { return rows_and_tiles(rows, rows_by_length<F64x4>); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
