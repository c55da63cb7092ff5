#include "gemm/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

using std::int32_t, std::uint32_t, std::uint64_t;

// Words of k (32 bits) in a block of one plane of B, all planes together: a packed panel of 32 columns stays in the
// second-level cache, a plane of it in the first-level one.
constexpr size_t kBlockWords = 512;
// Columns and rows of C that one part computes.
constexpr size_t kPartColumns = 128, kPartRows = 768;
// Products of bits from which a second thread saves more than it costs to wake.
constexpr double kParallelWork = 64e6;

int32_t offset(const BitOperand& x) { return x.encoding == BitEncoding::bipolar ? 1 - (1 << x.bits) : 0; }

// Σ_i w_i popc(x_i) for each row; columns from k on do not count.
void weighted_counts(const BitOperand& x, size_t k, int32_t* sum) {
  const size_t words = bit_words(k), whole = k / 64;
  const uint64_t rest = k % 64 == 0 ? 0 : (uint64_t{1} << k % 64) - 1;
  std::fill(sum, sum + x.rows, 0);
  for (int bit = 0; bit < x.bits; bit++) {
    const bool minus = x.encoding == BitEncoding::twos && bit == x.bits - 1;
    const int shift = bit + (x.encoding == BitEncoding::bipolar);
    for (size_t row = 0; row < x.rows; row++) {
      const uint64_t* word = x.planes + (static_cast<size_t>(bit) * x.rows + row) * words;
      uint32_t count = 0;
      for (size_t w = 0; w < whole; w++) count += static_cast<uint32_t>(std::popcount(word[w]));
      if (rest != 0) count += static_cast<uint32_t>(std::popcount(word[whole] & rest));
      const uint32_t weighted = count << shift;
      sum[row] = static_cast<int32_t>(static_cast<uint32_t>(sum[row]) + (minus ? 0u - weighted : weighted));
    }
  }
}

// Rows [row, row + count) of one plane as 32-bit words [w, w + depth), `pitch` words apart; bits from k on are zero.
void copy_words(const BitOperand& x, size_t k, int plane, size_t row, size_t count, size_t w, size_t depth,
                int32_t* out, size_t pitch) {
  const size_t words = bit_words(k);
  for (size_t i = 0; i < count; i++) {
    const uint64_t* from = x.planes + (static_cast<size_t>(plane) * x.rows + row + i) * words;
    std::memcpy(out + i * pitch, reinterpret_cast<const char*>(from) + 4 * w, 4 * depth);
    for (size_t u = k / 32 > w ? k / 32 - w : 0; u < depth; u++) {
      const size_t first = 32 * (w + u);
      const uint32_t mask = first >= k ? 0 : k - first >= 32 ? ~uint32_t{0} : (uint32_t{1} << (k - first)) - 1;
      out[i * pitch + u] &= static_cast<int32_t>(mask);
    }
  }
}

}  // namespace

Status bit_gemm(const BitOperand& a, const BitOperand& b, size_t k, int32_t* c, size_t ldc, const Context& context) {
  const size_t m = a.rows, n = b.rows;
  if (m == 0 || n == 0) return Status::ok;
  const BitKernel kernel = kBits.pick();
  const bool exclusive = a.encoding == BitEncoding::bipolar && b.encoding == BitEncoding::bipolar;
  const size_t words = ceil_div(ceil_div(k, 32), kBitStep) * kBitStep;  // within the rows, which are 16 words at a time
  const size_t pitch = (ceil_div(words * 4, kAlignment) | 1) * (kAlignment / 4), plane = m * pitch;

  ArenaFrame shared;
  int32_t* left = shared.take<int32_t>(plane * static_cast<size_t>(a.bits));
  int32_t* a_sum = shared.take<int32_t>(m);
  int32_t* b_sum = shared.take<int32_t>(n);
  if (left == nullptr || a_sum == nullptr || b_sum == nullptr) return Status::out_of_memory;
  for (int p = 0; p < a.bits; p++) copy_words(a, k, p, 0, m, 0, words, left + static_cast<size_t>(p) * plane, pitch);
  // What is added to row i and to column j beside the sums over pairs.
  const uint32_t o_a = static_cast<uint32_t>(offset(a)), o_b = static_cast<uint32_t>(offset(b));
  std::fill(a_sum, a_sum + m, 0);
  std::fill(b_sum, b_sum + n, 0);
  if (!exclusive && o_b != 0) weighted_counts(a, k, a_sum);
  if (!exclusive && o_a != 0) weighted_counts(b, k, b_sum);
  const uint32_t constant = static_cast<uint32_t>(k) * o_a * o_b;  // exclusive or: (2^n − 1)(2^m − 1), the same
  const int32_t alpha =
      exclusive ? -2 : (a.encoding == BitEncoding::bipolar || b.encoding == BitEncoding::bipolar ? 2 : 1);

  const size_t depth =
      std::min(words, std::max(kBlockWords / static_cast<size_t>(b.bits) / kBitStep * kBitStep, kBitStep));
  const size_t strips = ceil_div(n, kPartColumns), floors = ceil_div(m, kPartRows);
  const bool parallel =
      static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) * a.bits * b.bits >= kParallelWork;
  return each_part(strips * floors, parallel, context, [&](size_t part) {
    ArenaFrame scratch;
    const size_t columns = ceil_div(std::min(kPartColumns, n), kernel.nr) * kernel.nr;
    const size_t b_plane = columns * depth;
    int32_t* square = scratch.take<int32_t>(kernel.nr * depth);
    int32_t* right = scratch.take<int32_t>(b_plane * static_cast<size_t>(b.bits));
    if (square == nullptr || right == nullptr) return Status::out_of_memory;
    const size_t col = part / floors * kPartColumns, width = std::min(kPartColumns, n - col);
    const size_t row = part % floors * kPartRows, end = std::min(row + kPartRows, m);
    for (size_t i = row; i < end; i++)
      for (size_t j = col; j < col + width; j++)
        c[i * ldc + j] = static_cast<int32_t>(constant + o_b * static_cast<uint32_t>(a_sum[i]) +
                                              o_a * static_cast<uint32_t>(b_sum[j]));
    const auto turn = pack::choose_panels<int32_t>(kernel.nr, true);
    BitTile t;
    t.a_row = pitch;
    t.a_plane = plane;
    t.a_bits = a.bits;
    t.b_bits = b.bits;
    t.a_signed = a.encoding == BitEncoding::twos;
    t.b_signed = b.encoding == BitEncoding::twos;
    t.exclusive_or = exclusive;
    t.ldc = ldc;
    t.alpha = alpha;
    for (size_t w = 0; w < words; w += depth) {
      t.words = std::min(depth, words - w);
      t.b_plane = columns * t.words;
      for (int q = 0; q < b.bits; q++)
        for (size_t j = 0; j < width; j += kernel.nr) {
          const size_t count = std::min(kernel.nr, width - j);
          copy_words(b, k, q, col + j, count, w, t.words, square, depth);
          turn(square, depth, t.words, count, right + static_cast<size_t>(q) * t.b_plane + j * t.words);
        }
      for (size_t i = row; i < end; i += kernel.mr) {
        if (context.cancelled()) return Status::aborted;
        t.m = std::min(kernel.mr, end - i);
        t.a = left + i * pitch + w;
        for (size_t j = 0; j < width; j += kernel.nr) {
          t.n = std::min(kernel.nr, width - j);
          t.b = right + j * t.words;
          t.c = c + i * ldc + col + j;
          kernel.run(t);
        }
      }
    }
    return Status::ok;
  });
}

}  // namespace lapidary
