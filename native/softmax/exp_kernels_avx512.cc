// AVX-512: 64 values a step, four independent chains to cover the latency of the FMAs. An exponential takes 9 or 10
// multiplies and FMAs on one half of the FP pipes, 5 cycles for 16 values at full width; the rest goes to the other
// half and must take no longer. So sums scale by integer addition to the exponent, not by vscalefps, which makes
// denormals and is left to the results; and f64 takes shifts (kExpHalves), not conversions of five operations, two of
// them of two steps. Terms are never added in f32, not even two neighbours: rows of a few large terms would be more
// than 3 ulp off.
#include "softmax/exp_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <algorithm>
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

// exp(x − n·ln 2)
inline __m512 exp_reduced(__m512 x, __m512 n) {
  __m512 t = _mm512_fnmadd_ps(n, _mm512_set1_ps(kExpLn2Hi), x);
  t = _mm512_fnmadd_ps(n, _mm512_set1_ps(kExpLn2Lo), t);
  __m512 p = _mm512_fmadd_ps(t, _mm512_set1_ps(kExpC6), _mm512_set1_ps(kExpC5));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC4));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC3));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(kExpC2));
  p = _mm512_fmadd_ps(t, p, _mm512_set1_ps(1));
  return _mm512_fmadd_ps(t, p, _mm512_set1_ps(1));
}

inline Pair exp_pair(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(kExpFloor), x);  // this order lets a NaN through
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kExpLog2e)), _MM_FROUND_TO_NEAREST_INT);
  return {exp_reduced(x, n), n};
}

// As f64 2^896 times smaller (kExpHalves).
inline __m512d halves(__m512i v) {
  return _mm512_castsi512_pd(_mm512_and_si512(v, _mm512_set1_epi64(0x1fffffffe0000000)));
}
inline __m512d even(__m512 v) { return halves(_mm512_slli_epi64(_mm512_castps_si512(v), 29)); }
inline __m512d odd(__m512 v) { return halves(_mm512_srli_epi64(_mm512_castps_si512(v), 3)); }

inline __m512d low(__m512 v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
inline __m512d high(__m512 v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }

inline __mmask16 first(size_t count) { return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1); }

// Rows for which it pays to begin with a part of a register, up to where a line of memory begins: registers that lie
// across two lines are written in two steps, and what JavaScript allocates begins anywhere.
constexpr size_t kAlignedRow = 512;
inline size_t to_line(const float* y, size_t count) {
  return count < kAlignedRow ? 0 : (64 - reinterpret_cast<uintptr_t>(y) % 64) % 64 / sizeof(float);
}

// Lanes past the end read as −∞: nothing in a sum, nothing in a maximum.
inline __m512 load(const float* x, __mmask16 mask) { return _mm512_mask_loadu_ps(_mm512_set1_ps(kLowest), mask, x); }

// 16 sums m·2ⁿ, one a lane. n stays where it is until an exponent k passes it by more than kHeadroom, which is rare: a
// branch that is foreseen, and sums that do not wait for n. A term is p·2^(k − n) by integer addition: k − n, from the
// mantissa of x·log₂e + (kRound − n), to the exponent of p. What lies more than kDepth below counts as 2^−kDepth and
// vanishes: a sum has a term near 2^0.
constexpr float kRound = 0x1.8p23f, kHeadroom = 30, kDepth = 125;

struct Sums {
  __m512 n, magic, least;
  __m512d even_m, odd_m, even_m2, odd_m2;

  void raise_to(__m512 top) {
    // not below 2^−120: the sum, at most 2^50, vanishes all the same
    const __m512 by = _mm512_max_ps(_mm512_set1_ps(-120), _mm512_sub_ps(n, top));
    const __m512 factor = _mm512_scalef_ps(_mm512_set1_ps(1), by);
    const __m512d unit = _mm512_set1_pd(kExpHalves);
    even_m = _mm512_mul_pd(_mm512_add_pd(even_m, even_m2), _mm512_mul_pd(even(factor), unit));
    odd_m = _mm512_mul_pd(_mm512_add_pd(odd_m, odd_m2), _mm512_mul_pd(odd(factor), unit));
    even_m2 = odd_m2 = _mm512_setzero_pd();
    n = top;
    magic = _mm512_sub_ps(_mm512_set1_ps(kRound), n);
    least = _mm512_mul_ps(_mm512_sub_ps(n, _mm512_set1_ps(kDepth)), _mm512_set1_ps(kExpLn2Hi));
  }
  // n by the largest of x.
  void raise_for(__m512 x) {
    raise_to(
        _mm512_max_ps(n, _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kExpLog2e)), _MM_FROUND_TO_NEAREST_INT)));
  }
  void add(Pair e) {
    const __m512 value = _mm512_scalef_ps(e.m, _mm512_sub_ps(e.n, n));
    even_m = _mm512_add_pd(even_m, even(value));
    odd_m = _mm512_add_pd(odd_m, odd(value));
  }
};

