// Which way packed weights meet tokens: lookups for few of them, bytes for more. Both give the same bits, so the choice
// may depend on anything, the number of threads too.
#pragma once

#include <cstddef>

#include "gemm/packed_rows.h"
#include "gemm/tuning.h"

namespace lapidary {

struct PackedSize {
  std::size_t rows, cols, group, code_bytes;  // columns that share a scale; bytes of all codes
};

// The row of the table for weights of so many bits.
TunedOperation packed_operation(int bits, std::size_t group, std::size_t cols);

// The way, where it is automatic: by the cell of the table, which says lookups as dots, bytes as blocked, and as flat
// what is the faster where the caches hold the codes, bytes, or do not, lookups. Where the processor has VBMI and 512
// bits at once, and the cell has its default, by lookups_up_to.
PackedWay packed_way(PackedWay way, TunedOperation operation, std::size_t tokens, const PackedSize& size);

// The most tokens that look up on so many threads of such a processor.
std::size_t lookups_up_to(TunedOperation operation, const PackedSize& size, std::size_t threads);

}  // namespace lapidary
