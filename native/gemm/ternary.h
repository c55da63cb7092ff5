// Products with ternary weights in 5/3 bits each: y = scale·(q·tᵀ), t in −1, 0, 1, q 8-bit integers, exact.
//
// Three neighbouring weights of a row are a sign and an index of four bits: t or −t has its first number that is not 0
// positive, and the index is 9·t0 + 3·t1 + t2 of that one, from 0 to 13. A table holds the 14 sums of three
// activations, and one vpshufb looks up 32 rows; the sign is applied to what was found. Sums lie within ±384 and are
// cut into two digits, T = 28·h + l with |h|, |l| ≤ 14, each in its own table: eight lookups add up in a signed byte.
//
// Nothing overflows for any input: bytes hold 8·14 = 112, words 256 times that raised by 128, and the sums of
// kPackedColumns columns fit 32 bits.
//
// Packed layout, the same for every processor. 32 rows are a tile; for each 24 columns (padded with zeros) 160 bytes:
// four times 32 bytes of two indices, the first in the low nibble, then 32 bytes of signs, the first of eight in the
// top bit. Row r is byte packed_byte(r) of each 32.
//
// Bound: 72 operations of the vector ports for 768 weights, 43 weights a cycle on four ports; with vpermb, which takes
// the sign into the index, 35. Reading 5/24 of a byte a weight.
//
// Source: Wang et al., bitnet.cpp (2025), section 3.1.2 (TL2): three weights in five bits, one of them the sign. Their
// tables are 16-bit integers cut into bytes, which are added up as words; digits of base 28 add up as bytes.
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

inline constexpr std::size_t kTernaryBlock = 24;               // columns
inline constexpr std::size_t kTernaryBytes = 5 * kPackedRows;  // of a block of a tile
inline constexpr std::size_t kTernaryTables =
    kTernaryBlock / 3 * 2 * 16;  // bytes for a block: low and high digits of 8
inline constexpr int kTernaryBase = 28;

constexpr std::size_t ternary_blocks(std::size_t cols) { return ceil_div(cols, kTernaryBlock); }
constexpr std::size_t ternary_tiles(std::size_t rows) { return ceil_div(rows, kPackedRows); }

// codes 0, 1, 2 for −1, 0, 1 as a stream of 2 bits, a row after another; bytes takes tiles·blocks·kTernaryBytes.
// bad_structure for a code of 3. Scratch: a row of codes a thread.
Status ternary_pack(const std::uint8_t* codes, std::size_t rows, std::size_t cols, std::uint8_t* bytes,
                    const Context& context);

// y ← activation(token_scales·scales·(q·tᵀ) + bias); q tokens × cols, y tokens × rows, scales rows rounded up to a
// tile. cols ≤ kPackedColumns.
Status ternary_linear(std::size_t tokens, const std::int8_t* q, const float* token_scales, std::size_t rows,
                      std::size_t cols, const std::uint8_t* bytes, const float* scales, const Head<float>& head,
                      float* y, const Context& context);

// The same bits through bytes or through planes of bits; see packed_bytes.h and packed_bits.h.
Status ternary_codes_linear(PackedWay way, std::size_t tokens, const std::int8_t* q, const float* token_scales,
                            std::size_t rows, std::size_t cols, const std::uint8_t* bytes, const float* scales,
                            const Head<float>& head, float* y, const Context& context);

// The signs of index 9·t0 + 3·t1 + t2.
inline constexpr std::int8_t kTrits[3][16] = {{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
                                              {0, 0, 1, 1, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0},
                                              {0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0}};

// ⌊(sum + 14) / 28⌋ of a sum of three activations is (sum + 14)·kTernaryInverse / 2^16, rounded down.
inline constexpr int kTernaryInverse = 2341;

// out[(token·tiles + tile)·32 + r] ← scales[tile·32 + r]·(Σ t·q).
struct TernaryTile {
  const std::uint8_t* codes;
  std::size_t tiles;  // 1 ≤ tiles ≤ those of TernaryKernels
  const std::uint8_t* tables;
  std::size_t table_stride, tokens, blocks;
  const float* scales;
  float* out;
};
using TernaryRun = void (*)(const TernaryTile&);

// Blocks of a tile to bytes 0, 1 and 2 for −1, 0 and 1.
using TernaryExpand = void (*)(const std::uint8_t* codes, std::size_t blocks, const CodePanels& to);

// Tables of whole triples of activations: 32 bytes each, the low digits of the sums, then the high ones.
using TernaryTables = void (*)(const std::int8_t* q, std::size_t triples, std::uint8_t* tables);

struct TernaryKernels {
  TernaryRun run;
  std::size_t tiles;  // most of a call of run
  TernaryTables tables;
  TernaryExpand expand;
};

void ternary_32__portable(const TernaryTile&);
void ternary_tables__portable(const std::int8_t* q, std::size_t triples, std::uint8_t* tables);
void ternary_expand__portable(const std::uint8_t* codes, std::size_t blocks, const CodePanels& to);
#if LAPIDARY_X86
void ternary_32__avx2(const TernaryTile&);
void ternary_tables__avx2(const std::int8_t* q, std::size_t triples, std::uint8_t* tables);
void ternary_expand__avx2(const std::uint8_t* codes, std::size_t blocks, const CodePanels& to);
void ternary_4x32__avx512vpop(const TernaryTile&);
void ternary_expand__avx512vpop(const std::uint8_t* codes, std::size_t blocks, const CodePanels& to);
#endif

inline constexpr KernelTable<TernaryKernels, 1 + 2 * LAPIDARY_X86> kTernary = {{
    {Isa::portable, {ternary_32__portable, 1, ternary_tables__portable, ternary_expand__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {ternary_32__avx2, 1, ternary_tables__avx2, ternary_expand__avx2}},
    {Isa::avx512vpop, {ternary_4x32__avx512vpop, 4, ternary_tables__avx2, ternary_expand__avx512vpop}},
#endif
}};

}  // namespace lapidary
