#include "gemm/nm.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/arena.h"
#include "core/each_part.h"
#include "gemm/blocked.h"
#include "gemm/plain_rows.h"

namespace lapidary {
namespace {

// Values of W in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 16, kParallelValues = size_t{1} << 19;

// Where slot s of row r of a block lies.
template <class T>
size_t place(size_t slots, size_t block, size_t s, size_t r) {
  if constexpr (std::is_same_v<T, float>) return (block * slots + s) * kNmPanel + r;
  return (block * slots + s / 4 * 4) * kNmPanel + 4 * r + s % 4;
}

template <class T>
void put_offset(uint8_t* offsets, size_t slots, size_t block, size_t s, size_t r, uint8_t offset) {
  if constexpr (std::is_same_v<T, float>) {
    uint8_t& pair = offsets[(block * slots + s / 2 * 2) * (kNmPanel / 2) + r];
    pair = static_cast<uint8_t>(s % 2 ? pair | offset << 4 : pair | offset);
  } else {
    const size_t at = place<T>(slots, block, s, r);
    offsets[at / 2] = static_cast<uint8_t>(offsets[at / 2] | (at % 2 ? offset << 4 : offset));
  }
}

template <class T>
uint8_t get_offset(const uint8_t* offsets, size_t slots, size_t block, size_t s, size_t r) {
  if constexpr (std::is_same_v<T, float>) {
    const uint8_t pair = offsets[(block * slots + s / 2 * 2) * (kNmPanel / 2) + r];
    return s % 2 ? pair >> 4 : pair & 15;
  } else {
    const size_t at = place<T>(slots, block, s, r);
    return at % 2 ? offsets[at / 2] >> 4 : offsets[at / 2] & 15;
  }
}

// An order of magnitudes in which NaN is the largest.
uint32_t magnitude(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return std::min<uint32_t>(bits & 0x7fffffff, 0x7f800001);
}
uint32_t magnitude(int8_t x) { return static_cast<uint32_t>(x < 0 ? -x : x); }

// The offsets of the n largest magnitudes of w[0..count), ascending; ties go to the first.
template <class T>
size_t choose(const T* w, size_t step, size_t count, size_t n, uint8_t* chosen) {
  uint32_t size[kNmMostGroup];
  for (size_t i = 0; i < count; i++) size[i] = magnitude(w[i * step]);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    size_t larger = 0;
    for (size_t k = 0; k < count; k++) larger += size[k] > size[i] || (size[k] == size[i] && k < i);
    if (larger < n) chosen[kept++] = static_cast<uint8_t>(i);
  }
  return kept;
}

size_t panels_in_part(const NmShape& shape) {
  return std::max<size_t>(1, kPartValues / kNmPanel / std::max<size_t>(1, shape.cols));
}

bool parallel(const NmShape& shape, size_t tokens) {
  return static_cast<double>(shape.rows) * static_cast<double>(shape.cols) * static_cast<double>(tokens) >=
         static_cast<double>(kParallelValues);
}

// The whole product, panel by panel: x is copied to rows that may be read 16 values past each block's start.
template <class X, class W, class Y, class Kernel>
Status by_panels(const X* x, size_t stride, size_t tokens, const NmView<W>& w, Kernel kernel, bool raised, Y* y,
                 const Context& context) {
  const NmShape& shape = w.shape;
  const size_t slots = w.slots(), blocks = shape.blocks(), each = panels_in_part(shape);
  return each_part(ceil_div(shape.panels(), each), parallel(shape, tokens), context, [&](size_t part) {
    NmPanel<X, W, Y> panel;
    Y sums[kNmTokens * kNmPanel];
    panel.stride = stride;
    panel.width = shape.width();
    panel.blocks = blocks;
    panel.slots = slots;
    panel.y = sums;
    panel.raised = raised;
    for (size_t q = part * each; q < std::min((part + 1) * each, shape.panels()); q++) {
      panel.values = w.values + q * blocks * slots * kNmPanel;
      panel.offsets = w.offsets + q * blocks * slots * (kNmPanel / 2);
      const size_t rows = std::min(kNmPanel, shape.rows - q * kNmPanel);
      for (size_t t = 0; t < tokens; t += kNmTokens) {
        if (context.cancelled()) return Status::aborted;
        panel.x = x + t * stride;
        panel.tokens = std::min(kNmTokens, tokens - t);
        kernel(panel);
        for (size_t i = 0; i < panel.tokens; i++)
          std::memcpy(y + (t + i) * shape.rows + q * kNmPanel, sums + i * kNmPanel, rows * sizeof(Y));
      }
    }
    return Status::ok;
  });
}

// N:M weights as the source B of blocked.h: column j of B is row j of W.
struct NmColumns {
  const NmView<float>& w;

