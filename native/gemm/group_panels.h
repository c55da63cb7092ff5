// Products of groups of 16 kept weights (grouped.h) in 4-bit codes with tokens rounded to bytes, from a layout of their
// own.
//
// Tokens are rounded as in quantized.h, each 32 neighbours with a scale a, and the sums of a group are whole numbers:
//
//   y = Σ_groups scale·a·(Σ code·q − zero·Σ q)    the bracket exact, in f32 otherwise, from left to right
//
// Layout, the same for every instruction set. Rows are taken 256 at a time (panels). A panel has, for each group of
// columns in turn, the kept groups of its rows, ascending, in batches of 16 that are filled up with zeros. So a batch
// has one piece of x: its codes are multiplied with 4 columns of a token that are repeated over a register, rows side
// by side, and no places are looked up. What a batch gives is laid behind that of the one before; bits that say which
// rows have kept the group spread it over the rows, 16 at a time.
//
//   mask    word ((panel·groups + g)·16 + w), bit r: row 256·panel + 16·w + r has kept group g
//   starts  panels + 1: the first batch of each panel; ⌈bits/16⌉ batches for each group of columns
//   codes   128 bytes a batch: byte 64·v + 4·r + i, v < 2, r < 16, i < 4, holds the codes of its row r and of columns
//           8·v + i (low) and 8·v + 4 + i (high) of the group
//   scales  16 a batch; zeros: 16 a batch
//
// Error against the exact product with the weights ŵ = scale·(code − zero), K columns, first order in 2^−24:
//
//   |y − x·ŵ| ≤ Σ_k |ŵ_k|·a_k/2 + 2^−24·(K/16 + 4)·Σ_k |ŵ_k|·(|x_k| + a_k/2) + what is denormal on the way
//
// A token with a NaN or an infinity gives NaN in all of its results. The same bits for any number of threads and on
// every instruction set.
//
// Source: Zeng et al., GQSA: Group Quantization and Sparsity for Accelerating Large Language Model Inference (2024),
// section 3 (format); the panels are ours.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checked.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kPanelGroup = 16, kPanelRows = 256, kBatch = 16;
inline constexpr std::size_t kPanelWords = kPanelRows / 16, kBatchBytes = kBatch * kPanelGroup / 2;

struct GroupPanelShape {
  std::size_t rows, cols;

  std::size_t groups() const { return ceil_div(cols, kPanelGroup); }
  std::size_t panels() const { return ceil_div(rows, kPanelRows); }
  std::size_t words() const { return panels() * groups() * kPanelWords; }  // of the mask
};

struct GroupPanels {
  GroupPanelShape shape;
  std::size_t batches;
  const std::uint16_t* mask;
  const std::uint32_t* starts;
  const std::uint8_t* codes;
  const float* scales;
  const std::uint8_t* zeros;
};

// From rows of groups (grouped.h) whose indptr is right: mask and starts; bad_structure unless the groups of a row
// ascend and are among its columns.
Status group_panels_places(const GroupPanelShape& shape, const std::uint32_t* indptr, const std::uint32_t* index,
                           std::uint16_t* mask, std::uint32_t* starts);
struct GroupPanelOutput {
  std::size_t batches;
  std::uint8_t* codes;
  float* scales;
  std::uint8_t* zeros;
};
// Then the rest; bad_structure also unless `starts` are those.
Status group_panels_fill(const GroupPanelShape& shape, const std::uint32_t* indptr, const std::uint32_t* index,
                         const std::uint8_t* nibbles, const float* scales, const std::uint8_t* zeros,
                         const std::uint32_t* starts, const GroupPanelOutput& out, const Context& context);

// y ← x·Wᵀ, x tokens × cols, y tokens × rows. bad_structure unless starts count the batches of the mask.
Status group_panels_linear(const float* x, std::size_t tokens, const GroupPanels& w, float* y, const Context& context);

// One panel with a few tokens.
struct PanelRun {
  static constexpr std::size_t kTokens = 8, kTogether = 4;
  const std::uint16_t* mask;
  const std::uint8_t* codes;
  const float* scales;
  const std::uint8_t* zeros;
  std::size_t groups;
  const std::int8_t* x;
  std::size_t x_stride;
  const float* a;  // of the groups
  const float* q;  // Σ q of the groups
  std::size_t a_stride;
  std::size_t tokens;  // 1 … kTokens
  float* laid;         // scratch: kTogether × kTokens × kLaid
  float* sums;         // tokens × kPanelRows, zeros before
};
inline constexpr std::size_t kLaid = kPanelRows + kBatch;  // read to 16 past what a word begins with

struct GroupPanelKernels {
  void (*panel)(const PanelRun&);
  // Batches of so many groups of columns.
  std::size_t (*batches)(const std::uint16_t* mask, std::size_t groups);
};

void group_panel_i4__portable(const PanelRun&);
std::size_t group_batches__portable(const std::uint16_t*, std::size_t);
#if LAPIDARY_X86
void group_panel_i4_8__avx2(const PanelRun&);
std::size_t group_batches__avx2(const std::uint16_t*, std::size_t);
void group_panel_i4_16__avx512vnni(const PanelRun&);
#endif

inline constexpr KernelTable<GroupPanelKernels, 1 + 2 * LAPIDARY_X86> kGroupPanels = {{
    {Isa::portable, {group_panel_i4__portable, group_batches__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {group_panel_i4_8__avx2, group_batches__avx2}},
    {Isa::avx512vnni, {group_panel_i4_16__avx512vnni, group_batches__avx2}},
#endif
}};

}  // namespace lapidary
