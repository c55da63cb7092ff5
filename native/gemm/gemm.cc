#include "gemm/gemm.h"

#include <algorithm>
#include <atomic>

#include "core/arena.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "gemm/flat.h"
#include "gemm/gemv.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

// k is cut into blocks of at most this many bytes of a row of A: long enough that reading and writing C between blocks
// costs little (1.5 KiB was up to 8 % slower on Zen 4), short enough that a panel of A stays near. A constant of the
// design, not of the machine: it is the only block size that the bits of a result depend on.
constexpr size_t kDepthBytes = 3072;
// Below this many multiplications a second thread costs more to wake than it saves.
constexpr double kParallelWork = 8e6;

// Multiplications; a double, because three sizes may overflow.
template <class T>
double work(const Product<T>& g) {
  return static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
}

struct Blocking {
  size_t kc;     // depth of a block
  size_t mc;     // rows of A packed at a time
  size_t nc;     // columns of B packed at a time
  size_t pitch;  // values from row to row of packed A
  size_t wide;   // columns of packed B that one part works on: they stay in its second-level cache
};

// `total` cut into the fewest pieces of at most `most`, all nearly equal and multiples of `step`.
size_t even_piece(size_t total, size_t most, size_t step) {
  const size_t pieces = ceil_div(total, std::max(most / step * step, step));
  return ceil_div(ceil_div(total, pieces), step) * step;
}

template <class T>
Blocking choose_blocking(const Product<T>& g, const MicroKernel<T>& kernel) {
  const CacheSizes& cache = cache_sizes();
  Blocking block;
  block.kc = even_piece(g.k, kDepthBytes / sizeof(T), 1);
  const size_t depth_bytes = block.kc * sizeof(T);
  // An odd number of cache lines: the rows of a tile then fall into different sets of the cache.
  const size_t pitch_bytes = (ceil_div(depth_bytes, kAlignment) | 1) * kAlignment;
  block.pitch = pitch_bytes / sizeof(T);
  const size_t limit = std::clamp<size_t>(cache.l3 / 4, size_t{1} << 20, size_t{8} << 20);
  block.mc = even_piece(g.m, limit / pitch_bytes, kernel.mr);
  block.nc = even_piece(g.n, limit / depth_bytes, kernel.nr);
  block.wide = even_piece(block.nc, cache.l2 / 2 / depth_bytes, kernel.nr);
  return block;
}

template <class T>
class Blocked {
 public:
  Blocked(const Product<T>& product, const MicroKernel<T>& kernel, const Context& context)
      : g_(product), kernel_(kernel), context_(context), block_(choose_blocking(product, kernel)) {}

  Status run() {
    ArenaFrame scratch;
    a_ = scratch.take<T>(block_.mc * block_.pitch);
    b_ = scratch.take<T>(block_.nc * block_.kc);
    if (a_ == nullptr || b_ == nullptr) return Status::out_of_memory;

    parallel_ = work(g_) >= kParallelWork;
    for (size_t j = 0; j < g_.n; j += block_.nc)
      for (size_t i = 0; i < g_.m; i += block_.mc)
        for (size_t p = 0; p < g_.k; p += block_.kc) {
          pack(i, j, p);
          multiply(i, j, p);
          if (stopped_.load(std::memory_order_relaxed)) return Status::aborted;
        }
    return Status::ok;
  }

 private:
  template <class Body>
  void each_part(size_t parts, Body&& body) {
    if (parallel_)
      parallel_for(parts, body);
    else
      for (size_t part = 0; part < parts; part++) body(part);
  }

  bool stop() {
    if (context_.cancelled()) stopped_.store(true, std::memory_order_relaxed);
    return stopped_.load(std::memory_order_relaxed);
  }

  // Values that a row takes in the packed block of A, k deep. Rows are copied as rows: the micro-kernel broadcasts and
  // does not mind. Columns of a transposed A are copied as panels of mr. Nothing is ever turned.
  size_t a_depth(size_t k) const { return g_.a.transposed ? k : block_.pitch; }

