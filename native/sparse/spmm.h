// C = op(A)·op(B) for compressed rows A and a row-major B. Columns are taken in panels of 512 bytes (64 doubles, 128
// floats): a row of a panel is summed in registers while the rows of B that it names pass by, so that B, not C, is what
// memory has to deliver. Rows are checked as in spmv.h, before the first panel uses them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"
#include "sparse/spmv.h"

namespace lapidary {

struct SpmmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  SparseBatch batch;
};

// With op(A) m × k: b is k × cols (cols × k if it is transposed), c m × cols, row-major, batch.count of each one after
// another. An element is summed in the order of k. Scratch: a transposed A as it is, with its pointers; a transposed B
// as it is.
template <class T>
Status spmm(const CsrView<T>& a, const T* b, T* c, size_t cols, const SpmmOptions& options, CsrFault& fault,
            Context context);

template <class T>
inline constexpr size_t kSpmmPanel = 512 / sizeof(T);

// Rows first … last − 1 of one panel: c[i][0 … width) = Σ_p values[p] · b[indices[p]][0 … width), width ≤ kSpmmPanel.
// ld: distance between rows of b and of c. Reads and writes nothing beyond `width`. Indices up to indptr[last] are used
// for prefetching and must be valid.
template <class T>
struct SpmmPanel {
  const uint32_t* indptr;
  const uint32_t* indices;
  const T* values;
  const T* b;
  T* c;
  size_t ld;
  size_t width;
  size_t first;
  size_t last;
};

void spmm_f32__portable(const SpmmPanel<float>& panel);
void spmm_f64__portable(const SpmmPanel<double>& panel);
void spmm_f32_x64__avx2(const SpmmPanel<float>& panel);
void spmm_f64_x32__avx2(const SpmmPanel<double>& panel);
void spmm_f32_x128__avx512(const SpmmPanel<float>& panel);
void spmm_f64_x64__avx512(const SpmmPanel<double>& panel);

}  // namespace lapidary
