// The inner loops of a matrix product, one table per element type.
//
// A micro-kernel computes one tile C[0..m)[0..n) ← alpha·A·B + beta·C with the whole tile in registers: each step of k
// broadcasts one column of A and multiplies it with one row of B. C and the rows of B are contiguous along j; A is read
// through two strides and B through one, so the same kernel runs on packed panels and on the caller's own matrices.
//
//   shape        1 ≤ m ≤ mr, 1 ≤ n ≤ nr, any k ≥ 0
//   reads        exactly A[0..m)[0..k), B[0..k)[0..n) and, unless beta = 0, C; nothing past their ends. With `padded`
//   the
//                rows of B are known to hold nr values and all of them may be read.
//   accumulator  one of type T per element, p ascending; FMA where the instruction set has it. So an element's bits do
//                not depend on its place in the tile, on the tile's size, or (portable row aside) on the instruction
//                set.
//   bound        the FMA ports: mr·nr is as large as the registers allow, so that loads and broadcasts hide beneath
//
// Source: Van Zee & van de Geijn, BLIS: A Framework for Rapidly Instantiating BLAS Functionality (ACM TOMS 41(3),
// 2015), section 4.2; tile sizes after Low, Igual, Smith & Quintana-Ortí, Analytical Modeling Is Enough for
// High-Performance BLIS (ACM TOMS 43(2), 2016), section 3.1.
#pragma once

#include <cstddef>

#include "core/dispatch.h"

namespace lapidary {

template <class T>
struct GemmTile {
  const T* a;  // a(i, p) = a[i·a_row + p·a_step]
  std::size_t a_row, a_step;
  const T* b;  // b(p, j) = b[p·b_step + j]
  std::size_t b_step;
  bool padded;
  T* c;  // c(i, j) = c[i·ldc + j]
  std::size_t ldc;
  std::size_t m, n, k;
  T alpha, beta;
  std::size_t prefetch = 0;     // values beyond the tile's first column at which to ask for what the next tile reads
  const T* row_term = nullptr;  // integers only: C ← alpha·(A·B + row_term[i]) + beta·C
};

// How blocked.h cuts a product for a micro-kernel, by the size of its tile and of the nearest caches.
struct Blocks {
  // k is cut into blocks of at most this many bytes of a row of A: long enough that reading and writing C between
  // blocks costs little. The only size that the bits of a result depend on, and so a constant.
  std::size_t depth_bytes;
  // 0: a panel of A passes over columns of B that stay in the second-level cache. Else the bytes of A that stay there
  // instead, while one panel of B after the other passes over them, itself in the first-level cache.
  std::size_t tall_bytes;
};
// Panels of the 512-bit tiles fit no first-level cache at a depth that pays (1.5 KiB was up to 8 % slower on Zen 4).
inline constexpr Blocks kDeepBlocks = {3072, 0};
// 24 KiB of B beside 9 KiB of A that stream by, of 256 KiB in the second-level cache; panels of deep blocks, 48 KiB,
// would come from the second-level cache each time.
inline constexpr Blocks kNearBlocks = {1536, 262144};

template <class T>
struct MicroKernel {
  std::size_t mr, nr;
  void (*run)(const GemmTile<T>&);
  Blocks blocks = kDeepBlocks;
};

void gemm_f32_4x8__portable(const GemmTile<float>&);
void gemm_f64_4x4__portable(const GemmTile<double>&);
#if LAPIDARY_X86
void gemm_f32_6x16__avx2(const GemmTile<float>&);
void gemm_f64_6x8__avx2(const GemmTile<double>&);
void gemm_f32_14x32__avx512(const GemmTile<float>&);
void gemm_f64_14x16__avx512(const GemmTile<double>&);
#endif

template <class T>
inline constexpr KernelTable<MicroKernel<T>, 0> kGemm{};

template <>
inline constexpr KernelTable<MicroKernel<float>, 1 + 2 * LAPIDARY_X86> kGemm<float> = {{
    {Isa::portable, {4, 8, gemm_f32_4x8__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {6, 16, gemm_f32_6x16__avx2, kNearBlocks}},
    {Isa::avx512, {14, 32, gemm_f32_14x32__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<MicroKernel<double>, 1 + 2 * LAPIDARY_X86> kGemm<double> = {{
    {Isa::portable, {4, 4, gemm_f64_4x4__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {6, 8, gemm_f64_6x8__avx2, Blocks{2048, 262144}}},
    {Isa::avx512, {14, 16, gemm_f64_14x16__avx512}},
#endif
}};

}  // namespace lapidary
