#include <cmath>

#include "attention/rotary.h"

namespace lapidary {
namespace {

double whole(float high, float low) { return static_cast<double>(high) + static_cast<double>(low); }

void turn(float a, float b, double c, double s, float* to_a, float* to_b) {
  *to_a = static_cast<float>(a * c - b * s);
  *to_b = static_cast<float>(b * c + a * s);
}

void split(double x, float* high, float* low) {
  *high = static_cast<float>(x);
  *low = static_cast<float>(x - static_cast<double>(*high));
}

}  // namespace

void rotate_halves_f32__portable(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                 const Rotation& r) {
  for (std::size_t h = 0; h < heads; h++, x += d, y += d)
    for (std::size_t i = 0; i < pairs; i++)
      turn(x[i], x[pairs + i], whole(r.cos[i], r.cos_low[i]), whole(r.sin[i], r.sin_low[i]), y + i, y + pairs + i);
}

void rotate_neighbours_f32__portable(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                     const Rotation& r) {
  for (std::size_t h = 0; h < heads; h++, x += d, y += d)
    for (std::size_t i = 0; i < 2 * pairs; i += 2)
      turn(x[i], x[i + 1], whole(r.cos[i + 1], r.cos_low[i + 1]), whole(r.sin[i + 1], r.sin_low[i + 1]), y + i,
           y + i + 1);
}

void angles_f64__portable(double position, const double* frequencies, std::size_t n, const Rotation& r) {
  for (std::size_t i = 0; i < n; i++) {
    const double angle = position * frequencies[i];
    split(std::cos(angle), r.cos + i, r.cos_low + i);
    split(std::sin(angle), r.sin + i, r.sin_low + i);
  }
}

}  // namespace lapidary
