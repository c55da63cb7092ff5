#include "gemm/integer_packed.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/each_part.h"
#include "core/memory.h"
#include "gemm/blocked.h"
#include "gemm/integer_panels.h"
#include "gemm/integer_sources.h"

namespace lapidary {
namespace {

using std::int32_t, std::uint32_t, std::uint8_t;

constexpr size_t kStepBytes = 4 * kPanelColumns;
// Steps of a block where several tiles pass over a panel: 48 KiB of it stay in the nearest caches.
constexpr size_t kBlockSteps = 384;
// Bytes of packed A that pass over a panel: they stay in the second-level cache.
constexpr size_t kTallBytes = size_t{1} << 18;
// Bytes of A that are packed at a time.
constexpr size_t kPackedA = size_t{8} << 20;
// Bytes of B, and columns of it, that one part works on.
constexpr size_t kPartBytes = size_t{1} << 20, kPartColumns = 512;
// Bytes of B from which a second thread saves more than it costs to wake.
constexpr size_t kParallelBytes = size_t{1} << 19;
// How far ahead of a single tile B is asked for, in steps: a page. The hardware stops reading ahead at its end.
constexpr size_t kAheadSteps = 32;

// Rows of A in the kernels' own form, and where tiles of it lie.
struct PackedRows {
  const int32_t* data;
  bool panels;
  size_t pitch, steps, mr;

  const int32_t* at(size_t row, size_t step) const {
    return panels ? data + row * steps + step * mr : data + row * pitch + step;
  }
};

class Multiply {
 public:
  Multiply(const PackedProduct& g, const IntegerKernels& kernels, bool raised, const Context& context)
      : g_(g), kernels_(kernels), raised_(raised), context_(context) {}

  // Rows [row, row_end) of C, of which `rows` holds those from `base` on, times the columns [col, col_end).
  Status part(const PackedRows& rows, size_t base, size_t row, size_t row_end, size_t col, size_t col_end) const {
    const size_t ratio = 4 / values_of(kernels_.form), steps = ceil_div(g_.b.k, 4);
    const bool single = row_end - row <= kernels_.mr;
    const size_t depth = single && kernels_.widen_panel == nullptr ? steps : std::min(kBlockSteps, steps);
    ArenaFrame scratch;
    int32_t* words = scratch.take<int32_t>(kernels_.widen_panel == nullptr ? 0 : kPanelColumns * ratio * depth);
    if (words == nullptr) return Status::out_of_memory;
    if (raised_) g_.begin_raised(row, row_end, col, col_end);
    for (size_t s = 0; s < steps; s += depth) {
      const size_t count = std::min(depth, steps - s);
      for (size_t j = col; j < col_end; j += kPanelColumns) {
        if (context_.cancelled()) return Status::aborted;
        const uint8_t* from = g_.b.values + j / kPanelColumns * steps * kStepBytes + s * kStepBytes;
        if (kernels_.widen_panel != nullptr) kernels_.widen_panel(from, count, words);
        const int32_t* panel =
            kernels_.widen_panel == nullptr ? static_cast<const int32_t*>(static_cast<const void*>(from)) : words;
        const size_t ahead = kernels_.widen_panel != nullptr ? 0
                             : single                        ? kAheadSteps * kPanelColumns
                             : j + kPanelColumns < col_end   ? steps * kPanelColumns
                                                             : 0;
        for (size_t q = j; q < std::min(j + kPanelColumns, col_end); q += kernels_.nr)
          tiles(rows, base, row, row_end, q, std::min(kernels_.nr, col_end - q), s * ratio,
                std::min(count * ratio, rows.steps - s * ratio), panel + (q - j) * count * ratio, ahead);
      }
    }
    return Status::ok;
  }

 private:
  void tiles(const PackedRows& rows, size_t base, size_t row, size_t row_end, size_t col, size_t width, size_t step,
             size_t count, const int32_t* panel, size_t ahead) const {
    GemmTile<int32_t> t;
    t.k = count;
    t.a_row = rows.panels ? 1 : rows.pitch;
    t.a_step = rows.panels ? kernels_.mr : 1;
    t.b = panel;
    t.b_step = kernels_.nr;
    t.padded = true;
    t.n = width;
    t.ldc = g_.ldc;
    t.alpha = g_.alpha;
    t.beta = step == 0 && !raised_ ? g_.beta : 1;
    size_t left = ceil_div(row_end - row, kernels_.mr);
    for (size_t r = row; r < row_end; r += t.m, left--) {
      t.m = rows.panels ? std::min(kernels_.mr, row_end - r) : ceil_div(row_end - r, left);
      t.a = rows.at(r - base, step);
      t.c = g_.c + r * g_.ldc + col;
      t.prefetch = left == 1 ? ahead : 0;  // the last tile asks for the next panel
      kernels_.run[static_cast<size_t>(IntegerKind::u8i8)](t);
    }
  }

