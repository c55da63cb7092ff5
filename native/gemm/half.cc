#include "gemm/half.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/activation.h"
#include "gemm/blocked.h"
#include "gemm/gemm.h"
#include "gemm/sources.h"
#include "gemm/tuning.h"

namespace lapidary {
namespace {

// Rows of the small operand that pass together over one part of the large one.
constexpr size_t kFewRows = 16;
// Bytes of the large operand from which a second thread saves more than it costs to wake.
constexpr size_t kParallelBytes = size_t{1} << 20;
// Rows of w that one part of a dot product works on, 16 KiB of sums on the stack, and their bytes: they stay in the
// second-level cache.
constexpr size_t kDotColumns = 256, kDotBytes = size_t{1} << 18;
// Values of the small operand that are copied at a time: 4 MiB; and the columns of k from which on it is cut along k.
constexpr size_t kCopiedValues = size_t{1} << 20, kCopiedDepth = kCopiedValues / kFewRows;
// Columns and steps of the panels of a flat product: 128 KiB, read as stretches of 2 KiB.
constexpr size_t kFlatColumns = 1024, kFlatSteps = 32;

struct HalfProduct {
  size_t m, n, k;
  float alpha;
  StoredOperand a, b;
  float beta;
  float* c;
  size_t ldc;
  const Epilogue<float>* epilogue;
};

const void* at(const StoredOperand& x, size_t i) { return static_cast<const char*>(x.data) + i * bytes_of(x.storage); }

Operand<float> plain(const StoredOperand& x) { return {static_cast<const float*>(x.data), x.stride, x.transposed}; }

// op(X) from (i, p) on.
StoredOperand from(const StoredOperand& x, size_t i, size_t p) {
  return {at(x, x.transposed ? p * x.stride + i : i * x.stride + p), x.storage, x.stride, x.transposed};
}

StoredOperand turned(const StoredOperand& x) { return {x.data, x.storage, x.stride, !x.transposed}; }

// `count` rows of op(X) from (i, p), `depth` values each, `pitch` apart.
void widen_rows(const HalfKernels& kernels, const StoredOperand& x, size_t i, size_t count, size_t p, size_t depth,
                float* out, size_t pitch) {
  if (x.transposed) {
    // Columns, a few at a time.
    constexpr size_t kTall = 64;
    float column[kTall];
    for (size_t first = 0; first < count; first += kTall) {
      const size_t tall = std::min(kTall, count - first);
      for (size_t q = 0; q < depth; q++) {
        const void* from = at(x, (p + q) * x.stride + i + first);
        const float* values = column;
        if (x.storage == Storage::f32)
          values = static_cast<const float*>(from);
        else
          kernels.widen[static_cast<size_t>(x.storage)](from, tall, column);
        for (size_t r = 0; r < tall; r++) out[(first + r) * pitch + q] = values[r];
      }
    }
    return;
  }
  if (x.storage == Storage::f32)
    return pack::rows(static_cast<const float*>(at(x, i * x.stride + p)), x.stride, count, depth, out, pitch);
  const auto widen = kernels.widen[static_cast<size_t>(x.storage)];
  for (size_t r = 0; r < count; r++) widen(at(x, (i + r) * x.stride + p), depth, out + r * pitch);
}

// Sources of blocked.h.
struct StoredA {
  const HalfKernels& kernels;
  StoredOperand x;

  bool panels() const { return x.transposed; }
  void pack(size_t i, size_t rows, size_t p, size_t depth, float* to, size_t pitch, size_t mr) const {
    if (x.storage == Storage::f32)
      PlainA<float>{plain(x)}.pack(i, rows, p, depth, to, pitch, mr);
    else if (x.transposed)
      kernels.panels[static_cast<size_t>(x.storage)](at(x, p * x.stride + i), x.stride, depth, rows, mr, to);
    else
      widen_rows(kernels, x, i, rows, p, depth, to, pitch);
  }
};

struct StoredB {
  const HalfKernels& kernels;
  StoredOperand x;

