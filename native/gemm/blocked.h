// The blocked product: blocks of A and B are packed once and read many times by the micro-kernels. Written once for
// every kind of element; where the values come from, and in what form they lie in memory, is the sources' affair:
//
//   struct A {
//     bool panels() const;   // packed as panels of mr columns (pack.h), or as rows `pitch` values apart
//     void pack(size_t i, size_t rows, size_t p, size_t depth, T* to, size_t pitch, size_t mr) const;
//   };
//   struct B {
//     void pack(size_t j, size_t cols, size_t p, size_t depth, T* to, size_t nr) const;   // panels of nr columns
//   };
//
// Both pack the steps [p, p + depth) of k; a step is one T, which may hold several values (integer.h).
//
// Several threads: a large C is cut into as many pieces as there are threads, or twice that, and each is a product of
// its own with blocks of its own. What one core has packed comes slowly to another, and there is nothing to wait for:
// on two cores n = 1024 took 0.63 to 0.66 of one thread's time with shared blocks, and takes 0.54. Where pieces would
// be too small to be worth their packing, many threads share the blocks. The bits are those of one thread either way:
// only k is cut into sums, by constants.
//
// Source: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (ACM TOMS 34(3), 2008), section 4.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <type_traits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/context.h"
#include "core/cpu.h"
#include "core/each_part.h"
#include "core/status.h"
#include "core/thread_pool.h"
#include "gemm/activation.h"
#include "gemm/microkernel.h"
#include "gemm/operand.h"
#include "gemm/pack.h"

namespace lapidary {

// C ← alpha·(A·B + row_term) + beta·C, A of m rows, B of n columns, k steps. row_term[i] is added to row i, where the
// element type's micro-kernel knows it.
template <class T>
struct Target {
  std::size_t m, n, k;
  T alpha, beta;
  T* c;
  std::size_t ldc;
  const T* row_term = nullptr;
  const Epilogue<T>* epilogue = nullptr;  // floats only: applied to each piece of C with its last block of k
};

namespace detail {

// Products of fewer multiplications than the one are dealt to threads whole, where there are several (batch.h), and run
// in the caches where they can; of fewer than the other, a second thread costs more to wake than it saves.
inline constexpr double kParallelWork = 8e6, kParallelBlocked = 1e6;

// Up to this depth writing C weighs as much as the multiplications: it is written along its rows. Down a column of
// tiles each line of it lies in another page and, where rows are a power of two apart, in the same few sets of the
// caches; and two threads beside each other write to the same lines.
inline constexpr std::size_t kShallow = 128;

// A part of C.
struct Piece {
  std::size_t row, row_end, col, col_end;
  std::size_t rows() const { return row_end - row; }
  std::size_t cols() const { return col_end - col; }
};

// C cut into rows × cols pieces, all nearly equal.
struct Grid {
  std::size_t rows, cols;
};

// The longer side is cut first: less is packed more than once. And rows where k is shallow.
inline Grid choose_grid(std::size_t m, std::size_t n, std::size_t k, std::size_t threads) {
  constexpr std::size_t kLeast = 128, kMany = 512;  // rows or columns of a piece; from which on there are more of them
  const auto cut = [&](std::size_t side, std::size_t wanted) {
    return std::clamp<std::size_t>(side / kLeast, 1, wanted);
  };
  Grid grid;
  if (m >= n || k <= kShallow) {
    grid.rows = cut(m, threads);
    grid.cols = cut(n, ceil_div(threads, grid.rows));
  } else {
    grid.cols = cut(n, threads);
    grid.rows = cut(m, ceil_div(threads, grid.cols));
  }
  if (grid.rows * grid.cols < threads) return {1, 1};
  // A thread that has been slow to begin then holds up less.
  if (k <= kShallow) {
    if (m / grid.rows >= kMany) grid.rows *= 2;
  } else if (n / grid.cols >= 2 * kMany) {
    grid.cols *= 2;
  }
  return grid;
}

struct Blocking {
  std::size_t kc;     // depth of a block
  std::size_t mc;     // rows of A packed at a time
  std::size_t nc;     // columns of B packed at a time
  std::size_t pitch;  // values from row to row of packed A
  std::size_t tall;   // rows of packed A and
  std::size_t
      wide;      // columns of packed B that one part works on: the ones or the others stay in its second-level cache
  bool b_stays;  // the others
};

// `total` cut into the fewest pieces of at most `most`, all nearly equal and multiples of `step`.
inline std::size_t even_piece(std::size_t total, std::size_t most, std::size_t step) {
  const std::size_t pieces = ceil_div(total, std::max(most / step * step, step));
  return ceil_div(ceil_div(total, pieces), step) * step;
}

// `pieces` are worked on at a time.
template <class T>
Blocking choose_blocking(const Piece& piece, std::size_t k, const MicroKernel<T>& kernel, std::size_t pieces) {
  const CacheSizes& cache = cache_sizes();
  Blocking block;
  block.kc = even_piece(k, kernel.blocks.depth_bytes / sizeof(T), 1);
  const std::size_t depth_bytes = block.kc * sizeof(T);
  // An odd number of cache lines: the rows of a tile then fall into different sets of the cache.
  const std::size_t pitch_bytes = (ceil_div(depth_bytes, kAlignment) | 1) * kAlignment;
  block.pitch = pitch_bytes / sizeof(T);
  const std::size_t all = std::clamp<std::size_t>(cache.l3 / 4, std::size_t{1} << 20, std::size_t{8} << 20);
  const std::size_t limit = std::max(all / pieces, std::size_t{1} << 20);
  block.mc = even_piece(piece.rows(), limit / pitch_bytes, kernel.mr);
  block.nc = even_piece(piece.cols(), limit / depth_bytes, kernel.nr);
  block.b_stays = kernel.blocks.tall_bytes == 0 || k <= kShallow;
  if (block.b_stays) {
    block.wide = even_piece(block.nc, cache.l2 / 2 / depth_bytes, kernel.nr);
    const std::size_t panels = ceil_div(block.mc, kernel.mr), parts = panels * ceil_div(block.nc, block.wide);
    block.tall = std::clamp<std::size_t>(parts / 32, 1, 8) * kernel.mr;
  } else {
    block.tall = even_piece(block.mc, kernel.blocks.tall_bytes / pitch_bytes, kernel.mr);
    // Enough parts for any number of threads, but not so narrow that packed A comes near for little work.
    const std::size_t least = std::max(kernel.nr, std::size_t{64}),
                      wanted = ceil_div(16, ceil_div(block.mc, block.tall));
    block.wide = even_piece(block.nc, std::clamp(block.nc / wanted, least, std::size_t{256}), kernel.nr);
  }
  return block;
}

template <class T, class A, class B>
class Blocked {
 public:
  // `pieces`: how many of them may be worked on at a time. One is worked on by all threads if `parallel`.
  Blocked(const Target<T>& target, const A& a, const B& b, const MicroKernel<T>& kernel, const Context& context,
          const Piece& piece, std::size_t pieces, bool parallel)
      : g_(target),
        left_(a),
        right_(b),
        kernel_(kernel),
        context_(context),
        piece_(piece),
        block_(choose_blocking(piece, target.k, kernel, pieces)),
        parallel_(parallel) {}

