// Reference: the specification of the other kernels, to the last bit.
#include "sparse/spmv.h"

namespace lapidary {
namespace {

template <class T>
T dot_row(const uint32_t* indices, const T* values, size_t n, const T* x) {
  T s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  size_t p = 0;
  for (; p + 4 <= n; p += 4) {
    s0 += values[p] * x[indices[p]];
    s1 += values[p + 1] * x[indices[p + 1]];
    s2 += values[p + 2] * x[indices[p + 2]];
    s3 += values[p + 3] * x[indices[p + 3]];
  }
  if (p < n) s0 += values[p] * x[indices[p]];
  if (p + 1 < n) s1 += values[p + 1] * x[indices[p + 1]];
  if (p + 2 < n) s2 += values[p + 2] * x[indices[p + 2]];
  return (s0 + s2) + (s1 + s3);
}

template <class T>
bool spmv_rows(const SpmvRows<T>& s) {
  if (check_rows(s.a, s.first, s.last)) return false;
  for (size_t i = s.first; i < s.last; i++) {
    const size_t p = s.a.indptr[i];
    s.y[i] = dot_row(s.a.indices + p, s.values + p, s.a.indptr[i + 1] - p, s.x);
  }
  return true;
}

}  // namespace

bool spmv_f32__portable(const SpmvRows<float>& rows) { return spmv_rows(rows); }
bool spmv_f64__portable(const SpmvRows<double>& rows) { return spmv_rows(rows); }

}  // namespace lapidary
