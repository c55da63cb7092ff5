// AVX2 and FMA: 32 values a step, four independent chains that go forward together, operation by operation: written one
// after the other they fill the scheduler with operations that wait, and take 1.3× as long (Zen 3). Where AVX-512 has
// vscalefps, powers of two are made in the exponent bits and multiplied on; a result that may be denormal is scaled in
// two steps, of which only the second rounds. Bound: 10 to 12 multiplies and FMAs and 5 to 8 others for 8 values over
// two FMA and two add pipes.
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
constexpr float kLowestN = -189097;  // rint(kExpFloor·log₂e)
constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
// A window of 8 lanes that starts at 8 − count has `count` lanes set.
alignas(32) constexpr int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
}  // namespace
}  // namespace lapidary

LAPIDARY_BEGIN_AVX2

namespace lapidary {
namespace {

using std::size_t;

template <int kCount>
struct Registers {
  __m256 v[kCount];
};

// op(0), op(1), … side by side.
template <int kCount, class Op>
inline Registers<kCount> each(Op&& op) {
  Registers<kCount> r;
#pragma GCC unroll 4
  for (int i = 0; i < kCount; i++) r.v[i] = op(i);
  return r;
}

template <int kCount>
inline Registers<kCount> load(const float* x) {
  return each<kCount>([&](int i) { return _mm256_loadu_ps(x + 8 * i); });
}

// exp(x − n·ln 2)
template <int kCount>
inline Registers<kCount> exponential_of_rest(const Registers<kCount>& x, const Registers<kCount>& n) {
  using Some = Registers<kCount>;
  const __m256 hi = _mm256_set1_ps(kExpLn2Hi), lo = _mm256_set1_ps(kExpLn2Lo);
  Some t = each<kCount>([&](int i) { return _mm256_fnmadd_ps(n.v[i], hi, x.v[i]); });
  t = each<kCount>([&](int i) { return _mm256_fnmadd_ps(n.v[i], lo, t.v[i]); });
  const auto next = [&](const Some& p, float c) {
    return each<kCount>([&](int i) { return _mm256_fmadd_ps(t.v[i], p.v[i], _mm256_set1_ps(c)); });
  };
  Some p = each<kCount>([&](int) { return _mm256_set1_ps(kExpC6); });
  p = next(next(next(next(p, kExpC5), kExpC4), kExpC3), kExpC2);
  return next(next(p, 1), 1);
}

// Powers of two relative to 2^top. Added to x·log₂e, `magic` rounds it to a whole n and leaves 127 + n − top in the low
// bits: shifted, the power itself. `floor` keeps them from passing 0, which stands for 0.
struct Powers {
  __m256 magic, floor;

  explicit Powers(__m256 top)
      : magic(_mm256_sub_ps(_mm256_set1_ps(0x1.8p23f + 127), top)),
        floor(_mm256_mul_ps(_mm256_sub_ps(top, _mm256_set1_ps(127)), _mm256_set1_ps(kExpLn2Hi))) {}
};

// exp(x)·2^−top where that is below 2^127; 0 below 2^−126; NaN for NaN.
template <int kCount>
inline Registers<kCount> exponential(Registers<kCount> x, const Powers& powers) {
  using Some = Registers<kCount>;
  x = each<kCount>([&](int i) { return _mm256_max_ps(powers.floor, x.v[i]); });  // this order lets a NaN through
  const Some sum =
      each<kCount>([&](int i) { return _mm256_fmadd_ps(x.v[i], _mm256_set1_ps(kExpLog2e), powers.magic); });
  const Some n = each<kCount>([&](int i) { return _mm256_sub_ps(sum.v[i], powers.magic); });
  const Some m = exponential_of_rest(x, n);
  return each<kCount>([&](int i) {
    return _mm256_mul_ps(m.v[i], _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(sum.v[i]), 23)));
  });
}

