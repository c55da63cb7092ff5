#include "gemm/ternary.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/each_part.h"
#include "core/memory.h"
#include "quant/bit_stream.h"

namespace lapidary {
namespace {

constexpr int kSums = 14;  // of three activations, one of each pair of opposite ones

constexpr bool digits_fit() {
  for (int sum = -384; sum <= 384; sum++) {
    const int high = ((sum + kTernaryBase / 2) * kTernaryInverse) >> 16, low = sum - kTernaryBase * high;
    if (high < -14 || high > 14 || low < -14 || low > 14) return false;
  }
  for (int i = 0; i < kSums; i++)
    if (9 * kTrits[0][i] + 3 * kTrits[1][i] + kTrits[2][i] != i) return false;
  return true;
}
static_assert(digits_fit());

void tables_of(const int8_t* q, size_t cols, uint8_t* tables) {
  const auto make = kTernary.pick().tables;
  const size_t triples = cols / 3;
  make(q, triples, tables);
  int8_t rest[kTernaryBlock] = {};
  std::copy(q + triples * 3, q + cols, rest);
  make(rest, ternary_blocks(cols) * kTernaryBlock / 3 - triples, tables + triples * 32);
}

struct TernaryProduct final : LookupProduct {
  TernaryRun kernel;
  const int8_t* q;
  const float* token_scales;
  size_t cols;
  const uint8_t* bytes;
  const float* scales;

  void make(size_t t, const TokenTables& to) const override { tables_of(q + t * cols, cols, to.bytes); }
  void run(size_t tile, size_t tiles, size_t count, const TokenTables& tables, float* out) const override {
    kernel({bytes + tile * tile_bytes, tiles, tables.bytes, table_bytes, count, ternary_blocks(cols),
            scales + tile * kPackedRows, out});
  }
  float scale(size_t t, const TokenTables&) const override { return token_scales[t]; }
};

}  // namespace

Status ternary_pack(const uint8_t* codes, size_t rows, size_t cols, uint8_t* bytes, const Context& context) {
  const size_t row_bytes = stream_bytes(cols, 2), blocks = ternary_blocks(cols), tile_bytes = blocks * kTernaryBytes;
  expect_full_write(bytes, ternary_tiles(rows) * tile_bytes);
  return each_part(ternary_tiles(rows), rows * cols > size_t{1} << 18, context, [&](size_t tile) {
    ArenaFrame scratch;
    uint8_t* row = scratch.take<uint8_t>(blocks * kTernaryBlock);
    if (row == nullptr) return Status::out_of_memory;
    uint8_t* to = bytes + tile * tile_bytes;
    std::fill_n(to, tile_bytes, uint8_t{0});
    for (size_t r = 0; r < std::min(kPackedRows, rows - tile * kPackedRows); r++) {
      unpack_stream(codes + (tile * kPackedRows + r) * row_bytes, cols, 2, row);
      if (std::find(row, row + cols, uint8_t{3}) != row + cols) return Status::bad_structure;
      std::fill(row + cols, row + blocks * kTernaryBlock, uint8_t{1});
      for (size_t triple = 0; triple < blocks * 8; triple++) {
        const uint8_t* c = row + 3 * triple;
        const int value = 9 * (c[0] - 1) + 3 * (c[1] - 1) + (c[2] - 1);  // its sign is that of the first that is not 0
        const auto index = static_cast<uint8_t>(value < 0 ? -value : value);
        const size_t k = triple % 8;
        uint8_t* block = to + triple / 8 * kTernaryBytes + packed_byte(r);
        uint8_t& pair = block[k / 2 * kPackedRows];
        pair = static_cast<uint8_t>(pair | index << (4 * (k % 2)));
        uint8_t& signs = block[4 * kPackedRows];
        signs = static_cast<uint8_t>(signs | (value < 0 ? 0x80 >> k : 0));
      }
    }
    return Status::ok;
  });
}

Status ternary_linear(size_t tokens, const int8_t* q, const float* token_scales, size_t rows, size_t cols,
                      const uint8_t* bytes, const float* scales, const Head<float>& head, float* y,
                      const Context& context) {
  TernaryProduct p;
  p.tokens = tokens;
  p.rows = rows;
  p.tile_bytes = ternary_blocks(cols) * kTernaryBytes;
  p.table_bytes = ternary_blocks(cols) * kTernaryTables;
  p.kernel = kTernary.pick().run;
  p.together = kTernary.pick().tiles;
  p.q = q;
  p.token_scales = token_scales;
  p.cols = cols;
  p.bytes = bytes;
  p.scales = scales;
  return packed_product(p, head, y, context);
}

}  // namespace lapidary
