#include "special/vmf_sample.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

#include "core/portable_lanes.h"
#include "special/normal_lanes.h"
#include "special/portable_words.h"

constexpr size_t kValuesPerPart = size_t{1} << 14;  // some 50 µs
constexpr uint64_t kHeightBlocks = uint64_t{1} << 63;

double log_of(double x) { return log_lanes<F64, Words>(x); }

// The numbers of one row's rejections, block after block; a block gives two.
struct Draws {
  uint64_t seed, row, next = kHeightBlocks;
  double normals[2] = {}, uniforms[2] = {};
  int normals_left = 0, uniforms_left = 0;

  double normal() {
    if (normals_left == 0) {
      normal_lanes<F64, Words>(seed, row, next++, &normals[0], &normals[1]);
      normals_left = 2;
    }
    return normals[--normals_left];
  }
  // on (0, 1]
  double uniform() {
    if (uniforms_left == 0) {
      const auto draw = philox_lanes<Words>(seed, row, next++);
      for (int j = 0; j < 2; j++)
        uniforms[j] = 2 - Words::as_double(one_to_two<Words>(draw.w[2 * j], draw.w[2 * j + 1]));
      uniforms_left = 2;
    }
    return uniforms[--uniforms_left];
  }
};

// Γ(shape) up to a factor that depends on shape only: Marsaglia & Tsang, A Simple Method for Generating Gamma Variables
// (2000), section 4, for shape ≥ 1.
double gamma(Draws& draws, double shape) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = draws.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root, u = draws.uniform(), square = x * x;
    if (u < 1 - 0.0331 * square * square) return v;
    if (log_of(u) < 0.5 * square + d * (1 - v + log_of(v))) return v;
  }
}

// What Wood's rejection takes from p and κ.
struct Wood {
  double dimension, shape, b, rest;  // p − 1, (p−1)/2, b, 1 − b

  Wood(size_t p, double kappa) : dimension(static_cast<double>(p - 1)), shape(dimension / 2) {
    if (kappa > shape) {
      const double ratio = dimension / kappa / 2;
      b = ratio / (1 + std::sqrt(1 + ratio * ratio));
      rest = 1 - b;
    } else {
      const double ratio = kappa / shape;
      b = 1 / (ratio + std::sqrt(1 + ratio * ratio));
      rest = 2 * ratio * b / (1 + b);  // (p−1)(1 − b²) = 4κb
    }
  }
};

struct Height {
  double t, sine;
};

Height draw_height(const Wood& wood, uint64_t seed, uint64_t row) {
  Draws draws{seed, row};
  const auto height = [&](double g1, double g2, double denominator) {
    return Height{(g2 - wood.b * g1) / denominator, 2 * std::sqrt(wood.b) * std::sqrt(g1 * g2) / denominator};
  };
  for (;;) {
    const double g1 = gamma(draws, wood.shape), g2 = gamma(draws, wood.shape);
    const double denominator = g2 + wood.b * g1;
    const double s = wood.rest * (g1 - g2) / (2 * denominator);
    const double u = draws.uniform();
    // log(1 + s) − s ≥ −s²/2 for s ≥ 0 and −s²/2(1 + s) below, and log u ≤ u − 1: most need no logarithm
    if (-wood.dimension * s * s > 2 * (u - 1) * std::min(1.0, 1 + s)) return height(g1, g2, denominator);
    // log1p(s) by the logarithm of 1 + s rounded, and what the rounding changed
    const double one = 1 + s, log1p = log_of(one) + (s - (one - 1)) / one;
    if (wood.dimension * (log1p - s) >= log_of(u)) return height(g1, g2, denominator);
  }
}

// 1 − e^−2κ, by Taylor's series and E(2y) = E(y) (2 + E(y)) for E(y) = e^y − 1; 1 from κ = 30 on.
double fallen(double kappa) {
  if (kappa >= 30) return 1;
  double y = -2 * kappa;
  int doublings = 0;
  for (; y < -0.25; y *= 0.5) doublings++;
  double e = 0;
  for (double k = 12; k >= 1; k--) e = (1 + e) * y / k;
  for (; doublings > 0; doublings--) e *= 2 + e;
  return -e;
}

// p = 3, where the density of t is exponential: the inverse of its distribution function, 1 − t = −log(1 − (1−u)(1 −
// e^−2κ)) / κ.
Height invert_height(double kappa, double fall, uint64_t seed, uint64_t row) {
  const double rest = 1 - Draws{seed, row}.uniform(), z = rest * fall, one = 1 - z;
  const double below = kappa < 0x1p-60 ? 2 * rest : std::min(2.0, -(log_of(one) - (z - (1 - one)) / one) / kappa);
  return {1 - below, std::sqrt(below * (2 - below))};
}

}  // namespace

Status vmf_sample(uint64_t seed, std::span<const double> mu, double kappa, size_t rows, std::span<double> out,
                  const Context& context) {
  const size_t p = mu.size(), step = std::max<size_t>(1, kValuesPerPart / (p + 64));
  const Wood wood(p, kappa);
  const double fall = fallen(kappa);
  const VmfRow place = kVmfRow.pick();
  const VmfCircle circle = kVmfCircle.pick();
  parallel_for(ceil_div(rows, step), [&](size_t part) {
    if (p == 2) {
      if (context.cancelled()) return;
      const size_t first = part * step;
      return circle(seed, first, mu.data(), kappa, wood.b, std::min(step, rows - first), &out[2 * first]);
    }
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      if (context.cancelled()) return;
      const Height height = p == 3 ? invert_height(kappa, fall, seed, i) : draw_height(wood, seed, i);
      place(seed, i, mu.data(), p, height.t, height.sine, &out[i * p]);
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace lapidary
