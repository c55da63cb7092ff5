#include "compress/hessian.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <type_traits>

#include "core/arena.h"
#include "core/thread_pool.h"
#include "gemm/gemm.h"
#include "gemm/hadamard.h"

namespace lapidary {
namespace {

// Columns of H computed together; of the square on the diagonal the upper half is wasted.
constexpr size_t kPanel = 256;
// Values of X converted at a time.
constexpr size_t kChunkValues = size_t{1} << 22;
constexpr size_t kSquare = 64;

template <class T>
bool all_finite(const T* x, size_t count) {
  constexpr size_t kPart = size_t{1} << 16;
  std::atomic<bool> finite{true};
  parallel_for(ceil_div(count, kPart), [&](size_t part) {
    T sum = 0;  // 0·x is NaN where x is not finite
    for (size_t i = part * kPart; i < std::min(count, (part + 1) * kPart); i++) sum += 0 * x[i];
    if (sum != 0) finite.store(false, std::memory_order_relaxed);
  });
  return finite;
}

void mirror(double* h, size_t n) {
  parallel_for(ceil_div(n, kSquare), [&](size_t part) {
    const size_t first = part * kSquare, end = std::min(n, first + kSquare);
    for (size_t j = first; j < n; j += kSquare)
      for (size_t i = first; i < end; i++)
        for (size_t k = std::max(i + 1, j); k < std::min(n, j + kSquare); k++) h[i * n + k] = h[k * n + i];
  });
}

void transpose(double* h, size_t n) {
  parallel_for(ceil_div(n, kSquare), [&](size_t part) {
    const size_t first = part * kSquare, end = std::min(n, first + kSquare);
    for (size_t j = first; j < n; j += kSquare)
      for (size_t i = first; i < end; i++)
        for (size_t k = std::max(i + 1, j); k < std::min(n, j + kSquare); k++) std::swap(h[i * n + k], h[k * n + i]);
  });
}

}  // namespace

template <class T>
Status add_hessian(const T* x, size_t rows, size_t cols, double before, double* h, bool& finite,
                   const Context& context) {
  finite = all_finite(x, rows * cols);
  if (!finite || cols == 0) return Status::ok;
  const double total = before + static_cast<double>(rows), alpha = 2 / total;
  const size_t chunk = std::min(rows, std::max<size_t>(64, kChunkValues / cols));
  ArenaFrame scratch;
  double* wide = std::is_same_v<T, double> ? nullptr : scratch.take<double>(chunk * cols);
  if (!std::is_same_v<T, double> && wide == nullptr) return Status::out_of_memory;
  for (size_t first = 0; first < rows; first += chunk) {
    const size_t count = std::min(chunk, rows - first);
    const double* part;
    if constexpr (std::is_same_v<T, double>) {
      part = x + first * cols;
    } else {
      std::copy_n(x + first * cols, count * cols, wide);
      part = wide;
    }
    const double beta = first == 0 ? before / total : 1.0;
    for (size_t j = 0; j < cols; j += kPanel) {
      const Status status = gemm<double>(cols - j, std::min(kPanel, cols - j), count, alpha, {part + j, cols, true},
                                         {part + j, cols, false}, beta, h + j * cols + j, cols, context);
      if (status != Status::ok) return status;
    }
  }
  mirror(h, cols);
  return Status::ok;
}

Status rotate_hessian(const double* h, size_t n, size_t block, double* out, const Context& context) {
  if (const Status status = hadamard<double>(h, n * n, block, out, context); status != Status::ok) return status;
  transpose(out, n);
  return hadamard<double>(out, n * n, block, out, context);
}

template Status add_hessian(const float*, size_t, size_t, double, double*, bool&, const Context&);
template Status add_hessian(const double*, size_t, size_t, double, double*, bool&, const Context&);

}  // namespace lapidary
