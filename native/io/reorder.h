// What array files need between their bytes and ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// A column-major rows × cols matrix (a row-major cols × rows one) of elements of 1, 2, 4 or 8 bytes to row-major order.
// Both spans hold rows·cols·width bytes; tiles of 32 × 32 keep both sides in the first-level cache.
Status to_row_major(std::span<const uint8_t> in, size_t rows, size_t cols, size_t width, std::span<uint8_t> out,
                    const Context& context);

// 64-bit integers as doubles. Gives the position of the first that no double equals, or in.size().
size_t integers_to_doubles(std::span<const uint64_t> in, bool is_signed, std::span<double> out);

}  // namespace lapidary
