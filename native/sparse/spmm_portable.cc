// Reference: the specification of the other kernels, up to their fused multiply-add.
#include <algorithm>

#include "sparse/spmm.h"

namespace lapidary {
namespace {

template <class T>
void spmm_rows(const SpmmPanel<T>& s) {
  for (size_t i = s.first; i < s.last; i++) {
    T* c = s.c + i * s.ld;
    std::fill_n(c, s.width, T{0});
    for (size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
      const T value = s.values[p];
      const T* b = s.b + s.indices[p] * s.ld;
      for (size_t j = 0; j < s.width; j++) c[j] += value * b[j];
    }
  }
}

}  // namespace

void spmm_f32__portable(const SpmmPanel<float>& panel) { spmm_rows(panel); }
void spmm_f64__portable(const SpmmPanel<double>& panel) { spmm_rows(panel); }

}  // namespace lapidary
