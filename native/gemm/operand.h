#pragma once

#include <cstddef>

namespace lapidary {

// A matrix in the caller's memory as op(X): row-major with `stride` values from row to row, read transposed on request.
template <class T>
struct Operand {
  const T* data;
  std::size_t stride;
  bool transposed;
};

}  // namespace lapidary
