// Reference: the specification of the other kernels, up to the order of their sums and their fused multiply-add.
#include "sparse/sddmm.h"

namespace lapidary {
namespace {

template <class T>
void sddmm_rows(const SddmmRows<T>& s) {
  for (size_t i = s.first; i < s.last; i++)
    for (size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
      const T* x = s.x + i * s.k;
      const T* y = s.y + s.indices[p] * s.k;
      T sum = 0;
      for (size_t l = 0; l < s.k; l++) sum += x[l] * y[l];
      s.out[p] = s.values[p] * sum;
    }
}

}  // namespace

void sddmm_f32__portable(const SddmmRows<float>& rows) { sddmm_rows(rows); }
void sddmm_f64__portable(const SddmmRows<double>& rows) { sddmm_rows(rows); }

}  // namespace lapidary
