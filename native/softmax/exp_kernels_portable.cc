// The reference, in f64 between its f32 ends: what the vector kernels approximate within their rounding errors.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "softmax/exp_kernels.h"

namespace lapidary {
namespace {

struct Pair {
  double m, n;
};

// The addition that leaves a double of this size rounded to a whole number (Knuth's trick, ties to even).
constexpr double kRound = 0x1.8p52;

Pair exp_pair(float value) {
  const double x = value < kExpFloor ? kExpFloor : value;
  const double n = (x * double{kExpLog2e} + kRound) - kRound;
  const double t = (x - n * double{kExpLn2Hi}) - n * double{kExpLn2Lo};
  const double tail = double{kExpC2} + t * (kExpC3 + t * (kExpC4 + t * (kExpC5 + t * kExpC6)));
  return {1 + t * (1 + t * tail), n};
}

// 2^d for whole d ≤ 1023, 0 below the normal range of f64.
double power_of_two(double d) {
  return d < -1022 ? 0 : std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(d) + 1023) << 52);
}

}  // namespace

ExtendedFloat exp_sum_f32__portable(const float* x, std::size_t count) {
  double m = 0, n = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; i++) {
    const Pair e = exp_pair(x[i]);
    if (!(e.n < kExpOrdinary)) return {std::numeric_limits<double>::quiet_NaN(), kExpOrdinary};
    if (e.n > n) {
      m = m * power_of_two(n - e.n) + e.m;
      n = e.n;
    } else {
      m += e.m * power_of_two(e.n - n);
    }
  }
  return {m, static_cast<float>(n)};
}

void exp_scale_f32__portable(const float* x, float* y, std::size_t count, ExpScale scale) {
  const double factor = double{scale.hi} + double{scale.lo};
  for (std::size_t i = 0; i < count; i++) {
    const Pair e = exp_pair(x[i]);
    y[i] = static_cast<float>(e.m * factor * power_of_two(e.n - scale.n));
  }
}

float row_max_f32__portable(const float* x, std::size_t count) {
  float max = x[0];
  for (std::size_t i = 0; i < count; i++) {
    if (std::isnan(x[i])) return x[i];
    if (x[i] > max) max = x[i];
  }
  return max;
}

double exp_store_f32__portable(const float* x, float* y, std::size_t count, float n) {
  double sum = 0;
  for (std::size_t i = 0; i < count; i++) {
    const Pair e = exp_pair(x[i]);
    y[i] = static_cast<float>(e.m * power_of_two(e.n - n + kExpStoreBias));
    sum += y[i];
  }
  return sum;
}

double exp_total_f32__portable(const float* x, std::size_t count, float shift, float n) {
  double sum = 0;
  for (std::size_t i = 0; i < count; i++) {
    const Pair e = exp_pair(x[i] - shift);
    sum += e.m * power_of_two(e.n - n);
  }
  return sum;
}

OnlineSum online_sum_f32__portable(const float* x, std::size_t count) {
  OnlineSum all = {0, std::numeric_limits<float>::lowest()};
  for (std::size_t i = 0; i < count; i++) {
    if (!(x[i] <= std::numeric_limits<float>::max())) return {std::numeric_limits<double>::quiet_NaN(), x[i]};
    if (x[i] > all.max) {
      all.sum *= std::exp(double{all.max} - x[i]);
      all.max = x[i];
    }
    const Pair e = exp_pair(x[i] - all.max);
    all.sum += e.m * power_of_two(e.n);
  }
  return all;
}

void rescale_f32__portable(float* y, std::size_t count, float hi, float lo) {
  const double factor = double{hi} + double{lo};
  for (std::size_t i = 0; i < count; i++) y[i] = static_cast<float>(y[i] * factor);
}

}  // namespace lapidary
