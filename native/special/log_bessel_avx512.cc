// The lane branches on 512-bit vectors; see log_bessel_lanes.h.
#include "special/log_bessel_branches.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstdint>

#include "core/dispatch.h"
#include "special/coefficients.h"

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

constexpr size_t kWidth = 8;
typedef double Lanes __attribute__((vector_size(64)));
typedef uint64_t Words __attribute__((vector_size(64)));

static inline Lanes all(double a) { return (Lanes)_mm512_set1_pd(a); }
static inline Lanes load(const double* p) { return (Lanes)_mm512_loadu_pd(p); }
static inline void store(double* p, Lanes a) { _mm512_storeu_pd(p, (__m512d)a); }
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return (Lanes)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
static inline Lanes root(Lanes a) { return (Lanes)_mm512_mask_sqrt_pd((__m512d)a, 0xff, (__m512d)a); }

#include "special/log_bessel_lanes.h"

}  // namespace

void bessel_mu_f64_8__avx512(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  mu_lanes(f, terms, v, x, out, n);
}

void bessel_debye_f64_8__avx512(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  debye_lanes(f, terms, v, x, out, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
