// Products with weights of 1 to 4 bits by lookups: y = x·Wᵀ, w = s·(factor·c − z) with codes c in groups that share s,
// z.
//
// Weights are bit planes. Four neighbouring bits of one row in one plane are an index, the quad; a table of 16 bytes
// holds what each index contributes for the four activations that stand there. One vpshufb looks up 32 rows, so a row
// is a byte of the register, sums of rows never cross lanes, and a thread makes a table once for all rows that it
// reads. The planes' sums meet at the end of a run of columns, with weights 2^plane.
//
// Two kinds of table:
//   exact   activations are 8-bit integers q, cut into two digits q = 16·h + l with −8 ≤ h < 8, 0 ≤ l < 16. Each digit
//   has
//           its table of sums over the set bits, from 0 to 60 (h raised by 8): four lookups add up in a byte. Together
//           the tables are an int16 table; the result is that of the integer product, bit for bit.
//   int8    one table of ±sums of f32 activations, rounded to steps of max Σ|x| / 127 over 16 quads.
//           Entries of complementary indices are negatives of each other, so half of a table is computed. With ±1 in
//           place of 0 and 1: c − (2^b − 1)/2 = ½·Σ 2^p·(±1). Rounding costs at most a quarter of a step times
//           (2^b − 1) for each quad.
//
// Packed layout, the same for every processor. 32 rows are a tile. Groups are cut into runs of 256 columns, the last
// one shorter, and padded to whole pairs of quads with code 0. For each tile, group, run and plane, 32 bytes for each
// pair of quads: row r of the tile is byte 2r (r < 16) or 2r − 31 (r ≥ 16), the first quad in its low nibble, the
// lowest column in the lowest bit. So when a register of bytes is widened to words by even and odd bytes, rows come out
// in order. Scales and zeros follow in arrays of their own, [tile][group][32].
//
// Bound: 14 operations of the vector ports a pair of quads and plane, 256 one-bit products: on four ports 73 a cycle
// with exact tables; on 512 bits 12 for 512. Reading: bits/8 bytes a weight.
//
// Source: Wei et al., T-MAC (EuroSys 2025), sections 3.1 to 3.3; Mo et al., LUT Tensor Core (ISCA 2025), section 3.1,
// symmetric tables. The digits, which let bytes add up without loss, are our own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checked.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "gemm/linear.h"
#include "gemm/packed_rows.h"

namespace lapidary {

inline constexpr std::size_t kLutRun = 256;  // columns
inline constexpr std::size_t kLutStep = 64;  // columns of int8 tables that share a step

struct LutShape {
  std::size_t rows, cols, group;  // 1 ≤ group; cols ≤ kPackedColumns
  int bits;                       // 1 … 4

