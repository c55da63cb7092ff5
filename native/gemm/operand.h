#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary {

template <class T>
struct Epilogue;  // activation.h

// The ways to a product that a caller may ask for; see gemm.h.
enum class Route : std::uint8_t {
  automatic,  // chosen by the shape and the caches
  dot,        // dots of the rows of A with the columns of B
  flat,       // B is read once and goes through panels that stay in the nearest caches
  blocked,    // A and B are packed
};
inline constexpr std::size_t kRoutes = 4;

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
  const Epilogue<T>* epilogue = nullptr;
};

namespace detail {

// Multiplications of a product; a double, because three sizes may overflow.
template <class G>
double work(const G& g) {
  return static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
}

}  // namespace detail

}  // namespace lapidary
