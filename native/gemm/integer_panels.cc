#include "gemm/integer_panels.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/blocked.h"

namespace lapidary {
namespace {

using std::int32_t, std::uint8_t;

// Steps of 4 values of k of a block where several tiles pass over it: 24 KiB of bytes for the columns of a tile stay in
// the first-level cache. Words, 48 KiB, do not, which costs less than to write C twice as often.
constexpr size_t kBlockSteps = 384;
// The same where a panel is read in place, several times: 16 KiB.
constexpr size_t kInPlaceSteps = 128;
// Rows that pass over a panel in one go, all columns of it at once.
constexpr size_t kSingleRows = 2;
// Bytes of a block of A, as bytes, that stay in the second-level cache while panels pass.
constexpr size_t kTallBytes = size_t{1} << 18;
// Bytes of A as words that are made at a time.
constexpr size_t kWordsOfA = size_t{8} << 20;
// Rows of A from which a second thread helps to make them.
constexpr size_t kParallelRows = 128;
// How far ahead panels in place are asked for in one go: a page. The hardware stops reading ahead at its end.
constexpr size_t kAhead = 4096;

// Rows of op(A), k values of each with its bits `flip` turned, `pitch` apart; zero from k to `padded`.
void straighten(const ByteOperand& a, size_t rows, size_t k, size_t padded, uint8_t flip, uint8_t* out, size_t pitch) {
  for (size_t i = 0; i < rows; i++) {
    uint8_t* to = out + i * pitch;
    if (!a.transposed) std::memcpy(to, a.data + i * a.stride, k);
    std::memset(to + k, 0, padded - k);
  }
  if (a.transposed)
    for (size_t p = 0; p < k; p++)
      for (size_t i = 0; i < rows; i++) out[i * pitch + p] = a.data[p * a.stride + i];
  if (flip != 0)
    for (size_t i = 0; i < rows; i++)
      for (size_t p = 0; p < k; p++) out[i * pitch + p] ^= flip;
}

// Rows of A in both forms, one block of steps after the other: what a tile reads lies together, as the hardware likes
// it when it reads ahead, and falls into different sets of the cache. Pitches in words of 32 bits.
struct Rows {
  uint8_t* bytes;
  int32_t* words;
  size_t count, depth, byte_pitch, word_pitch;

  // The row in the block that begins at the step.
  uint8_t* bytes_at(size_t row, size_t step) const {
    return bytes + (step / depth * count + row) * byte_pitch * sizeof(int32_t);
  }
  int32_t* words_at(size_t row, size_t step) const { return words + (step / depth * count + row) * word_pitch; }
};

class Panels {
 public:
  Panels(const PackedProduct& g, const IntegerKernels& kernels, bool raised, const Context& context)
      : g_(g), kernels_(kernels), raised_(raised), context_(context), steps_(ceil_div(g.b.k, 4)) {}

  const uint8_t* panel(size_t col, size_t step) const {
    return g_.b.values + (col / kPanelColumns * steps_ + step) * 4 * kPanelColumns;
  }

  // All rows, no more than the kernel takes, times the columns [col, col_end).
  Status in_place(const Rows& rows, size_t col, size_t col_end) const {
    GemmTile<int32_t> t = tile();
    t.m = g_.m;
    t.a_row = rows.word_pitch;
    t.prefetch = g_.m <= kSingleRows ? kAhead : rows.depth * 4 * kPanelColumns;
    for (size_t j = col; j < col_end; j += kPanelColumns) {
      if (context_.cancelled()) return Status::aborted;
      t.n = std::min(kPanelColumns, col_end - j);
      t.c = g_.c + j;
      for (size_t s = 0; s < steps_; s += rows.depth) {
        t.k = std::min(rows.depth, steps_ - s);
        t.a = rows.words_at(0, s);
        t.b = static_cast<const int32_t*>(static_cast<const void*>(panel(j, s)));
        t.beta = s == 0 ? g_.beta : 1;
        kernels_.panels->in_place(t);
      }
    }
    return Status::ok;
  }

