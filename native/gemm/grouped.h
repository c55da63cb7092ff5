// Products with weights of which groups of neighbours in a row are kept, f32, i8 with a scale for each group, or 4-bit
// codes with a scale and a zero point; groups of one are ordinary compressed rows (Csr).
//
// Row i keeps groups indptr[i] … indptr[i + 1] − 1. Group g stands at columns size·index[g] and on and has its `size`
// values at values[g·size]; values past the last column of W are finite and count
// for nothing.
//
// Work is cut by groups, not rows (Stream-K): every part has the same number of groups wherever rows begin. A part
// stores the sums of rows that begin in it; what it adds to a row that began earlier is kept aside and added at the
// end, parts ascending.
//
// Source: Zeng et al., GQSA: Group Quantization and Sparsity for Accelerating Large Language Model Inference (2024),
// sections 3.2 (storage) and 3.4 (task-centric work).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

struct GroupedView {
  std::size_t rows, cols, size;  // size ≥ 1
  std::size_t count;             // of groups
  const std::uint32_t* indptr;   // rows + 1, from 0 to count, monotone
  const std::uint32_t* index;    // count, below ⌈cols/size⌉ < 2^31
  const float* values;           // count·size; or
  const std::int8_t* codes;      // the same, with
  const float* scales;           // count: value = scale·code; or
  const std::uint8_t* nibbles;   // count·⌈size/2⌉, two codes a byte, the even column low, with scales and
  const std::uint8_t* zeros;     // count, the low four bits of each: value = scale·(code − zero)
};

// y ← x·Wᵀ with x tokens × cols and y tokens × rows; error as in gemm.h over the kept products. Checks indptr and
// index: Status::bad_structure. Parts of W are small
// enough to stay in the second-level cache for all rows of x.
Status grouped_linear(const float* x, std::size_t tokens, const GroupedView& w, float* y, const Context& context);

// Codes are multiplied 16 columns at a time. x is copied for them: each group of it takes whole chunks, with zeros
// behind its columns, and the columns of a chunk stand in the order that unpacking brings.
inline constexpr std::size_t kCodeChunk = 16;
using ChunkOrder = std::uint8_t[kCodeChunk];  // column of each place
inline constexpr ChunkOrder kInOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
// Words of 32 bits by turns from the lower and the upper half of 64.
inline constexpr ChunkOrder kByTurns = {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15};

// Groups of one row, and rows of x.
template <class Codes>
struct GroupRun {
  const Codes* codes;
  const std::uint8_t* zeros;  // of 4-bit codes
  const float* scales;
  const std::uint32_t* index;
  std::size_t count, size;
  const float* x;
  std::size_t stride, tokens;  // rows of x
  float* sums;                 // of as many, so far apart
  std::size_t sums_stride;
};
using ByteRun = GroupRun<std::int8_t>;
using NibbleRun = GroupRun<std::uint8_t>;

// Σ over the groups of value·x; x of dots may be read to the end of each group, that of dots_bytes and dots_nibbles is
// the copy. Reads exactly the groups. All but dot_singles take `tokens` rows of x, `stride` apart, to as many sums; the
// bits of each are its own. Of groups of kCodeChunk columns they read the weights once for as many tokens as
// values_together and codes_together say, else once for each.
struct GroupedKernels {
  void (*dots)(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size, const float* x,
               std::size_t stride, std::size_t tokens, float* sums, std::size_t sums_stride);
  void (*dots_bytes)(const ByteRun&);
  void (*dots_nibbles)(const NibbleRun&);
  float (*dot_singles)(const float* values, const std::uint32_t* index, std::size_t count, const float* x);
  std::uint32_t (*largest)(const std::uint32_t* index, std::size_t count);
  const ChunkOrder* nibble_order;
  std::size_t values_together, codes_together;
};

void grouped_dots_f32__portable(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*, std::size_t,
                                std::size_t, float*, std::size_t);
void grouped_dots_i8__portable(const ByteRun&);
void grouped_dots_i4__portable(const NibbleRun&);
float grouped_single_f32__portable(const float*, const std::uint32_t*, std::size_t, const float*);
std::uint32_t grouped_largest_u32__portable(const std::uint32_t*, std::size_t);
#if LAPIDARY_X86
void grouped_dots_f32_8__avx2(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*, std::size_t,
                              std::size_t, float*, std::size_t);
void grouped_dots_i8_8__avx2(const ByteRun&);
void grouped_dots_i4_8__avx2(const NibbleRun&);
float grouped_single_f32_8__avx2(const float*, const std::uint32_t*, std::size_t, const float*);
std::uint32_t grouped_largest_u32_8__avx2(const std::uint32_t*, std::size_t);
void grouped_dots_f32_16__avx512(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*,
                                 std::size_t, std::size_t, float*, std::size_t);
void grouped_dots_i8_16__avx512(const ByteRun&);
void grouped_dots_i4_16__avx512(const NibbleRun&);
float grouped_single_f32_16__avx512(const float*, const std::uint32_t*, std::size_t, const float*);
std::uint32_t grouped_largest_u32_16__avx512(const std::uint32_t*, std::size_t);
#endif

inline constexpr KernelTable<GroupedKernels, 1 + 2 * LAPIDARY_X86> kGrouped = {{
    {Isa::portable,
     {grouped_dots_f32__portable, grouped_dots_i8__portable, grouped_dots_i4__portable, grouped_single_f32__portable,
      grouped_largest_u32__portable, &kInOrder, 1, 1}},
#if LAPIDARY_X86
    {Isa::avx2,
     {grouped_dots_f32_8__avx2, grouped_dots_i8_8__avx2, grouped_dots_i4_8__avx2, grouped_single_f32_8__avx2,
      grouped_largest_u32_8__avx2, &kInOrder, 4, 2}},
    {Isa::avx512,
     {grouped_dots_f32_16__avx512, grouped_dots_i8_16__avx512, grouped_dots_i4_16__avx512,
      grouped_single_f32_16__avx512, grouped_largest_u32_16__avx512, &kByTurns, 4, 4}},
#endif
}};

}  // namespace lapidary
