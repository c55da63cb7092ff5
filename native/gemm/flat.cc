#include "gemm/flat.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/activation.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

// Values of the large operand from which a second thread saves more than it costs to wake.
constexpr size_t kParallelValues = size_t{1} << 19;
// Depth of a panel that is copied: long enough pieces of the rows of the large operand for the hardware to read ahead,
// and 64 KiB with 32 values of f32 a step.
constexpr size_t kPanelDepth = 512;
// Bytes of a row of B that one part of a flat product works on.
constexpr size_t kMostBytes = 4096, kLeastBytes = 1024;
// The same, and rows of B, where B is copied on the way: 128 KiB, read as stretches of 2 KiB.
constexpr size_t kCopiedBytes = 2048, kCopiedRows = 64;

// The rows of B that a flat product reads side by side. Each is a stream of its own, which the hardware reads ahead for
// a few only; but between blocks the rows of C are read and written. On Zen 4 the best of 16, 32 and 64.
size_t rows_side_by_side(size_t m) { return m <= 8 ? 16 : 32; }

// Values from row to row of a copied piece of A: an odd number of cache lines, so that they fall into different sets.
template <class T>
size_t pitch_of(size_t depth) {
  return (ceil_div(depth * sizeof(T), kAlignment) | 1) * kAlignment / sizeof(T);
}

}  // namespace

template <class T>
Status flat_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context) {
  const bool turned = g.b.transposed, copied = !turned && kernel.blocks.flat_copies;
  const size_t depth = std::min(turned ? kPanelDepth : copied ? kCopiedRows : rows_side_by_side(g.m), g.k);
  const size_t rows = ceil_div(g.m, ceil_div(g.m, kernel.mr));  // of a tile: all nearly equal
  const size_t cols = std::clamp(ceil_div(g.n, 4 * kernel.nr) * kernel.nr, kLeastBytes / sizeof(T),
                                 (copied ? kCopiedBytes : kMostBytes) / sizeof(T));
  const size_t pitch = pitch_of<T>(depth);
  const auto pack_b = pack::choose_panels<T>(kernel.nr, turned);
  const bool parallel = g.k >= ceil_div(kParallelValues, g.n);

  return each_part(ceil_div(g.n, cols), parallel, context, [&](size_t part) {
    ArenaFrame scratch;
    T* a = scratch.take<T>(g.a.transposed ? 0 : g.m * pitch);
    T* b = scratch.take<T>(turned ? kernel.nr * depth : copied ? cols * depth : 0);
    if (a == nullptr || b == nullptr) return Status::out_of_memory;
    const size_t first = part * cols, width = std::min(cols, g.n - first);
    GemmTile<T> t;
    t.a_row = g.a.transposed ? 1 : pitch;
    t.a_step = g.a.transposed ? g.a.stride : 1;
    t.b_step = turned || copied ? kernel.nr : g.b.stride;
    t.padded = turned || copied;
    t.prefetch = turned || copied ? 0 : kernel.nr;
    t.ldc = g.ldc;
    t.alpha = g.alpha;
    for (size_t p = 0; p < g.k; p += depth) {
      if (context.cancelled()) return Status::aborted;
      t.k = std::min(depth, g.k - p);
      t.beta = p == 0 ? g.beta : T{1};
      if (!g.a.transposed) pack::rows(g.a.data + p, g.a.stride, g.m, t.k, a, pitch);
      const T* left = g.a.transposed ? g.a.data + p * g.a.stride : a;
      const T* right = g.b.data + (turned ? first * g.b.stride + p : p * g.b.stride + first);
      if (copied) pack_b(right, g.b.stride, t.k, width, b);
      for (size_t j = 0; j < width; j += kernel.nr) {
        t.n = std::min(kernel.nr, width - j);
        if (turned) pack_b(right + j * g.b.stride, g.b.stride, t.k, t.n, b);
        t.b = turned ? b : copied ? b + j * t.k : right + j;
        for (size_t i = 0; i < g.m; i += rows) {
          t.a = left + i * t.a_row;
          t.c = g.c + i * g.ldc + first + j;
          t.m = std::min(rows, g.m - i);
          if (copied && t.k == depth) {
            // A share of what the next piece reads: it comes from memory while this one is multiplied.
            const size_t from = i * depth / g.m, to = (i + t.m) * depth / g.m;
            for (size_t q = from; q < to; q++) pack::prefetch(right + j, (depth + q) * g.b.stride);
          }
          kernel.run(t);
        }
      }
    }
    if (g.epilogue != nullptr) g.epilogue->apply(g.c + first, g.ldc, g.m, width, first);
    return Status::ok;
  });
}

template <class T>
Status narrow_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context) {
  const size_t depth = std::min(kPanelDepth, g.k), pitch = pitch_of<T>(depth);
  const bool copied = g.b.transposed;
  ArenaFrame shared;
  T* panels = shared.take<T>(copied ? ceil_div(g.n, kernel.nr) * kernel.nr * g.k : 0);
  if (panels == nullptr) return Status::out_of_memory;
  if (copied) pack::choose_panels<T>(kernel.nr, true)(g.b.data, g.b.stride, g.k, g.n, panels);
  const bool parallel = g.m >= ceil_div(kParallelValues, g.k);

  return each_part(ceil_div(g.m, kernel.mr), parallel, context, [&](size_t part) {
    ArenaFrame scratch;
    T* a = scratch.take<T>(kernel.mr * pitch);
    if (a == nullptr) return Status::out_of_memory;
    const size_t i = part * kernel.mr;
    GemmTile<T> t;
    t.m = std::min(kernel.mr, g.m - i);
    t.a = a;
    t.a_row = pitch;
    t.a_step = 1;
    t.b_step = copied ? kernel.nr : g.b.stride;
    t.padded = copied;
    t.ldc = g.ldc;
    t.alpha = g.alpha;
    for (size_t p = 0; p < g.k; p += depth) {
      if (context.cancelled()) return Status::aborted;
      t.k = std::min(depth, g.k - p);
      t.beta = p == 0 ? g.beta : T{1};
      pack::rows(g.a.data + i * g.a.stride + p, g.a.stride, t.m, t.k, a, pitch);
      for (size_t j = 0; j < g.n; j += kernel.nr) {
        t.n = std::min(kernel.nr, g.n - j);
        t.b = copied ? panels + j * g.k + p * kernel.nr : g.b.data + p * g.b.stride + j;
        t.c = g.c + i * g.ldc + j;
        kernel.run(t);
      }
    }
    if (g.epilogue != nullptr) g.epilogue->apply(g.c + i * g.ldc, g.ldc, t.m, g.n, 0);
    return Status::ok;
  });
}

template Status flat_product(const Product<float>&, const MicroKernel<float>&, const Context&);
template Status flat_product(const Product<double>&, const MicroKernel<double>&, const Context&);
template Status narrow_product(const Product<float>&, const MicroKernel<float>&, const Context&);
template Status narrow_product(const Product<double>&, const MicroKernel<double>&, const Context&);

}  // namespace lapidary
