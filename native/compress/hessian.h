// The Hessian of a layer's output error, H = (2/n)·Σ x·xᵀ over the n inputs seen so far.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// H ← H·before/(before + rows) + 2/(before + rows)·XᵀX, X rows × cols, H cols × cols and symmetric; H is not read if
// before = 0. Sums in f64. `finite` is false, and H untouched, if X has a NaN or ∞. rows > 0.
//
// rows·cols² operations, half of XᵀX: panels of columns below the diagonal, products of gemm.h.
template <class T>
Status add_hessian(const T* x, std::size_t rows, std::size_t cols, double before, double* h, bool& finite,
                   const Context& context);

extern template Status add_hessian(const float*, std::size_t, std::size_t, double, double*, bool&, const Context&);
extern template Status add_hessian(const double*, std::size_t, std::size_t, double, double*, bool&, const Context&);

// out ← B·H·B with B the orthonormal Hadamard matrices of `block` columns on the diagonal (gemm/hadamard.h): the
// Hessian of inputs that were transformed so. H is n × n and symmetric, block divides n; out is h or overlaps it
// nowhere.
Status rotate_hessian(const double* h, std::size_t n, std::size_t block, double* out, const Context& context);

}  // namespace lapidary