  void pack(size_t j, size_t cols, size_t p, size_t depth, float* to, size_t nr) const {
    if (x.storage == Storage::f32) return PlainB<float>{plain(x)}.pack(j, cols, p, depth, to, nr);
    if (!x.transposed)
      return kernels.panels[static_cast<size_t>(x.storage)](at(x, p * x.stride + j), x.stride, depth, cols, nr, to);
    // Rows of Bᵀ are widened to a square that stays in the first-level cache, and turned there.
    constexpr size_t kSteps = 64, kWidest = 32;
    float square[kWidest * kSteps];
    const auto turn = pack::choose_panels<float>(nr, true);
    for (size_t first = 0; first < cols; first += nr) {
      const size_t width = std::min(nr, cols - first);
      for (size_t s = 0; s < depth; s += kSteps) {
        const size_t count = std::min(kSteps, depth - s);
        widen_rows(kernels, turned(x), j + first, width, p + s, count, square, kSteps);
        turn(square, kSteps, count, width, to + first * depth + s * nr);
      }
    }
  }
};

bool worth_threads(const StoredOperand& x, size_t n, size_t k) {
  return k >= ceil_div(kParallelBytes / bytes_of(x.storage), n);
}

float combine(float alpha, float sum, float beta, float before) {
  return beta == 0 ? alpha * sum : alpha * sum + beta * before;
}

// An odd number of cache lines: rows fall into different sets of the cache.
size_t pitch_of(size_t depth) { return (ceil_div(depth * sizeof(float), kAlignment) | 1) * kAlignment / sizeof(float); }

// Rows x against rows w with k contiguous: x is A and w is Bᵀ; or, `swapped`, x is Bᵀ and w is A, and sums go to C
// turned. x is widened once, w in registers.
Status dot_product(const HalfProduct& g, const HalfKernels& kernels, bool swapped, const Context& context) {
  const size_t rows = swapped ? g.n : g.m, cols = swapped ? g.m : g.n;
  const StoredOperand few = swapped ? turned(g.b) : g.a;
  const StoredOperand& w = swapped ? g.a : g.b;
  const auto dots = kernels.dots[static_cast<size_t>(w.storage)];
  // Pieces of k: a tile of x stays in the first-level cache with one of w beside it.
  const size_t depth = std::min<size_t>(rows <= 2 ? 4096 : 1024, g.k), pitch = pitch_of(depth);
  const size_t pieces = ceil_div(g.k, depth);
  ArenaFrame shared;
  float* x = shared.take<float>(pieces * rows * pitch);
  if (x == nullptr) return Status::out_of_memory;
  for (size_t p = 0; p < g.k; p += depth)
    widen_rows(kernels, few, 0, rows, p, std::min(depth, g.k - p), x + p / depth * rows * pitch, pitch);

  const size_t columns = std::clamp<size_t>(kDotBytes / bytes_of(w.storage) / g.k / 4 * 4, 4, kDotColumns);
  return each_part(ceil_div(cols, columns), worth_threads(w, cols, g.k), context, [&](size_t part) {
    float sums[kFewRows * kDotColumns];
    const size_t first = part * columns, count = std::min(columns, cols - first);
    for (size_t top = 0; top < rows; top += kFewRows) {
      if (context.cancelled()) return Status::aborted;
      const size_t height = std::min(kFewRows, rows - top);
      std::fill_n(sums, height * kDotColumns, 0.0f);
      // Four rows of w at a time through the whole of k: their pages stay open.
      for (size_t j = 0; j < count; j += 4)
        for (size_t p = 0; p < g.k; p += depth)
          dots(x + (p / depth * rows + top) * pitch, pitch, height, at(w, (first + j) * w.stride + p), w.stride,
               std::min<size_t>(4, count - j), std::min(depth, g.k - p), p + depth < g.k ? depth : 4 * w.stride - p,
               sums + j, kDotColumns);
      float* c = swapped ? g.c + first * g.ldc + top : g.c + top * g.ldc + first;
      const size_t along = swapped ? 1 : g.ldc, across = swapped ? g.ldc : 1;
      for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < count; j++) {
          float& to = c[i * along + j * across];
          to = combine(g.alpha, sums[i * kDotColumns + j], g.beta, to);
        }
      if (g.epilogue == nullptr) continue;
      if (swapped)
        g.epilogue->apply(c, g.ldc, count, height, top);
      else
        g.epilogue->apply(c, g.ldc, height, count, first);
    }
    return Status::ok;
  });
}

// Few rows of A, widened beforehand, against panels of B that stay in the nearest caches.
Status flat_product(const HalfProduct& g, const HalfKernels& kernels, const MicroKernel<float>& kernel,
                    const Context& context) {
  const size_t rows = ceil_div(g.m, ceil_div(g.m, kernel.mr)), pitch = pitch_of(g.k);  // of a tile: all nearly equal
  ArenaFrame shared;
  float* a = shared.take<float>(g.m * pitch);
  if (a == nullptr) return Status::out_of_memory;
  widen_rows(kernels, g.a, 0, g.m, 0, g.k, a, pitch);

  const StoredB right{kernels, g.b};
  const size_t cols = std::clamp(ceil_div(g.n, 4 * kernel.nr) * kernel.nr, kernel.nr, kFlatColumns);
  return each_part(ceil_div(g.n, cols), worth_threads(g.b, g.n, g.k), context, [&](size_t part) {
    ArenaFrame scratch;
    float* b = scratch.take<float>(cols * kFlatSteps);
    if (b == nullptr) return Status::out_of_memory;
    const size_t first = part * cols, width = std::min(cols, g.n - first);
    GemmTile<float> t;
    t.a_row = pitch;
    t.a_step = 1;
    t.b_step = kernel.nr;
    t.padded = true;
    t.ldc = g.ldc;
    t.alpha = g.alpha;
    for (size_t p = 0; p < g.k; p += kFlatSteps) {
      if (context.cancelled()) return Status::aborted;
      t.k = std::min(kFlatSteps, g.k - p);
      t.beta = p == 0 ? g.beta : 1;
      right.pack(first, width, p, t.k, b, kernel.nr);
      for (size_t i = 0; i < g.m; i += rows) {
        t.a = a + i * pitch + p;
        t.m = std::min(rows, g.m - i);
        for (size_t j = 0; j < width; j += kernel.nr) {
          t.n = std::min(kernel.nr, width - j);
          t.b = b + j * t.k;
          t.c = g.c + i * g.ldc + first + j;
          kernel.run(t);
        }
      }
    }
    if (g.epilogue != nullptr) g.epilogue->apply(g.c + first, g.ldc, g.m, width, first);
    return Status::ok;
  });
}

Status blocked(const HalfProduct& g, const HalfKernels& kernels, const MicroKernel<float>& kernel,
               const Context& context) {
  Target<float> target{g.m, g.n, g.k, g.alpha, g.beta, g.c, g.ldc};
  target.epilogue = g.epilogue;
  return blocked_product(target, StoredA{kernels, g.a}, StoredB{kernels, g.b}, kernel, context);
}

// The small side of a product with few rows or columns, widened, where the large one is f32 already.
Status plain_product(const HalfProduct& g, const HalfKernels& kernels, bool few_rows, const Context& context) {
  const size_t count = few_rows ? g.m : g.n, pitch = pitch_of(g.k);
  ArenaFrame scratch;
  float* x = scratch.take<float>(count * pitch);
  if (x == nullptr) return Status::out_of_memory;
  widen_rows(kernels, few_rows ? g.a : turned(g.b), 0, count, 0, g.k, x, pitch);
  const Operand<float> small{x, pitch, !few_rows};
  return gemm<float>(g.m, g.n, g.k, g.alpha, few_rows ? small : plain(g.a), few_rows ? plain(g.b) : small, g.beta, g.c,
                     g.ldc, context, g.epilogue);
}

// `run` on pieces of the product whose small operand, the rows of A or the columns of B, has at most kCopiedValues or
// kFewRows times kCopiedDepth values.
template <class Run>
Status in_pieces(const HalfProduct& g, bool few_rows, const Run& run) {
  const size_t count = few_rows ? g.m : g.n, depth = std::min(g.k, kCopiedDepth);
  const size_t some = std::max(kFewRows, kCopiedValues / depth / kFewRows * kFewRows);
  for (size_t i = 0; i < count; i += some)
    for (size_t p = 0; p < g.k; p += depth) {
      HalfProduct piece = g;
      (few_rows ? piece.m : piece.n) = std::min(some, count - i);
      piece.k = std::min(depth, g.k - p);
      piece.a = from(g.a, few_rows ? i : 0, p);
      piece.b = from(g.b, p, few_rows ? 0 : i);
      piece.c = g.c + (few_rows ? i * g.ldc : i);
      if (p > 0) piece.beta = 1;
      Epilogue<float> epilogue;
      if (g.epilogue != nullptr) epilogue = *g.epilogue;
      if (!few_rows && epilogue.bias != nullptr) epilogue.bias += i;
      piece.epilogue = g.epilogue != nullptr && p + piece.k == g.k ? &epilogue : nullptr;
      if (const Status status = run(piece); status != Status::ok) return status;
    }
  return Status::ok;
}

}  // namespace

