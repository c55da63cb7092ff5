#include "gemm/packed_bytes.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/lut.h"
#include "gemm/packed_bits.h"
#include "gemm/quantized.h"
#include "gemm/ternary.h"

namespace lapidary {
namespace {

using std::int32_t, std::int8_t, std::size_t, std::uint8_t;

// Tokens that pass over the weights together: with their sums, a part stays in the second-level cache.
constexpr size_t kTokens = 256;
// Columns of a panel. |factor·c − zero| ≤ 255 and |q| ≤ 128, so sums over them stay below 2^24: exact in f32.
constexpr size_t kDepth = 512;
static_assert(255 * 128 * kDepth < (1 << 24));
constexpr size_t kWidest = 32, kTallest = 16;  // rows and tokens of the tile of any instruction set
// Products from which a second thread saves more than it costs to wake.
constexpr double kParallelWork = 1 << 21;

constexpr size_t round_up(size_t n, size_t step) { return ceil_div(n, step) * step; }

// Tokens as the panels meet them: groups padded with zeros to whole units.
struct PaddedTokens {
  int8_t* x;
  float* sums;  // of the units
  float* ones;  // as apart as the sums, for the tokens of a tile
  size_t pitch, units;
};

struct BytesProduct {
  const PackedCodes& w;
  const QuantizedKernels& kernels;
  size_t group, groups, pitch, unit;  // columns of a group, padded to units

  BytesProduct(const PackedCodes& codes, const QuantizedKernels& all) : w(codes), kernels(all) {
    group = std::min(w.group, w.cols);
    groups = group == 0 ? 0 : ceil_div(w.cols, group);
    pitch = round_up(group, groups > 1 ? 16 : 32);
    unit = pitch % 32 == 0 ? 32 : 16;
  }
  size_t width(size_t g) const { return std::min(group, w.cols - g * group); }

  void pad(const int8_t* q, int8_t* x, float* sums) const {
    for (size_t g = 0; g < groups; g++, x += pitch) {
      std::memcpy(x, q + g * group, width(g));
      std::memset(x + width(g), 0, pitch - width(g));
      for (size_t u = 0; u < pitch; u += unit) {
        int32_t sum = 0;
        for (size_t j = u; j < u + unit; j++) sum += x[j];
        *sums++ = static_cast<float>(sum);
      }
    }
  }

  // out[t·32 + r] ← Σ_groups s·(sum of the group) for a tile of rows.
  Status tile(size_t index, const PaddedTokens& x, size_t tokens, float* out, const Context& context) const {
    ArenaFrame scratch;
    const size_t nr = kernels.nr, depth = w.depth;
    const bool several = group > depth;  // runs of a group
    uint8_t* panels = scratch.take<uint8_t>(kPackedRows * kDepth);
    int32_t* whole = scratch.take<int32_t>(several ? tokens * kPackedRows : 0);
    if (panels == nullptr || whole == nullptr) return Status::out_of_memory;
    std::fill_n(panels, kPackedRows * kDepth, uint8_t{0});  // what is missing of a last unit meets zeros of the tokens
    std::fill_n(out, tokens * kPackedRows, 0.0f);
    float shift[kDepth / 16 * 2 * kWidest];
    const size_t rows = std::min(kPackedRows, w.rows - index * kPackedRows);
    const size_t tall = ceil_div(tokens, ceil_div(tokens, kernels.mr));  // of a tile: all nearly equal
    PanelTile t{};
    t.scales = shift;
    t.steps = unit / 4;
    t.planes = 1;
    t.x_stride = x.pitch;
    t.a = x.ones;
    t.a_stride = x.units;
    t.ldy = nr;
    for (size_t g = 0; g < groups; g++) {
      const size_t in_order = (index * groups + g) * kPackedRows;
      for (size_t k = 0; k < width(g); k += depth) {
        const size_t count = std::min(depth, width(g) - k), before = (g * pitch + k) / unit;
        const bool first = k == 0, last = k + count == width(g);
        w.expand(index, g, k, count, {panels, nr, nr * kDepth});
        t.units = ceil_div(count, unit);
        for (size_t row = 0; row < rows; row += nr) {
          for (size_t j = 0; j < nr; j++) {
            shift[j] = static_cast<float>(w.factor);
            shift[nr + j] = static_cast<float>(w.zeros != nullptr ? w.zeros[in_order + row + j] : w.zero) / shift[j];
          }
          for (size_t u = 1; u < t.units; u++) std::copy_n(shift, 2 * nr, shift + 2 * nr * u);
          t.w = panels + row * kDepth;
          t.width = std::min(nr, rows - row);
          for (size_t n = 0; n < tokens; n += tall) {
            if (context.cancelled()) return Status::aborted;
            alignas(64) float part[kTallest * kWidest];
            t.tokens = std::min(tall, tokens - n);
            t.x = x.x + n * x.pitch + g * pitch + k;
            t.q = x.sums + n * x.units + before;
            t.y = part;
            kernels.tile(t);
            for (size_t i = 0; i < t.tokens; i++) {
              const size_t at = (n + i) * kPackedRows + row;
              if (!several)
                add(part + i * nr, w.scales + in_order + row, t.width, out + at);
              else
                gather(part + i * nr, w.scales + in_order + row, t.width, first, last, whole + at, out + at);
            }
          }
        }
      }
    }
    return Status::ok;
  }

