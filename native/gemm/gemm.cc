#include "gemm/gemm.h"

#include <algorithm>
#include <type_traits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/each_part.h"
#include "core/thread_pool.h"
#include "gemm/activation.h"
#include "gemm/blocked.h"
#include "gemm/flat.h"
#include "gemm/gemv.h"
#include "gemm/half.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "gemm/sources.h"
#include "gemm/tuning.h"

namespace lapidary {
namespace {

using detail::kParallelWork, detail::work;

// The panel of a transposed B that a direct product copies.
constexpr size_t kPanelBytes = 16384;
// Multiplications from which a direct product is worth a second thread, and the most parts that it is then cut into.
constexpr double kParallelDirect = 1e6;
constexpr size_t kDirectParts = 8;
// So few columns leave most of a tile empty: dots of this length or more do better, if B, whose columns are copied to
// rows, is small beside A. (Portable tiles are slow even when full.)
constexpr KernelTable<size_t, 1 + 2 * LAPIDARY_X86> kFewColumns = {{
    {Isa::portable, 8},
#if LAPIDARY_X86
    {Isa::avx2, 6},
    {Isa::avx512, 8},
#endif
}};
constexpr size_t kLongDot = 256;
// So many tiles across, at most, have their last columns taken off where these would leave most of a vector empty: the
// products of wider ones read A again for little.
constexpr size_t kSplitTiles = 4;
// So many tiles across, at most, are a direct product whatever its rows.
constexpr size_t kDirectTiles = 2;
// Values of C up to which it is small, and the depth from which on k is deep. It is cut then into an even number of
// pieces, at most kMostPieces, of kPieceDepth or more and a multiple of kPieceStep.
constexpr size_t kSmallResult = 4096, kDeep = 2048, kPieceDepth = 512, kPieceStep = 16, kMostPieces = 16;
// Bytes of a row of B from which on a flat product has parts of its own for two threads.
constexpr size_t kFlatRow = 1536;

// k is shallow and C takes more than so many bytes.
template <class T>
bool shallow(const Product<T>& g, size_t bytes) {
  return g.k <= detail::kShallow && g.m > bytes / sizeof(T) / g.n;
}

// Rows [row, row_end) of columns [col, col_end) of the product, from where A and B lie.
template <class T>
void direct_piece(const Product<T>& g, const MicroKernel<T>& kernel, size_t row, size_t row_end, size_t col,
                  size_t col_end) {
  alignas(kAlignment) T panel[kPanelBytes / sizeof(T)];
  GemmTile<T> t;
  t.a_row = g.a.transposed ? 1 : g.a.stride;
  t.a_step = g.a.transposed ? g.a.stride : 1;
  t.b_step = g.b.stride;
  t.padded = false;
  t.ldc = g.ldc;
  t.k = g.k;
  t.alpha = g.alpha;
  t.beta = g.beta;
  for (size_t j = col; j < col_end; j += kernel.nr) {
    t.n = std::min(kernel.nr, col_end - j);
    t.b = g.b.data + j;
    if (g.b.transposed) {
      size_t width = 4;
      while (width < t.n) width *= 2;
      pack::choose_panels<T>(width, true)(g.b.data + j * g.b.stride, g.b.stride, g.k, t.n, panel);
      t.b = panel;
      t.b_step = width;
    }
    for (size_t i = row; i < row_end; i += kernel.mr) {
      t.a = g.a.data + i * t.a_row;
      t.c = g.c + i * g.ldc + j;
      t.m = std::min(kernel.mr, row_end - i);
      kernel.run(t);
    }
  }
}

template <class T>
Status direct(const Product<T>& g, const MicroKernel<T>& kernel, const Context& context) {
  const bool parallel = work(g) >= kParallelDirect && thread_count() > 1;
  // Whole tiles a part. Rows where there are enough of them; but columns of a transposed B, of which a panel is then
  // copied once.
  const size_t tall_tiles = ceil_div(g.m, kernel.mr), wide_tiles = ceil_div(g.n, kernel.nr);
  const bool along = !g.b.transposed && wide_tiles > 1 && shallow(g, cache_sizes().l2 / 4);
  const bool by_columns =
      g.b.transposed ? wide_tiles >= std::min(tall_tiles, kDirectParts / 2) : tall_tiles < kDirectParts / 2;
  // Enough parts of rows, too, to look at the cancel flag between them.
  const size_t least = static_cast<size_t>(work(g) / kParallelWork) + 1;
  const size_t tall_parts = std::max(parallel && !by_columns ? kDirectParts : 1, least);
  const size_t tall = ceil_div(tall_tiles, tall_parts) * kernel.mr;
  const size_t wide = parallel && by_columns ? ceil_div(wide_tiles, kDirectParts) * kernel.nr : g.n;
  const size_t across = ceil_div(g.n, wide);
  const Status status = each_part(ceil_div(g.m, tall) * across, parallel, context, [&](size_t part) {
    const size_t row = part / across * tall, row_end = std::min(row + tall, g.m), col = part % across * wide;
    const size_t strip = along ? kernel.mr : tall;
    for (size_t i = row; i < row_end; i += strip)
      direct_piece(g, kernel, i, std::min(i + strip, row_end), col, std::min(col + wide, g.n));
    return Status::ok;
  });
  if (status == Status::ok && g.epilogue != nullptr) g.epilogue->apply(g.c, g.ldc, g.m, g.n, 0);
  return status;
}

// The ways to a product, from the smallest to the largest.
enum class Way {
  row_vector,     // m = 1: gemv with Bᵀ
  column_vector,  // n = 1: gemv with A
  direct,         // without packing: A and B lie in the caches, and the product is small
  dots,           // f32, m small and B transposed, or n small: dots of rows, the large side is read once (half.h)
  flat,           // m small: B is read once (flat.h)
  narrow,         // n small: A is read once
  blocked,        // A and B are packed, and read from the packed copies many times
};

template <class T>
constexpr TunedOperation straight = std::is_same_v<T, float> ? TunedOperation::f32 : TunedOperation::f64;
template <class T>
constexpr TunedOperation transposed =
    std::is_same_v<T, float> ? TunedOperation::f32_transposed : TunedOperation::f64_transposed;
template <class T>
constexpr TunedOperation narrow = std::is_same_v<T, float> ? TunedOperation::f32_narrow : TunedOperation::f64_narrow;

// Packing copies the large operand to memory and reads it again, which a product that uses it only once cannot afford;
// tuning.h says how many rows or columns pay for it.
template <class T>
Way choose_way(const Product<T>& g, const MicroKernel<T>& kernel) {
  if (g.m == 1 && (!g.a.transposed || g.a.stride == 1)) return Way::row_vector;
  if (g.n == 1 && (g.b.transposed || g.b.stride == 1) && g.ldc == 1) return Way::column_vector;
  // B is read once for each mr rows of A, so it must stay in the second-level cache; turned, in the first-level one.
  const size_t b_bytes = g.n * g.k * sizeof(T);
  const bool b_stays = b_bytes <= cache_sizes().l2 / 2;
  if (std::is_same_v<T, float> && !g.a.transposed && g.n <= kFewColumns.pick() && g.k >= kLongDot && g.m / 16 >= g.n &&
      b_stays)
    return Way::dots;
  // So narrow a product multiplies each value of A too seldom to pay for a copy of it.
  const bool small = work(g) < kParallelWork || (g.n <= kDirectTiles * kernel.nr && !g.a.transposed && !g.b.transposed);
  if (b_stays && small &&
      (!g.b.transposed || (g.k <= kPanelBytes / sizeof(T) / kernel.nr && !shallow(g, cache_sizes().l2))))
    return Way::direct;
  switch (tuned_route(g.b.transposed ? transposed<T> : straight<T>, g.m, g.n, g.k)) {
    case Route::dot:
      if (std::is_same_v<T, float> && g.b.transposed) return Way::dots;
      [[fallthrough]];
    case Route::flat:
      return Way::flat;
    default:
      break;
  }
  if (b_stays && !g.a.transposed) {
    const Route route = tuned_route(narrow<T>, g.n, g.m, g.k);
    if (route == Route::dot && std::is_same_v<T, float>) return Way::dots;
    if (route != Route::blocked) return Way::narrow;
  }
  return Way::blocked;
}

// What a caller may force.
template <class T>
Way choose_way(const Product<T>& g, const MicroKernel<T>& kernel, Route route) {
  if (route == Route::flat) return Way::flat;
  if (route == Route::blocked) return Way::blocked;
  return choose_way(g, kernel);
}

template <class T>
void scale(T beta, size_t m, size_t n, T* c, size_t ldc) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? T{0} : beta * c[i * ldc + j];
}

// Columns past the last whole vector that do better as dots (few enough that choose_way takes these), half a vector of
// them at most.
template <class T>
size_t loose_columns(const Product<T>& g, const MicroKernel<T>& kernel, Way way) {
  if (!std::is_same_v<T, float> || g.a.transposed || (way != Way::direct && way != Way::narrow && way != Way::blocked))
    return 0;
  const size_t lanes = kernel.nr / 2, rest = g.n % lanes;
  const bool few = rest <= std::min(lanes / 2, kFewColumns.pick()) && g.n > lanes && g.n < kSplitTiles * kernel.nr;
  const bool stay = rest * g.k * sizeof(T) <= cache_sizes().l2 / 2;
  return few && stay && g.k >= kLongDot && g.m / 16 >= rest ? rest : 0;
}

template <class T>
Status product(const Product<T>& g, const MicroKernel<T>& kernel, Way way, const Context& context) {
  // A vector of results is small beside the matrix that was read for it.
  const auto finish = [&](Status status) {
    if (status == Status::ok && g.epilogue != nullptr) g.epilogue->apply(g.c, g.ldc, g.m, g.n, 0);
    return status;
  };
  switch (way) {
    case Way::row_vector:
      return finish(gemv(g.n, g.k, g.alpha, {g.b.data, g.b.stride, !g.b.transposed}, g.a.data, g.beta, g.c, context));
    case Way::column_vector:
      return finish(gemv(g.m, g.k, g.alpha, g.a, g.b.data, g.beta, g.c, context));
    case Way::direct:
      return direct(g, kernel, context);
    case Way::dots:
      if constexpr (std::is_same_v<T, float>)
        return half_gemm(g.m, g.n, g.k, g.alpha, {g.a.data, Storage::f32, g.a.stride, g.a.transposed},
                         {g.b.data, Storage::f32, g.b.stride, g.b.transposed}, g.beta, g.c, g.ldc, context, g.epilogue,
                         Route::dot);
      [[fallthrough]];
    case Way::flat:
      return flat_product(g, kernel, context);
    case Way::narrow:
      return narrow_product(g, kernel, context);
    case Way::blocked:
      return blocked_product(Target<T>{g.m, g.n, g.k, g.alpha, g.beta, g.c, g.ldc, nullptr, g.epilogue}, PlainA<T>{g.a},
                             PlainB<T>{g.b}, kernel, context);
  }
  __builtin_unreachable();
}

// A small C with deep k: neither its rows nor its columns are enough for two threads. k is cut, by the shape alone, and
// the products of the pieces are added up in order.
template <class T>
bool is_deep(const Product<T>& g, Way way) {
  if (way == Way::row_vector || way == Way::column_vector || way == Way::dots) return false;
  if (way == Way::flat && g.n >= kFlatRow / sizeof(T)) return false;
  return g.k >= kDeep && g.m <= kSmallResult / g.n && work(g) >= kParallelDirect;
}

template <class T>
Status deep_product(const Product<T>& g, const MicroKernel<T>& kernel, Way way, const Context& context) {
  const size_t pieces = std::min(g.k / kPieceDepth / 2 * 2, kMostPieces);
  const size_t depth = ceil_div(ceil_div(g.k, pieces), kPieceStep) * kPieceStep, size = g.m * g.n;
  ArenaFrame scratch;
  T* sums = scratch.take<T>(pieces * size);
  if (sums == nullptr) return Status::out_of_memory;
  const size_t count = ceil_div(g.k, depth);
  const Status status = each_part(count, true, context, [&](size_t part) {
    const size_t p = part * depth;
    Product<T> piece{g.m, g.n, std::min(depth, g.k - p), T{1}, g.a, g.b, T{0}, sums + part * size, g.n};
    piece.a.data += g.a.transposed ? p * g.a.stride : p;
    piece.b.data += g.b.transposed ? p : p * g.b.stride;
    return product(piece, kernel, way, context);
  });
  if (status != Status::ok) return status;
  for (size_t part = 1; part < count; part++)
    for (size_t i = 0; i < size; i++) sums[i] += sums[part * size + i];
  for (size_t i = 0; i < g.m; i++) {
    T* c = g.c + i * g.ldc;
    for (size_t j = 0; j < g.n; j++) {
      const T x = g.alpha * sums[i * g.n + j];
      c[j] = g.beta == 0 ? x : x + g.beta * c[j];
    }
  }
  if (g.epilogue != nullptr) g.epilogue->apply(g.c, g.ldc, g.m, g.n, 0);
  return Status::ok;
}

}  // namespace

