// AVX2 and FMA: 32 values a step, four independent chains. Where AVX-512 has vscalefps, powers of two are made in the
// exponent bits and multiplied on; a result that may be denormal is scaled in two steps, of which only the second
// rounds. Bound: 9 multiplies and FMAs and about 12 others for 8 values over two FMA and two add pipes.
#include "softmax/exp_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/dispatch.h"

namespace lapidary {
namespace {
constexpr float kLowest = -std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLowestFinite = std::numeric_limits<float>::lowest();
// A window of 8 lanes that starts at 8 − count has `count` lanes set.
alignas(32) constexpr int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
}  // namespace
}  // namespace lapidary

LAPIDARY_BEGIN_AVX2

namespace lapidary {
namespace {

using std::size_t;

struct Pair {
  __m256 m, n;
};

// exp(x − n·ln 2)
inline __m256 exponential_of_rest(__m256 x, __m256 n) {
  __m256 t = _mm256_fnmadd_ps(n, _mm256_set1_ps(kExpLn2Hi), x);
  t = _mm256_fnmadd_ps(n, _mm256_set1_ps(kExpLn2Lo), t);
  __m256 p = _mm256_fmadd_ps(t, _mm256_set1_ps(kExpC6), _mm256_set1_ps(kExpC5));
  p = _mm256_fmadd_ps(t, p, _mm256_set1_ps(kExpC4));
  p = _mm256_fmadd_ps(t, p, _mm256_set1_ps(kExpC3));
  p = _mm256_fmadd_ps(t, p, _mm256_set1_ps(kExpC2));
  p = _mm256_fmadd_ps(t, p, _mm256_set1_ps(1));
  return _mm256_fmadd_ps(t, p, _mm256_set1_ps(1));
}

inline Pair exp_pair(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(kExpFloor), x);  // this order lets a NaN through
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kExpLog2e)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return {exponential_of_rest(x, n), n};
}

// 2^d for whole d ≤ 127; 0 for d ≤ −127. Adding 1.5·2^23 + 127 leaves d + 127 in the low bits.
inline __m256 power_of_two(__m256 d) {
  d = _mm256_max_ps(d, _mm256_set1_ps(-127));
  const __m256i bits = _mm256_castps_si256(_mm256_add_ps(d, _mm256_set1_ps(0x1.8000fep23f)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}

inline __m256d low(__m256 v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
inline __m256d high(__m256 v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }

inline __m256i first(size_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLanes + (count >= 8 ? 0 : 8 - count)));
}

// Lanes past the end read as −∞: nothing in a sum, nothing in a maximum.
inline __m256 load(const float* x, __m256i mask) {
  return _mm256_blendv_ps(_mm256_set1_ps(kLowest), _mm256_maskload_ps(x, mask), _mm256_castsi256_ps(mask));
}

inline float max_of(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

inline double sum_of(__m256d v) {
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

// 8 sums m·2ⁿ, one a lane: n in f32, m in two halves of f64.
struct Sums {
  __m256 n;
  __m256d low_m, high_m;

  void rise_to(__m256 top) {
    const __m256 factor = power_of_two(_mm256_sub_ps(n, top));
    low_m = _mm256_mul_pd(low_m, low(factor));
    high_m = _mm256_mul_pd(high_m, high(factor));
    n = top;
  }
  void add(Pair e) {
    const __m256 term = _mm256_mul_ps(e.m, power_of_two(_mm256_sub_ps(e.n, n)));
    low_m = _mm256_add_pd(low_m, low(term));
    high_m = _mm256_add_pd(high_m, high(term));
  }
};

// 8 sums relative to e^max, one a lane.
struct Online {
  __m256 max;
  __m256d low_m, high_m;

  void rise_to(__m256 x) {
    const __m256 above = _mm256_cmp_ps(x, max, _CMP_GT_OQ);
    if (_mm256_movemask_ps(above) == 0) return;  // soon the rule
    const __m256 top = _mm256_blendv_ps(max, x, above);
    const Pair e = exp_pair(_mm256_sub_ps(max, top));
    const __m256 factor = _mm256_mul_ps(e.m, power_of_two(e.n));
    low_m = _mm256_mul_pd(low_m, low(factor));
    high_m = _mm256_mul_pd(high_m, high(factor));
    max = top;
  }
  void add(__m256 x) {
    const Pair e = exp_pair(_mm256_sub_ps(x, max));
    const __m256 term = _mm256_mul_ps(e.m, power_of_two(e.n));
    low_m = _mm256_add_pd(low_m, low(term));
    high_m = _mm256_add_pd(high_m, high(term));
  }
};

// Added to x·log₂e, `magic` rounds it to a whole n and leaves n + 100 − (the row's exponent) in the low bits, which go
// to the exponent as they are: `floor` keeps the result of this step normal, and 2^−100 then rounds it once.
struct Factor {
  __m256 hi, lo, magic, floor;

  explicit Factor(const ExpScale& scale)
      : hi(_mm256_set1_ps(scale.hi)),
        lo(_mm256_set1_ps(scale.lo)),
        magic(_mm256_set1_ps(0x1.8p23f + (100 - scale.n))),
        floor(_mm256_set1_ps((scale.n - 225) * kExpLn2Hi)) {}
};

inline __m256 share(__m256 x, const Factor& factor) {
  x = _mm256_max_ps(factor.floor, x);
  const __m256 sum = _mm256_fmadd_ps(x, _mm256_set1_ps(kExpLog2e), factor.magic);
  const __m256 p = exponential_of_rest(x, _mm256_sub_ps(sum, factor.magic));
  const __m256 m = _mm256_fmadd_ps(p, factor.hi, _mm256_mul_ps(p, factor.lo));
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(sum), 23);
  const __m256 exact = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(m), power));
  return _mm256_mul_ps(exact, _mm256_set1_ps(0x1p-100f));
}

