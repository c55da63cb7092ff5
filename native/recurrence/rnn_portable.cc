// The reference kernels: f32 with the polynomials of all rows of the table, f64 with the functions of the C library.
#include <cmath>
#include <limits>

#include "recurrence/rnn_kernels.h"

namespace lapidary {
namespace {

#include "core/exp_lanes.h"
#include "core/portable_lanes.h"
#include "recurrence/rnn_lanes.h"

struct Exact {
  static double exp(double x) { return std::exp(x); }
  static double logistic(double x) {
    const double e = std::exp(-std::fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
  }
  static double tanh(double x) { return std::tanh(x); }
  static double log_logistic(double x) { return std::fmin(x, 0.0) - std::log1p(std::exp(-std::fabs(x))); }
};

}  // namespace

LAPIDARY_RNN_DEFINE(F32, LaneMath<F32>, f32, portable, 4, 4)
LAPIDARY_RNN_DEFINE(F64, Exact, f64, portable, 4, 4)

}  // namespace lapidary
