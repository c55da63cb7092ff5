// VmfRow on 8 lanes; see vmf_row_lanes.h.
#include "special/vmf_sample.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"

struct Words {
  using V = __m512i;
  static V all(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
  static V iota() { return _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7); }
  static V add(V a, V b) { return _mm512_add_epi64(a, b); }
  static V sub(V a, V b) { return _mm512_sub_epi64(a, b); }
  static V mul(V a, V b) { return _mm512_mul_epu32(a, b); }
  static V flip(V a, V b) { return _mm512_xor_si512(a, b); }
  static V both(V a, V b) { return _mm512_and_si512(a, b); }
  static V either(V a, V b) { return _mm512_or_si512(a, b); }
  template <int n>
  static V left(V a) {
    return _mm512_slli_epi64(a, n);
  }
  template <int n>
  static V right(V a) {
    return _mm512_srli_epi64(a, n);
  }
  static F64::V as_double(V a) { return _mm512_castsi512_pd(a); }
  static V of_double(F64::V a) { return _mm512_castpd_si512(a); }
};

#include "special/normal_lanes.h"
#include "special/vmf_circle_lanes.h"
#include "special/vmf_row_lanes.h"

}  // namespace

void vmf_row_f64_x8__avx512(uint64_t seed, uint64_t row, const double* mu, std::size_t p, double t, double sine,
                            double* out) {
  vmf_row<F64, Words>(seed, row, mu, p, t, sine, out);
}

void vmf_circle_f64_x8__avx512(uint64_t seed, uint64_t row, const double* mu, double kappa, double b, std::size_t rows,
                               double* out) {
  vmf_circle<F64, Words>(seed, row, mu, kappa, b, rows, out);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
