// The reference kernels of N:M weights.
#include "gemm/nm.h"

namespace lapidary {

using std::size_t;

void nm_f32__portable(const NmPanelF32& p) {
  for (size_t t = 0; t < p.tokens; t++) {
    float sum[kNmPanel] = {};
    const float* values = p.values;
    const uint8_t* offsets = p.offsets;
    for (size_t b = 0; b < p.blocks; b++) {
      const float* x = p.x + t * p.stride + b * p.width;
      for (size_t s = 0; s < p.slots; s += 2, values += 2 * kNmPanel, offsets += kNmPanel)
        for (size_t r = 0; r < kNmPanel; r++) {
          sum[r] += values[r] * x[offsets[r] & 15];
          sum[r] += values[kNmPanel + r] * x[offsets[r] >> 4];
        }
    }
    for (size_t r = 0; r < kNmPanel; r++) p.y[t * kNmPanel + r] = sum[r];
  }
}

void nm_i8__portable(const NmPanelI8& p) {
  for (size_t t = 0; t < p.tokens; t++) {
    uint32_t sum[kNmPanel] = {};
    const int8_t* values = p.values;
    const uint8_t* offsets = p.offsets;
    for (size_t b = 0; b < p.blocks; b++) {
      const uint8_t* x = p.x + t * p.stride + b * p.width;
      for (size_t s = 0; s < p.slots; s += 4, values += 4 * kNmPanel, offsets += 2 * kNmPanel)
        for (size_t e = 0; e < 4 * kNmPanel; e++) {
          const uint8_t offset = e % 2 ? offsets[e / 2] >> 4 : offsets[e / 2] & 15;
          sum[e / 4] += static_cast<uint32_t>(values[e] * (x[offset] - (p.raised ? 128 : 0)));
        }
    }
    for (size_t r = 0; r < kNmPanel; r++) p.y[t * kNmPanel + r] = static_cast<int32_t>(sum[r]);
  }
}

}  // namespace lapidary
