#include "gemm/gemv.h"

#include <algorithm>

#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

// Values of the matrix between two looks at the cancel flag, and in one part: some 50 µs of reading.
constexpr size_t kChunk = size_t{1} << 16;
// From here on a second thread saves more than it costs to wake.
constexpr size_t kParallelValues = size_t{1} << 19;
// Elements of y that are accumulated together on the stack.
constexpr size_t kColumns = 1024;
constexpr size_t kRows = 256;

template <class T>
void store(T alpha, const T* sum, T beta, T* y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = beta == 0 ? alpha * sum[i] : alpha * sum[i] + beta * y[i];
}

// y = A·x: parts are groups of rows; long rows are read in pieces, whose sums are added in order.
template <class T>
Status times_rows(size_t m, size_t k, T alpha, Operand<T> a, const T* x, T beta, T* y, const Context& context) {
  const auto dots = kGemv<T>.pick().dots;
  const size_t rows = std::clamp<size_t>(kChunk / std::max<size_t>(k, 1), 4, kRows);
  return each_part(ceil_div(m, rows), k >= ceil_div(kParallelValues, m), context, [&](size_t part) {
    const size_t first = part * rows, count = std::min(rows, m - first);
    T sum[kRows] = {};
    for (size_t j = 0; j < k; j += kChunk) {
      if (context.cancelled()) return Status::aborted;
      dots(a.data + first * a.stride + j, a.stride, count, std::min(kChunk, k - j), x + j, sum);
    }
    store(alpha, sum, beta, y + first, count);
    return Status::ok;
  });
}

// y = Aᵀ·x: parts are groups of columns, each summed over all rows.
template <class T>
Status times_columns(size_t m, size_t k, T alpha, Operand<T> a, const T* x, T beta, T* y, const Context& context) {
  const auto sums = kGemv<T>.pick().sums;
  return each_part(ceil_div(m, kColumns), k >= ceil_div(kParallelValues, m), context, [&](size_t part) {
    const size_t first = part * kColumns, count = std::min(kColumns, m - first);
    const size_t rows = kChunk / kColumns;
    T sum[kColumns];
    std::fill(sum, sum + count, T{0});
    for (size_t i = 0; i < k; i += rows) {
      if (context.cancelled()) return Status::aborted;
      sums(a.data + i * a.stride + first, a.stride, std::min(rows, k - i), count, x + i, sum);
    }
    store(alpha, sum, beta, y + first, count);
    return Status::ok;
  });
}

}  // namespace

template <class T>
Status gemv(size_t m, size_t k, T alpha, Operand<T> a, const T* x, T beta, T* y, const Context& context) {
  if (m == 0) return Status::ok;
  if (alpha == 0 || k == 0) {
    for (size_t i = 0; i < m; i++) y[i] = beta == 0 ? T{0} : beta * y[i];
    return Status::ok;
  }
  return a.transposed ? times_columns(m, k, alpha, a, x, beta, y, context)
                      : times_rows(m, k, alpha, a, x, beta, y, context);
}

template Status gemv(size_t, size_t, float, Operand<float>, const float*, float, float*, const Context&);
template Status gemv(size_t, size_t, double, Operand<double>, const double*, double, double*, const Context&);

}  // namespace lapidary