  // Packs the blocks at (i, p) of A and (p, j) of B, a few panels a part.
  void pack(size_t i, size_t j, size_t p) {
    const size_t m = std::min(block_.mc, g_.m - i), n = std::min(block_.nc, g_.n - j);
    const size_t k = std::min(block_.kc, g_.k - p);
    const size_t rows = kernel_.mr * ceil_div(64, kernel_.mr), cols = kernel_.nr * ceil_div(64, kernel_.nr);
    const size_t a_parts = ceil_div(m, rows), b_parts = ceil_div(n, cols);
    const auto pack_a = pack::choose_panels<T>(kernel_.mr, false);
    const auto pack_b = pack::choose_panels<T>(kernel_.nr, g_.b.transposed);
    each_part(a_parts + b_parts, [&](size_t part) {
      if (stop()) return;
      if (part < b_parts) {
        const size_t col = part * cols;
        const T* from =
            g_.b.transposed ? g_.b.data + (j + col) * g_.b.stride + p : g_.b.data + p * g_.b.stride + j + col;
        pack_b(from, g_.b.stride, k, std::min(cols, n - col), b_ + col * k);
        return;
      }
      const size_t row = (part - b_parts) * rows, count = std::min(rows, m - row);
      T* to = a_ + row * a_depth(k);
      if (g_.a.transposed) {
        pack_a(g_.a.data + p * g_.a.stride + i + row, g_.a.stride, k, count, to);
      } else {
        pack::rows(g_.a.data + (i + row) * g_.a.stride + p, g_.a.stride, count, k, to, block_.pitch);
      }
    });
  }

  void multiply(size_t i, size_t j, size_t p) {
    const size_t m = std::min(block_.mc, g_.m - i), n = std::min(block_.nc, g_.n - j);
    const size_t panels = ceil_div(m, kernel_.mr), wide_parts = ceil_div(n, block_.wide);
    const size_t tall = std::clamp<size_t>(panels * wide_parts / 32, 1, 8);  // panels of A in one part
    const size_t tall_parts = ceil_div(panels, tall);
    // Neighbouring parts share their columns of B.
    each_part(tall_parts * wide_parts, [&](size_t part) {
      const size_t col = part / tall_parts * block_.wide, first = part % tall_parts * tall;
      for (size_t panel = first; panel < std::min(first + tall, panels); panel++) {
        if (stop()) return;
        sweep(i, j, p, panel, col, std::min(col + block_.wide, n));
      }
    });
  }

  // One panel of A times columns [col, end) of the packed block of B.
  void sweep(size_t i, size_t j, size_t p, size_t panel, size_t col, size_t end) {
    const size_t row = i + panel * kernel_.mr, k = std::min(block_.kc, g_.k - p);
    const size_t n = std::min(block_.nc, g_.n - j);
    GemmTile<T> t;
    t.a = a_ + panel * kernel_.mr * a_depth(k);
    t.a_row = g_.a.transposed ? 1 : block_.pitch;
    t.a_step = g_.a.transposed ? kernel_.mr : 1;
    t.b_step = kernel_.nr;
    t.padded = true;
    t.ldc = g_.ldc;
    t.m = std::min(kernel_.mr, std::min(i + block_.mc, g_.m) - row);
    t.k = k;
    t.alpha = g_.alpha;
    t.beta = p == 0 ? g_.beta : T{1};
    for (; col < end; col += kernel_.nr) {
      t.b = b_ + col * k;
      t.c = g_.c + row * g_.ldc + j + col;
      t.n = std::min(kernel_.nr, n - col);
      kernel_.run(t);
    }
  }

  const Product<T>& g_;
  const MicroKernel<T> kernel_;
  const Context& context_;
  const Blocking block_;
  T* a_ = nullptr;
  T* b_ = nullptr;
  bool parallel_ = false;
  std::atomic<bool> stopped_{false};
};

// The panel of a transposed B that a direct product copies.
constexpr size_t kPanelBytes = 16384;

