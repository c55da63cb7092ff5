// One table per operation says what runs: the reference row first, then better rows for wider instruction sets.
//
//   using ExpSum = ExtendedFloat (*)(const float*, size_t);
//   inline constexpr KernelTable<ExpSum, 3> kExpSum = {{{Isa::portable, expsum_f32__portable},
//                                                       {Isa::avx2, expsum_f32_u32__avx2}, ...}};
//   kExpSum.pick()(x, n);
//
// Files of one instruction set wrap their code in LAPIDARY_BEGIN_<ISA> ... LAPIDARY_END_ISA: all files are compiled
// with the same baseline flags, only the region may use wider instructions. Standard headers are included before the
// region and everything in it but the kernel itself stands in an unnamed namespace, so that no inline function compiled
// for a wider set is ever chosen by the linker for all callers (test/repository/symbols.test.ts checks this with nm).
#pragma once

#include <cstddef>

#include "core/cpu.h"

namespace lapidary {

template <class Fn>
struct KernelRow {
  Isa isa;
  Fn fn;
};

// Rows ascend by instruction set; the first is the reference. Rows of another architecture are left out by #if.
template <class Fn, std::size_t N>
struct KernelTable {
  KernelRow<Fn> rows[N];

  constexpr Fn pick(Isa isa) const {
    Fn best = rows[0].fn;
    for (const auto& row : rows)
      if (row.isa <= isa) best = row.fn;
    return best;
  }
  Fn pick() const { return pick(active_isa()); }
};

}  // namespace lapidary

#define LAPIDARY_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LAPIDARY_BEGIN_TARGET(features) \
  LAPIDARY_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define LAPIDARY_END_ISA LAPIDARY_PRAGMA(clang attribute pop)
#else
// GCC 12 takes the undefined operand of its own AVX-512 intrinsics for a variable somebody forgot to set.
#define LAPIDARY_BEGIN_TARGET(features)                     \
  LAPIDARY_PRAGMA(GCC push_options)                         \
  LAPIDARY_PRAGMA(GCC target(features))                     \
  LAPIDARY_PRAGMA(GCC diagnostic push)                      \
  LAPIDARY_PRAGMA(GCC diagnostic ignored "-Wuninitialized") \
  LAPIDARY_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized")
#define LAPIDARY_END_ISA LAPIDARY_PRAGMA(GCC diagnostic pop) LAPIDARY_PRAGMA(GCC pop_options)
#endif
#define LAPIDARY_BEGIN_AVX2 LAPIDARY_BEGIN_TARGET("avx2,fma,f16c,bmi2")
#define LAPIDARY_BEGIN_AVX512 LAPIDARY_BEGIN_TARGET("avx2,fma,f16c,bmi2,avx512f,avx512cd,avx512bw,avx512dq,avx512vl")
#define LAPIDARY_BEGIN_AVX512VNNI \
  LAPIDARY_BEGIN_TARGET("avx2,fma,f16c,bmi2,avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx512vnni")
#define LAPIDARY_BEGIN_AVX512VPOP                                                                             \
  LAPIDARY_BEGIN_TARGET(                                                                                      \
      "avx2,fma,f16c,bmi2,avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx512vbmi," \
      "avx512vbmi2,avx512bitalg")
