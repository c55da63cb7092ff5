// Few f32 tokens against a row of codes that become f32 in registers; part of quantized.h.
//
// Bits of one token are those of the decoded row in gemv.h. Bound: four operations for each register of weights, and
// one more a token; reading the codes is far below that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dispatch.h"
#include "quant/codec.h"

namespace lapidary {

inline constexpr std::size_t kDecodedStep = 32, kDecodedGroup = 16;

struct DecodedRun {
  static constexpr std::size_t kRows = 2;
  struct Row {
    const std::uint8_t* codes;  // one a byte
    GroupFactors of;
  } row[kRows];
  std::size_t rows;
  std::size_t cols, group;  // a multiple of kDecodedStep; of kDecodedGroup
  const float* x;
  std::size_t x_stride, tokens;
  float* y;  // of each token y_stride apart, rows side by side
  std::size_t y_stride;
};

struct DecodedDots {
  void (*dots[2])(const DecodedRun&);  // of scale·(factor·code − zero); of scale·value of an E2M1. nullptr: none
};

#if LAPIDARY_X86
extern const DecodedDots decoded_dots__avx2;
extern const DecodedDots decoded_dots__avx512;
#endif
inline constexpr DecodedDots kNoDecodedDots{};

inline constexpr KernelTable<const DecodedDots*, 1 + 2 * LAPIDARY_X86> kDecodedDots = {{
    {Isa::portable, &kNoDecodedDots},
#if LAPIDARY_X86
    {Isa::avx2, &decoded_dots__avx2},
    {Isa::avx512, &decoded_dots__avx512},
#endif
}};

}  // namespace lapidary
