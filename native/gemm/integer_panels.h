// Products with packed bytes where words are the form but bytes can be read too (PanelKernels): AVX2. Few rows meet
// panels where they lie, widened to words in registers. For more rows a block of a panel at a time is copied to the
// first-level cache: as bytes, where no two of its products can saturate, else as words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/integer.h"
#include "gemm/integer_packed.h"

namespace lapidary {

struct PackedProduct {
  std::size_t m;
  std::int32_t alpha;
  const PackedInteger& b;
  std::int32_t beta;
  std::int32_t* c;
  std::size_t ldc;

  bool parallel() const;
  // Columns of a part: so many that its panels are a megabyte, but enough parts for the threads.
  std::size_t part_columns() const;
  // Sets C to what is added to the products where A is raised by 128.
  void begin_raised(std::size_t row, std::size_t row_end, std::size_t col, std::size_t col_end) const;
};

// As packed_integer_gemm, for kernels with PanelKernels; nothing of the product is empty, nor alpha 0.
Status panel_integer_gemm(const PackedProduct& g, const IntegerKernels& kernels, bool a_signed, ByteOperand a,
                          const Context& context);

}  // namespace lapidary
