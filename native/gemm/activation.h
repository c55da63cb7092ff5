// What is done to the elements of a product before anybody reads them: a bias added, an activation function taken.
// Products apply it to each piece of C as soon as the piece is complete, while it lies in the nearest caches, so that
// it costs no pass over memory.
//
//   relu          max(x, 0)
//   gelu          x·Φ(x), Φ the distribution function of the standard normal (Hendrycks & Gimpel 2016)
//   gelu_tanh     their approximation x·σ(2·√(2/π)·(x + 0.044715·x³)), which is ½·x·(1 + tanh(√(2/π)·(…)))
//   silu          x·σ(x), σ(x) = 1 / (1 + e^−x)
//   squared_relu  max(x, 0)²
//   poly_relu     Σ_i a_i·max(x, 0)^i
//
// and poly_norm, which needs whole rows and is a pass of its own. Both polynomials: Zhuo et al., Polynomial Composition
// Activations (ICLR 2025), equations 2 and 3.
//
// f32: gelu and silu within 8 ulp; gelu_tanh the same but for the rounding of σ's argument, which below 0 costs up to
// |argument| ulp more. f64: gelu by the libm's erfc; ½·x·erfc(−x/√2) loses up to x² ulp below 0. NaN gives NaN; −∞
// gives 0 and +∞ gives +∞, polynomials as IEEE arithmetic has it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

enum class Activation : std::uint8_t { none, relu, gelu, gelu_tanh, silu, squared_relu, poly_relu, poly_norm };
inline constexpr std::size_t kActivations = 8;
inline constexpr std::size_t kPolynomialDegree = 8;  // at most

// C[i, j] ← activation(C[i, j] + bias[j]); poly_norm, which needs whole rows, is left to the function of that name.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  // none
  Activation activation = Activation::none;
  const T* coefficients = nullptr;  // a_0 … a_degree of a polynomial
  std::size_t degree = 0;

  // For a piece of m × n elements whose first column is column j of the matrix.
  void apply(T* c, std::size_t ldc, std::size_t m, std::size_t n, std::size_t j) const;
};

extern template struct Epilogue<float>;
extern template struct Epilogue<double>;

// PolyNorm in place: x[i, j] ← a_0 + Σ_{p ≥ 1} a_p·x[i,j]^p / sqrt(mean_j x[i,j]^2p + eps). degree ≤ kPolynomialDegree.
// Powers are taken of x over the row's largest magnitude: they do not overflow where the result does not. Rows are
// parts: the same bits for any number of threads.
template <class T>
Status poly_norm(std::size_t rows, std::size_t cols, const T* coefficients, std::size_t degree, double eps, T* x,
                 const Context& context);

extern template Status poly_norm(std::size_t, std::size_t, const float*, std::size_t, double, float*, const Context&);
extern template Status poly_norm(std::size_t, std::size_t, const double*, std::size_t, double, double*, const Context&);

// Kernels over n values of one row.
template <class T>
struct ActivationKernels {
  // c[j] ← activation(c[j] + bias[j]); bias may be nullptr
  void (*row)(const Epilogue<T>& epilogue, const T* bias, T* c, std::size_t n);
  // max_j |x[j]|, NaN passed over
  T (*largest)(const T* x, std::size_t n);
  // sums[p] = Σ_j (x[j] / scale)^2p for p = 1 … degree
  void (*moments)(const T* x, std::size_t n, T scale, std::size_t degree, T* sums);
  // x[j] ← Σ_p a[p]·(x[j] / scale)^p, p = 0 … degree
  void (*polynomial)(T* x, std::size_t n, T scale, const T* a, std::size_t degree);
};

const ActivationKernels<float>& activations_f32__portable();
const ActivationKernels<double>& activations_f64__portable();
#if LAPIDARY_X86
const ActivationKernels<float>& activations_f32__avx2();
const ActivationKernels<double>& activations_f64__avx2();
const ActivationKernels<float>& activations_f32__avx512();
const ActivationKernels<double>& activations_f64__avx512();
#endif

template <class T>
inline constexpr KernelTable<const ActivationKernels<T>& (*)(), 0> kActivation{};

template <>
inline constexpr KernelTable<const ActivationKernels<float>& (*)(), 1 + 2 * LAPIDARY_X86> kActivation<float> = {{
    {Isa::portable, activations_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, activations_f32__avx2},
    {Isa::avx512, activations_f32__avx512},
#endif
}};

template <>
inline constexpr KernelTable<const ActivationKernels<double>& (*)(), 1 + 2 * LAPIDARY_X86> kActivation<double> = {{
    {Isa::portable, activations_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, activations_f64__avx2},
    {Isa::avx512, activations_f64__avx512},
#endif
}};

}  // namespace lapidary
