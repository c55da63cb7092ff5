// Eight 512-bit registers hold 128 values of f32. A stage within registers is a permutation and an FMA by ±1 for each,
// a stage between registers an addition and a subtraction for two.
#include "gemm/hadamard.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/each_vector.h"

template <int s>
inline __m512 exchange(__m512 v) {
  if constexpr (s == 1) return _mm512_permute_ps(v, 0xb1);
  if constexpr (s == 2) return _mm512_permute_ps(v, 0x4e);
  if constexpr (s == 4) return _mm512_shuffle_f32x4(v, v, 0xb1);
  if constexpr (s == 8) return _mm512_shuffle_f32x4(v, v, 0x4e);
}

template <int s>
inline __m512d exchange(__m512d v) {
  if constexpr (s == 1) return _mm512_permute_pd(v, 0x55);
  if constexpr (s == 2) return _mm512_shuffle_f64x2(v, v, 0xb1);
  if constexpr (s == 4) return _mm512_shuffle_f64x2(v, v, 0x4e);
}

#include "gemm/hadamard_lanes.h"

}  // namespace

void hadamard_f32_u128__avx512(const float* x, std::size_t n, std::size_t block, float scale, float* out) {
  transform<F32>(x, n, block, scale, out);
}

void hadamard_f64_u64__avx512(const double* x, std::size_t n, std::size_t block, double scale, double* out) {
  transform<F64>(x, n, block, scale, out);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
