// The reference transform: one stage after another.
#include "gemm/hadamard.h"

namespace lapidary {
namespace {

using std::size_t;

template <class T>
void transform(const T* x, size_t n, size_t block, T scale, T* out) {
  for (size_t i = 0; i < n; i++) out[i] = x[i] * scale;
  for (size_t stride = 1; stride < block; stride *= 2)
    for (size_t i = 0; i < n; i += 2 * stride)
      for (size_t j = i; j < i + stride; j++) {
        const T a = out[j], b = out[j + stride];
        out[j] = a + b;
        out[j + stride] = a - b;
      }
}

}  // namespace

void hadamard_f32__portable(const float* x, size_t n, size_t block, float scale, float* out) {
  transform(x, n, block, scale, out);
}

void hadamard_f64__portable(const double* x, size_t n, size_t block, double scale, double* out) {
  transform(x, n, block, scale, out);
}

}  // namespace lapidary
