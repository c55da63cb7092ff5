#include "gemm/packed_bytes.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"
#include "gemm/lut.h"
#include "gemm/packed_bits.h"
#include "gemm/packed_shares.h"
#include "gemm/quantized.h"
#include "gemm/ternary.h"

namespace lapidary {
namespace {

using std::int32_t, std::int8_t, std::size_t, std::uint8_t;

// Tokens that pass over the weights together: with their sums, a part stays in the second-level cache.
constexpr size_t kTokens = 256;
// Bytes of them that each thread pads for itself, unless so few tokens are more.
constexpr size_t kTokenBytes = size_t{8} << 20, kFewestTokens = 32;
constexpr size_t kDepth = 512;  // columns of a panel
// Threads that write to the same lines of y, or the next, wait for each other: neighbouring tiles are one part, of so
// many for each thread.
constexpr size_t kParts = 8;
// Rows for each token from which tokens are better padded by every thread than weights expanded by every one.
constexpr size_t kManyRows = 5;
// Products from which a second thread saves more than it costs to wake. To expand a weight takes as long as so many, to
// end the sum of a group as long as so many columns.
constexpr double kParallelWork = 5 << 18;
constexpr size_t kExpanded = 6, kGroupColumns = 40;

// Tokens as the panels meet them: groups padded with zeros to whole steps.
struct PaddedTokens {
  int8_t* x;
  int32_t* sums;  // of the groups
  size_t pitch;
};

struct BytesProduct {
  const PackedCodes& w;
  const QuantizedKernels& kernels;
  size_t group, groups, pitch;  // columns of a group, and padded to steps

  BytesProduct(const PackedCodes& codes, const QuantizedKernels& all) : w(codes), kernels(all) {
    group = std::min(w.group, w.cols);
    groups = group == 0 ? 0 : ceil_div(w.cols, group);
    pitch = ceil_div(group, 4) * 4;
  }
  size_t width(size_t g) const { return std::min(group, w.cols - g * group); }
  // Tokens that the panels pass over. Of three a last one alone passes over panels for itself: on 512 bits a row of
  // zeros beside it costs less, if groups are long.
  size_t padded(size_t tokens) const { return tokens == 3 && kernels.nr == 32 && group >= 128 ? tokens + 1 : tokens; }

  void pad(const int8_t* q, int8_t* x, int32_t* sums) const {
    for (size_t g = 0; g < groups; g++, q += group, x += pitch) {
      std::memcpy(x, q, width(g));
      std::memset(x + width(g), 0, pitch - width(g));
      sums[g] = sum_of(q, width(g));
    }
  }

  // out[t·32 + r] ← Σ_groups s·(sum of the group) for a tile of rows.
  Status tile(size_t index, const PaddedTokens& x, size_t tokens, float* out, const Context& context) const {
    ArenaFrame scratch;
    const size_t nr = kernels.nr;
    uint8_t* panels = scratch.take<uint8_t>(kPackedRows * kDepth);
    int32_t* whole = scratch.take<int32_t>(group > w.depth ? tokens * kPackedRows : 0);
    if (panels == nullptr || whole == nullptr) return Status::out_of_memory;
    std::fill_n(out, tokens * kPackedRows, 0.0f);
    int32_t zeros[kPackedRows];
    std::fill_n(zeros, kPackedRows, w.zero);
    WholePanel p{};
    p.x_stride = x.pitch;
    p.tokens = tokens;
    p.doubled = w.factor == 2;
    p.q_stride = groups;
    p.ldy = kPackedRows;
    const size_t rows = std::min(kPackedRows, w.rows - index * kPackedRows);
    for (size_t g = 0; g < groups; g++) {
      const size_t in_order = (index * groups + g) * kPackedRows;
      if (w.zeros != nullptr) std::copy_n(w.zeros + in_order, kPackedRows, zeros);
      p.q = x.sums + g;
      for (size_t k = 0; k < width(g); k += w.depth) {
        if (context.cancelled()) return Status::aborted;
        const size_t count = std::min(w.depth, width(g) - k);
        w.expand(index, g, k, count, {panels, nr, nr * kDepth});
        p.steps = ceil_div(count, 4);
        p.x = x.x + g * pitch + k;
        p.first = k == 0;
        p.last = k + count == width(g);
        for (size_t row = 0; row < rows; row += nr) {
          p.w = panels + row * kDepth;
          p.whole = whole + row;
          p.scales = w.scales + in_order + row;
          p.zeros = zeros + row;
          p.y = out + row;
          kernels.whole(p);
        }
      }
    }
    return Status::ok;
  }
};

struct LutCodes final : PackedCodes {
  LutShape shape;
  const uint8_t* bytes;
  LutExpand kernel;

  void expand(size_t tile, size_t g, size_t first, size_t count, const CodePanels& to) const override {
    const size_t group_pairs = ceil_div(shape.width(g), 8), planes = static_cast<size_t>(shape.bits);
    const uint8_t* codes = bytes + tile * shape.tile_bytes() + g * shape.group_pairs() * planes * kPackedRows;
    for (size_t j = first; j < first + count; j += kLutRun) {
      const size_t pairs = std::min(group_pairs - j / 8, kLutRun / 8);
      kernel(codes + j / 8 * planes * kPackedRows, pairs, shape.bits, {to.at(0, (j - first) / 4), to.nr, to.panel});
    }
  }
};

struct TernaryCodes final : PackedCodes {
  const uint8_t* bytes;
  TernaryExpand kernel;

