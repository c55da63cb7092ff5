#include "gemm/linear.h"

#include <algorithm>

#include "gemm/gemm.h"
#include "gemm/gemv.h"

namespace lapidary {
template <class T>
Status normalised(Status status, std::size_t m, std::size_t n, const Head<T>& head, T* y, const Context& context) {
  const Epilogue<T>& e = head.epilogue;
  if (status != Status::ok || e.activation != Activation::poly_norm) return status;
  return poly_norm(m, n, e.coefficients, e.degree, head.epsilon, y, context);
}

template Status normalised(Status, std::size_t, std::size_t, const Head<float>&, float*, const Context&);
template Status normalised(Status, std::size_t, std::size_t, const Head<double>&, double*, const Context&);

Status linear(std::size_t m, std::size_t n, std::size_t k, StoredOperand x, StoredOperand w, const Head<float>& head,
              float* y, Route route, const Context& context) {
  const Status status = half_gemm(m, n, k, 1, x, w, 0, y, n, context, &head.epilogue, route);
  return normalised(status, m, n, head, y, context);
}

Status linear(std::size_t m, std::size_t n, std::size_t k, const double* x, const double* w, const Head<double>& head,
              double* y, Route route, const Context& context) {
  Status status = Status::ok;
  if (route == Route::dot) {
    for (std::size_t i = 0; i < m && status == Status::ok; i++)
      status = gemv<double>(n, k, 1, {w, k, false}, x + i * k, 0, y + i * n, context);
    if (status == Status::ok) head.epilogue.apply(y, n, m, n, 0);
  } else {
    status = gemm<double>(m, n, k, 1, {x, k, false}, {w, k, true}, 0, y, n, context, &head.epilogue, route);
  }
  return normalised(status, m, n, head, y, context);
}

Status integer_linear(IntegerKind kind, std::size_t m, std::size_t n, std::size_t k, const std::uint8_t* x,
                      const std::uint8_t* w, const std::int32_t* bias, std::int32_t* y, Route route,
                      const Context& context) {
  if (bias != nullptr)
    for (std::size_t i = 0; i < m; i++) std::copy_n(bias, n, y + i * n);
  return integer_gemm(kind, m, n, k, 1, {x, k, false}, {w, k, true}, bias == nullptr ? 0 : 1, y, n, context, route);
}

}  // namespace lapidary