  // Rows [row, row_end) of C, of which `rows` holds those from `base` on, times the columns [col, col_end).
  Status part(const Rows& rows, size_t base, size_t row, size_t row_end, size_t col, size_t col_end) const {
    ArenaFrame scratch;
    int32_t* block = scratch.take<int32_t>(2 * kPanelColumns * rows.depth);
    if (block == nullptr) return Status::out_of_memory;
    if (raised_) g_.begin_raised(row, row_end, col, col_end);
    for (size_t s = 0; s < steps_; s += rows.depth) {
      const size_t count = std::min(rows.depth, steps_ - s);
      for (size_t j = col; j < col_end; j += kPanelColumns) {
        if (context_.cancelled()) return Status::aborted;
        const bool bytes = kernels_.panels->narrow(panel(j, s), count, block);
        if (!bytes) kernels_.widen_panel(panel(j, s), count, block);
        GemmTile<int32_t> t = tile();
        t.k = bytes ? count : 2 * count;
        t.a_row = bytes ? rows.byte_pitch : rows.word_pitch;
        t.beta = s == 0 && !raised_ ? g_.beta : 1;
        // What is read next: the same steps of the next panel, or the next steps of the first.
        const bool last = j + kPanelColumns >= col_end;
        const size_t next_step = last ? s + count : s;
        const std::uintptr_t next = reinterpret_cast<std::uintptr_t>(panel(last ? col : j + kPanelColumns, next_step));
        for (size_t q = j; q < std::min(j + kPanelColumns, col_end); q += kernels_.nr) {
          t.b = block + (q - j) * t.k;
          const size_t ahead = next + (q - j) * 4 * count - reinterpret_cast<std::uintptr_t>(t.b);
          t.n = std::min(kernels_.nr, col_end - q);
          size_t left = ceil_div(row_end - row, kernels_.mr);  // tiles, all nearly equal
          for (size_t r = row; r < row_end; r += t.m, left--) {
            t.m = ceil_div(row_end - r, left);
            t.a = bytes ? static_cast<const int32_t*>(static_cast<const void*>(rows.bytes_at(r - base, s)))
                        : rows.words_at(r - base, s);
            t.c = g_.c + r * g_.ldc + q;
            t.prefetch = left == 1 && next_step < steps_ ? ahead / sizeof(int32_t) : 0;
            (bytes ? kernels_.panels->bytes : kernels_.run[static_cast<size_t>(IntegerKind::u8i8)])(t);
          }
        }
      }
    }
    return Status::ok;
  }

 private:
  GemmTile<int32_t> tile() const {
    GemmTile<int32_t> t;
    t.a_step = 1;
    t.b_step = kernels_.nr;
    t.padded = true;
    t.ldc = g_.ldc;
    t.alpha = g_.alpha;
    return t;
  }

  const PackedProduct& g_;
  const IntegerKernels& kernels_;
  const bool raised_;
  const Context& context_;
  const size_t steps_;
};

}  // namespace

Status panel_integer_gemm(const PackedProduct& g, const IntegerKernels& kernels, bool a_signed, ByteOperand a,
                          const Context& context) {
  const size_t k = g.b.k, steps = ceil_div(k, 4), mr = kernels.mr;
  const bool few = g.m <= kernels.panels->few, raised = a_signed && !few, parallel = g.parallel();
  // Odd numbers of cache lines: the rows of a tile then fall into different sets of the cache.
  const auto pitch_of = [](size_t bytes) { return (ceil_div(bytes, kAlignment) | 1) * kAlignment / sizeof(int32_t); };
  const size_t depth = std::min(g.m <= kSingleRows ? steps : few ? kInPlaceSteps : kBlockSteps, steps);
  const size_t blocks = ceil_div(steps, depth);
  Rows rows{nullptr, nullptr, 0, depth, pitch_of(4 * depth), pitch_of(8 * depth)};
  const size_t row_bytes = rows.word_pitch * sizeof(int32_t);
  const size_t most = detail::even_piece(g.m, kWordsOfA / (blocks * row_bytes), mr);
  const size_t tall = detail::even_piece(std::min(most, g.m), kTallBytes / (rows.byte_pitch * sizeof(int32_t)), mr);
  const size_t wide = g.part_columns();
  const Panels panels(g, kernels, raised, context);

  ArenaFrame scratch;
  rows.bytes = scratch.take<uint8_t>(blocks * std::min(most, g.m) * rows.byte_pitch * sizeof(int32_t));
  rows.words = scratch.take<int32_t>(blocks * std::min(most, g.m) * rows.word_pitch);
  if (rows.bytes == nullptr || rows.words == nullptr) return Status::out_of_memory;
  for (size_t base = 0; base < g.m; base += most) {
    const size_t count = rows.count = std::min(most, g.m - base);
    Status status = each_part(blocks, parallel && count > kParallelRows, context, [&](size_t part) {
      const size_t s = part * depth, p = 4 * s, padded = 4 * std::min(depth, steps - s);
      const ByteOperand from{a.data + (a.transposed ? p * a.stride + base : base * a.stride + p), a.stride,
                             a.transposed};
      const size_t pitch = rows.byte_pitch * sizeof(int32_t);
      straighten(from, count, std::min(padded, k - p), padded, raised ? 0x80 : 0, rows.bytes_at(0, s), pitch);
      kernels.pack_rows(rows.bytes_at(0, s), pitch, count, padded, 0, a_signed && !raised, rows.words_at(0, s),
                        rows.word_pitch);
      return Status::ok;
    });
    if (status != Status::ok) return status;
    // Parts with the same columns follow one another.
    const size_t across = few ? 1 : ceil_div(count, tall);
    status = each_part(across * ceil_div(g.b.n, wide), parallel, context, [&](size_t part) {
      const size_t row = base + part % across * tall, col = part / across * wide, end = std::min(col + wide, g.b.n);
      return few ? panels.in_place(rows, col, end)
                 : panels.part(rows, base, row, std::min(row + tall, base + count), col, end);
    });
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace lapidary
