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

// Σ over `count` groups of value·x of a row; x may be read to the end of each group. Reads exactly the groups.
struct GroupedKernels {
  float (*dot)(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size, const float* x);
  float (*dot_codes)(const std::int8_t* codes, const float* scales, const std::uint32_t* index, std::size_t count,
                     std::size_t size, const float* x);
  float (*dot_nibbles)(const std::uint8_t* nibbles, const std::uint8_t* zeros, const float* scales,
                       const std::uint32_t* index, std::size_t count, std::size_t size, const float* x);
  float (*dot_singles)(const float* values, const std::uint32_t* index, std::size_t count, const float* x);
};

float grouped_dot_f32__portable(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*);
float grouped_dot_i8__portable(const std::int8_t*, const float*, const std::uint32_t*, std::size_t, std::size_t,
                               const float*);
float grouped_dot_i4__portable(const std::uint8_t*, const std::uint8_t*, const float*, const std::uint32_t*,
                               std::size_t, std::size_t, const float*);
float grouped_single_f32__portable(const float*, const std::uint32_t*, std::size_t, const float*);
#if LAPIDARY_X86
float grouped_dot_f32_8__avx2(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*);
float grouped_dot_i8_8__avx2(const std::int8_t*, const float*, const std::uint32_t*, std::size_t, std::size_t,
                             const float*);
float grouped_dot_i4_16__avx2(const std::uint8_t*, const std::uint8_t*, const float*, const std::uint32_t*, std::size_t,
                              std::size_t, const float*);
float grouped_single_f32_8__avx2(const float*, const std::uint32_t*, std::size_t, const float*);
float grouped_dot_f32_16__avx512(const float*, const std::uint32_t*, std::size_t, std::size_t, const float*);
float grouped_dot_i8_16__avx512(const std::int8_t*, const float*, const std::uint32_t*, std::size_t, std::size_t,
                                const float*);
float grouped_dot_i4_16__avx512(const std::uint8_t*, const std::uint8_t*, const float*, const std::uint32_t*,
                                std::size_t, std::size_t, const float*);
float grouped_single_f32_16__avx512(const float*, const std::uint32_t*, std::size_t, const float*);
#endif

inline constexpr KernelTable<GroupedKernels, 1 + 2 * LAPIDARY_X86> kGrouped = {{
    {Isa::portable,
     {grouped_dot_f32__portable, grouped_dot_i8__portable, grouped_dot_i4__portable, grouped_single_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {grouped_dot_f32_8__avx2, grouped_dot_i8_8__avx2, grouped_dot_i4_16__avx2, grouped_single_f32_8__avx2}},
    {Isa::avx512,
     {grouped_dot_f32_16__avx512, grouped_dot_i8_16__avx512, grouped_dot_i4_16__avx512, grouped_single_f32_16__avx512}},
#endif
}};

}  // namespace lapidary
