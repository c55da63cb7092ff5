// Dots with VBMI, all else is that of VNNI. Of 4-bit codes that stand for the bytes of a table: vpermb takes the low
// six bits of a byte for its index, so that with the table four times in a register neither nibble has to be masked
// off. Of codes in a stream: a permutation of bytes and a multishift bring 64 of them to their bytes, or with up to 3
// bits one permutation and two multishifts 128, in 10 operations where nibbles take 8.
#include "gemm/quantized.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "quant/stream_lanes_vbmi.h"
// Lanes, over these
#include "gemm/quantized_lanes_avx512.h"
// dots and panels, over Lanes
#include "gemm/quantized_lanes.h"

struct VbmiLanes : Lanes {
  using Pairs = StreamPairs;
  static I look_up_low(I table, I v) { return _mm512_permutexvar_epi8(v, table); }
  static I look_up_high(I table, I v) { return look_up_low(table, _mm512_srli_epi16(v, 4)); }
};

}  // namespace

const QuantizedKernels& quantized_kernels__avx512vpop() noexcept {
  static const QuantizedKernels kernels = [] {
    using enum CodeForm;
    using enum Span;
    QuantizedKernels k = quantized_kernels__avx512vnni();
    const auto set = [&]<CodeForm kForm>(std::integral_constant<CodeForm, kForm>) {
      auto& dots = k.dots[static_cast<std::size_t>(kForm)];
      if constexpr (comes_in_two(kForm))
        dots[static_cast<std::size_t>(half_lane)] = code_dots<VbmiLanes, kForm, half_lane>;
      dots[static_cast<std::size_t>(lane)] = code_dots<VbmiLanes, kForm, lane>;
      dots[static_cast<std::size_t>(two_lanes)] = code_dots<VbmiLanes, kForm, two_lanes>;
      dots[static_cast<std::size_t>(chunk)] = code_dots<VbmiLanes, kForm, chunk>;
    };
    set(std::integral_constant<CodeForm, looked_up>{});
    set(std::integral_constant<CodeForm, packed>{});
    set(std::integral_constant<CodeForm, pairs>{});
    k.byte_scaled[static_cast<std::size_t>(ByteScales::powers)] =
        code_dots<VbmiLanes, looked_up, lane, ScaleForm::powers>;
    k.byte_scaled[static_cast<std::size_t>(ByteScales::small_floats)] =
        code_dots<VbmiLanes, looked_up, half_lane, ScaleForm::small_floats>;
    return k;
  }();
  return kernels;
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
