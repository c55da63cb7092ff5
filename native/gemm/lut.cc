#include "gemm/lut.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/arena.h"
#include "core/each_part.h"
#include "core/memory.h"
#include "quant/bit_stream.h"

namespace lapidary {
namespace {

// body(group, its first column, its width, pairs before it) for each group.
template <class Body>
void each_group(const LutShape& shape, Body body) {
  for (size_t g = 0; g < shape.groups(); g++) body(g, g * shape.group, shape.width(g), g * shape.group_pairs());
}

void exact_tables(const LutShape& shape, LutTables whole, const int8_t* q, uint8_t* tables) {
  each_group(shape, [&](size_t, size_t first, size_t width, size_t before) {
    const size_t pairs = width / 8;
    uint8_t* to = tables + before * 64;
    whole(q + first, pairs, to);
    if (width % 8 == 0) return;
    int8_t rest[8] = {};
    std::copy(q + first + pairs * 8, q + first + width, rest);
    whole(rest, 1, to + pairs * 64);
  });
}

// Entries are ±x0 ± x1 ± x2 ± x3, plus where the bit is set, in steps; complementary indices are negatives.
void int8_quad(const float* x, float inverse, uint8_t* table) {
  constexpr float kRounder = 12582912.0f;  // 1.5·2^23: rounds to whole numbers, ties to even
  constexpr float kSign[3][8] = {
      {-1, 1, -1, 1, -1, 1, -1, 1}, {-1, -1, 1, 1, -1, -1, 1, 1}, {-1, -1, -1, -1, 1, 1, 1, 1}};
  for (size_t i = 0; i < 8; i++) {
    const float sum = kSign[0][i] * x[0] + kSign[1][i] * x[1] + kSign[2][i] * x[2] - x[3];
    const float whole = std::min(std::max((sum * inverse + kRounder) - kRounder, -127.0f), 127.0f);
    const int entry = static_cast<int>(whole);
    table[i] = static_cast<uint8_t>(128 + entry);
    table[15 - i] = static_cast<uint8_t>(128 - entry);
  }
}

// Tokens all of whose values are below kSmall are raised: their steps would be no normal numbers. Those with one from
// kLarge on are lowered, so that no sum of magnitudes leaves f32.
constexpr float kSmall = 0x1p-60f, kRaise = 0x1p64f, kLarge = 0x1p100f, kLower = 0x1p-24f;

float raise_of(const float* x, size_t count) {
  bool small = true, large = false;
  for (size_t j = 0; j < count; j++) {
    small &= std::fabs(x[j]) < kSmall;
    large |= std::fabs(x[j]) >= kLarge;
  }
  return small ? kRaise : large ? kLower : 1.0f;
}

// Half the step of each 64 columns of raise·x goes to steps, the sum of each group to totals.
void int8_tables(const LutShape& shape, const float* x, float raise, uint8_t* tables, float* steps, float* totals) {
  constexpr float kLargest = 3.4028234663852886e38f;
  each_group(shape, [&](size_t g, size_t first, size_t width, size_t before) {
    double total = 0;
    for (size_t j = 0; j < width; j++) total += static_cast<double>(raise * x[first + j]);
    totals[g] = static_cast<float>(total);
    uint8_t* to = tables + before * 32;
    for (size_t from = 0; from < width; from += kLutStep) {
      const size_t count = std::min(kLutStep, width - from);
      float values[kLutStep] = {};
      for (size_t j = 0; j < count; j++) values[j] = raise * x[first + from + j];
      float largest = 0;
      bool finite = true;
      for (size_t j = 0; j < count; j += 4) {
        const float sum =
            ((std::fabs(values[j]) + std::fabs(values[j + 1])) + std::fabs(values[j + 2])) + std::fabs(values[j + 3]);
        finite = finite && sum <= kLargest;
        largest = std::max(largest, sum);
      }
      float inverse = 0;
      if (!finite) {
        *steps++ = std::nanf("");
        std::fill_n(values, kLutStep, 0.0f);
      } else if (largest > 0) {
        inverse = std::min(127 / largest, kLargest);
        *steps++ = 0.5f * (inverse < kLargest ? largest / 127 : 1 / inverse);
      } else {
        *steps++ = 0;
      }
      for (size_t j = 0; j < ceil_div(count, 8) * 8; j += 4, to += 16) int8_quad(values + j, inverse, to);
    }
  });
}

struct LutProduct : LookupProduct {
  const LutWeights& w;
  LutRun kernel;
  LutTile common{};

  LutProduct(size_t count, const LutWeights& weights, size_t pair_bytes, size_t beside, LutRun run_tile)
      : w(weights), kernel(run_tile) {
    const LutShape& s = w.shape;
    tokens = count;
    rows = s.rows;
    tile_bytes = s.tile_bytes();
    together = kernel.tiles;
    common.tile_bytes = tile_bytes;
    table_bytes = s.pairs() * pair_bytes;
    numbers = beside;
    common.table_stride = table_bytes;
    common.groups = sums = s.groups();
    common.group_pairs = s.group_pairs();
    common.last_pairs = common.groups == 0 ? 0 : ceil_div(s.width(common.groups - 1), 8);
    common.bits = s.bits;
    common.factor = w.factor;
    common.sum_stride = common.step_stride = numbers;
  }
  void at(LutTile& t, size_t tile, size_t tiles, size_t count, const TokenTables& tables, float* out) const {
    const size_t group = tile * common.groups * kPackedRows;
    t.codes = w.bytes + tile * tile_bytes;
    t.tiles = tiles;
    t.scales = w.scales + group;
    t.zeros = w.zeros == nullptr ? nullptr : w.zeros + group;
    t.tables = tables.bytes;
    t.tokens = count;
    t.out = out;
  }