  void expand(size_t tile, size_t, size_t first, size_t count, const CodePanels& to) const override {
    kernel(bytes + (tile * ternary_blocks(cols) + first / kTernaryBlock) * kTernaryBytes, ternary_blocks(count), to);
  }
};

// Whole blocks and whole steps.
constexpr size_t kTernaryDepth = 504;
static_assert(kTernaryDepth % kTernaryBlock == 0 && kTernaryDepth % 4 == 0 && kTernaryDepth <= kDepth);
static_assert(kDepth % kLutRun == 0);

}  // namespace

Status packed_bytes(const PackedCodes& w, size_t tokens, const int8_t* q, const float* token_scales,
                    const Head<float>& head, float* y, const Context& context) {
  if (tokens == 0 || w.rows == 0) return Status::ok;
  const BytesProduct p(w, kQuantized.pick()());
  const double work = static_cast<double>(tokens + kExpanded) * static_cast<double>(w.cols + kGroupColumns * p.groups) *
                      static_cast<double>(w.rows);
  const size_t threads = work >= kParallelWork ? thread_count() : 1;
  const size_t tiles = ceil_div(w.rows, kPackedRows),
               each = std::clamp<size_t>(tiles / (kParts * threads), 1, kMostTiles);
  // An odd number of cache lines: tokens fall into different sets of the cache.
  const size_t pitch = (ceil_div(p.groups * p.pitch, kAlignment) | 1) * kAlignment;
  const size_t share = w.rows / kManyRows < tokens ? ceil_div(tokens, 2 * threads) * 2 : tokens;
  const size_t group = std::min({tokens, share, kTokens, std::max(kTokenBytes / pitch, kFewestTokens)});
  const auto x_length = checked_mul(p.padded(group), pitch), sums_length = checked_mul(p.padded(group), p.groups);
  if (!x_length || !sums_length) return Status::out_of_memory;
  const Shares shares{tokens, group, ceil_div(tiles, each), threads};
  const Status status = shares.run(context, [&](auto take) {
    ArenaFrame scratch;
    float* out = scratch.take<float>(p.padded(group) * kPackedRows);
    PaddedTokens x{scratch.take<int8_t>(*x_length), scratch.take<int32_t>(*sums_length), pitch};
    if (out == nullptr || x.x == nullptr || x.sums == nullptr) return Status::out_of_memory;
    return take([&](size_t base, size_t count, size_t part, bool begins) {
      const size_t passing = p.padded(count);
      for (size_t t = 0; begins && t < count; t++)
        p.pad(q + (base + t) * w.cols, x.x + t * pitch, x.sums + t * p.groups);
      if (begins && passing > count) {
        std::fill_n(x.x + count * pitch, pitch, int8_t{0});
        std::fill_n(x.sums + count * p.groups, p.groups, 0);
      }
      for (size_t tile = part * each; tile < std::min(tiles, (part + 1) * each); tile++) {
        const Status done = p.tile(tile, x, passing, out, context);
        if (done != Status::ok) return done;
        const size_t row = tile * kPackedRows, height = std::min(kPackedRows, w.rows - row);
        for (size_t t = 0; t < count; t++)
          for (size_t r = 0; r < height; r++)
            y[(base + t) * w.rows + row + r] = token_scales[base + t] * out[t * kPackedRows + r];
        head.epilogue.apply(y + base * w.rows + row, w.rows, count, height, row);
      }
      return Status::ok;
    });
  });
  if (status != Status::ok) return status;
  return normalised(Status::ok, tokens, w.rows, head, y, context);
}

Status lut_codes_linear(PackedWay way, size_t tokens, const int8_t* q, const float* token_scales, const LutWeights& w,
                        const Head<float>& head, float* y, const Context& context) {
  LutCodes codes;
  codes.bits = w.shape.bits;
  codes.rows = w.shape.rows;
  codes.cols = w.shape.cols;
  codes.group = w.shape.group;
  codes.depth = kDepth;
  codes.scales = w.scales;
  codes.zeros = w.zeros;
  codes.factor = w.factor;
  codes.zero = w.zero;
  codes.shape = w.shape;
  codes.bytes = w.bytes;
  codes.kernel = kLut.pick().expand;
  return (way == PackedWay::bits ? packed_bits : packed_bytes)(codes, tokens, q, token_scales, head, y, context);
}

Status ternary_codes_linear(PackedWay way, size_t tokens, const int8_t* q, const float* token_scales, size_t rows,
                            size_t cols, const uint8_t* bytes, const float* scales, const Head<float>& head, float* y,
                            const Context& context) {
  TernaryCodes codes;
  codes.bits = 2;
  codes.rows = rows;
  codes.cols = codes.group = cols;
  codes.depth = kTernaryDepth;
  codes.scales = scales;
  codes.zeros = nullptr;
  codes.factor = codes.zero = 1;
  codes.bytes = bytes;
  codes.kernel = kTernary.pick().expand;
  return (way == PackedWay::bits ? packed_bits : packed_bytes)(codes, tokens, q, token_scales, head, y, context);
}

}  // namespace lapidary