Status half_gemm(size_t m, size_t n, size_t k, float alpha, StoredOperand a, StoredOperand b, float beta, float* c,
                 size_t ldc, const Context& context, const Epilogue<float>* epilogue, Route route) {
  const bool dense = a.storage == Storage::f32 && b.storage == Storage::f32;
  if (m == 0 || n == 0 || alpha == 0 || k == 0 || (dense && route != Route::dot))
    return gemm<float>(m, n, k, alpha, plain(a), plain(b), beta, c, ldc, context, epilogue, route);
  const HalfProduct g{m, n, k, alpha, a, b, beta, c, ldc, epilogue};
  const HalfKernels& kernels = kHalf.pick()();
  const MicroKernel<float> kernel = kGemm<float>.pick();
  const auto dots = [&](bool swapped) {
    return in_pieces(g, !swapped,
                     [&](const HalfProduct& piece) { return dot_product(piece, kernels, swapped, context); });
  };
  const auto flat = [&] {
    return in_pieces(g, true, [&](const HalfProduct& piece) { return flat_product(piece, kernels, kernel, context); });
  };
  const auto widened = [&](bool few_rows) {
    return in_pieces(g, few_rows,
                     [&](const HalfProduct& piece) { return plain_product(piece, kernels, few_rows, context); });
  };
  switch (route) {
    case Route::dot:
      return dots(!a.transposed && (m > n || !b.transposed));
    case Route::flat:
      return flat();
    case Route::blocked:
      return blocked(g, kernels, kernel, context);
    case Route::automatic:
      break;
  }
  if (n == 1 && !a.transposed && a.storage != Storage::f32) return dots(true);
  const bool plain_b = b.storage == Storage::f32;
  const TunedOperation straight = plain_b ? TunedOperation::f32 : TunedOperation::half;
  const TunedOperation transposed = plain_b ? TunedOperation::f32_transposed : TunedOperation::half_transposed;
  const Route few_rows = tuned_route(b.transposed ? transposed : straight, m, n, k);
  if (few_rows != Route::blocked) {
    if (plain_b) return widened(true);
    return b.transposed && few_rows == Route::dot ? dots(false) : flat();
  }
  const TunedOperation narrow = a.storage == Storage::f32 ? TunedOperation::f32_narrow : TunedOperation::half_narrow;
  if (!a.transposed && tuned_route(narrow, n, m, k) != Route::blocked)
    return a.storage == Storage::f32 ? widened(false) : dots(true);
  return blocked(g, kernels, kernel, context);
}

}  // namespace lapidary