inline __m256 exponential(__m256 x, __m256 shift) {
  const Pair e = exp_pair(x);
  return _mm256_mul_ps(e.m, power_of_two(_mm256_sub_ps(e.n, shift)));
}

}  // namespace

ExtendedFloat exp_sum_f32_u32__avx2(const float* x, size_t count) {
  Sums sums = {_mm256_set1_ps(kLowest), _mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const Pair a = exp_pair(_mm256_loadu_ps(x + i)), b = exp_pair(_mm256_loadu_ps(x + i + 8));
    const Pair c = exp_pair(_mm256_loadu_ps(x + i + 16)), d = exp_pair(_mm256_loadu_ps(x + i + 24));
    sums.rise_to(_mm256_max_ps(sums.n, _mm256_max_ps(_mm256_max_ps(a.n, b.n), _mm256_max_ps(c.n, d.n))));
    sums.add(a);
    sums.add(b);
    sums.add(c);
    sums.add(d);
  }
  for (; i < count; i += 8) {
    const Pair e = exp_pair(load(x + i, first(count - i)));
    sums.rise_to(_mm256_max_ps(sums.n, e.n));
    sums.add(e);
  }
  const float n = max_of(sums.n);
  sums.rise_to(_mm256_set1_ps(n));
  return {sum_of(_mm256_add_pd(sums.low_m, sums.high_m)), n};
}

void exp_scale_f32_u32__avx2(const float* x, float* y, size_t count, ExpScale scale) {
  const Factor factor(scale);
  size_t i = 0;
  if (scale.past) {
    // Whole lines written past the caches need not be read first.
    i = (32 - reinterpret_cast<uintptr_t>(y) % 32) % 32 / sizeof(float);
    if (i > count) i = count;
    if (i > 0) _mm256_maskstore_ps(y, first(i), share(load(x, first(i)), factor));
    for (; i + 32 <= count; i += 32) {
      const __m256 a = share(_mm256_loadu_ps(x + i), factor), b = share(_mm256_loadu_ps(x + i + 8), factor);
      const __m256 c = share(_mm256_loadu_ps(x + i + 16), factor), d = share(_mm256_loadu_ps(x + i + 24), factor);
      _mm256_stream_ps(y + i, a);
      _mm256_stream_ps(y + i + 8, b);
      _mm256_stream_ps(y + i + 16, c);
      _mm256_stream_ps(y + i + 24, d);
    }
    _mm_sfence();
  }
  for (; i + 32 <= count; i += 32) {
    const __m256 a = share(_mm256_loadu_ps(x + i), factor), b = share(_mm256_loadu_ps(x + i + 8), factor);
    const __m256 c = share(_mm256_loadu_ps(x + i + 16), factor), d = share(_mm256_loadu_ps(x + i + 24), factor);
    _mm256_storeu_ps(y + i, a);
    _mm256_storeu_ps(y + i + 8, b);
    _mm256_storeu_ps(y + i + 16, c);
    _mm256_storeu_ps(y + i + 24, d);
  }
  for (; i < count; i += 8) {
    const __m256i mask = first(count - i);
    _mm256_maskstore_ps(y + i, mask, share(load(x + i, mask), factor));
  }
}

float row_max_f32_u32__avx2(const float* x, size_t count) {
  const __m256 lowest = _mm256_set1_ps(kLowest);
  __m256 m0 = lowest, m1 = lowest, m2 = lowest, m3 = lowest;
  __m256 nan = _mm256_setzero_ps();  // vmaxps forgets a NaN at the next step
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
    const __m256 c = _mm256_loadu_ps(x + i + 16), d = _mm256_loadu_ps(x + i + 24);
    nan = _mm256_or_ps(nan, _mm256_or_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q), _mm256_cmp_ps(c, d, _CMP_UNORD_Q)));
    m0 = _mm256_max_ps(m0, a);
    m1 = _mm256_max_ps(m1, b);
    m2 = _mm256_max_ps(m2, c);
    m3 = _mm256_max_ps(m3, d);
  }
  for (; i < count; i += 8) {
    const __m256 a = load(x + i, first(count - i));
    nan = _mm256_or_ps(nan, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    m0 = _mm256_max_ps(m0, a);
  }
  if (_mm256_movemask_ps(nan)) return kNan;
  return max_of(_mm256_max_ps(_mm256_max_ps(m0, m1), _mm256_max_ps(m2, m3)));
}