 protected:
  ~LutProduct() = default;
};

// Beside the tables: less of each group, then its sum.
struct ExactProduct final : LutProduct {
  using LutProduct::LutProduct;
  LutTables make_whole = kLut.pick().tables;
  const int8_t* q = nullptr;
  const float* token_scales = nullptr;

  void make(size_t t, const TokenTables& to) const override {
    const LutShape& s = w.shape;
    const int8_t* row = q + t * s.cols;
    exact_tables(s, make_whole, row, to.bytes);
    int32_t* less = to.numbers;
    int32_t* sums = less + common.groups;
    each_group(s, [&](size_t g, size_t first, size_t width, size_t) {
      const int32_t sum = sum_of(row + first, width);
      // Every lookup of a high digit is raised by 32, two of them a pair and plane.
      const int32_t raised = static_cast<int32_t>(ceil_div(width, 8)) * 2 * 32 * 16 * ((1 << s.bits) - 1);
      sums[g] = sum;
      less[g] = w.factor * raised + (w.zeros == nullptr ? w.zero * sum : 0);
    });
  }
  void run(size_t tile, size_t tiles, size_t count, const TokenTables& tables, float* out) const override {
    LutTile t = common;
    at(t, tile, tiles, count, tables, out);
    t.less = tables.numbers;
    t.sums = t.less + common.groups;
    kernel.run(t);
  }
  float scale(size_t t, const TokenTables&) const override { return token_scales[t]; }
};

// Beside the tables, as floats: the raise of the token, the total of each group, the steps.
struct Int8Product final : LutProduct {
  using LutProduct::LutProduct;
  const float* x = nullptr;

  void make(size_t t, const TokenTables& to) const override {
    const float* row = x + t * w.shape.cols;
    float* totals = reinterpret_cast<float*>(to.numbers) + 1;
    float* steps = totals + common.groups;
    totals[-1] = raise_of(row, w.shape.cols);
    int8_tables(w.shape, row, totals[-1], to.bytes, steps, totals);
    for (size_t j = 0; j < w.shape.steps(); j++) steps[j] *= static_cast<float>(w.factor);
  }
  void run(size_t tile, size_t tiles, size_t count, const TokenTables& tables, float* out) const override {
    LutTile t = common;
    at(t, tile, tiles, count, tables, out);
    t.totals = reinterpret_cast<const float*>(tables.numbers) + 1;
    t.steps = t.totals + common.groups;
    // Tables sum factor·(c − middle of the codes); the rest of factor·c − z is the same for all of a group.
    t.middle = static_cast<float>(w.factor) * 0.5f * static_cast<float>((1 << w.shape.bits) - 1) -
               (w.zeros == nullptr ? static_cast<float>(w.zero) : 0);
    kernel.run(t);
  }
  float scale(size_t, const TokenTables& tables) const override {
    return 1 / *reinterpret_cast<const float*>(tables.numbers);
  }
};

}  // namespace

static_assert(std::endian::native == std::endian::little, "eight codes are a word");

Status lut_pack(const uint8_t* codes, const LutShape& shape, uint8_t* bytes, const Context& context) {
  const size_t row_bytes = stream_bytes(shape.cols, shape.bits), planes = static_cast<size_t>(shape.bits);
  expect_full_write(bytes, shape.tiles() * shape.tile_bytes());
  return each_part(shape.tiles(), shape.rows * shape.cols > size_t{1} << 18, context, [&](size_t tile) {
    ArenaFrame scratch;
    uint8_t* row = scratch.take<uint8_t>(shape.cols);
    if (row == nullptr) return Status::out_of_memory;
    uint8_t* to = bytes + tile * shape.tile_bytes();
    const size_t rows = std::min(kPackedRows, shape.rows - tile * kPackedRows);
    if (rows < kPackedRows) std::fill_n(to, shape.tile_bytes(), uint8_t{0});
    for (size_t r = 0; r < rows; r++) {
      unpack_stream(codes + (tile * kPackedRows + r) * row_bytes, shape.cols, shape.bits, row);
      each_group(shape, [&](size_t, size_t first, size_t width, size_t before) {
        const size_t pairs = ceil_div(width, 8);
        for (size_t run = 0; run < pairs; run += kLutRun / 8) {
          const size_t count = std::min(pairs - run, kLutRun / 8);
          uint8_t* at = to + (before + run) * planes * kPackedRows + packed_byte(r);
          for (size_t j = run; j < run + count; j++, at += kPackedRows) {
            uint64_t eight = 0;
            std::memcpy(&eight, row + first + 8 * j, std::min<size_t>(8, width - 8 * j));
            for (size_t p = 0; p < planes; p++) at[p * count * kPackedRows] = plane_of(eight, static_cast<int>(p));
          }
        }
      });
    }
    return Status::ok;
  });
}

Status lut_linear(size_t tokens, const int8_t* q, const float* token_scales, const LutWeights& w,
                  const Head<float>& head, float* y, const Context& context) {
  ExactProduct p(tokens, w, 64, 2 * w.shape.groups(), kLut.pick().exact);
  p.q = q;
  p.token_scales = token_scales;
  return packed_product(p, head, y, context);
}

Status lut8_linear(size_t tokens, const float* x, const LutWeights& w, const Head<float>& head, float* y,
                   const Context& context) {
  Int8Product p(tokens, w, 32, 1 + w.shape.groups() + w.shape.steps(), kLut.pick().int8);
  p.x = x;
  return packed_product(p, head, y, context);
}

}  // namespace lapidary
