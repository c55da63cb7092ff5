// The caller's matrices as sources of blocked.h: rows are copied as rows, columns of a transposed A as panels.
#pragma once

#include <cstddef>

#include "gemm/operand.h"
#include "gemm/pack.h"

namespace lapidary {

template <class T>
struct PlainA {
  Operand<T> x;

  bool panels() const { return x.transposed; }
  void pack(std::size_t i, std::size_t rows, std::size_t p, std::size_t depth, T* to, std::size_t pitch,
            std::size_t mr) const {
    if (x.transposed)
      pack::choose_panels<T>(mr, false)(x.data + p * x.stride + i, x.stride, depth, rows, to);
    else
      pack::rows(x.data + i * x.stride + p, x.stride, rows, depth, to, pitch);
  }
};

template <class T>
struct PlainB {
  Operand<T> x;

  void pack(std::size_t j, std::size_t cols, std::size_t p, std::size_t depth, T* to, std::size_t nr) const {
    const T* from = x.transposed ? x.data + j * x.stride + p : x.data + p * x.stride + j;
    pack::choose_panels<T>(nr, x.transposed)(from, x.stride, depth, cols, to);
  }
};

}  // namespace lapidary
