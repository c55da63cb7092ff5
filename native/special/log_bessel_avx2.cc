// The lane branches on 256-bit vectors; see log_bessel_lanes.h.
#include "special/log_bessel_branches.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstdint>

#include "core/dispatch.h"
#include "special/coefficients.h"

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

constexpr size_t kWidth = 4;
typedef double Lanes __attribute__((vector_size(32)));
typedef uint64_t Words __attribute__((vector_size(32)));

static inline Lanes all(double a) { return (Lanes)_mm256_set1_pd(a); }
static inline Lanes load(const double* p) { return (Lanes)_mm256_loadu_pd(p); }
static inline void store(double* p, Lanes a) { _mm256_storeu_pd(p, (__m256d)a); }
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return (Lanes)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
static inline Lanes root(Lanes a) { return (Lanes)_mm256_sqrt_pd((__m256d)a); }

#include "special/log_bessel_lanes.h"

}  // namespace

void bessel_mu_f64_4__avx2(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  mu_lanes(f, terms, v, x, out, n);
}

void bessel_debye_f64_4__avx2(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  debye_lanes(f, terms, v, x, out, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
