#include "gemm/integer.h"

#include <algorithm>
#include <cstdint>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "core/thread_pool.h"
#include "gemm/blocked.h"
#include "gemm/integer_sources.h"
#include "gemm/pack.h"
#include "gemm/tuning.h"

namespace lapidary {
namespace {

using std::int32_t, std::uint32_t, std::uint8_t;

// Rows of the small operand that may pass over a part of the large one together.
constexpr size_t kFewRows = 16;
// Bytes of the large operand from which a second thread saves more than it costs to wake.
constexpr size_t kParallelBytes = size_t{1} << 19;
// Columns that one part of a dot product works on: 16 KiB of sums on the stack.
constexpr size_t kDotColumns = 256;
// Bytes of w that one part works on: they stay in the second-level cache.
constexpr size_t kDotBytes = size_t{1} << 18;
// Rows of x that pass over them together.
constexpr size_t kDotRows = 6;
// Depth of the pieces of x, and bytes of it that are copied at a time.
constexpr size_t kDotDepth = 4096, kDotScratch = size_t{8} << 20;
// Columns and steps of panels of B.
struct FlatBlock {
  size_t columns, steps;
};
// Of a flat product: 128 KiB, read as stretches of 1 KiB.
constexpr FlatBlock kFlat = {1024, 32};
// The same for some hundred rows of bytes whose A stays in the second-level cache: 244 KiB. Each thread packs what it
// reads next, where the blocked product packs all and waits. With 128 steps panels would be 16 KiB apart, in one set.
constexpr FlatBlock kStrip = {512, 122};
constexpr size_t kStripRows = 256, kStripBytes = size_t{1} << 20;
// Columns of a part of a product on sums: whole rows of B where they are not too long, since every page is looked up
// and read ahead from its start again for each part. But enough parts for the threads: sums of integers are the same
// however they are cut.
constexpr size_t kLeastSumWidth = 512, kMostSumWidth = 4096 + kSumColumns;
// Of a single row in the bytes form: its sums and the lines that are read ahead stay in the first-level cache. With
// words shorter pieces of rows cost more than that saves.
constexpr size_t kSingleSumWidth = 2048 + kSumColumns;

struct IntegerProduct {
  IntegerKind kind;
  size_t m, n, k;
  int32_t alpha;
  ByteOperand a, b;
  int32_t beta;
  int32_t* c;
  size_t ldc;
};

bool signed_a(IntegerKind kind) { return kind != IntegerKind::u8i8; }
bool signed_b(IntegerKind kind) { return kind != IntegerKind::i8u8; }

int32_t combine(int32_t alpha, int32_t sum, int32_t beta, int32_t before) {
  const uint32_t scaled = static_cast<uint32_t>(alpha) * static_cast<uint32_t>(sum);
  return static_cast<int32_t>(beta == 0 ? scaled
                                        : scaled + static_cast<uint32_t>(beta) * static_cast<uint32_t>(before));
}

// A row of C, or some of it.
void write_row(const IntegerProduct& g, const int32_t* sums, size_t count, int32_t* c) {
  if (g.alpha == 1 && g.beta == 0)
    std::copy_n(sums, count, c);
  else
    for (size_t j = 0; j < count; j++) c[j] = combine(g.alpha, sums[j], g.beta, c[j]);
}

// Rows of bytes with k contiguous, each column of B or transposed A one row, to panels of steps. Through a square that
// stays in the first-level cache: widen or flip the rows, then turn the steps.
void pack_turned(const IntegerKernels& kernels, const uint8_t* x, size_t stride, size_t width, size_t k, size_t panel,
                 uint8_t flip, bool is_signed, int32_t* out) {
  constexpr size_t kSteps = 64, kWidest = 32;
  int32_t square[kWidest * kSteps];
  const size_t values = values_of(kernels.form), steps = ceil_div(k, values);
  const auto turn = pack::choose_panels<int32_t>(panel, true);
  for (size_t j = 0; j < width; j += panel) {
    const size_t w = std::min(panel, width - j);
    for (size_t s = 0; s < steps; s += kSteps) {
      const size_t count = std::min(kSteps, steps - s), p = s * values;
      kernels.pack_rows(x + j * stride + p, stride, w, std::min(count * values, k - p), flip, is_signed, square,
                        kSteps);
      turn(square, kSteps, count, w, out + j * steps + s * panel);
    }
  }
}

// The other side as a source of blocked.h. k counts bytes.
struct ByteB {
  const IntegerKernels& kernels;
  ByteOperand x;
  bool is_signed;
  uint8_t flip;
  size_t k;