double exp_store_f32_u32__avx2(const float* x, float* y, size_t count, float n) {
  const __m256 shift = _mm256_set1_ps(n - kExpStoreBias);
  __m256d s0 = _mm256_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 a = exponential(_mm256_loadu_ps(x + i), shift), b = exponential(_mm256_loadu_ps(x + i + 8), shift);
    const __m256 c = exponential(_mm256_loadu_ps(x + i + 16), shift),
                 d = exponential(_mm256_loadu_ps(x + i + 24), shift);
    _mm256_storeu_ps(y + i, a);
    _mm256_storeu_ps(y + i + 8, b);
    _mm256_storeu_ps(y + i + 16, c);
    _mm256_storeu_ps(y + i + 24, d);
    s0 = _mm256_add_pd(s0, _mm256_add_pd(low(a), low(b)));
    s1 = _mm256_add_pd(s1, _mm256_add_pd(high(a), high(b)));
    s2 = _mm256_add_pd(s2, _mm256_add_pd(low(c), low(d)));
    s3 = _mm256_add_pd(s3, _mm256_add_pd(high(c), high(d)));
  }
  for (; i < count; i += 8) {
    const __m256i mask = first(count - i);
    const __m256 a = _mm256_and_ps(exponential(load(x + i, mask), shift), _mm256_castsi256_ps(mask));
    _mm256_maskstore_ps(y + i, mask, a);
    s0 = _mm256_add_pd(s0, low(a));
    s1 = _mm256_add_pd(s1, high(a));
  }
  return sum_of(_mm256_add_pd(_mm256_add_pd(s0, s1), _mm256_add_pd(s2, s3)));
}

double exp_total_f32_u32__avx2(const float* x, size_t count, float shift, float n) {
  const __m256 less = _mm256_set1_ps(shift), top = _mm256_set1_ps(n);
  __m256d s0 = _mm256_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 a = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i), less), top);
    const __m256 b = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i + 8), less), top);
    const __m256 c = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i + 16), less), top);
    const __m256 d = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i + 24), less), top);
    s0 = _mm256_add_pd(s0, _mm256_add_pd(low(a), low(b)));
    s1 = _mm256_add_pd(s1, _mm256_add_pd(high(a), high(b)));
    s2 = _mm256_add_pd(s2, _mm256_add_pd(low(c), low(d)));
    s3 = _mm256_add_pd(s3, _mm256_add_pd(high(c), high(d)));
  }
  for (; i < count; i += 8) {
    const __m256i mask = first(count - i);
    const __m256 a = _mm256_and_ps(exponential(_mm256_sub_ps(load(x + i, mask), less), top), _mm256_castsi256_ps(mask));
    s0 = _mm256_add_pd(s0, low(a));
    s1 = _mm256_add_pd(s1, high(a));
  }
  return sum_of(_mm256_add_pd(_mm256_add_pd(s0, s1), _mm256_add_pd(s2, s3)));
}

OnlineSum online_sum_f32_u32__avx2(const float* x, size_t count) {
  Online all = {_mm256_set1_ps(kLowestFinite), _mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
    const __m256 c = _mm256_loadu_ps(x + i + 16), d = _mm256_loadu_ps(x + i + 24);
    all.rise_to(_mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d)));
    all.add(a);
    all.add(b);
    all.add(c);
    all.add(d);
  }
  for (; i < count; i += 8) {
    const __m256 a = load(x + i, first(count - i));
    all.rise_to(a);
    all.add(a);
  }
  const float max = max_of(all.max);
  all.rise_to(_mm256_set1_ps(max));
  return {sum_of(_mm256_add_pd(all.low_m, all.high_m)), max};
}

void rescale_f32_u32__avx2(float* y, size_t count, float hi, float lo) {
  const __m256 h = _mm256_set1_ps(hi), l = _mm256_set1_ps(lo);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 v = _mm256_loadu_ps(y + i);
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, h, _mm256_mul_ps(v, l)));
  }
  if (i < count) {
    const __m256i mask = first(count - i);
    const __m256 v = _mm256_maskload_ps(y + i, mask);
    _mm256_maskstore_ps(y + i, mask, _mm256_fmadd_ps(v, h, _mm256_mul_ps(v, l)));
  }
}

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
