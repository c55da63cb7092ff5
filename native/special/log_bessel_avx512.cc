// The branches of log_bessel_branches.h on 512-bit vectors; the code is in the *_lanes.h.
#include "special/log_bessel_branches.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <bit>
#include <cstdint>
#include <iterator>
#include <numbers>

#include "core/dispatch.h"
#include "special/coefficients.h"
#include "special/pairs.h"
#include "special/tables.h"

#define LAPIDARY_UNROLL _Pragma("GCC unroll 40")

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

struct F64 {
  using Real = double;
  using Word = uint64_t;
  typedef double V __attribute__((vector_size(64)));
  typedef uint64_t U __attribute__((vector_size(64)));
  typedef int64_t M __attribute__((vector_size(64)));
  static constexpr int kLanes = 8;
  static constexpr double one = 1;
  static inline V all(double a) { return (V)_mm512_set1_pd(a); }
  static inline V load(const double* p) { return (V)_mm512_loadu_pd(p); }
  static inline void store(double* p, V a) { _mm512_storeu_pd(p, (__m512d)a); }
  static inline U bits(V a) { return (U)a; }
  static inline V real(U a) { return (V)a; }
  static inline V fma(V a, V b, V c) { return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
  static inline V root(V a) { return (V)_mm512_mask_sqrt_pd((__m512d)a, 0xff, (__m512d)a); }
  static inline bool any(M m) { return _mm512_movepi64_mask((__m512i)m) != 0; }
  static inline uint32_t below(V a, V b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ); }
  static inline V exponent(V a) { return (V)_mm512_getexp_pd((__m512d)a); }
  static inline V mantissa(V a) { return (V)_mm512_getmant_pd((__m512d)a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero); }
  static inline U count(U n, V a, V b) {
    const __m512i one = _mm512_set1_epi64(1);
    return (U)_mm512_mask_add_epi64((__m512i)n, _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GE_OQ), (__m512i)n,
                                    one);
  }
  static inline void store_bytes(uint8_t* p, U a) { _mm_storeu_si64(p, _mm512_cvtepi64_epi8((__m512i)a)); }
  static inline V larger(V a, V b) { return a > b ? a : b; }
  static inline V smaller(V a, V b) { return a < b ? a : b; }
  static inline V pick(const double (&table)[8], U u) {
    return (V)_mm512_permutexvar_pd((__m512i)u, _mm512_loadu_pd(table));
  }
  static inline V pick_short(const double (&table)[8], U u) { return pick(table, u); }
};

struct F32 {
  using Real = float;
  using Word = uint32_t;
  typedef float V __attribute__((vector_size(64)));
  typedef uint32_t U __attribute__((vector_size(64)));
  typedef int32_t M __attribute__((vector_size(64)));
  static constexpr int kLanes = 16;
  static constexpr float one = 1;
  static inline V all(float a) { return (V)_mm512_set1_ps(a); }
  static inline V load(const float* p) { return (V)_mm512_loadu_ps(p); }
  static inline void store(float* p, V a) { _mm512_storeu_ps(p, (__m512)a); }
  static inline U bits(V a) { return (U)a; }
  static inline V real(U a) { return (V)a; }
  static inline V fma(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
  static inline V root(V a) { return (V)_mm512_mask_sqrt_ps((__m512)a, 0xffff, (__m512)a); }
  static inline bool any(M m) { return _mm512_movepi32_mask((__m512i)m) != 0; }
  static inline uint32_t below(V a, V b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
  static inline U count(U n, V a, V b) {
    const __m512i one = _mm512_set1_epi32(1);
    return (U)_mm512_mask_add_epi32((__m512i)n, _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ), (__m512i)n, one);
  }
  static inline void store_bytes(uint8_t* p, U a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)a));
  }
  static inline V larger(V a, V b) { return a > b ? a : b; }
};

// what the others build on comes first
#include "special/log_bessel_lanes.h"
#include "special/log_bessel_small_lanes.h"
#include "special/log_bessel_stages_lanes.h"
// then the branches
#include "special/log_bessel_recurred_lanes.h"
#include "special/log_bessel_series_lanes.h"
#include "special/log_bessel_uniform_lanes.h"
// and what comes after them
#include "special/double_double_lanes.h"
#include "special/log_bessel_careful_lanes.h"
#include "special/log_bessel_temme_lanes.h"
#include "special/log_bessel_zero_lanes.h"

}  // namespace

LAPIDARY_BESSEL_DEFINE_ALL(_8__avx512, _16__avx512)

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