  Status run() {
    ArenaFrame scratch;
    a_ = scratch.take<T>(block_.mc * block_.pitch);
    b_ = scratch.take<T>(block_.nc * block_.kc);
    if (a_ == nullptr || b_ == nullptr) return Status::out_of_memory;

    for (std::size_t j = piece_.col; j < piece_.col_end; j += block_.nc)
      for (std::size_t i = piece_.row; i < piece_.row_end; i += block_.mc)
        for (std::size_t p = 0; p < g_.k; p += block_.kc) {
          pack(i, j, p);
          multiply(i, j, p);
          if (stopped_.load(std::memory_order_relaxed)) return Status::aborted;
        }
    return Status::ok;
  }

 private:
  template <class Body>
  void each_part(std::size_t parts, Body&& body) {
    if (parallel_)
      parallel_for(parts, body);
    else
      for (std::size_t part = 0; part < parts; part++) body(part);
  }

  bool stop() {
    if (context_.cancelled()) stopped_.store(true, std::memory_order_relaxed);
    return stopped_.load(std::memory_order_relaxed);
  }

  // Values that a row takes in the packed block of A, k deep. Rows stay rows where they lie so in memory: the
  // micro-kernel broadcasts and does not mind. Nothing is ever turned.
  std::size_t a_depth(std::size_t k) const { return left_.panels() ? k : block_.pitch; }

  // Packs the blocks at (i, p) of A and (p, j) of B, a few panels a part.
  void pack(std::size_t i, std::size_t j, std::size_t p) {
    const std::size_t m = std::min(block_.mc, piece_.row_end - i), n = std::min(block_.nc, piece_.col_end - j);
    const std::size_t k = std::min(block_.kc, g_.k - p);
    // Stretches of some hundred bytes of the rows of B, but enough parts for the threads.
    const std::size_t rows = kernel_.mr * ceil_div(64, kernel_.mr);
    const std::size_t cols = kernel_.nr * ceil_div(std::clamp<std::size_t>(n / 8, 64, 256), kernel_.nr);
    const std::size_t a_parts = ceil_div(m, rows), b_parts = ceil_div(n, cols);
    each_part(a_parts + b_parts, [&](std::size_t part) {
      if (stop()) return;
      if (part < b_parts) {
        const std::size_t col = part * cols;
        right_.pack(j + col, std::min(cols, n - col), p, k, b_ + col * k, kernel_.nr);
        return;
      }
      const std::size_t row = (part - b_parts) * rows, count = std::min(rows, m - row);
      left_.pack(i + row, count, p, k, a_ + row * a_depth(k), block_.pitch, kernel_.mr);
    });
  }

