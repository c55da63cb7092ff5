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

// C ← alpha·op(A)·op(B) + beta·C with op(A) m × k and op(B) k × n.
template <class T>
struct Product {
  std::size_t m, n, k;
  T alpha;
  Operand<T> a, b;
  T beta;
  T* c;
  std::size_t ldc;
};

}  // namespace lapidary
