// Sampled dense × dense product: out[p] = s[i,j] · Σ_l x[i,l]·y[j,l] for the entries p = (i, j) of S. The product X·Yᵀ
// is computed nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// x: s.rows × k, y: s.cols × k, row-major; out: s.nnz values. The matrix must have been checked. Bound: a row of Y of
// k values for each entry.
template <class T>
Status sddmm(const CsrView<T>& s, const T* x, const T* y, size_t k, T* out, Context context);

// Rows first … last − 1. Reads nothing beyond the k values of a row. Sums in lanes, combined in a tree.
template <class T>
struct SddmmRows {
  const uint32_t* indptr;
  const uint32_t* indices;
  const T* values;
  const T* x;
  const T* y;
  T* out;
  size_t k;
  size_t first;
  size_t last;
};

void sddmm_f32__portable(const SddmmRows<float>& rows);
void sddmm_f64__portable(const SddmmRows<double>& rows);
void sddmm_f32_x8__avx2(const SddmmRows<float>& rows);
void sddmm_f64_x4__avx2(const SddmmRows<double>& rows);
void sddmm_f32_x16__avx512(const SddmmRows<float>& rows);
void sddmm_f64_x8__avx512(const SddmmRows<double>& rows);

}  // namespace lapidary