struct Term {
  __m512 value;
  __m512i at;  // kRound + k − n as bits
};

inline Term term(__m512 x, const Sums& sums) {
  x = _mm512_max_ps(sums.least, x);  // this order lets a NaN through
  const __m512 z = _mm512_fmadd_ps(x, _mm512_set1_ps(kExpLog2e), sums.magic);
  const __m512i at = _mm512_castps_si512(z);
  const __m512 p = exp_reduced(x, _mm512_sub_ps(z, sums.magic));
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(at, 23))), at};
}

// False if a value is NaN: as unsigned numbers NaN of either sign, too, are above kHeadroom, before n rises and after.
inline bool add_terms(Sums& sums, __m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512i most = _mm512_castps_si512(_mm512_set1_ps(kRound + kHeadroom));
  for (int turn = 0; turn < 2; turn++) {
    const Term s = term(a, sums), t = term(b, sums), u = term(c, sums), v = term(d, sums);
    const __m512i top = _mm512_max_epu32(_mm512_max_epu32(s.at, t.at), _mm512_max_epu32(u.at, v.at));
    if (_mm512_cmpgt_epu32_mask(top, most) == 0) [[likely]] {
      sums.even_m = _mm512_add_pd(sums.even_m, _mm512_add_pd(even(s.value), even(t.value)));
      sums.odd_m = _mm512_add_pd(sums.odd_m, _mm512_add_pd(odd(s.value), odd(t.value)));
      sums.even_m2 = _mm512_add_pd(sums.even_m2, _mm512_add_pd(even(u.value), even(v.value)));
      sums.odd_m2 = _mm512_add_pd(sums.odd_m2, _mm512_add_pd(odd(u.value), odd(v.value)));
      return true;
    }
    sums.raise_for(_mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d)));
  }
  return false;
}

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

// exp(x)·2^−n for magic = kRound − n where that is below 2^127; 0 where it is no normal number. x is no NaN.
inline __m512 exponential(__m512 x, __m512 magic) {
  const __m512 z = _mm512_fmadd_ps(x, _mm512_set1_ps(kExpLog2e), magic);
  const __m512 p = exp_reduced(x, _mm512_sub_ps(z, magic));
  const __mmask16 normal = _mm512_cmp_ps_mask(z, _mm512_set1_ps(kRound - kDepth), _CMP_GE_OQ);
  return _mm512_castsi512_ps(
      _mm512_maskz_add_epi32(normal, _mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(z), 23)));
}

}  // namespace

ExtendedFloat exp_sum_f32_u64__avx512(const float* x, size_t count) {
  const __m512 lowest = _mm512_set1_ps(2 * kExpFloor);
  const __m512d zero = _mm512_setzero_pd();
  Sums sums = {lowest, lowest, lowest, zero, zero, zero, zero};
  unsigned nan = 0;  // the shifts would make numbers of them
  size_t i = 0;
  if (count >= 64) {
    // these wait for n, which is found beside them
    const Pair a = exp_pair(_mm512_loadu_ps(x)), b = exp_pair(_mm512_loadu_ps(x + 16));
    const Pair c = exp_pair(_mm512_loadu_ps(x + 32)), d = exp_pair(_mm512_loadu_ps(x + 48));
    nan = _mm512_cmp_ps_mask(a.m, b.m, _CMP_UNORD_Q) | _mm512_cmp_ps_mask(c.m, d.m, _CMP_UNORD_Q);
    sums.raise_to(_mm512_max_ps(_mm512_max_ps(a.n, b.n), _mm512_max_ps(c.n, d.n)));
    sums.add(a);
    sums.add(b);
    sums.add(c);
    sums.add(d);
    i = 64;
  }
  for (; i + 64 <= count && nan == 0; i += 64)
    nan = !add_terms(sums, _mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i + 32),
                     _mm512_loadu_ps(x + i + 48));
  for (; i < count; i += 16) {
    const Pair e = exp_pair(load(x + i, first(count - i)));
    nan |= _mm512_cmp_ps_mask(e.m, e.m, _CMP_UNORD_Q);
    if (_mm512_cmp_ps_mask(e.n, _mm512_add_ps(sums.n, _mm512_set1_ps(kHeadroom)), _CMP_GT_OQ))
      sums.raise_to(_mm512_max_ps(sums.n, e.n));
    sums.add(e);
  }
  if (nan) return {kNan, kExpOrdinary};
  const float n = _mm512_reduce_max_ps(sums.n);
  sums.raise_to(_mm512_set1_ps(n));
  return {_mm512_reduce_add_pd(_mm512_add_pd(sums.even_m, sums.odd_m)) * kExpHalves, n};
}

