// The branches of log_bessel_branches.h on 256-bit vectors; the code is in the *_lanes.h.
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

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

struct F64 {
  using Real = double;
  using Word = uint64_t;
  typedef double V __attribute__((vector_size(32)));
  typedef uint64_t U __attribute__((vector_size(32)));
  typedef int64_t M __attribute__((vector_size(32)));
  static constexpr int kLanes = 4;
  static constexpr double one = 1;
  static inline V all(double a) { return (V)_mm256_set1_pd(a); }
  static inline V load(const double* p) { return (V)_mm256_loadu_pd(p); }
  static inline void store(double* p, V a) { _mm256_storeu_pd(p, (__m256d)a); }
  static inline U bits(V a) { return (U)a; }
  static inline V real(U a) { return (V)a; }
  static inline V fma(V a, V b, V c) { return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
  static inline V root(V a) { return (V)_mm256_sqrt_pd((__m256d)a); }
  static inline bool any(M m) { return _mm256_movemask_pd((__m256d)m) != 0; }
  static inline uint32_t below(V a, V b) { return static_cast<uint32_t>(_mm256_movemask_pd((__m256d)(a < b))); }
  static inline V exponent(V a) { return real((bits(a) >> 52) | 0x4330000000000000) - (0x1p52 + 1023); }
  static inline V mantissa(V a) { return real((bits(a) & 0xfffffffffffff) | 0x3ff0000000000000); }
  static inline U count(U n, V a, V b) { return n - (U)(a >= b); }
  static inline void store_bytes(uint8_t* p, U a) {
    const __m256i bytes = _mm256_shuffle_epi8((__m256i)a, _mm256_set1_epi32(0x0800));  // two in each half
    const __m128i all = _mm_unpacklo_epi16(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storeu_si32(p, all);
  }
  static inline V larger(V a, V b) { return (V)_mm256_max_pd((__m256d)a, (__m256d)b); }
  static inline V smaller(V a, V b) { return (V)_mm256_min_pd((__m256d)a, (__m256d)b); }
  // the halves of a table's entries are looked up apart: the permutation is of eight 32-bit words
  static inline V pick(const double (&table)[8], U u) {
    const __m256i index = _mm256_shuffle_epi32((__m256i)u, 0xa0);
    const __m256 a = _mm256_loadu_ps(reinterpret_cast<const float*>(table));
    const __m256 b = _mm256_loadu_ps(reinterpret_cast<const float*>(table + 4));
    const __m256 low = (__m256)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0x88), 0xd8);
    const __m256 high = (__m256)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0xdd), 0xd8);
    return (V)_mm256_blend_ps(_mm256_permutevar8x32_ps(low, index), _mm256_permutevar8x32_ps(high, index), 0xaa);
  }
  static inline V pick_short(const double (&table)[8], U u) {
    const __m256i index = _mm256_slli_epi64((__m256i)u, 32);
    const __m256 a = _mm256_loadu_ps(reinterpret_cast<const float*>(table));
    const __m256 b = _mm256_loadu_ps(reinterpret_cast<const float*>(table + 4));
    const __m256 high = (__m256)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0xdd), 0xd8);
    return (V)_mm256_blend_ps(_mm256_setzero_ps(), _mm256_permutevar8x32_ps(high, index), 0xaa);
  }
};

struct F32 {
  using Real = float;
  using Word = uint32_t;
  typedef float V __attribute__((vector_size(32)));
  typedef uint32_t U __attribute__((vector_size(32)));
  typedef int32_t M __attribute__((vector_size(32)));
  static constexpr int kLanes = 8;
  static constexpr float one = 1;
  static inline V all(float a) { return (V)_mm256_set1_ps(a); }
  static inline V load(const float* p) { return (V)_mm256_loadu_ps(p); }
  static inline void store(float* p, V a) { _mm256_storeu_ps(p, (__m256)a); }
  static inline U bits(V a) { return (U)a; }
  static inline V real(U a) { return (V)a; }
  static inline V fma(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
  static inline V root(V a) { return (V)_mm256_sqrt_ps((__m256)a); }
  static inline bool any(M m) { return _mm256_movemask_ps((__m256)m) != 0; }
  static inline uint32_t below(V a, V b) { return static_cast<uint32_t>(_mm256_movemask_ps((__m256)(a < b))); }
  static inline U count(U n, V a, V b) { return n - (U)(a >= b); }
  static inline void store_bytes(uint8_t* p, U a) {
    const __m256i bytes = _mm256_shuffle_epi8((__m256i)a, _mm256_set1_epi32(0x0c080400));  // four in each half
    const __m128i all = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storeu_si64(p, all);
  }
  static inline V larger(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
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

LAPIDARY_BESSEL_DEFINE_ALL(_4__avx2, _8__avx2)

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