inline __m256d low(__m256 v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
inline __m256d high(__m256 v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }

// As f64 2^896 times smaller (kExpHalves).
inline __m256d halves(__m256i v) {
  return _mm256_castsi256_pd(_mm256_and_si256(v, _mm256_set1_epi64x(0x1fffffffe0000000)));
}
inline __m256d even(__m256 v) { return halves(_mm256_slli_epi64(_mm256_castps_si256(v), 29)); }
inline __m256d odd(__m256 v) { return halves(_mm256_srli_epi64(_mm256_castps_si256(v), 3)); }

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

// Sums of f32 terms, one a lane, in two halves of f64.
struct Halves {
  __m256d low_m, high_m;

  Halves() : low_m(_mm256_setzero_pd()), high_m(_mm256_setzero_pd()) {}
  void add(__m256 terms) {
    low_m = _mm256_add_pd(low_m, low(terms));
    high_m = _mm256_add_pd(high_m, high(terms));
  }
  void add(const Registers<4>& terms) {
    const auto& v = terms.v;
    low_m =
        _mm256_add_pd(low_m, _mm256_add_pd(_mm256_add_pd(low(v[0]), low(v[1])), _mm256_add_pd(low(v[2]), low(v[3]))));
    high_m = _mm256_add_pd(high_m,
                           _mm256_add_pd(_mm256_add_pd(high(v[0]), high(v[1])), _mm256_add_pd(high(v[2]), high(v[3]))));
  }
  void scale(__m256 factor) {
    low_m = _mm256_mul_pd(low_m, low(factor));
    high_m = _mm256_mul_pd(high_m, high(factor));
  }
  double total() const { return sum_of(_mm256_add_pd(low_m, high_m)); }
};

inline __m256 max_of(const Registers<4>& x) {
  return _mm256_max_ps(_mm256_max_ps(x.v[0], x.v[1]), _mm256_max_ps(x.v[2], x.v[3]));
}

// 8 sums m·2ⁿ, one a lane, n in f32. Terms may be up to 2^60 before a lane's n rises, so that it hardly ever does after
// the first step: a branch that is foreseen. Where nothing above kExpFloor has come, n stays below the ordinary.
struct Sums {
  __m256 n, limit;
  Powers powers;
  Halves m;

  Sums() : n(_mm256_set1_ps(kLowestN)), limit(most(n)), powers(n) {}
  // What x may be without overflow.
  static __m256 most(__m256 n) {
    return _mm256_mul_ps(_mm256_add_ps(n, _mm256_set1_ps(60)), _mm256_set1_ps(kExpLn2Hi));
  }
  // top ≥ n, or both are infinite.
  void scale_to(__m256 top) {
    // 2^d for whole d ≤ 0; 0 for d ≤ −127
    const __m256 d = _mm256_max_ps(_mm256_sub_ps(n, top), _mm256_set1_ps(-127));
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(d, _mm256_set1_ps(0x1.8p23f + 127)));
    m.scale(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)));
    n = top;
    limit = most(n);
    powers = Powers(n);
  }
  // Before terms up to x are added. A NaN raises nothing: its term makes the sum NaN.
  void rise_to(__m256 x) {
    if (_mm256_movemask_ps(_mm256_cmp_ps(x, limit, _CMP_GT_OQ)) == 0) return;
    const __m256 top = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kExpLog2e)), kNearest);
    scale_to(_mm256_max_ps(top, n));
  }
};

// exp(d) for d ≤ 0 with an error of 2^−29 that vanishes with d: a row that climbs slowly multiplies a sum by thousands
// of these, each next to 1, and the roundings of f32 would add up.
inline __m256d decay(__m256d d) {
  d = _mm256_max_pd(_mm256_set1_pd(-708), d);
  const __m256d magic = _mm256_set1_pd(0x1.8p52 + 1023);
  const __m256d sum =
      _mm256_add_pd(_mm256_round_pd(_mm256_mul_pd(d, _mm256_set1_pd(0x1.71547652b82fep+0)), kNearest), magic);
  const __m256d t = _mm256_fnmadd_pd(_mm256_sub_pd(sum, magic), _mm256_set1_pd(0x1.62e42fefa39efp-1), d);
  __m256d p = _mm256_set1_pd(kExpC6);
  for (const double c : {double{kExpC5}, double{kExpC4}, double{kExpC3}, double{kExpC2}, 1.0, 1.0})
    p = _mm256_fmadd_pd(t, p, _mm256_set1_pd(c));
  return _mm256_mul_pd(p, _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(sum), 52)));
}

// 8 sums relative to e^max, one a lane.
struct Online {
  __m256 max;
  Halves m;

  Online() : max(_mm256_set1_ps(kLowestFinite)) {}
  template <int kCount>
  Registers<kCount> terms(const Registers<kCount>& x) const {
    return exponential(each<kCount>([&](int i) { return _mm256_sub_ps(x.v[i], max); }), Powers(_mm256_setzero_ps()));
  }
  void rise_to(__m256 x) {
    const __m256 above = _mm256_cmp_ps(x, max, _CMP_GT_OQ);
    if (_mm256_movemask_ps(above) == 0) return;  // soon the rule
    const __m256 before = max;
    max = _mm256_blendv_ps(max, x, above);
    m.low_m = _mm256_mul_pd(m.low_m, decay(_mm256_sub_pd(low(before), low(max))));
    m.high_m = _mm256_mul_pd(m.high_m, decay(_mm256_sub_pd(high(before), high(max))));
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

template <int kCount>
inline Registers<kCount> shares(Registers<kCount> x, const Factor& factor) {
  using Some = Registers<kCount>;
  x = each<kCount>([&](int i) { return _mm256_max_ps(factor.floor, x.v[i]); });
  const Some sum =
      each<kCount>([&](int i) { return _mm256_fmadd_ps(x.v[i], _mm256_set1_ps(kExpLog2e), factor.magic); });
  const Some n = each<kCount>([&](int i) { return _mm256_sub_ps(sum.v[i], factor.magic); });
  const Some p = exponential_of_rest(x, n);
  Some m = each<kCount>([&](int i) { return _mm256_mul_ps(p.v[i], factor.lo); });
  m = each<kCount>([&](int i) { return _mm256_fmadd_ps(p.v[i], factor.hi, m.v[i]); });
  return each<kCount>([&](int i) {
    const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(sum.v[i]), 23);
    const __m256 exact = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(m.v[i]), power));
    return _mm256_mul_ps(exact, _mm256_set1_ps(0x1p-100f));
  });
}

}  // namespace

