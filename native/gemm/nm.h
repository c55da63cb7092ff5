// Products with weights of which N in every M neighbours of a row are kept (N:M sparsity), f32 and i8.
//
// Layout, the same for every instruction set. Rows of w are taken 16 at a time (panels, the last one padded with rows
// of zeros), columns in blocks of `width` = ⌊16/m⌋·m, whole groups of m, so that an offset in a block takes four bits
// and one permutation looks up 16 of them. A block keeps `slots` values of each row: n of each group, columns
// ascending, rounded up to what one step of the kernel takes (2 of f32, 4 of i8) with zeros at offset 0. A group at the
// end of a row with fewer than n columns is filled up the same way. With block = panel·blocks + b:
//
//   f32  values[(block·slots + s)·16 + r]; offsets in pairs of slots: byte (block·slots + s)·8 + r, s even, holds slot
//        s of row r in its low half and slot s + 1 in its high half
//   i8   values[(block·slots + s)·16 + 4·r + i], s a multiple of 4, i < 4: slot s + i; byte e/2 holds the offset of
//        value e in its low half if e is even, else in its high half
//
// The product reads values and offsets once, in order. Kept zeros are multiplied like other values; what was pruned is
// not, so NaN or infinity in x reaches only the rows that look at it.
//
// Source: Fang et al., Efficient N:M Sparse DNN Training Using Algorithm, Architecture, and Dataflow Co-Design
// (2023), section III (masks); the panel layout is ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/checked.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kNmPanel = 16, kNmMostGroup = 16;

// Sizes of the compressed form; 1 ≤ n ≤ m ≤ 16.
struct NmShape {
  std::size_t rows, cols, n, m;

  std::size_t width() const { return kNmMostGroup / m * m; }
  std::size_t blocks() const { return ceil_div(cols, width()); }
  std::size_t panels() const { return ceil_div(rows, kNmPanel); }
  std::size_t slots(std::size_t step) const { return ceil_div(kNmMostGroup / m * n, step) * step; }
};

template <class T>
inline constexpr std::size_t kNmStep = 0;
template <>
inline constexpr std::size_t kNmStep<float> = 2;
template <>
inline constexpr std::size_t kNmStep<std::int8_t> = 4;

// Values of the compressed form; half as many bytes of offsets. nullopt where that overflows.
template <class T>
std::optional<std::size_t> nm_length(const NmShape& shape) {
  return checked_mul(checked_mul(checked_mul(shape.panels(), shape.blocks()), shape.slots(kNmStep<T>)), kNmPanel);
}

template <class T>
struct NmView {
  NmShape shape;
  const T* values;
  const std::uint8_t* offsets;

  std::size_t slots() const { return shape.slots(kNmStep<T>); }
};

// Keeps the n largest magnitudes of every group of m columns of W; ties go to the lowest column, NaN is larger than
// everything. W(i, j) = w[i·row_step + j·col_step].
template <class T>
Status nm_prune(const NmShape& shape, const T* w, std::size_t row_step, std::size_t col_step, T* values,
                std::uint8_t* offsets, const Context& context);

// W with what was pruned as zeros, row-major.
template <class T>
Status nm_expand(const NmView<T>& w, T* out, const Context& context);

// y ← x·Wᵀ with x tokens × cols and y tokens × rows. Few tokens read W once as it lies; more than kNmFlatTokens expand
// it block by block into the packed panels of blocked.h. Error as in gemm.h, over the kept products.
Status nm_linear(const float* x, std::size_t tokens, const NmView<float>& w, float* y, const Context& context);
inline constexpr std::size_t kNmFlatTokens = 8;

// The same for bytes x, signed or not; exact, modulo 2^32.
Status nm_linear(const std::uint8_t* x, bool is_signed, std::size_t tokens, const NmView<std::int8_t>& w,
                 std::int32_t* y, const Context& context);

// One panel times up to kNmTokens rows of x: y[16·t + r] = Σ over blocks b and slots s of
// value(b, s, r)·x[t·stride + b·width + offset(b, s, r)]. Reads 16 values of x from the start of each block on. raised,
// of bytes only: 128·Σ value(b, s, r) come off each.
inline constexpr std::size_t kNmTokens = 4;
template <class X, class W, class Y>
struct NmPanel {
  const X* x;
  std::size_t stride, tokens;
  std::size_t width, blocks, slots;
  const W* values;
  const std::uint8_t* offsets;
  Y* y;
  bool raised = false;
};
using NmPanelF32 = NmPanel<float, float, float>;
using NmPanelI8 = NmPanel<std::uint8_t, std::int8_t, std::int32_t>;

void nm_f32__portable(const NmPanelF32&);
void nm_i8__portable(const NmPanelI8&);
#if LAPIDARY_X86
void nm_f32_4x16__avx2(const NmPanelF32&);
void nm_i8_4x16__avx2(const NmPanelI8&);
void nm_f32_4x16__avx512(const NmPanelF32&);
void nm_i8_4x16__avx512vnni(const NmPanelI8&);
#endif

inline constexpr KernelTable<void (*)(const NmPanelF32&), 1 + 2 * LAPIDARY_X86> kNmF32 = {{
    {Isa::portable, nm_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, nm_f32_4x16__avx2},
    {Isa::avx512, nm_f32_4x16__avx512},
#endif
}};

inline constexpr KernelTable<void (*)(const NmPanelI8&), 1 + 2 * LAPIDARY_X86> kNmI8 = {{
    {Isa::portable, nm_i8__portable},
#if LAPIDARY_X86
    {Isa::avx2, nm_i8_4x16__avx2},
    {Isa::avx512vnni, nm_i8_4x16__avx512vnni},
#endif
}};

}  // namespace lapidary
