#include "gemm/flat.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/activation.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

// A second thread saves more than it costs to wake from so many values of the large operand on, or so many
// multiplications.
constexpr size_t kParallelValues = size_t{1} << 19;
constexpr double kParallelFlat = 2e6;
// Depth of a panel that is copied: long enough pieces of the rows of the large operand for the hardware to read ahead,
// and 64 KiB with 32 values of f32 a step.
constexpr size_t kPanelDepth = 512;
// Bytes of a row of B that one part of a flat product works on.
constexpr size_t kMostBytes = 4096, kLeastBytes = 1024;
// Tiles ahead of the one at work whose rows of B are asked for: as far as memory is away.
constexpr size_t kTilesAhead = 4;
// The rows of B that a flat product reads side by side: between blocks of them the sums are read and written, but each
// row is a stream of its own. From memory the hardware keeps a few streams only; and tiles one cache line wide find
// nothing left of their rows in the first-level cache where these begin whole pages apart, in the same few sets. On
// Zen 5 the best of 8 to 128.
constexpr size_t kManyRows = 64, kFewRows = 16, kNearBytes = size_t{8} << 20, kPage = 4096;

template <class T>
size_t rows_side_by_side(const Product<T>& g, size_t nr) {
  const size_t row = g.n * sizeof(T);
  const bool near = g.k <= kNearBytes / row, apart = row % kPage != 0 || nr * sizeof(T) > kAlignment;
  return near && apart ? kManyRows : kFewRows;
}

// Values from row to row of a copied piece of A: an odd number of cache lines, so that they fall into different sets.
template <class T>
size_t pitch_of(size_t depth) {
  return (ceil_div(depth * sizeof(T), kAlignment) | 1) * kAlignment / sizeof(T);
}

}  // namespace

template <class T>
Status flat_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context) {
  const bool turned = g.b.transposed;
  const size_t depth = std::min(turned ? kPanelDepth : rows_side_by_side(g, kernel.nr), g.k);
  const size_t rows = ceil_div(g.m, ceil_div(g.m, kernel.mr));  // of a tile: all nearly equal
  const size_t cols =
      std::clamp(ceil_div(g.n, 4 * kernel.nr) * kernel.nr, kLeastBytes / sizeof(T), kMostBytes / sizeof(T));
  const size_t pitch = pitch_of<T>(depth), sums_pitch = pitch_of<T>(cols);
  const auto pack_b = pack::choose_panels<T>(kernel.nr, turned);
  const bool parallel = g.k >= ceil_div(kParallelValues, g.n) || detail::work(g) >= kParallelFlat;

  return each_part(ceil_div(g.n, cols), parallel, context, [&](size_t part) {
    ArenaFrame scratch;
    T* a = scratch.take<T>(g.a.transposed ? 0 : g.m * pitch);
    T* b = scratch.take<T>(turned ? kernel.nr * depth : 0);
    // The sums stand in rows of their own until all of B is read: those of C and of B may fall into the same few sets
    // of a cache and drive each other out.
    T* sums = scratch.take<T>(g.m * sums_pitch);
    if (a == nullptr || b == nullptr || sums == nullptr) return Status::out_of_memory;
    const size_t first = part * cols, width = std::min(cols, g.n - first);
    T* c = g.c + first;
    if (g.beta != 0)
      for (size_t i = 0; i < g.m; i++) std::copy_n(c + i * g.ldc, width, sums + i * sums_pitch);
    GemmTile<T> t;
    t.a_row = g.a.transposed ? 1 : pitch;
    t.a_step = g.a.transposed ? g.a.stride : 1;
    t.b_step = turned ? kernel.nr : g.b.stride;
    t.padded = turned;
    t.ldc = sums_pitch;
    t.alpha = g.alpha;
    for (size_t p = 0; p < g.k; p += depth) {
      if (context.cancelled()) return Status::aborted;
      t.k = std::min(depth, g.k - p);
      t.beta = p == 0 ? g.beta : T{1};
      if (!g.a.transposed) pack::rows(g.a.data + p, g.a.stride, g.m, t.k, a, pitch);
      const T* left = g.a.transposed ? g.a.data + p * g.a.stride : a;
      const T* right = g.b.data + (turned ? first * g.b.stride + p : p * g.b.stride + first);
      for (size_t j = 0; j < width; j += kernel.nr) {
        t.n = std::min(kernel.nr, width - j);
        if (turned) {
          pack_b(right + j * g.b.stride, g.b.stride, t.k, t.n, b);
        } else {
          // Behind the last columns come the first of the next block of rows.
          const size_t ahead = kTilesAhead * kernel.nr;
          t.prefetch = j + ahead < width ? ahead : ahead + depth * g.b.stride - width;
        }
        t.b = turned ? b : right + j;
        for (size_t i = 0; i < g.m; i += rows) {
          t.a = left + i * t.a_row;
          t.c = sums + i * sums_pitch + j;
          t.m = std::min(rows, g.m - i);
          kernel.run(t);
          t.prefetch = 0;
        }
      }
    }
    for (size_t i = 0; i < g.m; i++) std::copy_n(sums + i * sums_pitch, width, c + i * g.ldc);
    if (g.epilogue != nullptr) g.epilogue->apply(c, g.ldc, g.m, width, first);
    return Status::ok;
  });
}

template <class T>
Status narrow_product(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context) {
  const size_t depth = ceil_div(g.k, ceil_div(g.k, kPanelDepth)), pitch = pitch_of<T>(depth);
  const bool copied = g.b.transposed;
  ArenaFrame shared;
  T* panels = shared.take<T>(copied ? ceil_div(g.n, kernel.nr) * kernel.nr * g.k : 0);
  if (panels == nullptr) return Status::out_of_memory;
  if (copied) pack::choose_panels<T>(kernel.nr, true)(g.b.data, g.b.stride, g.k, g.n, panels);
  const bool parallel = g.m >= ceil_div(kParallelValues, g.k) || detail::work(g) >= kParallelFlat;

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