void exp_scale_f32_u64__avx512(const float* x, float* y, size_t count, ExpScale scale) {
  const Factor factor = {_mm512_set1_ps(scale.hi), _mm512_set1_ps(scale.lo), _mm512_set1_ps(scale.n)};
  const auto four = [&](size_t i, auto&& put) {
    const __m512 a = share(_mm512_loadu_ps(x + i), factor), b = share(_mm512_loadu_ps(x + i + 16), factor);
    const __m512 c = share(_mm512_loadu_ps(x + i + 32), factor), d = share(_mm512_loadu_ps(x + i + 48), factor);
    put(y + i, a);
    put(y + i + 16, b);
    put(y + i + 32, c);
    put(y + i + 48, d);
  };
  const auto edge = [&](size_t i, size_t n) {
    const __mmask16 mask = first(n);
    _mm512_mask_storeu_ps(y + i, mask, share(load(x + i, mask), factor));
  };
  size_t i = to_line(y, count);
  if (i > 0) edge(0, i);
  if (scale.past && count >= kAlignedRow) {
    // Whole lines written past the caches need not be read first.
    for (; i + 64 <= count; i += 64) four(i, [](float* to, __m512 v) { _mm512_stream_ps(to, v); });
    _mm_sfence();
  }
  for (; i + 64 <= count; i += 64) four(i, [](float* to, __m512 v) { _mm512_storeu_ps(to, v); });
  for (; i < count; i += 16) edge(i, count - i);
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
  const __m512 shift = _mm512_set1_ps(kRound + kExpStoreBias - n);
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
    s0 = _mm512_add_pd(s0, _mm512_add_pd(even(a), even(b)));
    s1 = _mm512_add_pd(s1, _mm512_add_pd(odd(a), odd(b)));
    s2 = _mm512_add_pd(s2, _mm512_add_pd(even(c), even(d)));
    s3 = _mm512_add_pd(s3, _mm512_add_pd(odd(c), odd(d)));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    const __m512 a = _mm512_maskz_mov_ps(mask, exponential(load(x + i, mask), shift));
    _mm512_mask_storeu_ps(y + i, mask, a);
    s0 = _mm512_add_pd(s0, even(a));
    s1 = _mm512_add_pd(s1, odd(a));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(s0, s1), _mm512_add_pd(s2, s3))) * kExpHalves;
}

double exp_total_f32_u64__avx512(const float* x, size_t count, float shift, float n) {
  const __m512 less = _mm512_set1_ps(shift), top = _mm512_set1_ps(kRound - n);
  __m512d s0 = _mm512_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512 a = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i), less), top);
    const __m512 b = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16), less), top);
    const __m512 c = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 32), less), top);
    const __m512 d = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + i + 48), less), top);
    s0 = _mm512_add_pd(s0, _mm512_add_pd(even(a), even(b)));
    s1 = _mm512_add_pd(s1, _mm512_add_pd(odd(a), odd(b)));
    s2 = _mm512_add_pd(s2, _mm512_add_pd(even(c), even(d)));
    s3 = _mm512_add_pd(s3, _mm512_add_pd(odd(c), odd(d)));
  }
  for (; i < count; i += 16) {
    const __mmask16 mask = first(count - i);
    const __m512 a = _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(load(x + i, mask), less), top));
    s0 = _mm512_add_pd(s0, even(a));
    s1 = _mm512_add_pd(s1, odd(a));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(s0, s1), _mm512_add_pd(s2, s3))) * kExpHalves;
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
  const auto scaled = [&](__m512 v) { return _mm512_fmadd_ps(v, h, _mm512_mul_ps(v, l)); };
  const auto edge = [&](float* some, size_t n) {
    const __mmask16 mask = first(n);
    _mm512_mask_storeu_ps(some, mask, scaled(_mm512_maskz_loadu_ps(mask, some)));
  };
  size_t i = to_line(y, count);
  if (i > 0) edge(y, i);
  for (; i + 16 <= count; i += 16) _mm512_storeu_ps(y + i, scaled(_mm512_loadu_ps(y + i)));
  if (i < count) edge(y + i, count - i);
}

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