  void pack(size_t j, size_t cols, size_t p, size_t depth, int32_t* to, size_t nr) const {
    const size_t values = values_of(kernels.form), from = p * values, count = std::min(depth * values, k - from);
    if (x.transposed)
      pack_turned(kernels, x.data + j * x.stride + from, x.stride, cols, count, nr, flip, is_signed, to);
    else
      kernels.pack_panels(x.data + from * x.stride + j, x.stride, count, cols, nr, flip, is_signed, to);
  }
};

// −128·Σ_p op(X)[i,p] for each row i: what raising the other side by 128 adds to a product.
void raised_terms(const ByteOperand& x, size_t rows, size_t k, int32_t* term) {
  const auto value = [&](size_t i) { return static_cast<int32_t>(static_cast<std::int8_t>(x.data[i])); };
  std::fill(term, term + rows, 0);
  if (x.transposed) {
    for (size_t p = 0; p < k; p++)
      for (size_t i = 0; i < rows; i++) term[i] += value(p * x.stride + i);
  } else {
    for (size_t i = 0; i < rows; i++)
      for (size_t p = 0; p < k; p++) term[i] += value(i * x.stride + p);
  }
  for (size_t i = 0; i < rows; i++) term[i] = static_cast<int32_t>(static_cast<uint32_t>(term[i]) * -128u);
}

bool worth_threads(size_t n, size_t k) { return k >= ceil_div(kParallelBytes, n); }

// The rows of op(X), k bytes each, `pitch` apart.
void copy_rows(const ByteOperand& x, size_t rows, size_t k, uint8_t* out, size_t pitch) {
  if (!x.transposed) return pack::rows(x.data, x.stride, rows, k, out, pitch);
  for (size_t p = 0; p < k; p++)
    for (size_t i = 0; i < rows; i++) out[i * pitch + p] = x.data[p * x.stride + i];
}

// Rows x against rows w, both with k contiguous: nothing is packed but x, whose rows move to different sets of the
// cache. x is A and w is Bᵀ; or, `swapped`, x is Bᵀ and w is A, and sums go to C turned.
Status dot_product(const IntegerProduct& g, const IntegerKernels& kernels, bool swapped, const Context& context) {
  const size_t rows = swapped ? g.n : g.m, cols = swapped ? g.m : g.n;
  const ByteOperand& from = swapped ? g.b : g.a;
  const ByteOperand& w = swapped ? g.a : g.b;
  const IntegerKind kind = !swapped || g.kind == IntegerKind::i8i8 ? g.kind
                           : g.kind == IntegerKind::u8i8           ? IntegerKind::i8u8
                                                                   : IntegerKind::u8i8;
  const auto dots = kernels.dots[static_cast<size_t>(kind)];
  const bool raised = kernels.raises_w && kind == IntegerKind::i8i8;
  // x in pieces of kDotDepth values of k, so that a tile of it stays in the first-level cache with one of w beside it.
  const size_t depth = std::min(kDotDepth, g.k), pitch = (ceil_div(depth, kAlignment) | 1) * kAlignment;
  const size_t pieces = ceil_div(g.k, depth);
  if (const size_t most = std::max(kDotScratch / (pieces * pitch), size_t{1}); rows > most) {
    // Some rows of x at a time, for which there is scratch space.
    for (size_t first = 0; first < rows; first += most) {
      IntegerProduct some = g;
      ByteOperand& x = swapped ? some.b : some.a;
      (swapped ? some.n : some.m) = std::min(most, rows - first);
      x.data += x.transposed == swapped ? first * x.stride : first;
      some.c += swapped ? first : first * g.ldc;
      if (const Status status = dot_product(some, kernels, swapped, context); status != Status::ok) return status;
    }
    return Status::ok;
  }
  ArenaFrame shared;
  uint8_t* x = shared.take<uint8_t>(pieces * rows * pitch);
  int32_t* term = shared.take<int32_t>(rows);
  if (x == nullptr || term == nullptr) return Status::out_of_memory;
  for (size_t p = 0; p < g.k; p += depth)
    copy_rows({from.data + (from.transposed == swapped ? p : p * from.stride), from.stride, from.transposed != swapped},
              rows, std::min(depth, g.k - p), x + p / depth * rows * pitch, pitch);
  std::fill(term, term + rows, 0);
  if (raised) raised_terms({from.data, from.stride, from.transposed != swapped}, rows, g.k, term);

  // A part's rows of w stay in the second-level cache while groups of rows of x pass; few rows of x stay themselves.
  const size_t group = rows <= kFewRows ? rows : kDotRows;
  const size_t columns = std::clamp<size_t>(kDotBytes / g.k / 4 * 4, 4, kDotColumns);
  return each_part(ceil_div(cols, columns), worth_threads(cols, g.k), context, [&](size_t part) {
    int32_t sums[kFewRows * kDotColumns];
    const size_t first = part * columns, count = std::min(columns, cols - first);
    for (size_t top = 0; top < rows; top += group) {
      if (context.cancelled()) return Status::aborted;
      const size_t height = std::min(group, rows - top);
      for (size_t i = 0; i < height; i++) std::fill_n(sums + i * kDotColumns, count, term[top + i]);
      for (size_t p = 0; p < g.k; p += depth)
        dots(x + (p / depth * rows + top) * pitch, pitch, height, w.data + first * w.stride + p, w.stride, count,
             std::min(depth, g.k - p), sums, kDotColumns);
      for (size_t i = 0; i < height; i++) {
        const int32_t* row = sums + i * kDotColumns;
        if (swapped)
          for (size_t j = 0; j < count; j++) {
            int32_t& c = g.c[(first + j) * g.ldc + top + i];
            c = combine(g.alpha, row[j], g.beta, c);
          }
        else
          write_row(g, row, count, g.c + (top + i) * g.ldc + first);
      }
    }
    return Status::ok;
  });
}

// Few rows of A against panels of B that stay in the nearest caches.
Status flat_product(const IntegerProduct& g, const IntegerKernels& kernels, const ByteA& left, const ByteB& right,
                    const int32_t* term, FlatBlock block, const Context& context) {
  const size_t steps = ceil_div(g.k, values_of(kernels.form));
  // An odd number of cache lines: the rows of a tile then fall into different sets of the cache.
  const size_t pitch = (ceil_div(steps * sizeof(int32_t), kAlignment) | 1) * kAlignment / sizeof(int32_t);
  const size_t rows = ceil_div(g.m, ceil_div(g.m, kernels.mr));  // of a tile: all nearly equal
  ArenaFrame shared;
  const bool panels = left.panels();
  const size_t tall = panels ? kernels.mr : rows;  // of a packed tile
  int32_t* a = shared.take<int32_t>(ceil_div(g.m, rows) * tall * pitch);
  if (a == nullptr) return Status::out_of_memory;
  for (size_t i = 0; i < g.m; i += rows)
    left.pack(i, std::min(rows, g.m - i), 0, steps, a + i / rows * tall * pitch, pitch, kernels.mr);

  const size_t cols = std::clamp(ceil_div(g.n, 4 * kernels.nr) * kernels.nr, kernels.nr, block.columns);
  const size_t depth = std::min(block.steps, steps);
  const bool parallel = worth_threads(g.n, g.k) || detail::work(g) >= detail::kParallelWork;
  return each_part(ceil_div(g.n, cols), parallel, context, [&](size_t part) {
    ArenaFrame scratch;
    int32_t* b = scratch.take<int32_t>(ceil_div(cols, kernels.nr) * kernels.nr * depth);
    if (b == nullptr) return Status::out_of_memory;
    const size_t first = part * cols, width = std::min(cols, g.n - first);
    GemmTile<int32_t> t;
    t.a_row = panels ? 1 : pitch;
    t.a_step = panels ? kernels.mr : 1;
    t.b_step = kernels.nr;
    t.padded = true;
    t.ldc = g.ldc;
    t.alpha = g.alpha;
    for (size_t s = 0; s < steps; s += depth) {
      if (context.cancelled()) return Status::aborted;
      t.k = std::min(depth, steps - s);
      t.beta = s == 0 ? g.beta : 1;
      right.pack(first, width, s, t.k, b, kernels.nr);
      for (size_t j = 0; j < width; j += kernels.nr) {
        for (size_t i = 0; i < g.m; i += rows) {
          t.n = std::min(kernels.nr, width - j);
          t.b = b + j * t.k;
          t.a = a + i / rows * tall * pitch + s * (panels ? kernels.mr : 1);
          t.c = g.c + i * g.ldc + first + j;
          t.m = std::min(rows, g.m - i);
          t.row_term = s == 0 && term != nullptr ? term + i : nullptr;
          kernels.run[static_cast<size_t>(g.kind)](t);
        }
      }
    }
    return Status::ok;
  });
}

// Few rows of A against rows of B as they lie: a few lines of B at a time are widened or interleaved, and serve all
// rows.
Status sum_product(const IntegerProduct& g, const IntegerKernels& kernels, const int32_t* term,
                   const Context& context) {
  const auto sums = kernels.sums[static_cast<size_t>(g.kind)];
  const size_t depth = kernels.sum_depth;
  const size_t values = values_of(kernels.form), steps = ceil_div(g.k, values);
  // An odd number of cache lines: the rows fall into different sets of the cache.
  const size_t pitch = (ceil_div(steps * sizeof(int32_t), kAlignment) | 1) * kAlignment / sizeof(int32_t);
  ArenaFrame shared;
  uint8_t* straight = shared.take<uint8_t>(g.a.transposed ? g.m * g.k : 0);
  int32_t* a = shared.take<int32_t>(g.m * pitch);
  if (straight == nullptr || a == nullptr) return Status::out_of_memory;
  if (g.a.transposed) copy_rows(g.a, g.m, g.k, straight, g.k);
  kernels.pack_rows(g.a.transposed ? straight : g.a.data, g.a.transposed ? g.k : g.a.stride, g.m, g.k, 0,
                    signed_a(g.kind), a, pitch);

  // Groups of columns begin where lines do, as long as all rows agree on that: rows a power of two apart, of which each
  // line lies in the same set of the first-level cache, would have to be read twice where a group takes half of a line.
  const size_t into = g.b.stride % kSumColumns == 0 ? reinterpret_cast<std::uintptr_t>(g.b.data) % kSumColumns : 0;
  const size_t fair = ceil_div(ceil_div(g.n + into, thread_count()), kSumColumns) * kSumColumns;
  const bool narrow_parts = g.m == 1 && kernels.form == StepForm::bytes;
  const size_t cols = std::clamp(fair, kLeastSumWidth, narrow_parts ? kSingleSumWidth : kMostSumWidth);
  return each_part(ceil_div(g.n + into, cols), worth_threads(g.n, g.k), context, [&](size_t part) {
    const size_t skipped = part == 0 ? into : 0, first = part * cols + skipped - into;
    const size_t width = std::min(cols - skipped, g.n - first);
    const size_t groups = ceil_div(width + skipped, kSumColumns), group = g.m * kSumColumns;
    const size_t narrow = std::min(width, kSumColumns - skipped);
    ArenaFrame scratch;
    int32_t* y = scratch.take<int32_t>(groups * group);
    if (y == nullptr) return Status::out_of_memory;
    for (size_t q = 0; q < groups; q++)
      for (size_t i = 0; i < g.m; i++)
        std::fill_n(y + q * group + i * kSumColumns, kSumColumns, term == nullptr ? 0 : term[i]);
    for (size_t p = 0; p < g.k; p += depth) {
      if (p % 1024 == 0 && context.cancelled()) return Status::aborted;
      sums(a + p / values, pitch, g.m, g.b.data + p * g.b.stride + first, g.b.stride, term == nullptr ? 0 : 0x80,
           std::min(depth, g.k - p), width, narrow, y, p + depth < g.k);
    }
    for (size_t i = 0; i < g.m; i++)
      for (size_t q = 0; q < groups; q++) {
        const size_t j = q == 0 ? 0 : narrow + (q - 1) * kSumColumns;
        const size_t count = q == 0 ? narrow : std::min(kSumColumns, width - j);
        write_row(g, y + q * group + i * kSumColumns, count, g.c + i * g.ldc + first + j);
      }
    return Status::ok;
  });
}

}  // namespace

Status integer_gemm(IntegerKind kind, size_t m, size_t n, size_t k, int32_t alpha, ByteOperand a, ByteOperand b,
                    int32_t beta, int32_t* c, size_t ldc, const Context& context, Route route) {
  if (m == 0 || n == 0) return Status::ok;
  if (alpha == 0 || k == 0) {
    scale_result(m, n, beta, c, ldc);
    return Status::ok;
  }
  const IntegerProduct g{kind, m, n, k, alpha, a, b, beta, c, ldc};
  const IntegerKernels& kernels = kInteger.pick()();
  if (route == Route::automatic) {
    route = tuned_route(b.transposed ? TunedOperation::int8_transposed : TunedOperation::int8, m, n, k);
    const bool dots = route == Route::dot && b.transposed && (!a.transposed || m <= kFewRows);
    // Where both sides lie as dots want them, the larger one is read in place.
    if ((!dots || n < m) && !a.transposed && tuned_route(TunedOperation::int8_narrow, n, m, k) != Route::blocked)
      return dot_product(g, kernels, true, context);
    if (route == Route::dot && !dots) route = m <= kFewRows ? Route::flat : Route::blocked;
  }
  if (route == Route::dot) return dot_product(g, kernels, false, context);

  const bool raised = kind == IntegerKind::i8i8 && kernels.form == StepForm::bytes;
  ArenaFrame scratch;
  int32_t* term = scratch.take<int32_t>(raised ? m : 0);
  if (term == nullptr) return Status::out_of_memory;
  if (raised) raised_terms(a, m, k, term);
  if (route == Route::flat && !b.transposed && kernels.sum_depth > 0)
    return sum_product(g, kernels, raised ? term : nullptr, context);
  const ByteA left{kernels, a, signed_a(kind), 0, k};
  const ByteB right{kernels, b, signed_b(kind), static_cast<uint8_t>(raised ? 0x80 : 0), k};
  if (route == Route::flat) return flat_product(g, kernels, left, right, raised ? term : nullptr, kFlat, context);
  if (kernels.form == StepForm::bytes && !b.transposed && m <= kStripRows && m * k <= kStripBytes)
    return flat_product(g, kernels, left, right, raised ? term : nullptr, kStrip, context);
  const Target<int32_t> target{
      m, n, ceil_div(k, values_of(kernels.form)), alpha, beta, c, ldc, raised ? term : nullptr};
  const MicroKernel<int32_t> kernel{kernels.mr, kernels.nr, kernels.run[static_cast<size_t>(kind)], kernels.blocks};
  return blocked_product(target, left, right, kernel, context);
}

}  // namespace lapidary
