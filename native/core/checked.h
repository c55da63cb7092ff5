// Size arithmetic that notices overflow: every product of caller-given sizes goes through here before it becomes a
// length, so that 2^33 rows of 2^33 columns are refused and never wrap to a small buffer.
#pragma once

#include <cstddef>
#include <optional>

namespace lapidary {

using std::size_t;

inline std::optional<size_t> checked_mul(size_t a, size_t b) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

inline std::optional<size_t> checked_mul(std::optional<size_t> a, size_t b) {
  return a ? checked_mul(*a, b) : std::nullopt;
}

inline std::optional<size_t> checked_add(size_t a, size_t b) {
  size_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// Rounds up to a multiple of `step` (a power of two).
inline std::optional<size_t> checked_round_up(size_t n, size_t step) {
  const auto sum = checked_add(n, step - 1);
  return sum ? std::optional<size_t>(*sum & ~(step - 1)) : std::nullopt;
}

constexpr size_t ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

}  // namespace lapidary
