#include "gemm/activation.h"

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {

template <class T>
void Epilogue<T>::apply(T* c, std::size_t ldc, std::size_t m, std::size_t n, std::size_t j) const {
  if (bias == nullptr && activation == Activation::none) return;
  const auto row = kActivation<T>.pick()().row;
  const T* const biases = bias == nullptr ? nullptr : bias + j;
  for (std::size_t i = 0; i < m; i++) row(*this, biases, c + i * ldc, n);
}

template struct Epilogue<float>;
template struct Epilogue<double>;

template <class T>
Status poly_norm(std::size_t rows, std::size_t cols, const T* coefficients, std::size_t degree, double eps, T* x,
                 const Context& context) {
  if (rows == 0 || cols == 0) return Status::ok;
  // Values between two looks at the cancel flag, in one part; and from where threads pay.
  constexpr std::size_t kPart = std::size_t{1} << 15, kParallelValues = std::size_t{1} << 17;
  const ActivationKernels<T>& kernels = kActivation<T>.pick()();
  const std::size_t count = std::max<std::size_t>(1, kPart / cols);
  return each_part(ceil_div(rows, count), cols >= ceil_div(kParallelValues, rows), context, [&](std::size_t part) {
    for (std::size_t i = part * count; i < std::min(rows, (part + 1) * count); i++) {
      T* const row = x + i * cols;
      const T largest = kernels.largest(row, cols), scale = largest > 0 ? largest : T{1};
      T sums[kPolynomialDegree + 1], a[kPolynomialDegree + 1];
      kernels.moments(row, cols, scale, degree, sums);
      a[0] = coefficients[0];
      // With x = scale·t, x^p / sqrt(mean x^2p + eps) is t^p / sqrt(mean t^2p + eps / scale^2p).
      const double square = static_cast<double>(scale) * static_cast<double>(scale);
      double power = 1;
      for (std::size_t p = 1; p <= degree; p++) {
        power *= square;
        const double mean = static_cast<double>(sums[p]) / static_cast<double>(cols);
        const double added = eps > 0 ? eps / power : 0;  // power may be 0
        a[p] = static_cast<T>(static_cast<double>(coefficients[p]) / std::sqrt(mean + added));
      }
      kernels.polynomial(row, cols, scale, a, degree);
    }
    return Status::ok;
  });
}

template Status poly_norm(std::size_t, std::size_t, const float*, std::size_t, double, float*, const Context&);
template Status poly_norm(std::size_t, std::size_t, const double*, std::size_t, double, double*, const Context&);

}  // namespace lapidary
