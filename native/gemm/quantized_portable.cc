// The reference: one product at a time.
#include <algorithm>

#include "gemm/quantized.h"
#include "quant/scales.h"

namespace lapidary {
namespace {

using std::int32_t, std::size_t, std::uint32_t, std::uint8_t;

constexpr size_t kTokens = 4, kRows = 4, kColumns = 8;

// kUnits of a chunk.
template <bool kNibbles, bool kTable, size_t kUnits>
void code_dots(const CodeDots& d) {
  constexpr size_t kSlots = std::max<size_t>(kUnits, 4), kSlotBytes = kCodeChunk / kSlots;
  const auto look_up = [&](int c) { return kTable ? d.table[c] : c; };
  for (size_t r = 0; r < d.rows; r++)
    for (size_t t = 0; t < d.tokens; t++) {
      const float* scales = d.scales + r * d.scales_stride;
      float sum = 0;
      for (size_t slot = 0; slot < d.chunks * kSlots; slot++) {
        const size_t chunk = slot / kSlots, from = slot % kSlots * kSlotBytes;
        const uint8_t* codes = d.codes + r * d.codes_stride + chunk * kCodeChunk;
        const int8_t* x = d.x + t * d.x_stride + chunk * kCodeChunk * (kNibbles ? 2 : 1);
        int32_t whole = 0;
        for (size_t b = from; b < from + kSlotBytes; b++)
          whole +=
              kNibbles ? look_up(codes[b] & 15) * x[b] + look_up(codes[b] >> 4) * x[kCodeChunk + b] : codes[b] * x[b];
        const size_t unit = slot * kUnits / kSlots;
        const float zero = d.zeros != nullptr ? d.zeros[r * d.scales_stride + unit] : d.zero;
        const float scale = scales[unit] * d.a[t * d.a_stride + slot];
        sum += (static_cast<float>(whole) - zero * d.q[t * d.a_stride + slot]) * scale;
      }
      d.sums[t * d.sums_stride + r] = sum;
    }
}

void panel_4x8__portable(const PanelTile& p) {
  for (size_t t = 0; t < p.tokens; t++)
    for (size_t j = 0; j < p.width; j++) {
      float sum = 0;
      const uint8_t* w = p.w + 4 * j;
      for (size_t u = 0; u < p.units; u++) {
        int32_t whole = 0;
        for (size_t plane = 0; plane < p.planes; plane++)
          for (size_t s = 0; s < p.steps; s++, w += 4 * kColumns)
            for (size_t i = 0; i < 4; i++)
              whole += (w[i] << (4 * plane)) * p.x[t * p.x_stride + (u * p.steps + s) * 4 + i];
        const float* scales = p.scales + 2 * u * kColumns;
        const float exact = static_cast<float>(whole) - scales[kColumns + j] * p.q[t * p.a_stride + u];
        sum += exact * (p.a[t * p.a_stride + u] * scales[j]);
      }
      float& y = p.y[t * p.ldy + j];
      y = p.add ? y + sum : sum;
    }
}

void whole_panel(const WholePanel& p) {
  for (size_t t = 0; t < p.tokens; t++)
    for (size_t j = 0; j < kColumns; j++) {
      int32_t sum = 0;
      for (size_t s = 0; s < p.steps; s++)
        for (size_t i = 0; i < 4; i++) sum += p.w[(s * kColumns + j) * 4 + i] * p.x[t * p.x_stride + s * 4 + i];
      const size_t at = t * p.ldy + j;
      uint32_t whole = static_cast<uint32_t>(sum);
      if (!p.first) whole += static_cast<uint32_t>(p.whole[at]);
      if (!p.last) {
        p.whole[at] = static_cast<int32_t>(whole);
        continue;
      }
      if (p.doubled) whole *= 2;
      whole -= static_cast<uint32_t>(p.zeros[j]) * static_cast<uint32_t>(p.q[t * p.q_stride]);
      p.y[at] = p.y[at] + p.scales[j] * static_cast<float>(static_cast<int32_t>(whole));
    }
}

void expand(const uint8_t* codes, size_t count, const std::int8_t* table, uint8_t* out) {
  for (size_t k = 0; k < count; k++) {
    const int c = k % 2 == 0 ? codes[k / 2] & 15 : codes[k / 2] >> 4;
    out[k] = static_cast<uint8_t>(table == nullptr ? c : table[c]);
  }
}

void powers_of_two(const uint8_t* from, size_t count, float* to) { std::transform(from, from + count, to, e8m0_value); }

void small_floats(const uint8_t* from, size_t count, float* to) { std::transform(from, from + count, to, e4m3_value); }

bool within(const uint8_t* from, size_t count, uint8_t least, uint8_t most) {
  return std::all_of(from, from + count, [&](uint8_t b) { return b >= least && b <= most; });
}

void repeat(const float* from, size_t count, size_t each, float* to) {
  for (size_t i = 0; i < count; i++) std::fill_n(to + i * each, each, from[i]);
}

constexpr QuantizedKernels kKernels = {
    {{code_dots<true, false, 8>, code_dots<true, false, 4>, code_dots<true, false, 2>, code_dots<true, false, 1>},
     {code_dots<true, true, 8>, code_dots<true, true, 4>, code_dots<true, true, 2>, code_dots<true, true, 1>},
     {nullptr, code_dots<false, false, 4>, code_dots<false, false, 2>, code_dots<false, false, 1>},
     {nullptr, code_dots<false, false, 4>, code_dots<false, false, 2>, code_dots<false, false, 1>},
     {},
     {}},
    {},
    kTokens,
    0,
    kRows,
    kColumns,
    panel_4x8__portable,
    whole_panel,
    8,
    8,
    expand,
    powers_of_two,
    small_floats,
    within,
    repeat,
};

}  // namespace

const QuantizedKernels& quantized_kernels__portable() noexcept { return kKernels; }

}  // namespace lapidary