ExtendedFloat exp_sum_f32_u32__avx2(const float* x, size_t count) {
  Sums sums;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const Registers<4> some = load<4>(x + i);
    sums.rise_to(max_of(some));
    sums.m.add(exponential(some, sums.powers));
  }
  for (; i < count; i += 8) {
    const Registers<1> some = {{load(x + i, first(count - i))}};
    sums.rise_to(some.v[0]);
    sums.m.add(exponential(some, sums.powers).v[0]);
  }
  const float n = max_of(sums.n);
  sums.scale_to(_mm256_set1_ps(n));
  return {sums.m.total(), n};
}

void exp_scale_f32_u32__avx2(const float* x, float* y, size_t count, ExpScale scale) {
  const Factor factor(scale);
  const auto edge = [&](size_t i, size_t n) {
    const __m256i mask = first(n);
    _mm256_maskstore_ps(y + i, mask, shares(Registers<1>{{load(x + i, mask)}}, factor).v[0]);
  };
  size_t i = 0;
  if (scale.past) {
    // Whole lines written past the caches need not be read first.
    i = (32 - reinterpret_cast<uintptr_t>(y) % 32) % 32 / sizeof(float);
    if (i > count) i = count;
    if (i > 0) edge(0, i);
    for (; i + 32 <= count; i += 32) {
      const Registers<4> some = shares(load<4>(x + i), factor);
      for (int j = 0; j < 4; j++) _mm256_stream_ps(y + i + 8 * j, some.v[j]);
    }
    _mm_sfence();
  }
  for (; i + 32 <= count; i += 32) {
    const Registers<4> some = shares(load<4>(x + i), factor);
    for (int j = 0; j < 4; j++) _mm256_storeu_ps(y + i + 8 * j, some.v[j]);
  }
  for (; i < count; i += 8) edge(i, count - i);
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
  const Powers powers(_mm256_set1_ps(n - kExpStoreBias));
  Halves sum;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const Registers<4> some = exponential(load<4>(x + i), powers);
    for (int j = 0; j < 4; j++) _mm256_storeu_ps(y + i + 8 * j, some.v[j]);
    sum.add(some);
  }
  for (; i < count; i += 8) {
    const __m256i mask = first(count - i);
    const __m256 some = exponential(Registers<1>{{load(x + i, mask)}}, powers).v[0];
    _mm256_maskstore_ps(y + i, mask, some);
    sum.add(some);
  }
  return sum.total();
}

double exp_total_f32_u32__avx2(const float* x, size_t count, float shift, float n) {
  const __m256 less = _mm256_set1_ps(shift);
  const Powers powers(_mm256_set1_ps(n));
  __m256d sums[4] = {};
  const auto add = [&](int j, __m256 terms) {
    sums[j] = _mm256_add_pd(sums[j], even(terms));
    sums[j + 1] = _mm256_add_pd(sums[j + 1], odd(terms));
  };
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const auto terms =
        exponential(each<4>([&](int j) { return _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * j), less); }), powers);
    // one by one: beside a term of 1 the others are what the logarithm is made of
    for (int j = 0; j < 4; j++) add(j % 2 * 2, terms.v[j]);
  }
  for (; i < count; i += 8)
    add(0, exponential(Registers<1>{{_mm256_sub_ps(load(x + i, first(count - i)), less)}}, powers).v[0]);
  return sum_of(_mm256_add_pd(_mm256_add_pd(sums[0], sums[1]), _mm256_add_pd(sums[2], sums[3]))) * kExpHalves;
}

OnlineSum online_sum_f32_u32__avx2(const float* x, size_t count) {
  Online all;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const Registers<4> some = load<4>(x + i);
    all.rise_to(max_of(some));
    all.m.add(all.terms(some));
  }
  for (; i < count; i += 8) {
    const Registers<1> some = {{load(x + i, first(count - i))}};
    all.rise_to(some.v[0]);
    all.m.add(all.terms(some).v[0]);
  }
  const float max = max_of(all.max);
  all.rise_to(_mm256_set1_ps(max));
  return {all.m.total(), max};
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
