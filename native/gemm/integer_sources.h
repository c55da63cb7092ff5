// The left side of an integer product as a source of blocked.h: bytes become steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "gemm/integer.h"

namespace lapidary {

// k counts bytes; `flip` (0x80 or 0) is applied to each in the bytes form.
struct ByteA {
  const IntegerKernels& kernels;
  ByteOperand x;
  bool is_signed;
  std::uint8_t flip;
  std::size_t k;

  bool panels() const { return x.transposed; }
  void pack(std::size_t i, std::size_t rows, std::size_t p, std::size_t depth, std::int32_t* to, std::size_t pitch,
            std::size_t mr) const {
    const std::size_t values = values_of(kernels.form), from = p * values, count = std::min(depth * values, k - from);
    if (x.transposed)
      kernels.pack_panels(x.data + from * x.stride + i, x.stride, count, rows, mr, flip, is_signed, to);
    else
      kernels.pack_rows(x.data + i * x.stride + from, x.stride, rows, count, flip, is_signed, to, pitch);
  }
};

// C where the product is empty or alpha is 0: beta·C, which beta = 0 does not read.
inline void scale_result(std::size_t m, std::size_t n, std::int32_t beta, std::int32_t* c, std::size_t ldc) {
  for (std::size_t i = 0; i < m; i++)
    for (std::size_t j = 0; j < n; j++) {
      std::int32_t& value = c[i * ldc + j];
      value = beta == 0
                  ? 0
                  : static_cast<std::int32_t>(static_cast<std::uint32_t>(beta) * static_cast<std::uint32_t>(value));
    }
}

}  // namespace lapidary