template <class T>
Status gemm(size_t m, size_t n, size_t k, T alpha, Operand<T> a, Operand<T> b, T beta, T* c, size_t ldc,
            const Context& context, const Epilogue<T>* epilogue, Route route) {
  if (m == 0 || n == 0) return Status::ok;
  if (alpha == 0 || k == 0) {
    scale(beta, m, n, c, ldc);
    if (epilogue != nullptr) epilogue->apply(c, ldc, m, n, 0);
    return Status::ok;
  }
  const Product<T> g{m, n, k, alpha, a, b, beta, c, ldc, epilogue};
  const MicroKernel<T> kernel = kGemm<T>.pick();
  const Way way = choose_way(g, kernel, route);
  if (const size_t rest = route == Route::automatic ? loose_columns(g, kernel, way) : 0; rest > 0) {
    const size_t whole = n - rest;
    Status status = gemm<T>(m, whole, k, alpha, a, b, beta, c, ldc, context, nullptr, route);
    if (status != Status::ok) return status;
    b.data += b.transposed ? whole * b.stride : whole;
    status = gemm<T>(m, rest, k, alpha, a, b, beta, c + whole, ldc, context, nullptr, route);
    if (status == Status::ok && epilogue != nullptr) epilogue->apply(c, ldc, m, n, 0);
    return status;
  }
  return route == Route::automatic && is_deep(g, way) ? deep_product(g, kernel, way, context)
                                                      : product(g, kernel, way, context);
}

template Status gemm(size_t, size_t, size_t, float, Operand<float>, Operand<float>, float, float*, size_t,
                     const Context&, const Epilogue<float>*, Route);
template Status gemm(size_t, size_t, size_t, double, Operand<double>, Operand<double>, double, double*, size_t,
                     const Context&, const Epilogue<double>*, Route);

}  // namespace lapidary
