// Products of matrices of few bits, by planes: exact, any pair of widths from 1 to 8.
//
// A code is kept as bit planes, plane i holding bit i of every code, 64 columns a word. With w_i the weight of bit i
// and o the offset of the encoding (unsigned: w_i = 2^i, o = 0; two's complement: the top weight negative; bipolar: a
// code c means 2c − (2^bits − 1), so w_i = 2^{i+1} and o = 1 − 2^bits), a row of A times a row of B is
//
//   Σ_ij w_i v_j popc(a_i & b_j) + o_b Σ_i w_i popc(a_i) + o_a Σ_j v_j popc(b_j) + K o_a o_b          (and form)
//   K (2^n − 1)(2^m − 1) − 2 Σ_ij 2^{i+j} popc(a_i ⊕ b_j)                    (both bipolar: exclusive-or form)
//
// The sums over pairs of planes run by Horner's rule in the registers of a tile: pairs of the highest i + j first, all
// sums doubled, then the next. C is touched once a block of k.
//
// The tile is that of the other products: columns along the lanes, one 32-bit word of A broadcast against a row of
// words of packed B, so no sum has to be added up across lanes, however short k is.
//
// Bound: and, popcount, add for 512 bits; at two 512-bit operations a cycle (Zen 4) 341 products of bits a cycle,
// against 64 of vpdpbusd. So 1·1 bits gains up to 5 times, and at n·m beyond 5 or so the 8-bit product wins.
//
// Source: APT-LLM (2025), bipolar integers and their recovery; Umuroglu & Jahre, Streamlined Deployment for Quantized
// Neural Networks (2017), and form; Muła, Kurz & Lemire, Faster Population Counts Using AVX2 Instructions (2018).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

enum class BitEncoding { natural, twos, bipolar };  // natural: unsigned
inline constexpr std::size_t kBitEncodings = 3;
inline constexpr std::size_t kMostBits = 8;

// rows × k codes of `bits` bits: planes[(plane·rows + row)·words + column / 64], bit column % 64 of that word. Rows are
// padded to a multiple of 512 bits: words = 8·⌈k / 512⌉. What the padding holds does not matter.
struct BitOperand {
  const std::uint64_t* planes;
  std::size_t rows;
  int bits;
  BitEncoding encoding;
};
constexpr std::size_t bit_words(std::size_t k) { return (k / 512 + (k % 512 != 0)) * 8; }

// C ← A·Bᵀ, m × n, ldc values from row to row; C overlaps neither. The caller makes sure that
// k·2^{bits of A + bits of B} ≤ 2^31, or results wrap. Scratch: the planes of A once more, and 1 MiB a thread.
Status bit_gemm(const BitOperand& a, const BitOperand& b, std::size_t k, std::int32_t* c, std::size_t ldc,
                const Context& context);

// C[0..m)[0..n) += alpha·Σ_pairs ±2^{i+j}·popc(a_i op b_j): minus where exactly one of the planes is the top one of a
// signed side.
struct BitTile {
  const std::int32_t* a;  // word w of row i of plane p: a[p·a_plane + i·a_row + w]
  std::size_t a_row, a_plane;
  const std::int32_t* b;  // word w of column j of plane p: b[p·b_plane + w·nr + j], nr columns each readable
  std::size_t b_plane;
  int a_bits, b_bits;
  bool a_signed, b_signed, exclusive_or;
  std::int32_t* c;
  std::size_t ldc;
  std::size_t m, n, words;  // 1 ≤ m ≤ mr, 1 ≤ n ≤ nr; a multiple of kBitStep words
  std::int32_t alpha;
};
inline constexpr std::size_t kBitStep = 8;

struct BitKernel {
  std::size_t mr, nr;
  void (*run)(const BitTile&);
};

void bits_4x8__portable(const BitTile&);
#if LAPIDARY_X86
void bits_2x16__avx2(const BitTile&);
void bits_2x32__avx512(const BitTile&);
void bits_8x32__avx512vpop(const BitTile&);
#endif
#if LAPIDARY_ARM64
void bits_4x8__neon(const BitTile&);
#endif

inline constexpr KernelTable<BitKernel, 1 + 3 * LAPIDARY_X86 + LAPIDARY_ARM64> kBits = {{
    {Isa::portable, {4, 8, bits_4x8__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {2, 16, bits_2x16__avx2}},
    {Isa::avx512, {2, 32, bits_2x32__avx512}},
    {Isa::avx512vpop, {8, 32, bits_8x32__avx512vpop}},
#endif
#if LAPIDARY_ARM64
    {Isa::neon, {4, 8, bits_4x8__neon}},
#endif
}};

}  // namespace lapidary
