#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.h"
#include "core/cpu.h"
#include "core/dispatch.h"

#if LAPIDARY_X86
#include <immintrin.h>
#endif

namespace {

using Function = void (*)(const float*, float*);      // 16 values
using Function64 = void (*)(const double*, double*);  // 8 values

namespace portable {
#include "core/exp_lanes.h"
#include "core/portable_lanes.h"
void exp16(const float* x, float* y) {
  for (int i = 0; i < 16; i++) y[i] = exp_lanes<F32>(x[i]);
}
void logistic16(const float* x, float* y) {
  for (int i = 0; i < 16; i++) y[i] = logistic_lanes<F32>(x[i]);
}
void tanh16(const float* x, float* y) {
  for (int i = 0; i < 16; i++) y[i] = tanh_lanes<F32>(x[i]);
}
void exp8(const double* x, double* y) {
  for (int i = 0; i < 8; i++) y[i] = exp64_lanes<F64>(x[i]);
}
}  // namespace portable

}  // namespace

#if LAPIDARY_X86
LAPIDARY_BEGIN_AVX2
namespace {
namespace avx2 {
#include "core/avx2_lanes.h"
#include "core/exp_lanes.h"
void exp16(const float* x, float* y) {
  for (int i = 0; i < 16; i += 8) F32::store(y + i, exp_lanes<F32>(F32::load(x + i)));
}
void logistic16(const float* x, float* y) {
  for (int i = 0; i < 16; i += 8) F32::store(y + i, logistic_lanes<F32>(F32::load(x + i)));
}
void tanh16(const float* x, float* y) {
  for (int i = 0; i < 16; i += 8) F32::store(y + i, tanh_lanes<F32>(F32::load(x + i)));
}
void exp8(const double* x, double* y) {
  for (int i = 0; i < 8; i += 4) F64::store(y + i, exp64_lanes<F64>(F64::load(x + i)));
}
}  // namespace avx2
}  // namespace
LAPIDARY_END_ISA

LAPIDARY_BEGIN_AVX512
namespace {
namespace avx512 {
#include "core/avx512_lanes.h"
#include "core/exp_lanes.h"
void exp16(const float* x, float* y) { F32::store(y, exp_lanes<F32>(F32::load(x))); }
void logistic16(const float* x, float* y) { F32::store(y, logistic_lanes<F32>(F32::load(x))); }
void tanh16(const float* x, float* y) { F32::store(y, tanh_lanes<F32>(F32::load(x))); }
void exp8(const double* x, double* y) { F64::store(y, exp64_lanes<F64>(F64::load(x))); }
}  // namespace avx512
}  // namespace
LAPIDARY_END_ISA
#endif

namespace {

double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  const float rounded = static_cast<float>(want);
  if (std::isinf(rounded)) return got == rounded || got == std::numeric_limits<float>::max() ? 0 : 1e9;
  int exponent;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double plain_exp(double x) { return std::exp(x); }
double plain_tanh(double x) { return std::tanh(x); }

void check_all(Function function, double (*exact)(double), double bound) {
  double worst = 0;
  uint64_t bits = 0;
  while (bits < (uint64_t{1} << 32)) {
    float x[16], y[16];
    for (float& value : x) {
      value = std::bit_cast<float>(static_cast<uint32_t>(bits));
      bits += 4099;
    }
    function(x, y);
    for (int i = 0; i < 16; i++) worst = std::max(worst, ulps(y[i], exact(x[i])));
  }
  const float edges[16] = {0,     -0.0f,  INFINITY, -INFINITY, NAN, 88.72284f, 88.722839f, -87.33655f,
                           -104., -103.9, 0.625f,   -0.625f,   89,  -745,      1e38f,      1e-45f};
  float y[16];
  function(edges, y);
  for (int i = 0; i < 16; i++) worst = std::max(worst, ulps(y[i], exact(edges[i])));
  if (!CHECK(worst <= bound)) std::printf("  %g ulp\n", worst);
}

// In units of the last place of a double, denormals and overflow included.
double ulps64(double got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (std::isinf(want) || std::isinf(got)) {
    const double most = std::numeric_limits<double>::max();
    return std::min(got, most) >= most * (1 - 0x1p-50) && want >= most * (1 - 0x1p-50) ? 0 : 1e9;
  }
  int exponent;
  std::frexp(want, &exponent);
  return std::fabs(got - want) / std::ldexp(1.0, std::max(exponent - 53, -1074));
}

// libm's exp is within 1 ulp itself.
void check_exp64(Function64 function) {
  double worst = 0;
  const auto check8 = [&](const double* x) {
    double y[8];
    function(x, y);
    for (int i = 0; i < 8; i++) worst = std::max(worst, ulps64(y[i], std::exp(x[i])));
  };
  double x[8];
  for (double low : {-760.0, -2.0}) {
    const double step = -low * 2 / 400000;
    for (double at = low; at < -low; at += 8 * step) {
      for (int i = 0; i < 8; i++) x[i] = at + i * step;
      check8(x);
    }
  }
  for (int e = -1074; e <= 1016; e += 8) {  // every power of two, of both signs in turn
    for (int i = 0; i < 8; i++) x[i] = std::ldexp(i % 2 == 0 ? 1.5 : -1.25, std::min(e + i, 1022));
    check8(x);
  }
  const double edges[8] = {0, -0.0, INFINITY, -INFINITY, NAN, 709.782712893384, -745.13321910194122, -708.5};
  check8(edges);
  if (!CHECK(worst <= 2)) std::printf("  %g ulp\n", worst);
}

}  // namespace

TEST(exp_logistic_and_tanh_of_lanes_are_as_accurate_as_stated) {
  check_all(portable::exp16, plain_exp, 2);
  check_all(portable::logistic16, logistic, 3);
  check_all(portable::tanh16, plain_tanh, 3);
  check_exp64(portable::exp8);
#if LAPIDARY_X86
  if (lapidary::isa_supported(lapidary::Isa::avx2)) {
    check_all(avx2::exp16, plain_exp, 1.1);
    check_all(avx2::logistic16, logistic, 3);
    check_all(avx2::tanh16, plain_tanh, 3);
    check_exp64(avx2::exp8);
  }
  if (lapidary::isa_supported(lapidary::Isa::avx512)) {
    check_all(avx512::exp16, plain_exp, 1.1);
    check_all(avx512::logistic16, logistic, 3);
    check_all(avx512::tanh16, plain_tanh, 3);
    check_exp64(avx512::exp8);
  }
#endif
}
