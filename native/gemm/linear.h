// A layer of a network: y = activation(x·wᵀ + bias), x m × k, w n × k as it lies in memory, y m × n. Products of gemm.h
// and half.h with the epilogue of activation.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/activation.h"
#include "gemm/half.h"
#include "gemm/integer.h"
#include "gemm/operand.h"

namespace lapidary {

// What follows the product. `epsilon` is that of PolyNorm.
template <class T>
struct Head {
  Epilogue<T> epilogue;
  double epsilon;
};

// PolyNorm, where the head asks for it and `status` is ok: the pass over whole rows that follows every product.
template <class T>
Status normalised(Status status, std::size_t m, std::size_t n, const Head<T>& head, T* y, const Context& context);

// y overlaps nothing. Scratch and cancellation as in gemm.h.
Status linear(std::size_t m, std::size_t n, std::size_t k, StoredOperand x, StoredOperand w, const Head<float>& head,
              float* y, Route route, const Context& context);
Status linear(std::size_t m, std::size_t n, std::size_t k, const double* x, const double* w, const Head<double>& head,
              double* y, Route route, const Context& context);

// Of 8-bit integers: y = x·wᵀ + bias modulo 2^32; bias may be nullptr.
Status integer_linear(IntegerKind kind, std::size_t m, std::size_t n, std::size_t k, const std::uint8_t* x,
                      const std::uint8_t* w, const std::int32_t* bias, std::int32_t* y, Route route,
                      const Context& context);

}  // namespace lapidary
