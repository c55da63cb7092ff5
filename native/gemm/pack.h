// Packing: copies of blocks of A and B in the order in which the micro-kernels read them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace lapidary::pack {

using std::size_t;

// A block of `depth` rows and `width` columns, `stride` values from row to row, as panels of kWidth columns:
// out[(j / kWidth)·depth·kWidth + p·kWidth + j % kWidth] = x[p·stride + j]. Columns past the width are zero.
template <class T, size_t kWidth>
void panels(const T* x, size_t stride, size_t depth, size_t width, T* out) {
  for (size_t j = 0; j < width; j += kWidth) {
    const size_t w = std::min(kWidth, width - j);
    if (w == kWidth) {
      for (size_t p = 0; p < depth; p++, out += kWidth) std::memcpy(out, x + p * stride + j, kWidth * sizeof(T));
    } else {
      for (size_t p = 0; p < depth; p++, out += kWidth) {
        std::memcpy(out, x + p * stride + j, w * sizeof(T));
        std::fill(out + w, out + kWidth, T{0});
      }
    }
  }
}

// The same panels of a block that lies transposed in memory: out[...] = x[j·stride + p]. Squares of kSquare × kSquare
// go through a local array: rows are read and written whole, and the compiler turns the square in registers.
template <class T, size_t kWidth>
void panels_transposed(const T* x, size_t stride, size_t depth, size_t width, T* out) {
  constexpr size_t kSquare = 4;
  static_assert(kWidth % kSquare == 0);
  for (size_t j = 0; j < width; j += kWidth, out += depth * kWidth) {
    const size_t w = std::min(kWidth, width - j);
    size_t i = 0;
    for (; i + kSquare <= w; i += kSquare) {
      const T* rows = x + (j + i) * stride;
      size_t p = 0;
      for (; p + kSquare <= depth; p += kSquare) {
        T square[kSquare][kSquare];
        for (size_t r = 0; r < kSquare; r++)
          for (size_t q = 0; q < kSquare; q++) square[q][r] = rows[r * stride + p + q];
        for (size_t q = 0; q < kSquare; q++) std::memcpy(out + (p + q) * kWidth + i, square[q], sizeof square[q]);
      }
      for (; p < depth; p++)
        for (size_t r = 0; r < kSquare; r++) out[p * kWidth + i + r] = rows[r * stride + p];
    }
    for (; i < kWidth; i++)
      for (size_t p = 0; p < depth; p++) out[p * kWidth + i] = i < w ? x[(j + i) * stride + p] : T{0};
  }
}

// Rows as they are, `pitch` values from row to row.
template <class T>
void rows(const T* x, size_t stride, size_t count, size_t length, T* out, size_t pitch) {
  for (size_t i = 0; i < count; i++) std::memcpy(out + i * pitch, x + i * stride, length * sizeof(T));
}

template <class T>
using Panels = void (*)(const T*, size_t stride, size_t depth, size_t width, T* out);

template <class T, size_t kWidth>
Panels<T> panels_of_width(bool transposed) {
  if constexpr (kWidth % 4 == 0)
    if (transposed) return panels_transposed<T, kWidth>;
  return panels<T, kWidth>;
}

// For panels of any mr or nr of the tables in microkernel.h.
template <class T>
Panels<T> choose_panels(size_t width, bool transposed) {
  switch (width) {
    case 4:
      return panels_of_width<T, 4>(transposed);
    case 6:
      return panels_of_width<T, 6>(transposed);
    case 8:
      return panels_of_width<T, 8>(transposed);
    case 14:
      return panels_of_width<T, 14>(transposed);
    case 16:
      return panels_of_width<T, 16>(transposed);
    default:
      return panels_of_width<T, 32>(transposed);
  }
}

}  // namespace lapidary::pack
