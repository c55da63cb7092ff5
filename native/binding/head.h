// Arguments that say what follows a product.
#pragma once

#include "binding/args.h"
#include "gemm/linear.h"

namespace lapidary {

// Arguments 6 … 9: bias, activation, coefficients, epsilon.
template <class T>
Head<T> head(Args& args, size_t n) {
  Head<T> head{};
  if (!args.absent(6)) head.epilogue.bias = args.in<T>(6, n).data();
  head.epilogue.activation = args.code<Activation>(7, kActivations);
  head.epsilon = args.number(9);
  const Activation a = head.epilogue.activation;
  if (a != Activation::poly_relu && a != Activation::poly_norm) return head;
  const size_t count = args.length(8);
  if (count < 2 || count > kPolynomialDegree + 1) args.refuse(8, "ERR_SHAPE", "2 to 9 coefficients");
  head.epilogue.coefficients = args.in<T>(8, count).data();
  head.epilogue.degree = count - 1;
  return head;
}

}  // namespace lapidary
