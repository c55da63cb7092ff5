// Packing: copies of blocks of A and B in the order in which the micro-kernels read them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lapidary::pack {

using std::size_t;

// Rows ahead of the one being copied that are asked for: over short stretches of many rows the hardware does not read
// ahead, and each stretch would begin with the memory's whole latency.
inline constexpr size_t kRowsAhead = 4, kLine = 64;

// An address is computed, not a pointer: it may lie past the end of the matrix, where asking does nothing.
template <class T>
void prefetch(const T* x, size_t values) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(x) + values * sizeof(T)));
}

// A block of `depth` rows and `width` columns, `stride` values from row to row, as panels of kWidth columns:
// out[(j / kWidth)·depth·kWidth + p·kWidth + j % kWidth] = x[p·stride + j]. Columns past the width are zero.
// Along the rows: the longer the stretches, the better.
template <class T, size_t kWidth>
void panels(const T* x, size_t stride, size_t depth, size_t width, T* out) {
  const size_t whole = width / kWidth * kWidth, left = width - whole;
  for (size_t p = 0; p < depth; p++) {
    const T* from = x + p * stride;
    T* to = out + p * kWidth;
    for (size_t j = 0; j < whole; j += kWidth, to += depth * kWidth) {
      for (size_t line = 0; line < kWidth; line += kLine / sizeof(T)) prefetch(from + j, kRowsAhead * stride + line);
      std::memcpy(to, from + j, kWidth * sizeof(T));
    }
    if (left == 0) continue;
    std::memcpy(to, from + whole, left * sizeof(T));
    std::fill(to + left, to + kWidth, T{0});
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
  for (size_t i = 0; i < count; i++) {
    const T* from = x + i * stride;
    constexpr size_t kStep = kLine / sizeof(T);
    size_t j = 0;
    for (; j + kStep <= length; j += kStep) {
      prefetch(from + j, kRowsAhead * stride);
      std::memcpy(out + i * pitch + j, from + j, kLine);
    }
    std::memcpy(out + i * pitch + j, from + j, (length - j) * sizeof(T));
  }
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
