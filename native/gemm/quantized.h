// A layer whose weights are in few bits: y = activation(x·(W + left·right)ᵀ + bias), W of quant/quantize.h.
//
// Rounded tokens. Each 32 neighbouring columns of a token share a scale a = max|x| / 127 and become whole numbers
// q = rint(x / a), |q| ≤ 127. The weights of all formats but the 8-bit floats are s·(c − z) with whole c (of a 4-bit
// float: 12 and twice its value, through a table of 16 bytes), so over the columns of a unit, 16 or 32 that share both
// scales, Σ c·q is exact in 32 bits, and
//
//   y = factor · Σ_units s·a·(Σ c·q − z·Σ q)    in f32.
//
// Error against the exact product of x with the dequantised weights ŵ, first order in 2^−24, K columns:
//
//   |y − x·ŵ| ≤ Σ_k |ŵ_k|·a_k/2 + 2^−24·(K/16 + 12)·Σ_k |s_k|·(|c_k| + |z_k|)·|x_k| + what is denormal on the way.
//
// 32 columns of a token that are all below 2^−120 count as zeros. A token with a NaN or an infinity gives NaN in all of
// its results, as a NaN scale does in all of its row.
//
// Ways: `dot` reads the codes of a row where they lie, once for all tokens of a call up to QuantizedKernels::tokens;
// `blocked` expands the codes of a few rows to bytes, in panels that stay in the nearest caches while all tokens pass.
// Nothing is repacked in memory. Bound of dot: reading the codes; of blocked: the ports of the byte multiplications.
//
// f32 tokens: blocks of rows are decoded to f32 in the second-level cache and go to half_gemm. For 8-bit floats, and
// where rounding x is not wanted. Few tokens take 8-bit floats where they lie: float8.h.
//
// Bits: sums over k are cut by constants and the shape, so they do not depend on the threads.
//
// Source: the units, scales and rounding of tokens are those of llama.cpp's Q8_0 and ONNX Runtime's MatMulNBits with
// accuracy level 4; whole group scales: Zhang et al., Dual Grained Quantization (2023), section 3; doubled 4-bit
// floats: the table of E2M1 in OCP Microscaling Formats 1.0 (2023) times two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "gemm/half.h"
#include "gemm/linear.h"
#include "quant/quantize.h"

