// Cholesky factors of symmetric positive definite matrices in f64.
//
// Recursive by halves (Gustavson's way): all but a share of about kBase/n of the n³/3 operations are products of
// gemm.h, in threads; triangular solves multiply by inverses of blocks of kBase on the diagonal. The order of
// operations depends on n only, so the bits are the same for any number of threads.
//
// Source: Gustavson, Recursion Leads to Automatic Variable Blocking for Dense Linear-Algebra Algorithms (IBM J. Res.
// Develop. 41(6), 1997), section 4; inverted diagonal blocks: Du Croz & Higham, Stability of Methods for Matrix
// Inversion (IMA J. Numer. Anal. 12, 1992).
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// A = L·Lᵀ in place: n × n, row-major, `stride` values from row to row; reads and writes the lower triangle, and leaves
// the upper one unspecified. `positive` is false, and A unspecified, if a pivot is not above n·2^−52 of its diagonal
// element: then A is not positive definite, or so near to singular that its factor would be noise.
Status cholesky(double* a, std::size_t n, std::size_t stride, bool& positive, const Context& context);

}  // namespace lapidary
