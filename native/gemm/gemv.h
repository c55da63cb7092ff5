// Products of a dense matrix and a vector, f32 and f64.
//
// Bound: the matrix is read once, in the order in which it lies; two operations a value are far below the FMA peak, so
// the memory's bandwidth decides (from the caches, the load ports).
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "gemm/operand.h"

namespace lapidary {

// y ← alpha·op(A)·x + beta·y with op(A) m × k. beta = 0 writes y without reading it; y overlaps neither A nor x.
//
// Error: |y − exact| ≤ γ_{k+2}·(|alpha|·|A|·|x| + |beta|·|y₀|). The same bits for any number of threads. No scratch
// from the heap. Looks at context.cancelled() after at most a few thousand rows or columns.
template <class T>
Status gemv(std::size_t m, std::size_t k, T alpha, Operand<T> a, const T* x, T beta, T* y, const Context& context);

extern template Status gemv(std::size_t, std::size_t, float, Operand<float>, const float*, float, float*,
                            const Context&);
extern template Status gemv(std::size_t, std::size_t, double, Operand<double>, const double*, double, double*,
                            const Context&);

// The inner loops. Both read exactly the rows × n values of A (`stride` from row to row), the values of x, and y.
template <class T>
struct GemvKernels {
  // y[i] += Σ_j a(i, j)·x[j]: rows of A times x. Two vector accumulators a row, then a fixed tree, so that a row's bits
  // do not depend on its neighbours.
  void (*dots)(const T* a, std::size_t stride, std::size_t rows, std::size_t n, const T* x, T* y);
  // y[j] += Σ_i x[i]·a(i, j): the sum of the rows of A, weighted. y is the accumulator, i ascending; it should be short
  // enough for the first-level cache.
  void (*sums)(const T* a, std::size_t stride, std::size_t rows, std::size_t n, const T* x, T* y);
};

void dots_f32__portable(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void dots_f64__portable(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
void sums_f32__portable(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void sums_f64__portable(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
#if LAPIDARY_X86
void dots_f32_4x16__avx2(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void dots_f64_4x8__avx2(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
void sums_f32_8x8__avx2(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void sums_f64_8x4__avx2(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
void dots_f32_4x32__avx512(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void dots_f64_4x16__avx512(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
void sums_f32_8x16__avx512(const float*, std::size_t, std::size_t, std::size_t, const float*, float*);
void sums_f64_8x8__avx512(const double*, std::size_t, std::size_t, std::size_t, const double*, double*);
#endif

template <class T>
inline constexpr KernelTable<GemvKernels<T>, 0> kGemv{};

template <>
inline constexpr KernelTable<GemvKernels<float>, 1 + 2 * LAPIDARY_X86> kGemv<float> = {{
    {Isa::portable, {dots_f32__portable, sums_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {dots_f32_4x16__avx2, sums_f32_8x8__avx2}},
    {Isa::avx512, {dots_f32_4x32__avx512, sums_f32_8x16__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<GemvKernels<double>, 1 + 2 * LAPIDARY_X86> kGemv<double> = {{
    {Isa::portable, {dots_f64__portable, sums_f64__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {dots_f64_4x8__avx2, sums_f64_8x4__avx2}},
    {Isa::avx512, {dots_f64_4x16__avx512, sums_f64_8x8__avx512}},
#endif
}};

}  // namespace lapidary