  void multiply(std::size_t i, std::size_t j, std::size_t p) {
    const std::size_t m = std::min(block_.mc, piece_.row_end - i), n = std::min(block_.nc, piece_.col_end - j);
    const std::size_t tall_parts = ceil_div(m, block_.tall), wide_parts = ceil_div(n, block_.wide);
    const bool b_stays = block_.b_stays;
    each_part(tall_parts * wide_parts, [&](std::size_t part) {
      // Neighbouring parts share what stays in the second-level cache.
      const std::size_t row = (b_stays ? part % tall_parts : part / wide_parts) * block_.tall;
      const std::size_t col = (b_stays ? part / tall_parts : part % wide_parts) * block_.wide;
      const std::size_t row_end = std::min(row + block_.tall, m), col_end = std::min(col + block_.wide, n);
      if (b_stays) {
        for (std::size_t r = row; r < row_end && !stop(); r += kernel_.mr)
          tiles(i, j, p, r, std::min(r + kernel_.mr, row_end), col, col_end);
      } else {
        for (std::size_t c = col; c < col_end && !stop(); c += kernel_.nr)
          tiles(i, j, p, row, row_end, c, std::min(c + kernel_.nr, col_end));
      }
    });
  }

  // Rows [row, row_end) of the packed block of A times columns [col, col_end) of that of B: one panel of the one or of
  // the other.
  void tiles(std::size_t i, std::size_t j, std::size_t p, std::size_t row, std::size_t row_end, std::size_t col,
             std::size_t col_end) {
    GemmTile<T> t;
    t.k = std::min(block_.kc, g_.k - p);
    t.a_row = left_.panels() ? 1 : block_.pitch;
    t.a_step = left_.panels() ? kernel_.mr : 1;
    t.b_step = kernel_.nr;
    t.padded = true;
    t.ldc = g_.ldc;
    t.alpha = g_.alpha;
    t.beta = p == 0 ? g_.beta : T{1};
    // Tiles of nearly equal height, where A lies in rows: a tile of one row costs as much as one of four.
    std::size_t left = ceil_div(row_end - row, kernel_.mr);
    for (std::size_t r = row; r < row_end; r += t.m, left--) {
      t.a = a_ + r * a_depth(t.k);
      t.m = left_.panels() ? std::min(kernel_.mr, row_end - r) : ceil_div(row_end - r, left);
      t.row_term = p == 0 && g_.row_term != nullptr ? g_.row_term + i + r : nullptr;
      for (std::size_t c = col; c < col_end; c += kernel_.nr) {
        t.b = b_ + c * t.k;
        t.c = g_.c + (i + r) * g_.ldc + j + c;
        t.n = std::min(kernel_.nr, col_end - c);
        kernel_.run(t);
      }
    }
    if constexpr (std::is_floating_point_v<T>)
      if (g_.epilogue != nullptr && p + t.k == g_.k)
        g_.epilogue->apply(g_.c + (i + row) * g_.ldc + j + col, g_.ldc, row_end - row, col_end - col, j + col);
  }

  const Target<T>& g_;
  const A& left_;
  const B& right_;
  const MicroKernel<T> kernel_;
  const Context& context_;
  const Piece piece_;
  const Blocking block_;
  const bool parallel_;
  T* a_ = nullptr;
  T* b_ = nullptr;
  std::atomic<bool> stopped_{false};
};

}  // namespace detail

template <class T, class A, class B>
Status blocked_product(const Target<T>& target, const A& a, const B& b, const MicroKernel<T>& kernel,
                       const Context& context) {
  using namespace detail;
  const std::size_t threads = work(target) < kParallelBlocked ? 1 : thread_count();
  const Grid grid = threads == 1 ? Grid{1, 1} : choose_grid(target.m, target.n, target.k, threads);
  const auto run = [&](const Piece& piece, std::size_t pieces, bool parallel) {
    return Blocked<T, A, B>(target, a, b, kernel, context, piece, pieces, parallel).run();
  };
  if (grid.rows * grid.cols == 1) return run({0, target.m, 0, target.n}, 1, threads > 1);
  const std::size_t tall = ceil_div(ceil_div(target.m, grid.rows), kernel.mr) * kernel.mr;
  const std::size_t wide = ceil_div(ceil_div(target.n, grid.cols), kernel.nr) * kernel.nr;
  return each_part(grid.rows * grid.cols, true, context, [&](std::size_t part) {
    const std::size_t row = part / grid.cols * tall, col = part % grid.cols * wide;
    if (row >= target.m || col >= target.n) return Status::ok;
    return run({row, std::min(row + tall, target.m), col, std::min(col + wide, target.n)}, threads, false);
  });
}

}  // namespace lapidary
