// The loop of sparse/spmv_avx2.cc with two steps of four entries at a time, so that a row of up to eight entries, one
// of a grid, takes one: masks say which lanes count, and one comparison each checks eight indices. Bound: reading the
// matrix and, of graphs, x; for each eight entries 20 loads and some 36 instructions. x is fetched by broadcasts that
// fill a lane each and take no shuffle: a gather costs nearly twice as much on Zen 5 and several times as much on
// processors that guard it against Downfall.
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

inline __m256i load_x8(const uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

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
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  [[gnu::always_inline]] static inline V pick(const double* x, const uint32_t* j) {
    V v = _mm256_broadcast_sd(x + j[0]);
    v = _mm256_mask_mov_pd(v, 2, _mm256_broadcast_sd(x + j[1]));
    v = _mm256_mask_mov_pd(v, 4, _mm256_broadcast_sd(x + j[2]));
    return _mm256_mask_mov_pd(v, 8, _mm256_broadcast_sd(x + j[3]));
  }
  [[gnu::always_inline]] static inline V products(const double* values, const double* x, const uint32_t* j) {
    return _mm256_mul_pd(pick(x, j), load(values));
  }
  // Those of the lanes that are set; +0 in the others.
  [[gnu::always_inline]] static inline V products(uint32_t lanes, const double* values, const double* x,
                                                  const uint32_t* j) {
    return _mm256_maskz_mul_pd(static_cast<__mmask8>(lanes), pick(x, j), load(values));
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
  static V load(const float* p) { return _mm_loadu_ps(p); }
  [[gnu::always_inline]] static inline V pick(const float* x, const uint32_t* j) {
    V v = _mm_broadcast_ss(x + j[0]);
    v = _mm_mask_mov_ps(v, 2, _mm_broadcast_ss(x + j[1]));
    v = _mm_mask_mov_ps(v, 4, _mm_broadcast_ss(x + j[2]));
    return _mm_mask_mov_ps(v, 8, _mm_broadcast_ss(x + j[3]));
  }
  [[gnu::always_inline]] static inline V products(const float* values, const float* x, const uint32_t* j) {
    return _mm_mul_ps(pick(x, j), load(values));
  }
  [[gnu::always_inline]] static inline V products(uint32_t lanes, const float* values, const float* x,
                                                  const uint32_t* j) {
    return _mm_maskz_mul_ps(static_cast<__mmask8>(lanes), pick(x, j), load(values));
  }
  static V add(V a, V b) { return _mm_add_ps(a, b); }
  static float sum(V v) {
    const __m128 pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
  }
};

// A chain begins with +0, so it never is −0, and adding the +0 of a cleared lane changes no bit. kLong: some
// rows have more than four entries. kLast: these are the last rows, and fewer than nine entries may lie behind one.
template <class S, bool kLong, bool kLast>
inline bool rows_of(const SpmvRows<typename S::T>& s) {
  using T = typename S::T;
  const uint32_t* const indptr = s.a.indptr;
  const T* const values = s.values;
  const T* const x = s.x;
  const __m256i limit = _mm256_set1_epi32(static_cast<int>(static_cast<uint32_t>(s.a.cols - 1)));
  uint32_t falls = 0;
  for (size_t i = s.first; i < s.last; i++) {
    size_t p = indptr[i];
    const size_t row_end = indptr[i + 1];
    const uint32_t* j = s.a.indices + p;
    typename S::V sum = S::zero();
    for (; p + 8 < row_end; p += 8, j += 8) {
      _mm_prefetch(reinterpret_cast<const char*>(values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      const __m256i here = load_x8(j);
      if (_mm256_cmpgt_epu32_mask(here, limit) != 0) return false;
      falls |= _mm256_cmple_epu32_mask(load_x8(j + 1), here);
      sum = S::add(sum, S::products(values + p, x, j));
      sum = S::add(sum, S::products(values + p + 4, x, j + 4));
    }
    if constexpr (kLast) {
      T tail[2][4] = {};
#pragma GCC unroll 1
      for (size_t q = p; q < row_end; q++) {
        const uint32_t column = s.a.indices[q];
        if (column >= s.a.cols || (q + 1 < row_end && s.a.indices[q + 1] <= column)) return false;
        tail[(q - p) / 4][(q - p) % 4] = values[q] * x[column];
      }
      for (const auto& four : tail) sum = S::add(sum, S::load(four));
    } else {  // up to eight entries, and others that are cleared
      _mm_prefetch(reinterpret_cast<const char*>(values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(j + kAhead), _MM_HINT_T0);
      const uint32_t lanes = _bzhi_u32(0xff, static_cast<uint32_t>(row_end - p));
      const __m256i here = load_x8(j);
      if (_mm256_cmpgt_epu32_mask(here, limit) != 0) return false;
      falls |= _mm256_cmple_epu32_mask(load_x8(j + 1), here) & lanes >> 1;  // none of its row follows the last entry
      sum = S::add(sum, S::products(lanes, values + p, x, j));
      if constexpr (kLong) sum = S::add(sum, S::products(lanes >> 4, values + p + 4, x, j + 4));
    }
    s.y[i] = S::sum(sum);
  }
  return falls == 0;
}

template <class S>
[[gnu::noinline]] bool rows_by_length(const SpmvRows<typename S::T>& s) {
  const uint32_t* const indptr = s.a.indptr;
  uint32_t longest = 0;
  for (size_t i = s.first; i < s.last && longest <= 4;)
    for (const size_t end = std::min(s.last, i + 64); i < end; i++)
      longest = std::max(longest, indptr[i + 1] - indptr[i]);
  size_t last = s.last;
  while (last > s.first && indptr[last] + size_t{9} > s.a.nnz) last--;
  SpmvRows<typename S::T> rows{s.a, s.values, s.x, s.y, s.first, last};
  if (!(longest > 4 ? rows_of<S, true, false>(rows) : rows_of<S, false, false>(rows))) return false;
  if (last == s.last) return true;
  rows.first = last;
  rows.last = s.last;
  return rows_of<S, true, true>(rows);
}

}  // namespace

bool spmv_f32_x8__avx512(const SpmvRows<float>& rows) { return rows_and_tiles(rows, rows_by_length<F32x4>); }
bool spmv_f64_x8__avx512(const SpmvRows<double>& rows) { return rows_and_tiles(rows, rows_by_length<F64x4>); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
