// The two operators of a sparse product: C(i,j) = add over k of multiply(A(i,k), B(k,j)). Every pair of them is
// allowed. On numbers or, and mean: not zero, giving 1 or 0. min and max give NaN if an operand is NaN. Whole numbers
// wrap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary {

// any: one of the products, here that of the greatest k.
enum class AddOp : uint8_t { plus, times, min, max, logical_or, logical_and, any };
inline constexpr size_t kAddOps = 7;
// pair: 1 wherever two entries meet.
enum class MultiplyOp : uint8_t { times, plus, minus, min, max, logical_or, logical_and, first, second, pair };
inline constexpr size_t kMultiplyOps = 10;

struct Semiring {
  AddOp add = AddOp::plus;
  MultiplyOp multiply = MultiplyOp::times;

  bool is_plus_times() const { return add == AddOp::plus && multiply == MultiplyOp::times; }
};

}  // namespace lapidary
