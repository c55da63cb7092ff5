// AVX-512: 64 values a step, four independent chains to cover the latency of the FMAs. An exponential takes 9
// multiplies and FMAs on one half of the FP pipes; rounding, scaling (vscalefps, which makes denormals and zeros as it
// should) and the f64 sums go to the other half, so the bound is about 10 cycles for 16 values where 512-bit operations
// take both halves of a pipe pair.
#include "softmax/exp_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "core/dispatch.h"

namespace lapidary {
namespace {
constexpr float kLowest = -std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLowestFinite = std::numeric_limits<float>::lowest();
}  // namespace
}  // namespace lapidary

LAPIDARY_BEGIN_AVX512

namespace lapidary {
namespace {

using std::size_t;

struct Pair {
  __m512 m, n;
};

inline Pair exp_pair(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(kExpFloor), x);  // this order lets a NaN through
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kExpLog2e)), _MM_FROUND_TO_NEAREST_INT);
  __m512 t = _mm512_fnmadd_ps(n, _mm512_set1_ps(kExpLn2Hi), x);
  t = _mm512_fnmadd_ps(n, _mm512_set1_ps(kExpLn2Lo), t);
  __m512 p = _mm512_fmadd_ps(t, _mm512_set1_ps(kExpC6), _mm512_set1_ps(kExpC5));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC4));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC3));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC2));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(1));
  return {_mm512_fmadd_ps(t, p, _mm512_set1_ps(1)), n};
}

inline __m512d low(__m512 v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
inline __m512d high(__m512 v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }

inline __mmask16 first(size_t count) { return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1); }

// Lanes past the end read as −∞: nothing in a sum, nothing in a maximum.
inline __m512 load(const float* x, __mmask16 mask) { return _mm512_mask_loadu_ps(_mm512_set1_ps(kLowest), mask, x); }

// 16 sums m·2ⁿ, one a lane: n in f32, m in two halves of f64.
struct Sums {
  __m512 n;
  __m512d low_m, high_m;

  void rise_to(__m512 top) {
    const __m512 factor = _mm512_scalef_ps(_mm512_set1_ps(1), _mm512_sub_ps(n, top));
    low_m = _mm512_mul_pd(low_m, low(factor));
    high_m = _mm512_mul_pd(high_m, high(factor));
    n = top;
  }
  void add(Pair e) {
    const __m512 term = _mm512_scalef_ps(e.m, _mm512_sub_ps(e.n, n));
    low_m = _mm512_add_pd(low_m, low(term));
    high_m = _mm512_add_pd(high_m, high(term));
  }
};

// exp(d) for d ≤ 0 with an error of 2^−29 that vanishes with d: a row that climbs slowly multiplies a sum by thousands
// of these, each next to 1, and the roundings of f32 would add up.
inline __m512d decay(__m512d d) {
  d = _mm512_max_pd(_mm512_set1_pd(-708), d);
  const __m512d n =
      _mm512_roundscale_pd(_mm512_mul_pd(d, _mm512_set1_pd(0x1.71547652b82fep+0)), _MM_FROUND_TO_NEAREST_INT);
  const __m512d t = _mm512_fnmadd_pd(n, _mm512_set1_pd(0x1.62e42fefa39efp-1), d);
  __m512d p = _mm512_set1_pd(kExpC6);
  for (const double c : {double{kExpC5}, double{kExpC4}, double{kExpC3}, double{kExpC2}, 1.0, 1.0})
    p = _mm512_fmadd_pd(t, p, _mm512_set1_pd(c));
  return _mm512_scalef_pd(p, n);
}

// 16 sums relative to e^max, one a lane.
struct Online {
  __m512 max;
  __m512d low_m, high_m;