  void pack(size_t j, size_t cols, size_t p, size_t depth, float* to, size_t nr) const {
    std::fill(to, to + ceil_div(cols, nr) * nr * depth, 0.0f);
    const size_t width = w.shape.width(), blocks = w.shape.blocks(), slots = w.slots();
    for (size_t q = j / kNmPanel; q * kNmPanel < j + cols; q++) {
      const size_t first = std::max(j, q * kNmPanel), end = std::min(j + cols, (q + 1) * kNmPanel);
      for (size_t b = p / width; b < std::min(blocks, ceil_div(p + depth, width)); b++)
        for (size_t s = 0; s < slots; s++)
          for (size_t i = first; i < end; i++) {
            const size_t r = i - q * kNmPanel, block = q * blocks + b;
            const size_t k = b * width + get_offset<float>(w.offsets, slots, block, s, r);
            if (k < p || k >= p + depth) continue;
            // Filled up slots are zeros at the offset of another value, so values are added.
            to[(i - j) / nr * nr * depth + (k - p) * nr + (i - j) % nr] += w.values[place<float>(slots, block, s, r)];
          }
    }
  }
};

}  // namespace

template <class T>
Status nm_prune(const NmShape& shape, const T* w, size_t row_step, size_t col_step, T* values, uint8_t* offsets,
                const Context& context) {
  if (shape.rows == 0 || shape.cols == 0) return Status::ok;
  const size_t slots = shape.slots(kNmStep<T>), blocks = shape.blocks(), width = shape.width();
  const size_t each = panels_in_part(shape), length = blocks * slots * kNmPanel;
  return each_part(ceil_div(shape.panels(), each), parallel(shape, 1), context, [&](size_t part) {
    for (size_t q = part * each; q < std::min((part + 1) * each, shape.panels()); q++) {
      if (context.cancelled()) return Status::aborted;
      std::fill(values + q * length, values + (q + 1) * length, T{0});
      std::fill(offsets + q * length / 2, offsets + (q + 1) * length / 2, uint8_t{0});
      for (size_t i = q * kNmPanel; i < std::min((q + 1) * kNmPanel, shape.rows); i++)
        for (size_t b = 0; b < blocks; b++)
          for (size_t g = 0; g < width / shape.m; g++) {
            const size_t first = b * width + g * shape.m;
            if (first >= shape.cols) break;
            const T* group = w + i * row_step + first * col_step;
            uint8_t chosen[kNmMostGroup];
            const size_t kept = choose(group, col_step, std::min(shape.m, shape.cols - first), shape.n, chosen);
            for (size_t k = 0; k < kept; k++) {
              const size_t s = g * shape.n + k, r = i % kNmPanel, block = q * blocks + b;
              values[place<T>(slots, block, s, r)] = group[chosen[k] * col_step];
              put_offset<T>(offsets, slots, block, s, r, static_cast<uint8_t>(g * shape.m + chosen[k]));
            }
          }
    }
    return Status::ok;
  });
}

