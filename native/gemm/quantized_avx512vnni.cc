// Codes on 512-bit registers: vpdpbusd multiplies unsigned codes with signed tokens and adds four neighbours in 32
// bits, so nothing saturates and no code needs two planes. A chunk is one register. The tile is 8 × 2 of 32 registers.
//
// Bound of the dots on Zen 4, where a register keeps one of four units busy for two cycles: 128 codes in nibbles take
// 8.5 operations and, of them, 3 of a multiplication in each token, which two units have: 4.3 cycles for one token, 3
// for each of many.
#include "gemm/quantized.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX512VNNI
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "quant/stream_lanes_avx512.h"
// Lanes, over these
#include "gemm/quantized_lanes_avx512.h"
// dots and panels, over Lanes
#include "gemm/quantized_lanes.h"

void panel_8x32__avx512vnni(const PanelTile& p) { panel_up_to<Lanes, Lanes::kRows>(p); }

void expand(const std::uint8_t* codes, std::size_t count, const std::int8_t* table, std::uint8_t* out) {
  alignas(16) static constexpr std::int8_t kSame[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const __m512i values = Lanes::table(table == nullptr ? kSame : table);
  for (std::size_t k = 0; k < count; k += 64) {
    const std::size_t left = count - k < 64 ? count - k : 64;
    const auto held = static_cast<__mmask32>((std::uint64_t{1} << (left + 1) / 2) - 1);  // up to 32 of them
    const __mmask64 written = left == 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __m512i wide = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(held, codes + k / 2));
    // the low nibble in the even byte, the high one in the odd byte
    const __m512i both = _mm512_or_si512(wide, _mm512_slli_epi16(wide, 4));
    const __m512i index = _mm512_and_si512(both, _mm512_set1_epi8(15));
    _mm512_mask_storeu_epi8(out + k, written, Lanes::look_up(values, index));
  }
}

constexpr QuantizedKernels kKernels = kernels_of<Lanes>(0, panel_8x32__avx512vnni, 8, 8, expand);

}  // namespace

const QuantizedKernels& quantized_kernels__avx512vnni() noexcept { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
