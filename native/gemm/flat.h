// Products whose time is that of reading one large operand: it is read once, from where it lies, and never copied to
// memory as the blocked product does; what the micro-kernels (microkernel.h) cannot read in place goes through a panel
// that stays in the nearest caches.
//
//   flat    op(A) has few rows, B is large
//   narrow  op(B) has few columns and stays in the second-level cache, A is large and not transposed
//
// Bound: the memory's read bandwidth. Bits: k is cut by the shape and constants of the micro-kernel, so they do not
// depend on the threads.
//
// Source: Hong et al., FlashDecoding++ (2023), section 4: a flat product is a kernel of its own between the product
// with a vector and the blocked one.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "gemm/microkernel.h"
#include "gemm/operand.h"

namespace lapidary {

// Both take any product with k > 0. Scratch of a thread: about 4 KiB for each row of A in flat_product, up to 32 KiB in
// narrow_product, and there once a copy of a transposed B.
template <class T>
Status flat_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context);
template <class T>
Status narrow_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context);

extern template Status flat_product(const Product<float>&, const MicroKernel<float>&, const Context&);
extern template Status flat_product(const Product<double>&, const MicroKernel<double>&, const Context&);
extern template Status narrow_product(const Product<float>&, const MicroKernel<float>&, const Context&);
extern template Status narrow_product(const Product<double>&, const MicroKernel<double>&, const Context&);

}  // namespace lapidary
