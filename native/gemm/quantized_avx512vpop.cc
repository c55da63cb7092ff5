// Dots of 4-bit codes that stand for the bytes of a table, with VBMI: vpermb takes the low six bits of a byte for its
// index, so that with the table four times in a register neither nibble has to be masked off. All else is that of
// VNNI.
#include "gemm/quantized.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "quant/stream_lanes_avx512.h"
// Lanes, over these
#include "gemm/quantized_lanes_avx512.h"
// dots and panels, over Lanes
#include "gemm/quantized_lanes.h"

struct LookupLanes : Lanes {
  static I look_up_low(I table, I v) { return _mm512_permutexvar_epi8(v, table); }
  static I look_up_high(I table, I v) { return look_up_low(table, _mm512_srli_epi16(v, 4)); }
};

}  // namespace

const QuantizedKernels& quantized_kernels__avx512vpop() noexcept {
  static const QuantizedKernels kernels = [] {
    using enum CodeForm;
    using enum Span;
    QuantizedKernels k = quantized_kernels__avx512vnni();
    auto& dots = k.dots[static_cast<std::size_t>(looked_up)];
    dots[static_cast<std::size_t>(half_lane)] = code_dots<LookupLanes, looked_up, half_lane>;
    dots[static_cast<std::size_t>(lane)] = code_dots<LookupLanes, looked_up, lane>;
    dots[static_cast<std::size_t>(two_lanes)] = code_dots<LookupLanes, looked_up, two_lanes>;
    dots[static_cast<std::size_t>(chunk)] = code_dots<LookupLanes, looked_up, chunk>;
    k.byte_scaled[static_cast<std::size_t>(ByteScales::powers)] =
        code_dots<LookupLanes, looked_up, lane, ScaleForm::powers>;
    k.byte_scaled[static_cast<std::size_t>(ByteScales::small_floats)] =
        code_dots<LookupLanes, looked_up, half_lane, ScaleForm::small_floats>;
    return k;
  }();
  return kernels;
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
