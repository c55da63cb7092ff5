// Products with packed weights where every array ends, or begins, at a page that may not be touched, against sums in 64
// bits of the codes themselves. Scales are powers of two, so f32 is exact.
#include <array>
#include <vector>

#include "check.h"
#include "core/philox.h"
#include "gemm/lut.h"
#include "gemm/packed_bytes.h"
#include "gemm/ternary.h"
#include "guarded.h"
#include "quant/bit_stream.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512vnni, Isa::avx512vpop};

int random_below(int bound, uint64_t stream, size_t i) {
  return static_cast<int>(philox_uniform(5, stream, i) * bound);
}
float power(uint64_t stream, size_t i) { return 0.125f * static_cast<float>(1 << random_below(5, stream, i)); }

template <class Body>
void each_isa(Body body) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

// Codes as a stream and as they are; the tokens; where results go.
template <bool kAtEnd>
struct Case {
  size_t rows, cols, tokens;
  std::vector<uint8_t> codes;
  Guarded<uint8_t, kAtEnd> stream;
  Guarded<int8_t, kAtEnd> q;
  Guarded<float, kAtEnd> token_scales, y;

  Case(size_t r, size_t c, size_t t, int bits, int most)
      : rows(r),
        cols(c),
        tokens(t),
        codes(r * c),
        stream(r * stream_bytes(c, bits)),
        q(t * c),
        token_scales(t),
        y(t * r) {
    for (size_t i = 0; i < codes.size(); i++) codes[i] = static_cast<uint8_t>(random_below(most, 1, i));
    for (size_t i = 0; i < rows; i++)
      pack_stream(codes.data() + i * cols, cols, bits, stream.data() + i * stream_bytes(cols, bits));
    for (size_t i = 0; i < tokens * cols; i++) q[i] = static_cast<int8_t>(random_below(256, 2, i) - 128);
    for (size_t i = 0; i < tokens; i++) token_scales[i] = power(3, i);
  }

  // scale(row, group)·Σ (factor·code − zero(row, group))·q
  template <class Scale, class Zero>
  void check(size_t group, int factor, Scale scale, Zero zero) {
    for (size_t t = 0; t < tokens; t++)
      for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t first = 0; first < cols; first += group) {
          int64_t whole = 0;
          for (size_t p = first; p < cols && p < first + group; p++)
            whole += (factor * codes[r * cols + p] - zero(r, first / group)) * q[t * cols + p];
          sum += static_cast<double>(scale(r, first / group)) * static_cast<double>(whole);
        }
        CHECK(y[t * rows + r] == static_cast<float>(sum) * token_scales[t]);
        y[t * rows + r] = -1;
      }
  }
};

template <bool kAtEnd>
void check_lut(size_t rows, size_t cols, size_t group, int bits, bool zeros, size_t tokens) {
  Case<kAtEnd> c(rows, cols, tokens, bits, 1 << bits);
  const LutShape shape{rows, cols, group, bits};
  const size_t count = shape.tiles() * shape.groups() * kPackedRows;
  Guarded<uint8_t, kAtEnd> bytes(shape.tiles() * shape.tile_bytes()), z(count);
  Guarded<float, kAtEnd> scales(count);
  for (size_t i = 0; i < count; i++) {
    scales[i] = power(4, i);
    z[i] = static_cast<uint8_t>(random_below(1 << bits, 5, i));
  }
  CHECK(lut_pack(c.stream.data(), shape, bytes.data(), {}) == Status::ok);
  const int factor = zeros ? 1 : 2;
  const LutWeights w{shape, bytes.data(), scales.data(), zeros ? z.data() : nullptr, factor, 1};
  const auto place = [&](size_t r, size_t g) {
    return (r / kPackedRows * shape.groups() + g) * kPackedRows + r % kPackedRows;
  };
  const auto check = [&] {
    c.check(
        group, factor, [&](size_t r, size_t g) { return scales[place(r, g)]; },
        [&](size_t r, size_t g) { return zeros ? z[place(r, g)] : 1; });
  };
  CHECK(lut_linear(tokens, c.q.data(), c.token_scales.data(), w, {}, c.y.data(), {}) == Status::ok);
  check();
  for (const PackedWay way : {PackedWay::bytes, PackedWay::bits}) {
    CHECK(lut_codes_linear(way, tokens, c.q.data(), c.token_scales.data(), w, {}, c.y.data(), {}) == Status::ok);
    check();
  }
  Guarded<float, kAtEnd> x(tokens * cols);
  for (size_t i = 0; i < tokens * cols; i++) x[i] = static_cast<float>(c.q[i]);
  CHECK(lut8_linear(tokens, x.data(), w, {}, c.y.data(), {}) == Status::ok);
}