template <class T>
Status nm_expand(const NmView<T>& w, T* out, const Context& context) {
  const NmShape& shape = w.shape;
  if (shape.rows == 0 || shape.cols == 0) return Status::ok;
  const size_t slots = w.slots(), blocks = shape.blocks(), width = shape.width();
  const size_t each = kNmPanel * panels_in_part(shape);
  return each_part(ceil_div(shape.rows, each), parallel(shape, 1), context, [&](size_t part) {
    for (size_t i = part * each; i < std::min((part + 1) * each, shape.rows); i++) {
      if (context.cancelled()) return Status::aborted;
      T* row = out + i * shape.cols;
      std::fill(row, row + shape.cols, T{0});
      for (size_t b = 0; b < blocks; b++)
        for (size_t s = 0; s < slots; s++) {
          const size_t block = i / kNmPanel * blocks + b, r = i % kNmPanel;
          const size_t j = b * width + get_offset<T>(w.offsets, slots, block, s, r);
          const T value = w.values[place<T>(slots, block, s, r)];
          if (j < shape.cols && value != 0) row[j] = value;
        }
    }
    return Status::ok;
  });
}

template Status nm_prune(const NmShape&, const float*, size_t, size_t, float*, uint8_t*, const Context&);
template Status nm_prune(const NmShape&, const int8_t*, size_t, size_t, int8_t*, uint8_t*, const Context&);
template Status nm_expand(const NmView<float>&, float*, const Context&);
template Status nm_expand(const NmView<int8_t>&, int8_t*, const Context&);

Status nm_linear(const float* x, size_t tokens, const NmView<float>& w, float* y, const Context& context) {
  const NmShape& shape = w.shape;
  if (tokens == 0 || shape.rows == 0) return Status::ok;
  if (shape.cols == 0) {
    std::fill(y, y + tokens * shape.rows, 0.0f);
    return Status::ok;
  }
  if (tokens > kNmFlatTokens) {
    const Target<float> target{tokens, shape.rows, shape.cols, 1, 0, y, shape.rows};
    return blocked_product(target, PlainRows{x, shape.cols}, NmColumns{w}, kGemm<float>.pick(), context);
  }
  const size_t stride = shape.blocks() * shape.width() + kNmPanel;
  ArenaFrame scratch;
  float* padded = scratch.take<float>(tokens * stride);
  if (padded == nullptr) return Status::out_of_memory;
  for (size_t t = 0; t < tokens; t++) {
    std::memcpy(padded + t * stride, x + t * shape.cols, shape.cols * sizeof(float));
    std::fill(padded + t * stride + shape.cols, padded + (t + 1) * stride, 0.0f);
  }
  return by_panels(padded, stride, tokens, w, kNmF32.pick(), false, y, context);
}

Status nm_linear(const uint8_t* x, bool is_signed, size_t tokens, const NmView<int8_t>& w, int32_t* y,
                 const Context& context) {
  const NmShape& shape = w.shape;
  if (tokens == 0 || shape.rows == 0) return Status::ok;
  if (shape.cols == 0) {
    std::fill(y, y + tokens * shape.rows, 0);
    return Status::ok;
  }
  // Signed x is raised by 128, and what that adds to each sum comes off again.
  const size_t stride = shape.blocks() * shape.width() + kNmPanel;
  const auto length = checked_mul(tokens, stride);
  ArenaFrame scratch;
  uint8_t* padded = length ? scratch.take<uint8_t>(*length) : nullptr;
  if (padded == nullptr) return Status::out_of_memory;
  const uint8_t flip = is_signed ? 0x80 : 0;
  for (size_t t = 0; t < tokens; t++) {
    uint8_t* row = padded + t * stride;
    for (size_t j = 0; j < shape.cols; j++) row[j] = x[t * shape.cols + j] ^ flip;
    std::fill(row + shape.cols, row + stride, flip);
  }
  return by_panels(padded, stride, tokens, w, kNmI8.pick(), is_signed, y, context);
}

}  // namespace lapidary
