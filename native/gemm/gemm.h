// Products of dense matrices, f32 and f64.
//
// One design for every size, the same micro-kernels (microkernel.h) throughout: a product small enough to live in the
// caches runs them on the caller's memory; one with few rows or columns reads the large operand once (flat.h); a larger
// one packs blocks of A and B first, so that the inner loops read memory in order and edge columns are padded; a vector
// times a matrix goes to gemv.h. Which of these runs is decided by the shape, the second-level cache and a table
// (tuning.h), and blocks of k are cut by the shape and the micro-kernel. Every element is summed in the same order
// whoever computes it, so the bits do not depend on the number of threads.
//
// Error: |C − exact| ≤ γ_{k+2}·(|alpha|·|A|·|B| + |beta|·|C₀|) elementwise (Higham, Accuracy and Stability of Numerical
// Algorithms, 2nd ed., section 3.5). NaN and infinity propagate as IEEE arithmetic has it; no value is looked at.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "gemm/operand.h"

namespace lapidary {

// C ← alpha·op(A)·op(B) + beta·C with op(A) m × k, op(B) k × n and C m × n, ldc values from row to row; then the
// epilogue, if there is one (activation.h). `route` forces a way, where the shape leaves a choice; Route::dot, dots of
// rows, is what gemv.h does for a vector and half.h for several.
//
// As in BLAS, beta = 0 writes C without reading it, and alpha = 0 or k = 0 reads neither A nor B. C overlaps neither.
// Scratch: up to 16 MiB, or 2 MiB a thread, from the arena. Looks at context.cancelled() after at most about 0.5 ms of
// work in every thread.
template <class T>
Status gemm(std::size_t m, std::size_t n, std::size_t k, T alpha, Operand<T> a, Operand<T> b, T beta, T* c,
            std::size_t ldc, const Context& context, const Epilogue<T>* epilogue = nullptr,
            Route route = Route::automatic);

extern template Status gemm(std::size_t, std::size_t, std::size_t, float, Operand<float>, Operand<float>, float, float*,
                            std::size_t, const Context&, const Epilogue<float>*, Route);
extern template Status gemm(std::size_t, std::size_t, std::size_t, double, Operand<double>, Operand<double>, double,
                            double*, std::size_t, const Context&, const Epilogue<double>*, Route);

}  // namespace lapidary