  std::size_t tiles() const { return ceil_div(rows, kPackedRows); }
  std::size_t groups() const { return ceil_div(cols, group); }
  std::size_t width(std::size_t g) const { return cols - g * group < group ? cols - g * group : group; }
  std::size_t group_pairs() const { return ceil_div(group < cols ? group : cols, 8); }
  // Pairs of quads of a row.
  std::size_t pairs() const {
    return cols == 0 ? 0 : (groups() - 1) * group_pairs() + ceil_div(width(groups() - 1), 8);
  }
  // Steps of the int8 tables of a row.
  std::size_t steps() const {
    return cols == 0 ? 0
                     : (groups() - 1) * ceil_div(group_pairs(), kLutStep / 8) + ceil_div(width(groups() - 1), kLutStep);
  }
  std::size_t tile_bytes() const { return pairs() * static_cast<std::size_t>(bits) * kPackedRows; }
};

// codes as a stream (quant/bit_stream.h), a row after another; bytes takes tiles()·tile_bytes(). Scratch: a tile's
// codes.
Status lut_pack(const std::uint8_t* codes, const LutShape& shape, std::uint8_t* bytes, const Context& context);

struct LutWeights {
  LutShape shape;
  const std::uint8_t* bytes;
  const float* scales;        // [tile][group][32]
  const std::uint8_t* zeros;  // the same, or nullptr: `zero`
  int factor, zero;           // 1 or 2; 0 … 2^bits − 1
};

// y ← activation(scales·(q·Wᵀ) + bias): exact sums in each group; then f32 from the first to the last group. q tokens ×
// cols, y tokens × rows. Scratch of a thread: 64 bytes a pair of quads and token, up to 2 MiB or two tokens.
Status lut_linear(std::size_t tokens, const std::int8_t* q, const float* token_scales, const LutWeights& w,
                  const Head<float>& head, float* y, const Context& context);

// The same bits through bytes or through planes of bits; see packed_bytes.h and packed_bits.h.
Status lut_codes_linear(PackedWay way, std::size_t tokens, const std::int8_t* q, const float* token_scales,
                        const LutWeights& w, const Head<float>& head, float* y, const Context& context);

// The same from f32 activations with int8 tables. A token with a NaN or an infinity gives NaN.
Status lut8_linear(std::size_t tokens, const float* x, const LutWeights& w, const Head<float>& head, float* y,
                   const Context& context);

// Kernels: one tile of rows against a few tokens.
// -------------------------------------------------------------------------------------------------------------

// out[(token·tiles + tile)·32 + r] ← Σ_groups s·(sum of the group), in f32, groups ascending, nothing fused.
struct LutTile {
  const std::uint8_t* codes;
  std::size_t tiles, tile_bytes;  // 1 ≤ tiles ≤ those of LutRun; bytes from one to the next
  const std::uint8_t*
      tables;  // of a pair of quads; exact: low digits, then high ones, 64 bytes; int8: 32, raised by 128
  std::size_t table_stride, tokens;
  std::size_t groups, group_pairs, last_pairs;  // of the last group
  int bits;
  const float* scales;
  const std::uint8_t* zeros;
  int factor;
  // exact: the group's sum is factor·(Σ lookups) − less[g] − z·sums[g], with z of `zeros` (without them it is in less)
  const std::int32_t* less;
  const std::int32_t* sums;
  // int8: Σ_j steps[j]·(Σ lookups) + (middle − z)·totals[g], in f32
  const float* steps;
  const float* totals;
  float middle;
  std::size_t sum_stride, step_stride;  // from token to token
  float* out;
};
struct LutRun {
  void (*run)(const LutTile&);
  std::size_t tiles;  // most of a call
};

// The codes of a run of a tile to bytes: `pairs` pairs of quads of each plane.
using LutExpand = void (*)(const std::uint8_t* codes, std::size_t pairs, int bits, const CodePanels& to);

// Exact tables of whole pairs of quads: 64 bytes for each 8 activations.
using LutTables = void (*)(const std::int8_t* q, std::size_t pairs, std::uint8_t* tables);

struct LutKernels {
  LutRun exact, int8;
  LutTables tables;
  LutExpand expand;
};

void lut_exact_32__portable(const LutTile&);
void lut_int8_32__portable(const LutTile&);
void lut_tables__portable(const std::int8_t* q, std::size_t pairs, std::uint8_t* tables);
void lut_expand__portable(const std::uint8_t* codes, std::size_t pairs, int bits, const CodePanels& to);
#if LAPIDARY_X86
void lut_exact_32__avx2(const LutTile&);
void lut_int8_32__avx2(const LutTile&);
void lut_tables__avx2(const std::int8_t* q, std::size_t pairs, std::uint8_t* tables);
void lut_expand__avx2(const std::uint8_t* codes, std::size_t pairs, int bits, const CodePanels& to);
void lut_exact_4x32__avx512vpop(const LutTile&);
void lut_expand__avx512vpop(const std::uint8_t* codes, std::size_t pairs, int bits, const CodePanels& to);
#endif

inline constexpr KernelTable<LutKernels, 1 + 2 * LAPIDARY_X86> kLut = {{
    {Isa::portable,
     {{lut_exact_32__portable, 1}, {lut_int8_32__portable, 1}, lut_tables__portable, lut_expand__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {{lut_exact_32__avx2, 1}, {lut_int8_32__avx2, 1}, lut_tables__avx2, lut_expand__avx2}},
    {Isa::avx512vpop,
     {{lut_exact_4x32__avx512vpop, 4}, {lut_int8_32__avx2, 1}, lut_tables__avx2, lut_expand__avx512vpop}},
#endif
}};

}  // namespace lapidary
