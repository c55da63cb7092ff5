// Products of matrices stored as f32, f16 (IEEE 754 binary16) or bf16 (the upper half of an f32), each side as it
// likes, with sums in f32.
//
// Widening to f32 is exact, subnormals, infinities and NaN included, and happens in registers or while packing: no
// widened copy of a large operand is ever written to memory. So a product is that of the widened matrices, within the
// bound of gemm.h.
//
//   dots     few rows against weights that lie transposed (or few columns): weights are read once, in place
//   flat     few rows against a B that lies straight: panels of B stay in the nearest caches
//   blocked  sources of blocked.h that widen while they pack
//
// Bound: with few rows the memory's bandwidth, at half the bytes of f32; else the FMA ports. Bits: k is cut by
// constants and the shape, so they do not depend on the threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "gemm/operand.h"

namespace lapidary {

enum class Storage : std::uint8_t { f32, f16, bf16 };
inline constexpr std::size_t kStorages = 3;
constexpr std::size_t bytes_of(Storage storage) { return storage == Storage::f32 ? 4 : 2; }

// A matrix in the caller's memory as op(X); see Operand.
struct StoredOperand {
  const void* data;
  Storage storage;
  std::size_t stride;  // in values
  bool transposed;
};

// C ← alpha·op(A)·op(B) + beta·C, then the epilogue, with op(A) m × k, op(B) k × n and C m × n. beta, alpha, scratch
// and cancellation as in gemm.h, whose gemm runs where both sides are f32. Route::dot needs B
// transposed, or A straight and few columns.
Status half_gemm(std::size_t m, std::size_t n, std::size_t k, float alpha, StoredOperand a, StoredOperand b, float beta,
                 float* c, std::size_t ldc, const Context& context, const Epilogue<float>* epilogue = nullptr,
                 Route route = Route::automatic);

// Kernels. Strides in values; they read exactly the values named.

struct HalfKernels {
  // y[i·ldy + j] += Σ_p x[i·x_stride + p]·w[j·w_stride + p], one kernel for each Storage of w. One vector accumulator
  // an element, p ascending, then a fixed tree: an element's bits do not depend on its neighbours. `ahead` values from
  // w on, wrapping round, stands what will be read next: it is asked for meanwhile.
  using Dots = void (*)(const float* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                        std::size_t cols, std::size_t k, std::size_t ahead, float* y, std::size_t ldy);
  Dots dots[kStorages];
  // The same for 8-bit floats w: E4M3, as 2^−8 of its values and NaN as any number, since its bits are only shifted to
  // those of an f16, whose exponent begins 8 lower; and E5M2.
  Dots float8_dots[2];
  // True if one of n E4M3 is NaN.
  bool (*has_nan)(const std::uint8_t* w, std::size_t n);
  // out[i] = x[i], n values. No kernel for f32: null.
  void (*widen[kStorages])(const void* x, std::size_t n, float* out);
  // As pack::panels, of panels `panel` columns wide. No kernel for f32: null.
  void (*panels[kStorages])(const void* x, std::size_t stride, std::size_t depth, std::size_t width, std::size_t panel,
                            float* out);
};

const HalfKernels& half_kernels__portable();
#if LAPIDARY_X86
const HalfKernels& half_kernels__avx2();
const HalfKernels& half_kernels__avx512();
#endif

inline constexpr KernelTable<const HalfKernels& (*)(), 1 + 2 * LAPIDARY_X86> kHalf = {{
    {Isa::portable, half_kernels__portable},
#if LAPIDARY_X86
    {Isa::avx2, half_kernels__avx2},
    {Isa::avx512, half_kernels__avx512},
#endif
}};

}  // namespace lapidary
