// Products of bytes with a matrix of i8 that has been laid out for them once: exact sums in i32, those of
// integer_gemm.
//
// The layout is the same for every processor: panels of 32 columns, one after another, in each of them steps of 4
// values of k, and of each step 4 neighbouring values of k for one column after the other,
//
//   values[(j / 32)·⌈k/4⌉·128 + (p / 4)·128 + (j % 32)·4 + p % 4] = B[p, j];
//
// what is missing of the last step and of the last panel is zero. With VNNI the micro-kernels read it in place: B comes
// through the caches once, in order, with no page of it looked up twice. With AVX2 few rows do the same; for more, and
// elsewhere, a block of a panel at a time is widened to words, or copied, to the first-level cache (integer_panels.h).
//
// vpdpbusd wants the side that is broadcast unsigned: signed rows of A are raised by 128 while they are packed, and
// 128·Σ_p B[p, j] comes off each column. Those sums are part of what is laid out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/integer.h"

namespace lapidary {

struct PackedInteger {
  std::size_t n, k;
  const std::uint8_t* values;  // packed_panels(n) · packed_panel_bytes(k)
  const std::int32_t* sums;    // n: Σ_p B[p, j]
};
constexpr std::size_t packed_panels(std::size_t n) { return n / kPanelColumns + (n % kPanelColumns != 0); }
// k ≤ kIntegerDepth
constexpr std::size_t packed_panel_bytes(std::size_t k) { return (k + 3) / 4 * (4 * kPanelColumns); }

// op(B), k × n of i8, as described above.
Status pack_integer(std::size_t n, std::size_t k, ByteOperand b, std::uint8_t* values, std::int32_t* sums,
                    const Context& context);

// C ← alpha·op(A)·B + beta·C as integer_gemm has it, op(A) m × b.k of u8 or, `a_signed`, of i8. At most 16 MiB, or 2
// MiB a thread, of scratch.
Status packed_integer_gemm(bool a_signed, std::size_t m, std::int32_t alpha, ByteOperand a, const PackedInteger& b,
                           std::int32_t beta, std::int32_t* c, std::size_t ldc, const Context& context);

}  // namespace lapidary
