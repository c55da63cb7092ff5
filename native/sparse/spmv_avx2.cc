// The four chains of a row as the four lanes of a register. The last few entries of a row are a full step too, over
// entries of the rows that follow, whose products are cleared: a row of any length takes one loop, whose end is the
// only branch that data can mispredict (three in the scalar loop, at 13 to 20 cycles each). The check of the structure
// is part of the step: a pass of its own reads the indices once more, a third of the time of a product. Bound: reading
// the matrix; eleven loads a step, three a cycle, are 0.9 cycles an entry. x is fetched by scalar loads: on Zen 3 a
// gather costs twice as much.
#include "core/cpu.h"
#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "sparse/spmv.h"

namespace lapidary {

LAPIDARY_BEGIN_AVX2

namespace {

constexpr size_t kAhead = 256;  // entries: the hardware stops fetching ahead at the end of every page

inline __m256i load_x8(const uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// How many of `count` numbers `next` are the numbers `here`, each with `step` added, before one is not.
inline size_t count_steps(const uint32_t* here, const uint32_t* next, uint32_t step, size_t count) {
  const __m256i steps = _mm256_set1_epi32(static_cast<int32_t>(step));
  size_t q = 0;
  for (; q + 8 <= count; q += 8)
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_add_epi32(load_x8(here + q), steps), load_x8(next + q))) != -1)
      break;
  while (q < count && here[q] + step == next[q]) q++;
  return q;
}

#include "sparse/spmv_tile_lanes.h"
#include "sparse/tile_avx2_lanes.h"

size_t tiles_of(const SpmvRows<double>& s, size_t i) { return tiles_from<TileF64x4>(s, i); }
size_t tiles_of(const SpmvRows<float>& s, size_t i) { return spmv_tiles_f32_x8__avx2(s, i); }

struct F64x4 {
  using T = double;
  using V = __m256d;
  static V zero() { return _mm256_setzero_pd(); }
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  static V pick(const double* x, const uint32_t* j) {
    const __m128d low = _mm_loadh_pd(_mm_load_sd(x + j[0]), x + j[1]);
    const __m128d high = _mm_loadh_pd(_mm_load_sd(x + j[2]), x + j[3]);
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(low), high, 1);
  }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  // The first n lanes; +0 in the others.
  static V keep(V v, size_t n) {
    alignas(64) static constexpr int64_t kMasks[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_and_pd(v, _mm256_loadu_pd(reinterpret_cast<const double*>(kMasks + 4 - n)));
  }
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
  static V pick(const float* x, const uint32_t* j) {
    const __m128 low = _mm_insert_ps(_mm_load_ss(x + j[0]), _mm_load_ss(x + j[1]), 0x10);
    const __m128 high = _mm_insert_ps(_mm_load_ss(x + j[2]), _mm_load_ss(x + j[3]), 0x10);
    return _mm_movelh_ps(low, high);
  }
  static V add(V a, V b) { return _mm_add_ps(a, b); }
  static V mul(V a, V b) { return _mm_mul_ps(a, b); }
  static V keep(V v, size_t n) {
    alignas(32) static constexpr int32_t kMasks[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm_and_ps(v, _mm_loadu_ps(reinterpret_cast<const float*>(kMasks + 4 - n)));
  }
  static float sum(V v) {
    const __m128 pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
  }
};

// The four indices of a step, as numbers that compare signed.
inline __m128i step_of(const uint32_t* index) {
  return _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(index)), _mm_set1_epi32(INT32_MIN));
}
inline bool any(__m128i mask) { return _mm_movemask_ps(_mm_castsi128_ps(mask)) != 0; }

// A chain begins with +0, so it never is −0, and adding the +0 of a cleared lane changes no bit.
template <class S>
[[gnu::noinline]] bool rows_of(const SpmvRows<typename S::T>& s) {
  using T = typename S::T;
  alignas(32) static constexpr int32_t kMasks[8] = {0, 0, 0, 0, -1, -1, -1, -1};
  const uint32_t* const indices = s.a.indices;
  const __m128i limit = _mm_set1_epi32(static_cast<int>(static_cast<uint32_t>(s.a.cols - 1) ^ 0x80000000u));
  __m128i rises = _mm_set1_epi32(-1);
  for (size_t i = s.first; i < s.last; i++) {
    size_t p = s.a.indptr[i];
    const size_t row_end = s.a.indptr[i + 1];
    typename S::V sum = S::zero();
    for (; p + 4 < row_end; p += 4) {
      _mm_prefetch(reinterpret_cast<const char*>(s.values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      const __m128i here = step_of(indices + p);
      if (any(_mm_cmpgt_epi32(here, limit))) return false;
      rises = _mm_and_si128(rises, _mm_cmpgt_epi32(step_of(indices + p + 1), here));
      sum = S::add(sum, S::mul(S::load(s.values + p), S::pick(s.x, indices + p)));
    }
    if (p + 5 <= s.a.nnz) {
      const size_t n = row_end - p;
      _mm_prefetch(reinterpret_cast<const char*>(s.values + p) + kAhead * sizeof(T), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(indices + p + kAhead), _MM_HINT_T0);
      const __m128i here = step_of(indices + p);
      if (any(_mm_cmpgt_epi32(here, limit))) return false;
      // the last entry of a row is followed by none of it
      const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMasks + (n == 0 ? 4 : 5 - n)));
      rises = _mm_and_si128(rises, _mm_or_si128(last, _mm_cmpgt_epi32(step_of(indices + p + 1), here)));
      sum = S::add(sum, S::keep(S::mul(S::load(s.values + p), S::pick(s.x, indices + p)), n));
    } else {  // the last rows: no entry lies behind them
      T tail[4] = {};
      for (size_t q = p; q < row_end; q++) {
        const uint32_t j = indices[q];
        if (j >= s.a.cols || (q + 1 < row_end && indices[q + 1] <= j)) return false;
        tail[q - p] = s.values[q] * s.x[j];
      }
      sum = S::add(sum, S::load(tail));
    }
    s.y[i] = S::sum(sum);
  }
  return !any(_mm_xor_si128(rises, _mm_set1_epi32(-1)));
}

}  // namespace

size_t spmv_tiles_f32_x8__avx2(const SpmvRows<float>& rows, size_t i) { return tiles_from<TileF32x8>(rows, i); }
bool spmv_f32_x4__avx2(const SpmvRows<float>& rows) { return rows_and_tiles(rows, rows_of<F32x4>); }
bool spmv_f64_x4__avx2(const SpmvRows<double>& rows) { return rows_and_tiles(rows, rows_of<F64x4>); }

LAPIDARY_END_ISA

}  // namespace lapidary
#endif
