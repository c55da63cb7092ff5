#include "gemm/packed_bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/bits.h"

namespace lapidary {
namespace {

using std::int32_t, std::int8_t, std::size_t, std::uint32_t, std::uint64_t, std::uint8_t;

static_assert(std::endian::native == std::endian::little, "eight bytes are a word");

constexpr size_t kTokens = 64;
// Bytes of the planes of the rows that are expanded at a time, and most of those rows.
constexpr size_t kPlaneBytes = size_t{1} << 22, kMostRows = 1024;
// Values from which a second thread saves more than it costs to wake.
constexpr size_t kParallelValues = size_t{1} << 17;

// Planes of `rows` rows of `words` words each.
struct Planes {
  uint8_t* bytes;
  size_t rows, words;
  int bits;

  void put(size_t row, size_t eight, uint64_t values) const {
    for (int p = 0; p < bits; p++)
      bytes[(static_cast<size_t>(p) * rows + row) * words * 8 + eight] = plane_of(values, p);
  }
  BitOperand operand(BitEncoding encoding) const {
    return {reinterpret_cast<const uint64_t*>(bytes), rows, bits, encoding};
  }
};

// Columns of a token; returns their sum.
int32_t put_token(const int8_t* q, size_t count, size_t row, const Planes& to) {
  for (size_t j = 0; j < count; j += 8) {
    uint64_t values = 0;
    std::memcpy(&values, q + j, std::min<size_t>(8, count - j));
    to.put(row, j / 8, values);
  }
  return sum_of(q, count);
}

// A group of a tile of weights, its first row being `row` of the planes.
void put_tile(const PackedCodes& w, size_t tile, size_t group, size_t width, size_t row, size_t rows, uint8_t* panels,
              const Planes& to) {
  for (size_t k = 0; k < width; k += w.depth) {
    const size_t count = std::min(w.depth, width - k);
    const CodePanels from{panels, kPackedRows, 0};
    w.expand(tile, group, k, count, from);
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < count; j += 8) {
        uint32_t low, high;
        std::memcpy(&low, from.at(r, j / 4), 4);
        std::memcpy(&high, from.at(r, j / 4 + 1), 4);
        to.put(row + r, (k + j) / 8, low | uint64_t{high} << 32);
      }
  }
}

}  // namespace

Status packed_bits(const PackedCodes& w, size_t tokens, const int8_t* q, const float* token_scales,
                   const Head<float>& head, float* y, const Context& context) {
  if (tokens == 0 || w.rows == 0) return Status::ok;
  const size_t group = std::min(w.group, w.cols), groups = group == 0 ? 0 : ceil_div(w.cols, group);
  const size_t most = std::min(tokens, kTokens), words = bit_words(group), row_bytes = words * 8;
  const size_t planes = static_cast<size_t>(w.bits);
  const size_t fit = kPlaneBytes / std::max<size_t>(row_bytes * planes, 1) / kPackedRows * kPackedRows;
  const size_t block = std::min(std::clamp(fit, kPackedRows, kMostRows), w.rows);
  ArenaFrame shared;
  const auto x_length = checked_mul(most * 8, row_bytes), w_length = checked_mul(block * planes, row_bytes);
  uint8_t* x_planes = x_length ? shared.take<uint8_t>(*x_length) : nullptr;
  uint8_t* w_planes = w_length ? shared.take<uint8_t>(*w_length) : nullptr;
  int32_t* whole = shared.take<int32_t>(most * block);
  int32_t* sums = shared.take<int32_t>(most);
  if (x_planes == nullptr || w_planes == nullptr || whole == nullptr || sums == nullptr) return Status::out_of_memory;

  for (size_t base = 0; base < tokens; base += kTokens) {
    const size_t count = std::min(kTokens, tokens - base);
    for (size_t first = 0; first < w.rows; first += block) {
      const size_t rows = std::min(block, w.rows - first);
      float* out = y + base * w.rows + first;
      for (size_t t = 0; t < count; t++) std::fill_n(out + t * w.rows, rows, 0.0f);
      for (size_t g = 0; g < groups; g++) {
        const size_t width = std::min(group, w.cols - g * group);
        const Planes left{x_planes, count, bit_words(width), 8}, right{w_planes, rows, bit_words(width), w.bits};
        Status status = each_part(count, count * width >= kParallelValues, context, [&](size_t t) {
          sums[t] = put_token(q + (base + t) * w.cols + g * group, width, t, left);
          return Status::ok;
        });
        if (status != Status::ok) return status;
        status = each_part(ceil_div(rows, kPackedRows), rows * width >= kParallelValues, context, [&](size_t part) {
          ArenaFrame scratch;
          uint8_t* panels = scratch.take<uint8_t>(kPackedRows * w.depth);
          if (panels == nullptr) return Status::out_of_memory;
          const size_t row = part * kPackedRows;
          put_tile(w, first / kPackedRows + part, g, width, row, std::min(kPackedRows, rows - row), panels, right);
          return Status::ok;
        });
        if (status != Status::ok) return status;
        status =
            bit_gemm(left.operand(BitEncoding::twos), right.operand(BitEncoding::natural), width, whole, rows, context);
        if (status != Status::ok) return status;
        for (size_t t = 0; t < count; t++)
          for (size_t r = 0; r < rows; r++) {
            const size_t at = ((first + r) / kPackedRows * groups + g) * kPackedRows + r % kPackedRows;
            const auto zero = static_cast<uint32_t>(w.zeros != nullptr ? w.zeros[at] : w.zero);
            const uint32_t sum = static_cast<uint32_t>(w.factor) * static_cast<uint32_t>(whole[t * rows + r]) -
                                 zero * static_cast<uint32_t>(sums[t]);
            float& to = out[t * w.rows + r];
            to = to + w.scales[at] * static_cast<float>(static_cast<int32_t>(sum));
          }
      }
      for (size_t t = 0; t < count; t++)
        for (size_t r = 0; r < rows; r++) out[t * w.rows + r] = token_scales[base + t] * out[t * w.rows + r];
      head.epilogue.apply(out, w.rows, count, rows, first);
    }
  }
  return normalised(Status::ok, tokens, w.rows, head, y, context);
}

}  // namespace lapidary