template <class T>
void direct(const Product<T>& g, const MicroKernel<T>& kernel) {
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
  for (size_t j = 0; j < g.n; j += kernel.nr) {
    t.n = std::min(kernel.nr, g.n - j);
    t.b = g.b.data + j;
    if (g.b.transposed) {
      size_t width = 4;
      while (width < t.n) width *= 2;
      pack::choose_panels<T>(width, true)(g.b.data + j * g.b.stride, g.b.stride, g.k, t.n, panel);
      t.b = panel;
      t.b_step = width;
    }
    for (size_t i = 0; i < g.m; i += kernel.mr) {
      t.a = g.a.data + i * t.a_row;
      t.c = g.c + i * g.ldc + j;
      t.m = std::min(kernel.mr, g.m - i);
      kernel.run(t);
    }
  }
}

// The ways to a product, from the smallest to the largest.
enum class Way {
  row_vector,     // m = 1: gemv with Bᵀ
  column_vector,  // n = 1: gemv with A
  direct,         // without packing: A and B lie in the caches, and it takes less than 0.2 ms in one thread
  flat,           // m small: B is read once (flat.h)
  narrow,         // n small: A is read once
  blocked,        // A and B are packed, and read from the packed copies many times
};

// Packing copies the large operand to memory and reads it again, which a product that uses it only once cannot afford.
constexpr size_t kFlatRows = 16, kNarrowColumns = 16;

template <class T>
Way choose_way(const Product<T>& g, const MicroKernel<T>& kernel) {
  if (g.m == 1 && (!g.a.transposed || g.a.stride == 1)) return Way::row_vector;
  if (g.n == 1 && (g.b.transposed || g.b.stride == 1) && g.ldc == 1) return Way::column_vector;
  // B is read once for each mr rows of A, so it must stay in the second-level cache; turned, in the first-level one.
  const size_t b_bytes = g.n * g.k * sizeof(T);
  const bool b_stays = b_bytes <= cache_sizes().l2 / 2;
  if (b_stays && work(g) < kParallelWork && (!g.b.transposed || g.k <= kPanelBytes / sizeof(T) / kernel.nr))
    return Way::direct;
  if (g.m <= kFlatRows) return Way::flat;
  if (g.n <= kNarrowColumns && b_stays && !g.a.transposed) return Way::narrow;
  return Way::blocked;
}

template <class T>
void scale(T beta, size_t m, size_t n, T* c, size_t ldc) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? T{0} : beta * c[i * ldc + j];
}

}  // namespace

template <class T>
Status gemm(size_t m, size_t n, size_t k, T alpha, Operand<T> a, Operand<T> b, T beta, T* c, size_t ldc,
            const Context& context) {
  if (m == 0 || n == 0) return Status::ok;
  if (alpha == 0 || k == 0) {
    scale(beta, m, n, c, ldc);
    return Status::ok;
  }
  const Product<T> g{m, n, k, alpha, a, b, beta, c, ldc};
  const MicroKernel<T> kernel = kGemm<T>.pick();
  switch (choose_way(g, kernel)) {
    case Way::row_vector:
      return gemv(n, k, alpha, {b.data, b.stride, !b.transposed}, a.data, beta, c, context);
    case Way::column_vector:
      return gemv(m, k, alpha, a, b.data, beta, c, context);
    case Way::direct:
      direct(g, kernel);
      return Status::ok;
    case Way::flat:
      return flat_product(g, kernel, context);
    case Way::narrow:
      return narrow_product(g, kernel, context);
    case Way::blocked:
      return Blocked<T>(g, kernel, context).run();
  }
  __builtin_unreachable();
}

template Status gemm(size_t, size_t, size_t, float, Operand<float>, Operand<float>, float, float*, size_t,
                     const Context&);
template Status gemm(size_t, size_t, size_t, double, Operand<double>, Operand<double>, double, double*, size_t,
                     const Context&);

}  // namespace lapidary