template <bool kAtEnd>
void check_ternary(size_t rows, size_t cols, size_t tokens) {
  Case<kAtEnd> c(rows, cols, tokens, 2, 3);
  Guarded<uint8_t, kAtEnd> bytes(ternary_tiles(rows) * ternary_blocks(cols) * kTernaryBytes);
  Guarded<float, kAtEnd> scales(ternary_tiles(rows) * kPackedRows);
  for (size_t i = 0; i < ternary_tiles(rows) * kPackedRows; i++) scales[i] = power(4, i);
  CHECK(ternary_pack(c.stream.data(), rows, cols, bytes.data(), {}) == Status::ok);
  const auto check = [&] {
    c.check(
        cols, 1, [&](size_t r, size_t) { return scales[r]; }, [](size_t, size_t) { return 1; });
  };
  CHECK(ternary_linear(tokens, c.q.data(), c.token_scales.data(), rows, cols, bytes.data(), scales.data(), {},
                       c.y.data(), {}) == Status::ok);
  check();
  for (const PackedWay way : {PackedWay::bytes, PackedWay::bits}) {
    CHECK(ternary_codes_linear(way, tokens, c.q.data(), c.token_scales.data(), rows, cols, bytes.data(), scales.data(),
                               {}, c.y.data(), {}) == Status::ok);
    check();
  }
}

// One call of a tile kernel, its tables and sums guarded too: out as that of the portable one, bit for bit.
void check_lut_tile(int bits, size_t groups, size_t group_pairs, size_t last_pairs, size_t tokens) {
  const size_t tiles = kLut.pick().exact.tiles, pairs = (groups - 1) * group_pairs + last_pairs;
  const size_t tile_bytes = pairs * static_cast<size_t>(bits) * kPackedRows;
  const size_t steps = (groups - 1) * ceil_div(group_pairs, kLutStep / 8) + ceil_div(last_pairs, kLutStep / 8);
  Guarded<uint8_t> codes(tiles * tile_bytes), exact(tokens * pairs * 64), rounded(tokens * pairs * 32);
  Guarded<uint8_t> zeros(tiles * groups * kPackedRows);
  Guarded<int8_t> q(pairs * 8);
  Guarded<float> scales(tiles * groups * kPackedRows), halves(tokens * steps), totals(tokens * groups);
  Guarded<int32_t> less(tokens * groups), sums(tokens * groups);
  for (size_t i = 0; i < tiles * tile_bytes; i++) codes[i] = static_cast<uint8_t>(random_below(256, 6, i));
  for (size_t i = 0; i < tokens * pairs * 32; i++) rounded[i] = static_cast<uint8_t>(1 + random_below(255, 7, i));
  for (size_t i = 0; i < tiles * groups * kPackedRows; i++) {
    scales[i] = power(8, i);
    zeros[i] = static_cast<uint8_t>(random_below(1 << bits, 9, i));
  }
  for (size_t i = 0; i < tokens * steps; i++) halves[i] = power(10, i);
  for (size_t i = 0; i < tokens * groups; i++) {
    less[i] = random_below(1000, 11, i);
    sums[i] = random_below(1000, 12, i);
    totals[i] = power(13, i);
  }
  for (size_t t = 0; t < tokens; t++) {
    for (size_t i = 0; i < pairs * 8; i++) q[i] = static_cast<int8_t>(random_below(256, 14 + t, i) - 128);
    kLut.pick().tables(q.data(), pairs, exact.data() + t * pairs * 64);
  }
  LutTile tile{codes.data(),  tiles, tile_bytes,    nullptr,      0,      tokens,      groups,      group_pairs,
               last_pairs,    bits,  scales.data(), zeros.data(), 1,      less.data(), sums.data(), halves.data(),
               totals.data(), 0.5f,  groups,        steps,        nullptr};
  const auto same = [&](const LutRun& kernel, void (*portable)(const LutTile&), size_t most, uint8_t* tables,
                        size_t stride) {
    Guarded<float> out(tokens * most * kPackedRows), wanted(tokens * kPackedRows);
    tile.tables = tables;
    tile.table_stride = stride;
    tile.tiles = most;
    tile.out = out.data();
    kernel.run(tile);
    for (size_t i = 0; i < most; i++) {
      LutTile one = tile;
      one.tiles = 1;
      one.codes = codes.data() + i * tile_bytes;
      one.scales = scales.data() + i * groups * kPackedRows;
      one.zeros = zeros.data() + i * groups * kPackedRows;
      one.out = wanted.data();
      portable(one);
      for (size_t t = 0; t < tokens; t++)
        for (size_t r = 0; r < kPackedRows; r++)
          CHECK(out[(t * most + i) * kPackedRows + r] == wanted[t * kPackedRows + r]);
    }
  };
  same(kLut.pick().exact, lut_exact_32__portable, tiles, exact.data(), pairs * 64);
  same(kLut.pick().int8, lut_int8_32__portable, 1, rounded.data(), pairs * 32);
}