  void rise_to(__m512 x) {
    const __mmask16 above = _mm512_cmp_ps_mask(x, max, _CMP_GT_OQ);
    if (above == 0) return;  // soon the rule
    const __m512 top = _mm512_mask_mov_ps(max, above, x);
    low_m = _mm512_mul_pd(low_m, decay(_mm512_sub_pd(low(max), low(top))));
    high_m = _mm512_mul_pd(high_m, decay(_mm512_sub_pd(high(max), high(top))));
    max = top;
  }
  void add(__m512 x) {
    const Pair e = exp_pair(_mm512_sub_ps(x, max));
    const __m512 term = _mm512_scalef_ps(e.m, e.n);
    low_m = _mm512_add_pd(low_m, low(term));
    high_m = _mm512_add_pd(high_m, high(term));
  }
};

struct Factor {
  __m512 hi, lo, n;
};

inline __m512 share(__m512 x, const Factor& factor) {
  const Pair e = exp_pair(x);
  const __m512 m = _mm512_fmadd_ps(e.m, factor.hi, _mm512_mul_ps(e.m, factor.lo));
  return _mm512_scalef_ps(m, _mm512_sub_ps(e.n, factor.n));
}

inline __m512 exponential(__m512 x, __m512 shift) {
  const Pair e = exp_pair(x);
  return _mm512_scalef_ps(e.m, _mm512_sub_ps(e.n, shift));
}

}  // namespace

ExtendedFloat exp_sum_f32_u64__avx512(const float* x, size_t count) {
  Sums sums = {_mm512_set1_ps(kLowest), _mm512_setzero_pd(), _mm512_setzero_pd()};
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const Pair a = exp_pair(_mm512_loadu_ps(x + i)), b = exp_pair(_mm512_loadu_ps(x + i + 16));
    const Pair c = exp_pair(_mm512_loadu_ps(x + i + 32)), d = exp_pair(_mm512_loadu_ps(x + i + 48));
    sums.rise_to(_mm512_max_ps(sums.n, _mm512_max_ps(_mm512_max_ps(a.n, b.n), _mm512_max_ps(c.n, d.n))));
    sums.add(a);
    sums.add(b);
    sums.add(c);
    sums.add(d);
  }
  for (; i < count; i += 16) {
    const Pair e = exp_pair(load(x + i, first(count - i)));
    sums.rise_to(_mm512_max_ps(sums.n, e.n));
    sums.add(e);
  }
  const float n = _mm512_reduce_max_ps(sums.n);
  sums.rise_to(_mm512_set1_ps(n));
  return {_mm512_reduce_add_pd(_mm512_add_pd(sums.low_m, sums.high_m)), n};
}

void exp_scale_f32_u64__avx512(const float* x, float* y, size_t count, ExpScale scale) {
  const Factor factor = {_mm512_set1_ps(scale.hi), _mm512_set1_ps(scale.lo), _mm512_set1_ps(scale.n)};
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = share(_mm512_loadu_ps(x + i), factor), b = share(_mm512_loadu_ps(x + i + 16), factor);
    const __m512 c = share(_mm512_loadu_ps(x + i + 32), factor), d = share(_mm512_loadu_ps(x + i + 48), factor);
    _mm512_storeu_ps(y + i, a);
    _mm512_storeu_ps(y + i + 16, b);
    _mm512_storeu_ps(y + i + 32, c);
    _mm512_storeu_ps(y + i + 48, d);
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    _mm512_mask_storeu_ps(y + i, mask, share(load(x + i, mask), factor));
  }
}

float row_max_f32_u64__avx512(const float* x, size_t count) {
  const __m512 lowest = _mm512_set1_ps(kLowest);
  __m512 m0 = lowest, m1 = lowest, m2 = lowest, m3 = lowest;
  unsigned nan = 0;  // vmaxps forgets a NaN at the next step
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + 16);
    const __m512 c = _mm512_loadu_ps(x + i + 32), d = _mm512_loadu_ps(x + i + 48);
    nan |= _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q) | _mm512_cmp_ps_mask(c, d, _CMP_UNORD_Q);
    m0 = _mm512_max_ps(m0, a);
    m1 = _mm512_max_ps(m1, b);
    m2 = _mm512_max_ps(m2, c);
    m3 = _mm512_max_ps(m3, d);
  }
  for (; i < count; i += 16) {
    const __m512 a = load(x + i, first(count - i));
    nan |= _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    m0 = _mm512_max_ps(m0, a);
  }
  if (nan) return kNan;
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m0, m1), _mm512_max_ps(m2, m3)));
}

