// The reference kernels of a matrix times a vector.
#include "gemm/gemv.h"

namespace lapidary {
namespace {

using std::size_t;

// Eight partial sums: independent, so that the compiler may keep them in vectors.
template <class T>
void dots(const T* a, size_t stride, size_t rows, size_t n, const T* x, T* y) {
  constexpr size_t kSums = 8;
  for (size_t i = 0; i < rows; i++, a += stride) {
    T sum[kSums] = {};
    size_t j = 0;
    for (; j + kSums <= n; j += kSums)
      for (size_t s = 0; s < kSums; s++) sum[s] += a[j + s] * x[j + s];
    for (size_t s = 0; j < n; j++, s++) sum[s] += a[j] * x[j];
    for (size_t half = kSums / 2; half > 0; half /= 2)
      for (size_t s = 0; s < half; s++) sum[s] += sum[s + half];
    y[i] += sum[0];
  }
}

template <class T>
void sums(const T* a, size_t stride, size_t rows, size_t n, const T* x, T* y) {
  for (size_t i = 0; i < rows; i++, a += stride)
    for (size_t j = 0; j < n; j++) y[j] += x[i] * a[j];
}

}  // namespace

void dots_f32__portable(const float* a, size_t stride, size_t rows, size_t n, const float* x, float* y) {
  dots(a, stride, rows, n, x, y);
}

void dots_f64__portable(const double* a, size_t stride, size_t rows, size_t n, const double* x, double* y) {
  dots(a, stride, rows, n, x, y);
}

void sums_f32__portable(const float* a, size_t stride, size_t rows, size_t n, const float* x, float* y) {
  sums(a, stride, rows, n, x, y);
}

void sums_f64__portable(const double* a, size_t stride, size_t rows, size_t n, const double* x, double* y) {
  sums(a, stride, rows, n, x, y);
}

}  // namespace lapidary
