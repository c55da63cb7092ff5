#include "io/reorder.h"

#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kTile = 32;

// Rows first … last − 1 of the result. Bytes are copied, so no alignment is asked of the file.
template <size_t Width>
void transpose_rows(const uint8_t* in, size_t rows, size_t cols, uint8_t* out, size_t first, size_t last) {
  for (size_t j0 = 0; j0 < cols; j0 += kTile)
    for (size_t i = first; i < last; i++)
      for (size_t j = j0; j < std::min(j0 + kTile, cols); j++)
        std::memcpy(out + (i * cols + j) * Width, in + (j * rows + i) * Width, Width);
}

}  // namespace

Status to_row_major(std::span<const uint8_t> in, size_t rows, size_t cols, size_t width, std::span<uint8_t> out,
                    const Context& context) {
  if (in.empty()) return Status::ok;  // 2^53 × 0 has no elements, but many rows
  const auto transpose = width == 1   ? transpose_rows<1>
                         : width == 2 ? transpose_rows<2>
                         : width == 4 ? transpose_rows<4>
                                      : transpose_rows<8>;
  parallel_for(ceil_div(rows, kTile), [&](size_t part) {
    if (context.cancelled()) return;
    transpose(in.data(), rows, cols, out.data(), part * kTile, std::min((part + 1) * kTile, rows));
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

size_t integers_to_doubles(std::span<const uint64_t> in, bool is_signed, std::span<double> out) {
  for (size_t i = 0; i < in.size(); i++) {
    const uint64_t bits = in[i];
    const bool negative = is_signed && (bits >> 63) != 0;
    const uint64_t magnitude = negative ? 0 - bits : bits;
    const auto rounded = static_cast<double>(magnitude);
    // 2^64, to which the largest integers round, does not fit back.
    if (rounded >= 0x1p64 || static_cast<uint64_t>(rounded) != magnitude) return i;
    out[i] = negative ? -rounded : rounded;
  }
  return in.size();
}

}  // namespace lapidary
