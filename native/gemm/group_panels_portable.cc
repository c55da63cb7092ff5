// The reference of group_panels.h.
#include <bit>

#include "gemm/group_panels.h"

namespace lapidary {

using std::size_t;

void group_panel_i4__portable(const PanelRun& r) {
  for (size_t t = 0; t < r.tokens; t++) {
    const std::uint8_t *codes = r.codes, *zeros = r.zeros;
    const float* scales = r.scales;
    float* sums = r.sums + t * kPanelRows;
    for (size_t g = 0; g < r.groups; g++) {
      const std::uint16_t* mask = r.mask + g * kPanelWords;
      const std::int8_t* x = r.x + t * r.x_stride + g * kPanelGroup;
      const float a = r.a[t * r.a_stride + g], q = r.q[t * r.a_stride + g];
      size_t slot = 0;
      for (size_t i = 0; i < kPanelRows; i++) {
        if ((mask[i / 16] >> i % 16 & 1) == 0) continue;
        const std::uint8_t* from = codes + slot / kBatch * kBatchBytes + 4 * (slot % kBatch);
        std::int32_t sum = 0;
        for (size_t k = 0; k < kPanelGroup; k++) sum += (from[k / 8 * 64 + k % 4] >> (k % 8 >= 4 ? 4 : 0) & 15) * x[k];
        sums[i] += scales[slot] * a * (static_cast<float>(sum) - static_cast<float>(zeros[slot]) * q);
        slot++;
      }
      const size_t batches = (slot + kBatch - 1) / kBatch;
      codes += batches * kBatchBytes;
      scales += batches * kBatch;
      zeros += batches * kBatch;
    }
  }
}

size_t group_batches__portable(const std::uint16_t* mask, size_t groups) {
  size_t batches = 0;
  for (size_t g = 0; g < groups; g++, mask += kPanelWords) {
    size_t bits = 0;
    for (size_t w = 0; w < kPanelWords; w++) bits += static_cast<size_t>(std::popcount(mask[w]));
    batches += (bits + kBatch - 1) / kBatch;
  }
  return batches;
}

}  // namespace lapidary