 private:
  // y += s·part
  static void add(const float* part, const float* scales, size_t count, float* y) {
    for (size_t j = 0; j < count; j++) y[j] = y[j] + scales[j] * part[j];
  }
  // whole += part, modulo 2^32; y += s·whole with the last one.
  static void gather(const float* part, const float* scales, size_t count, bool first, bool last, int32_t* whole,
                     float* y) {
    for (size_t j = 0; j < count; j++) {
      const auto more = static_cast<std::uint32_t>(static_cast<int32_t>(part[j]));
      whole[j] = static_cast<int32_t>(more + (first ? 0 : static_cast<std::uint32_t>(whole[j])));
      if (last) y[j] = y[j] + scales[j] * static_cast<float>(whole[j]);
    }
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

// Whole blocks and whole units.
constexpr size_t kTernaryDepth = 480;
static_assert(kTernaryDepth % kTernaryBlock == 0 && kTernaryDepth % 32 == 0 && kTernaryDepth <= kDepth);
static_assert(kDepth % kLutRun == 0);

}  // namespace

PackedWay packed_way(PackedWay way, TunedOperation operation, size_t tokens, size_t rows, size_t cols) {
  if (way != PackedWay::automatic) return way;
  return tuned_route(operation, tokens, rows, cols) == Route::blocked ? PackedWay::bytes : PackedWay::lookups;
}

Status packed_bytes(const PackedCodes& w, size_t tokens, const int8_t* q, const float* token_scales,
                    const Head<float>& head, float* y, const Context& context) {
  if (tokens == 0 || w.rows == 0) return Status::ok;
  const BytesProduct p(w, kQuantized.pick()());
  ArenaFrame shared;
  const size_t most = std::min(tokens, kTokens);
  PaddedTokens x{};
  // An odd number of cache lines: tokens fall into different sets of the cache.
  x.pitch = (ceil_div(p.groups * p.pitch, kAlignment) | 1) * kAlignment;
  x.units = p.groups * p.pitch / p.unit;
  const auto x_length = checked_mul(most, x.pitch), sums_length = checked_mul(most, x.units);
  x.x = x_length ? shared.take<int8_t>(*x_length) : nullptr;
  x.sums = sums_length ? shared.take<float>(*sums_length) : nullptr;
  x.ones = shared.take<float>(kTallest * x.units);
  if (x.x == nullptr || x.sums == nullptr || x.ones == nullptr) return Status::out_of_memory;
  std::fill_n(x.ones, kTallest * x.units, 1.0f);
  for (size_t base = 0; base < tokens; base += kTokens) {
    const size_t count = std::min(kTokens, tokens - base);
    const double values = static_cast<double>(count) * static_cast<double>(w.cols);
    Status status = each_part(count, values >= kParallelWork / 8, context, [&](size_t t) {
      p.pad(q + (base + t) * w.cols, x.x + t * x.pitch, x.sums + t * x.units);
      return Status::ok;
    });
    if (status != Status::ok) return status;
    const bool parallel = values * static_cast<double>(w.rows) >= kParallelWork;
    status = each_part(ceil_div(w.rows, kPackedRows), parallel, context, [&](size_t tile) {
      ArenaFrame scratch;
      float* out = scratch.take<float>(count * kPackedRows);
      if (out == nullptr) return Status::out_of_memory;
      const Status done = p.tile(tile, x, count, out, context);
      if (done != Status::ok) return done;
      const size_t row = tile * kPackedRows, height = std::min(kPackedRows, w.rows - row);
      for (size_t t = 0; t < count; t++)
        for (size_t r = 0; r < height; r++)
          y[(base + t) * w.rows + row + r] = token_scales[base + t] * out[t * kPackedRows + r];
      head.epilogue.apply(y + base * w.rows + row, w.rows, count, height, row);
      return Status::ok;
    });
    if (status != Status::ok) return status;
  }
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
