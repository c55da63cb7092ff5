// Sums of f32 values in f64 whose bits are the same on every machine.
#pragma once

#include <cstddef>

namespace lapidary {

// Σ term(x[i]) for i ≡ 0, 1, … 15 apart, then in a tree. The baseline instruction set does it two at a time.
template <class Term>
double sum_of(const float* x, std::size_t count, Term term) {
  constexpr std::size_t kSums = 16;
  double sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= count; i += kSums)
    for (std::size_t s = 0; s < kSums; s++) sums[s] += term(static_cast<double>(x[i + s]));
  for (std::size_t s = 0; i + s < count; s++) sums[s] += term(static_cast<double>(x[i + s]));
  for (std::size_t half = kSums / 2; half > 0; half /= 2)
    for (std::size_t s = 0; s < half; s++) sums[s] += sums[s + half];
  return sums[0];
}

}  // namespace lapidary
