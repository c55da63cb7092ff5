// VmfRow on 4 lanes; see vmf_row_lanes.h.
#include "special/vmf_sample.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"

struct Words {
  using V = __m256i;
  static V all(uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
  static V iota() { return _mm256_setr_epi64x(0, 1, 2, 3); }
  static V add(V a, V b) { return _mm256_add_epi64(a, b); }
  static V sub(V a, V b) { return _mm256_sub_epi64(a, b); }
  static V mul(V a, V b) { return _mm256_mul_epu32(a, b); }
  static V flip(V a, V b) { return _mm256_xor_si256(a, b); }
  static V both(V a, V b) { return _mm256_and_si256(a, b); }
  static V either(V a, V b) { return _mm256_or_si256(a, b); }
  template <int n>
  static V left(V a) {
    return _mm256_slli_epi64(a, n);
  }
  template <int n>
  static V right(V a) {
    return _mm256_srli_epi64(a, n);
  }
  static F64::V as_double(V a) { return _mm256_castsi256_pd(a); }
  static V of_double(F64::V a) { return _mm256_castpd_si256(a); }
};

#include "special/normal_lanes.h"
#include "special/vmf_circle_lanes.h"
#include "special/vmf_row_lanes.h"

}  // namespace

void vmf_row_f64_x4__avx2(uint64_t seed, uint64_t row, const double* mu, std::size_t p, double t, double sine,
                          double* out) {
  vmf_row<F64, Words>(seed, row, mu, p, t, sine, out);
}

void vmf_circle_f64_x4__avx2(uint64_t seed, uint64_t row, const double* mu, double kappa, double b, std::size_t rows,
                             double* out) {
  vmf_circle<F64, Words>(seed, row, mu, kappa, b, rows, out);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
