// The rows of a matrix in the caller's memory as the source A of blocked.h: they are copied as rows.
#pragma once

#include <cstddef>

#include "gemm/pack.h"

namespace lapidary {

struct PlainRows {
  const float* x;
  std::size_t stride;

  bool panels() const { return false; }
  void pack(std::size_t i, std::size_t rows, std::size_t p, std::size_t depth, float* to, std::size_t pitch,
            std::size_t) const {
    pack::rows(x + i * stride + p, stride, rows, depth, to, pitch);
  }
};

}  // namespace lapidary
