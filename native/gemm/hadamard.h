// Walsh-Hadamard transforms of blocks, as rotations before quantisation use them: y = H·x / √block for each block of x,
// H[i, j] = (−1)^popcount(i & j). H/√block is orthonormal and symmetric: the transform is its own inverse.
//
// log₂(block) stages of sums and differences, of neighbours first; those of up to eight vectors (128 values of f32 with
// 512-bit registers) run in registers. The factor is taken first. Every instruction set adds the same pairs in the same
// order: the same bits. Error: ‖y − exact‖ ≤ γ_{log₂(block) + 2}·‖x‖.
//
// Bound: the caches' or the memory's bandwidth, each value read and written once for block ≤ 128.
//
// Source: Fino & Algazi, Unified Matrix Treatment of the Fast Walsh-Hadamard Transform (IEEE Trans. Computers C-25(11),
// 1976), equation 5, natural order.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kHadamardBlock = std::size_t{1} << 15;  // at most: a block stays in the nearest caches

// n values, a multiple of block; block a power of two, 2 ≤ block ≤ kHadamardBlock. out is x or overlaps it nowhere.
template <class T>
Status hadamard(const T* x, std::size_t n, std::size_t block, T* out, const Context& context);

extern template Status hadamard(const float*, std::size_t, std::size_t, float*, const Context&);
extern template Status hadamard(const double*, std::size_t, std::size_t, double*, const Context&);

// n values, each times `scale`, transformed without a further factor.
template <class T>
using Hadamard = void (*)(const T* x, std::size_t n, std::size_t block, T scale, T* out);

void hadamard_f32__portable(const float*, std::size_t, std::size_t, float, float*);
void hadamard_f64__portable(const double*, std::size_t, std::size_t, double, double*);
#if LAPIDARY_X86
void hadamard_f32_u64__avx2(const float*, std::size_t, std::size_t, float, float*);
void hadamard_f64_u32__avx2(const double*, std::size_t, std::size_t, double, double*);
void hadamard_f32_u128__avx512(const float*, std::size_t, std::size_t, float, float*);
void hadamard_f64_u64__avx512(const double*, std::size_t, std::size_t, double, double*);
#endif

template <class T>
inline constexpr KernelTable<Hadamard<T>, 0> kHadamard{};

template <>
inline constexpr KernelTable<Hadamard<float>, 1 + 2 * LAPIDARY_X86> kHadamard<float> = {{
    {Isa::portable, hadamard_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, hadamard_f32_u64__avx2},
    {Isa::avx512, hadamard_f32_u128__avx512},
#endif
}};

template <>
inline constexpr KernelTable<Hadamard<double>, 1 + 2 * LAPIDARY_X86> kHadamard<double> = {{
    {Isa::portable, hadamard_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, hadamard_f64_u32__avx2},
    {Isa::avx512, hadamard_f64_u64__avx512},
#endif
}};

}  // namespace lapidary
