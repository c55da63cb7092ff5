// Rows of memory that are used soon, asked for while something else is computed. They lie far apart, so the processor
// does not foresee them; and it would wait if they were asked for all at once, since only a few lines can be on their
// way. So some are asked for after each piece of the work that is left until then.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/memory.h"

namespace lapidary {

template <class T>
class RowsAhead {
 public:
  // Rows x, x + step, … of so many values; at most kOperands. What is added last is asked for first.
  void add(const T* x, std::ptrdiff_t step, std::size_t values) { next_[operands_++] = {x, step, values}; }
  // How many rows of each operand there are, and the multiplications that are left to do until they are used.
  void begin(std::size_t rows, double work) {
    rows_ = count_ = rows;
    if (rows == 0) operands_ = 0;
    rate_ = static_cast<double>(operands_ * rows) / work;
    due_ = 0;
  }
  // So many multiplications are done.
  void after(double work) {
    due_ += work * rate_;
    if (due_ > 0) catch_up();
  }

 private:
  static constexpr std::size_t kOperands = 4;

  struct Next {
    const T* row;
    std::ptrdiff_t step;
    std::size_t values;
  };

  // Apart from the loops over tiles, of which there are several.
  [[gnu::noinline]] void catch_up() {
    while (operands_ > 0 && due_ > 0) {
      const std::size_t n = std::min(rows_, static_cast<std::size_t>(static_cast<std::ptrdiff_t>(due_)) + 1);
      Next& next = next_[operands_ - 1];
      const T* row = next.row;
      for (std::size_t i = 0; i < n; i++, row += next.step) {
        const auto from = reinterpret_cast<std::uintptr_t>(row), to = from + next.values * sizeof(T);
        for (std::uintptr_t line = (from + kAlignment - 1) / kAlignment * kAlignment; line < to; line += kAlignment)
          __builtin_prefetch(reinterpret_cast<const void*>(line));
      }
      next.row = row;
      due_ -= static_cast<double>(n);
      rows_ -= n;
      if (rows_ > 0) continue;
      operands_--;
      rows_ = count_;
    }
    if (operands_ == 0) rate_ = due_ = 0;
  }

  Next next_[kOperands];
  std::size_t operands_ = 0, rows_ = 0, count_ = 0;
  double rate_ = 0, due_ = 0;  // rows for each multiplication, and those that it is time for
};

}  // namespace lapidary