  const PackedProduct& g_;
  const IntegerKernels& kernels_;
  const bool raised_;
  const Context& context_;
};

// A panel of op(B) and its sums, a line of each column at a time: columns a power of two apart fall into one set of the
// cache.
void pack_panel(size_t k, const ByteOperand& b, size_t first, size_t width, uint8_t* out, int32_t* sums) {
  for (size_t p = 0; p < k; p += kAlignment, out += kAlignment * kPanelColumns) {
    const size_t depth = std::min(kAlignment, k - p), whole = depth / 4 * 4;
    const size_t bytes = ceil_div(depth, 4) * kStepBytes;
    if (depth % 4 != 0 || width < kPanelColumns) std::memset(out, 0, bytes);
    const uint8_t* from = b.data + (b.transposed ? first * b.stride + p : p * b.stride + first);
    if (b.transposed) {
      for (size_t j = 0; j < width; j++)
        for (size_t q = 0; q < whole; q += 4) std::memcpy(out + q * kPanelColumns + 4 * j, from + j * b.stride + q, 4);
    } else {
      for (size_t q = 0; q < whole; q += 4)
        for (size_t j = 0; j < width; j++)
          for (size_t i = 0; i < 4; i++) out[q * kPanelColumns + 4 * j + i] = from[(q + i) * b.stride + j];
    }
    for (size_t q = whole; q < depth; q++)
      for (size_t j = 0; j < width; j++)
        out[q / 4 * kStepBytes + 4 * j + q % 4] = from[b.transposed ? j * b.stride + q : q * b.stride + j];
    for (const uint8_t* step = out; step < out + bytes; step += kStepBytes)
      for (size_t j = 0; j < width; j++)
        for (size_t q = 0; q < 4; q++) sums[j] += static_cast<std::int8_t>(step[4 * j + q]);
  }
}

}  // namespace

bool PackedProduct::parallel() const {
  return b.k >= ceil_div(kParallelBytes, b.n) ||
         static_cast<double>(m) * static_cast<double>(b.n) * static_cast<double>(b.k) >= detail::kParallelWork;
}

size_t PackedProduct::part_columns() const {
  return std::clamp(std::min(kPartBytes / packed_panel_bytes(b.k), ceil_div(packed_panels(b.n), 8)), size_t{1},
                    kPartColumns / kPanelColumns) *
         kPanelColumns;
}

void PackedProduct::begin_raised(size_t row, size_t row_end, size_t col, size_t col_end) const {
  for (size_t i = row; i < row_end; i++)
    for (size_t j = col; j < col_end; j++) {
      int32_t& value = c[i * ldc + j];
      const uint32_t term = static_cast<uint32_t>(alpha) * -128u * static_cast<uint32_t>(b.sums[j]);
      value =
          static_cast<int32_t>(beta == 0 ? term : term + static_cast<uint32_t>(beta) * static_cast<uint32_t>(value));
    }
}

Status pack_integer(size_t n, size_t k, ByteOperand b, uint8_t* values, int32_t* sums, const Context& context) {
  const size_t bytes = packed_panel_bytes(k);
  expect_full_write(values, packed_panels(n) * bytes);
  return each_part(packed_panels(n), n * k >= kParallelBytes, context, [&](size_t panel) {
    const size_t first = panel * kPanelColumns, width = std::min(kPanelColumns, n - first);
    std::fill_n(sums + first, width, 0);
    pack_panel(k, b, first, width, values + panel * bytes, sums + first);
    return Status::ok;
  });
}

Status packed_integer_gemm(bool a_signed, size_t m, int32_t alpha, ByteOperand a, const PackedInteger& b, int32_t beta,
                           int32_t* c, size_t ldc, const Context& context) {
  if (m == 0 || b.n == 0) return Status::ok;
  if (alpha == 0 || b.k == 0) {
    scale_result(m, b.n, beta, c, ldc);
    return Status::ok;
  }
  const IntegerKernels& kernels = kInteger.pick()();
  const PackedProduct g{m, alpha, b, beta, c, ldc};
  if (kernels.panels != nullptr) return panel_integer_gemm(g, kernels, a_signed, a, context);
  const bool raised = a_signed && kernels.form == StepForm::bytes;
  const ByteA left{kernels, a, a_signed, static_cast<uint8_t>(raised ? 0x80 : 0), b.k};
  const size_t steps = ceil_div(b.k, values_of(kernels.form)), mr = kernels.mr;
  // An odd number of cache lines: the rows of a tile then fall into different sets of the cache.
  const size_t pitch = (ceil_div(steps * sizeof(int32_t), kAlignment) | 1) * kAlignment / sizeof(int32_t);
  const size_t most = detail::even_piece(m, kPackedA / (pitch * sizeof(int32_t)), mr);
  const size_t block = std::min(kBlockSteps * 4, b.k);
  const size_t tall = detail::even_piece(std::min(most, m), kTallBytes / block, mr);
  const size_t wide = g.part_columns();
  const bool parallel = g.parallel();
  const Multiply multiply(g, kernels, raised, context);

  ArenaFrame scratch;
  int32_t* packed = scratch.take<int32_t>(ceil_div(std::min(most, m), mr) * mr * pitch);
  if (packed == nullptr) return Status::out_of_memory;
  for (size_t base = 0; base < m; base += most) {
    const size_t rows = std::min(most, m - base), piece = mr * ceil_div(64, mr);
    Status status = each_part(ceil_div(rows, piece), parallel && rows > 2 * piece, context, [&](size_t part) {
      const size_t i = part * piece;
      left.pack(base + i, std::min(piece, rows - i), 0, steps, packed + i * (left.panels() ? steps : pitch), pitch, mr);
      return Status::ok;
    });
    if (status != Status::ok) return status;
    const PackedRows from{packed, left.panels(), pitch, steps, mr};
    // Parts with the same columns follow one another.
    const size_t across = ceil_div(rows, tall);
    status = each_part(across * ceil_div(b.n, wide), parallel, context, [&](size_t part) {
      const size_t row = base + part % across * tall, col = part / across * wide;
      return multiply.part(from, base, row, std::min(row + tall, base + rows), col, std::min(col + wide, b.n));
    });
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace lapidary
