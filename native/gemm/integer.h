// Products of 8-bit integers with exact sums in i32: u8·i8, i8·i8 and i8·u8.
//
// The micro-kernels are those of the floats (tile_lanes.h) over steps: one 32-bit step holds several neighbouring
// values of k, which one instruction multiplies and adds.
//
//   bytes   4 values as they are: vpdpbusd takes one side unsigned and the other signed. For i8·i8 the values of B are
//           raised by 128 (their top bit flipped) and 128·Σ_p A[i,p] comes off every element of row i.
//   words   2 values widened to i16: vpmaddwd, on processors without VNNI. Their vpmaddubsw saturates where the sum of
//           two products leaves 16 bits: it serves only weights that have been looked at first (PanelKernels).
//
// A product with few rows or deep k whose B lies transposed, as the weights of a network do, runs on dots of rows in
// place: B is read once and never copied. Else few rows meet a few lines of B that are interleaved or widened at a
// time; some hundred rows (bytes) go through panels of B that each thread packs for itself, and larger products through
// blocked.h.
//
// Bound: 256 operations a cycle with 512-bit vpdpbusd on Zen 5 and Intel (128 on Zen 4); with few rows the memory's
// bandwidth. Bits: integers; every instruction set and number of threads gives the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "gemm/microkernel.h"
#include "gemm/operand.h"

namespace lapidary {

// Which of the two sides are signed. Not both unsigned.
enum class IntegerKind { u8i8, i8i8, i8u8 };
inline constexpr std::size_t kIntegerKinds = 3;

// A matrix of bytes as op(X); see Operand.
struct ByteOperand {
  const std::uint8_t* data;
  std::size_t stride;
  bool transposed;
};

// C ← alpha·op(A)·op(B) + beta·C with op(A) m × k, op(B) k × n and C m × n; C overlaps neither. Exact modulo 2^32, so
// exact where |result| < 2^31, which k ≤ kIntegerDepth makes sure of for alpha = 1, beta = 0. beta = 0 writes C without
// reading it. Scratch and cancellation as in gemm.h. Route::dot needs A straight and B transposed.
Status integer_gemm(IntegerKind kind, std::size_t m, std::size_t n, std::size_t k, std::int32_t alpha, ByteOperand a,
                    ByteOperand b, std::int32_t beta, std::int32_t* c, std::size_t ldc, const Context& context,
                    Route route = Route::automatic);
inline constexpr std::size_t kIntegerDepth = 65793;  // 2^31 / (255·128), rounded down

// Kernels.
// -------------------------------------------------------------------------------------------------------------

enum class StepForm { bytes, words };
constexpr std::size_t values_of(StepForm form) { return form == StepForm::bytes ? 4 : 2; }

// x[0..rows)[0..k) · w[0..cols)[0..k)ᵀ, rows and columns apart by their strides: y[i·ldy + j] = Σ_p x[i,p]·w[j,p] +
// term[i] with values of k contiguous; term may be nullptr. Reads exactly those values.
using ByteDots = void (*)(const std::uint8_t* x, std::size_t x_stride, std::size_t rows, const std::uint8_t* w,
                          std::size_t w_stride, std::size_t cols, std::size_t k, std::int32_t* y, std::size_t ldy);

// Packing to steps. Rows: `count` rows of k bytes become rows of ⌈k / values⌉ steps, `pitch` steps apart. Panels: k
// rows of `width` bytes become panels of `panel` columns, as in pack.h but of steps. What is missing of the last step
// or the last panel is zero. flip (0x80 or 0) is applied to each byte in the bytes form; is_signed says how bytes are
// widened in the words form.
using PackByteRows = void (*)(const std::uint8_t* x, std::size_t stride, std::size_t count, std::size_t k,
                              std::uint8_t flip, bool is_signed, std::int32_t* out, std::size_t pitch);
using PackBytePanels = void (*)(const std::uint8_t* x, std::size_t stride, std::size_t k, std::size_t width,
                                std::size_t panel, std::uint8_t flip, bool is_signed, std::int32_t* out);

// Panels of bytes laid out once (integer_packed.h), for the words form: `steps` steps of 4 values for kPanelColumns
// columns become panels of nr columns, 2·steps deep, of words widened from i8.
using WidenPanel = void (*)(const std::uint8_t* panel, std::size_t steps, std::int32_t* out);
inline constexpr std::size_t kPanelColumns = 32;  // a multiple of each nr

// Σ_p a[i,p]·b[p·stride + j] added to the sums y, for rows a of steps, packed by PackByteRows, and k ≤ 16 rows of
// bytes, `width` of each, as they lie in memory; an odd last row has a zero beside it in a. Reads exactly those values
// of b. y holds one group of kSumColumns columns, the first one of `first`, after the other, the sums of all rows in
// each: rows a power of two apart would push each other out of the cache. Within a row of a group their order is the
// kernel's own while `more` rows of b are to follow; those next k may be asked for meanwhile. flip as above.
using StraightSums = void (*)(const std::int32_t* a, std::size_t a_pitch, std::size_t rows, const std::uint8_t* b,
                              std::size_t stride, std::uint8_t flip, std::size_t k, std::size_t width,
                              std::size_t first, std::int32_t* y, bool more);
inline constexpr std::size_t kSumColumns = 64;

// Kernels of the words form on panels of bytes that are laid out once (integer_packed.h). Steps are of 4 values of k,
// in A two steps of words or one of bytes.
struct PanelKernels {
  // A tile of up to `few` rows of words times a whole panel where it lies, t.n ≤ kPanelColumns. So many bytes as are
  // read of it, from t.prefetch bytes after its beginning on, are asked for meanwhile.
  std::size_t few;
  void (*in_place)(const GemmTile<std::int32_t>& t);
  // A tile of up to mr rows of unsigned bytes times a panel of nr columns, in which no two products can saturate; and
  // what copies `steps` steps of a panel to panels of nr columns and says whether they are such.
  void (*bytes)(const GemmTile<std::int32_t>& t);
  bool (*narrow)(const std::uint8_t* panel, std::size_t steps, std::int32_t* out);
};

struct IntegerKernels {
  StepForm form;
  std::size_t mr, nr;
  void (*run[kIntegerKinds])(const GemmTile<std::int32_t>&);  // i8·i8 in the bytes form: B is raised by 128
  ByteDots dots[kIntegerKinds];  // i8·i8: w as it lies in memory, raised inside if raises_w; the caller makes up for it
  bool raises_w;
  PackByteRows pack_rows;
  PackBytePanels pack_panels;
  WidenPanel widen_panel;  // nullptr in the bytes form: there nr is kPanelColumns and panels are read in place
  Blocks blocks = kDeepBlocks;
  // Where few rows against a B that lies straight need no panels: the sums, and the rows of B that they take at a time.
  // 0: there are none.
  StraightSums sums[kIntegerKinds] = {};
  std::size_t sum_depth = 0;
  const PanelKernels* panels = nullptr;
};

const IntegerKernels& integer_kernels__portable();
#if LAPIDARY_X86
const IntegerKernels& integer_kernels__avx2();
const IntegerKernels& integer_kernels__avx512vnni();
#endif

inline constexpr KernelTable<const IntegerKernels& (*)(), 1 + 2 * LAPIDARY_X86> kInteger = {{
    {Isa::portable, integer_kernels__portable},
#if LAPIDARY_X86
    {Isa::avx2, integer_kernels__avx2},
    {Isa::avx512vnni, integer_kernels__avx512vnni},
#endif
}};

}  // namespace lapidary