namespace lapidary {

struct QuantizedWeights {
  QuantLayout layout;
  QuantInput parts;
  const std::uint32_t* permutation;  // nullptr: none
  const float* left;                 // rows × rank, or nullptr: nothing is added
  const float* right;                // rank × cols
  std::size_t rank;
};

// x tokens × cols, y tokens × rows, which overlaps nothing. rounded: see above; not for 8-bit floats.
// bad_structure if the permutation is none.
Status quantized_linear(std::size_t tokens, StoredOperand x, const QuantizedWeights& w, bool rounded,
                        const Head<float>& head, float* y, Route route, const Context& context);

// Kernels.
// -------------------------------------------------------------------------------------------------------------

inline constexpr std::size_t kTokenBlock = 32;  // columns of a token that share a scale
inline constexpr std::size_t kCodeChunk = 64;   // bytes that the dots take at a time: 4 lanes of 16
inline constexpr std::size_t kSlotBlock = 16;   // slots that the dots take at a time
inline constexpr std::size_t kDotRows = 16;     // rows in one call of the dots: it costs as much as some hundred codes
inline constexpr std::size_t kRepeatSlack = 16;
inline constexpr std::size_t kDepthStep = 128;  // the columns that kernels see are a multiple of this

// Dots of a few rows of codes with a few rounded tokens. A lane is 16 bytes of codes, so 32 columns in nibbles and 16
// in bytes. A slot is what has one scale of a row and one of a token: a lane or, where units are that small, half of
// one. sums[t·sums_stride + r] = Σ_slots scale·a·(Σ c·q) − scale·a·(zero·Σ q), the brackets exact.
struct CodeDots {
  const std::uint8_t* codes;  // of each row `chunks` chunks; kCodeChunk bytes are read where the last one begins
  std::size_t codes_stride, chunks;
  int bits;                  // of packed codes
  const std::int8_t* table;  // what the codes stand for, for the kernels that look them up: 16 bytes from 0 to 127
  const float* scales;       // of the units: a chunk, pairs of its lanes, its lanes or their halves
  std::size_t scales_stride;
  const float* zeros;  // of the units, or nullptr: they are all `zero`
  float zero;
  const std::uint8_t* byte_scales;  // where the dots are of QuantizedKernels::byte_scaled, in place of `scales` and
  const std::uint8_t* byte_zeros;   // `zeros`: as stored, scales_stride apart
  const float* row_scales;
  std::size_t rows;
  const std::int8_t* x;  // tokens, x_stride apart. Nibbles: of each 128 columns first the even ones, then the odd ones
  std::size_t x_stride;
  const float* a;  // their scales, of the slots of whole blocks of kSlotBlock
  const float* q;  // Σ q of the slots
  std::size_t a_stride;
  std::size_t tokens;  // 1 … QuantizedKernels::tokens
  float* sums;
  std::size_t sums_stride;
};

// A panel of nr rows of weights, expanded to bytes, against up to mr tokens:
// y[t·ldy + j] (+)= Σ_units scale·a·(Σ c·q − zero·Σ q), the bracket exact. The bytes
// of a unit stand in `steps` steps of 4 columns, rows side by side; with two planes first those of the low and then
// those of the high four bits.
struct PanelTile {
  const std::uint8_t* w;
  const float* scales;  // of each unit nr scales and nr zero points
  std::size_t units, steps, planes;
  const std::int8_t* x;  // in the order of the columns
  std::size_t x_stride;
  const float* a;  // of the units
  const float* q;  // Σ q of the units
  std::size_t a_stride;
  std::size_t tokens, width;  // 1 … mr, 1 … nr
  float* y;
  std::size_t ldy;
  bool add;
};

// The same panel where all of a group of columns share the scales of rows and tokens: nr rows of codes of at most
// plane_bits bits in steps of 4 columns, against any number of tokens. Σ c·q over the steps is added to `whole` unless
// they are the group's first; unless they are its last it stays there, else y += scales·(factor·Σ − zeros·Σ q), where
// the bracket is a whole number modulo 2^32 and nothing is fused.
struct WholePanel {
  const std::uint8_t* w;
  std::size_t steps;
  const std::int8_t* x;
  std::size_t x_stride, tokens;
  bool first, last;
  std::int32_t* whole;  // tokens × ldy, where first and last are not one
  const float* scales;  // nr values
  const std::int32_t* zeros;
  bool doubled;           // factor 2
  const std::int32_t* q;  // of the tokens, Σ q over the group
  std::size_t q_stride;
  float* y;
  std::size_t ldy;
};

enum class CodeForm : std::uint8_t {
  nibbles,     // 4 bits, the even column low
  looked_up,   // nibbles that stand for the bytes of a table
  bytes,       // below 128
  wide_bytes,  // Σ (c − raised)·q
  packed,      // a stream of 1 to 7 bits (quant/bit_stream.h), a chunk the 64 codes of 8·bits bytes
  pairs,       // a stream of 1 to 3 bits that comes apart as nibbles do, a chunk the 128 codes of 16·bits bytes
};
inline constexpr std::size_t kCodeForms = 6;
// Two codes for each byte of a vector: tokens come with the even columns first.
constexpr bool comes_in_two(CodeForm form) { return form < CodeForm::bytes || form == CodeForm::pairs; }
// Bytes from one chunk to the next.
constexpr std::size_t chunk_bytes(CodeForm form, int bits) {
  const auto each = static_cast<std::size_t>(bits);
  return form == CodeForm::packed ? 8 * each : form == CodeForm::pairs ? 16 * each : kCodeChunk;
}

// The part of a chunk that a scale belongs to.
enum class Span : std::uint8_t { half_lane, lane, two_lanes, chunk };
inline constexpr std::size_t kSpans = 4;
constexpr std::size_t units_of(Span span) {  // in a chunk
  return span == Span::half_lane ? 8 : span == Span::lane ? 4 : span == Span::two_lanes ? 2 : 1;
}

// Scales of bytes that some dots decode in registers: to write them out as f32 and to read these again takes a sixth of
// the time of the dots.
enum class ByteScales : std::uint8_t {
  powers,        // E8M0 from 1 to 254, of lanes of looked_up
  small_floats,  // E4M3, neither negative nor NaN, of half lanes of looked_up
  integers,      // times row_scales, with byte_zeros, of chunks of nibbles
};
inline constexpr std::size_t kByteScales = 3;

struct QuantizedKernels {
  // Half lanes of codes that come in two only. nullptr: pairs go as packed, these are expanded.
  void (*dots[kCodeForms][kSpans])(const CodeDots&);
  void (*byte_scaled[kByteScales])(const CodeDots&);  // nullptr: scales are decoded first
  std::size_t tokens;                                 // of a call
  int raised;                                         // of wide_bytes

  std::size_t mr, nr;
  void (*tile)(const PanelTile&);
  void (*whole)(const WholePanel&);
  int plane_bits;           // codes of more bits come in two planes of four
  std::size_t table_steps;  // most steps of a unit whose bytes are up to 24, not 15; else 8

  // Nibbles to bytes, through a table unless it is nullptr. Reads ⌈count/2⌉ bytes.
  void (*expand)(const std::uint8_t* codes, std::size_t count, const std::int8_t* table, std::uint8_t* out);
  // 2^(s − 127), NaN of 255.
  void (*powers_of_two)(const std::uint8_t* from, std::size_t count, float* to);
  // The values of E4M3.
  void (*small_floats)(const std::uint8_t* from, std::size_t count, float* to);
  // True if all bytes are from `least` to `most`.
  bool (*within)(const std::uint8_t* from, std::size_t count, std::uint8_t least, std::uint8_t most);
  // Each value `each` times; writes up to kRepeatSlack more.
  void (*repeat)(const float* from, std::size_t count, std::size_t each, float* to);
};

const QuantizedKernels& quantized_kernels__portable() noexcept;
#if LAPIDARY_X86
const QuantizedKernels& quantized_kernels__avx2() noexcept;
const QuantizedKernels& quantized_kernels__avx512vnni() noexcept;
const QuantizedKernels& quantized_kernels__avx512vpop() noexcept;
#endif

inline constexpr KernelTable<const QuantizedKernels& (*)(), 1 + 3 * LAPIDARY_X86> kQuantized = {{
    {Isa::portable, quantized_kernels__portable},
#if LAPIDARY_X86
    {Isa::avx2, quantized_kernels__avx2},
    {Isa::avx512vnni, quantized_kernels__avx512vnni},
    {Isa::avx512vpop, quantized_kernels__avx512vpop},
#endif
}};

}  // namespace lapidary