void check_ternary_tile(size_t blocks, size_t tokens) {
  const TernaryKernels kernels = kTernary.pick();
  Guarded<uint8_t> codes(kernels.tiles * blocks * kTernaryBytes), tables(tokens * blocks * kTernaryTables);
  Guarded<int8_t> q(blocks * kTernaryBlock);
  Guarded<float> scales(kernels.tiles * kPackedRows), out(tokens * kernels.tiles * kPackedRows);
  Guarded<float> wanted(tokens * kPackedRows);
  for (size_t i = 0; i < kernels.tiles * blocks * kTernaryBytes; i++) {
    const bool signs = i % kTernaryBytes >= 4 * kPackedRows;  // else two indices of 14
    codes[i] =
        static_cast<uint8_t>(signs ? random_below(256, 20, i) : random_below(14, 21, i) | random_below(14, 22, i) << 4);
  }
  for (size_t i = 0; i < kernels.tiles * kPackedRows; i++) scales[i] = power(23, i);
  for (size_t t = 0; t < tokens; t++) {
    for (size_t i = 0; i < blocks * kTernaryBlock; i++) q[i] = static_cast<int8_t>(random_below(256, 24 + t, i) - 128);
    kernels.tables(q.data(), blocks * 8, tables.data() + t * blocks * kTernaryTables);
  }
  kernels.run(
      {codes.data(), kernels.tiles, tables.data(), blocks * kTernaryTables, tokens, blocks, scales.data(), out.data()});
  for (size_t i = 0; i < kernels.tiles; i++) {
    ternary_32__portable({codes.data() + i * blocks * kTernaryBytes, 1, tables.data(), blocks * kTernaryTables, tokens,
                          blocks, scales.data() + i * kPackedRows, wanted.data()});
    for (size_t t = 0; t < tokens; t++)
      for (size_t r = 0; r < kPackedRows; r++)
        CHECK(out[(t * kernels.tiles + i) * kPackedRows + r] == wanted[t * kPackedRows + r]);
  }
}

}  // namespace

TEST(packed_products_touch_nothing_beyond_their_operands) {
  each_isa([] {
    for (const size_t rows : {1, 33, 70})
      for (const size_t cols : {1, 7, 24, 25, 100, 523})
        for (const size_t tokens : {1, 3}) {
          check_ternary<true>(rows, cols, tokens);
          check_ternary<false>(rows, cols, tokens);
          for (int bits = 1; bits <= 4; bits++)
            for (const size_t group : {size_t{20}, size_t{264}, size_t{1024}}) {
              check_lut<true>(rows, cols, group, bits, tokens == 1, tokens);
              check_lut<false>(rows, cols, group, bits, tokens == 1, tokens);
            }
        }
  });
}

TEST(tiles_of_lookups_touch_nothing_beyond_their_operands) {
  each_isa([] {
    for (const size_t tokens : {1, 2, 5}) {
      for (int bits = 1; bits <= 4; bits++)
        for (const auto& [groups, pairs, last] : {std::array<size_t, 3>{1, 1, 1}, {1, 32, 32}, {3, 5, 2}, {2, 40, 33}})
          check_lut_tile(bits, groups, pairs, last, tokens);
      for (const size_t blocks : {1, 2, 255, 257, 512}) check_ternary_tile(blocks, tokens);
    }
  });
}
