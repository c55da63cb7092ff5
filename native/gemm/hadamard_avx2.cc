// Eight 256-bit registers hold 64 values of f32; see hadamard_avx512.cc.
#include "gemm/hadamard.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/each_vector.h"

template <int s>
inline __m256 exchange(__m256 v) {
  if constexpr (s == 1) return _mm256_permute_ps(v, 0xb1);
  if constexpr (s == 2) return _mm256_permute_ps(v, 0x4e);
  if constexpr (s == 4) return _mm256_permute2f128_ps(v, v, 1);
}

template <int s>
inline __m256d exchange(__m256d v) {
  if constexpr (s == 1) return _mm256_permute_pd(v, 5);
  if constexpr (s == 2) return _mm256_permute2f128_pd(v, v, 1);
}

#include "gemm/hadamard_lanes.h"

}  // namespace

void hadamard_f32_u64__avx2(const float* x, std::size_t n, std::size_t block, float scale, float* out) {
  transform<F32>(x, n, block, scale, out);
}

void hadamard_f64_u32__avx2(const double* x, std::size_t n, std::size_t block, double scale, double* out) {
  transform<F64>(x, n, block, scale, out);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