double exp_store_f32_u64__avx512(const float* x, float* y, size_t count, float n) {
  const __m512 shift = _mm512_set1_ps(n - kExpStoreBias);
  __m512d s0 = _mm512_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = exponential(_mm512_loadu_ps(x + i), shift), b = exponential(_mm512_loadu_ps(x + i + 16), shift);
    const __m512 c = exponential(_mm512_loadu_ps(x + i + 32), shift),
                 d = exponential(_mm512_loadu_ps(x + i + 48), shift);
    _mm512_storeu_ps(y + i, a);
    _mm512_storeu_ps(y + i + 16, b);
    _mm512_storeu_ps(y + i + 32, c);
    _mm512_storeu_ps(y + i + 48, d);
    s0 = _mm512_add_pd(s0, _mm512_add_pd(low(a), low(b)));
    s1 = _mm512_add_pd(s1, _mm512_add_pd(high(a), high(b)));
    s2 = _mm512_add_pd(s2, _mm512_add_pd(low(c), low(d)));
    s3 = _mm512_add_pd(s3, _mm512_add_pd(high(c), high(d)));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    const __m512 a = _mm512_maskz_mov_ps(mask, exponential(load(x + i, mask), shift));
    _mm512_mask_storeu_ps(y + i, mask, a);
    s0 = _mm512_add_pd(s0, low(a));
    s1 = _mm512_add_pd(s1, high(a));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(s0, s1), _mm512_add_pd(s2, s3)));
}

double exp_total_f32_u64__avx512(const float* x, size_t count, float shift, float n) {
  const __m512 less = _mm512_set1_ps(shift), top = _mm512_set1_ps(n);
  __m512d s0 = _mm512_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i), less), top);
    const __m512 b = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16), less), top);
    const __m512 c = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 32), less), top);
    const __m512 d = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 48), less), top);
    s0 = _mm512_add_pd(s0, _mm512_add_pd(low(a), low(b)));
    s1 = _mm512_add_pd(s1, _mm512_add_pd(high(a), high(b)));
    s2 = _mm512_add_pd(s2, _mm512_add_pd(low(c), low(d)));
    s3 = _mm512_add_pd(s3, _mm512_add_pd(high(c), high(d)));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    const __m512 a = _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(load(x + i, mask), less), top));
    s0 = _mm512_add_pd(s0, low(a));
    s1 = _mm512_add_pd(s1, high(a));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(s0, s1), _mm512_add_pd(s2, s3)));
}

OnlineSum online_sum_f32_u64__avx512(const float* x, size_t count) {
  Online all = {_mm512_set1_ps(kLowestFinite), _mm512_setzero_pd(), _mm512_setzero_pd()};
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + 16);
    const __m512 c = _mm512_loadu_ps(x + i + 32), d = _mm512_loadu_ps(x + i + 48);
    all.rise_to(_mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d)));
    all.add(a);
    all.add(b);
    all.add(c);
    all.add(d);
  }
  for (; i < count; i += 16) {
    const __m512 a = load(x + i, first(count - i));
    all.rise_to(a);
    all.add(a);
  }
  const float max = _mm512_reduce_max_ps(all.max);
  all.rise_to(_mm512_set1_ps(max));
  return {_mm512_reduce_add_pd(_mm512_add_pd(all.low_m, all.high_m)), max};
}

void rescale_f32_u64__avx512(float* y, size_t count, float hi, float lo) {
  const __m512 h = _mm512_set1_ps(hi), l = _mm512_set1_ps(lo);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512 v = _mm512_loadu_ps(y + i);
    _mm512_storeu_ps(y + i, _mm512_fmadd_ps(v, h, _mm512_mul_ps(v, l)));
  }
  if (i < count) {
    const __mmask16 mask = first(count - i);
    const __m512 v = _mm512_maskz_loadu_ps(mask, y + i);
    _mm512_mask_storeu_ps(y + i, mask, _mm512_fmadd_ps(v, h, _mm512_mul_ps(v, l)));
  }
}

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
