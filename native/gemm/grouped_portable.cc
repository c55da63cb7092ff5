// The reference kernels of grouped weights.
#include "gemm/grouped.h"

namespace lapidary {

using std::size_t;

void grouped_dots_f32__portable(const float* values, const uint32_t* index, size_t count, size_t size, const float* x,
                                size_t stride, size_t tokens, float* sums, size_t sums_stride) {
  for (size_t t = 0; t < tokens; t++, x += stride) {
    float sum = 0;
    const float* from = values;
    for (size_t g = 0; g < count; g++, from += size)
      for (size_t k = 0; k < size; k++) sum += from[k] * x[index[g] * size + k];
    sums[t * sums_stride] = sum;
  }
}

namespace {

float dot_i8(const ByteRun& r, const float* x) {
  const size_t pitch = (r.size + kCodeChunk - 1) / kCodeChunk * kCodeChunk;
  const int8_t* codes = r.codes;
  float sum = 0;
  for (size_t g = 0; g < r.count; g++, codes += r.size) {
    float group = 0;
    for (size_t k = 0; k < r.size; k++) group += static_cast<float>(codes[k]) * x[r.index[g] * pitch + k];
    sum += r.scales[g] * group;
  }
  return sum;
}

float dot_i4(const NibbleRun& r, const float* x) {
  const size_t pitch = (r.size + kCodeChunk - 1) / kCodeChunk * kCodeChunk;
  const uint8_t* codes = r.codes;
  float sum = 0;
  for (size_t g = 0; g < r.count; g++, codes += (r.size + 1) / 2) {
    float group = 0;
    for (size_t k = 0; k < r.size; k++) {
      const int code = (codes[k / 2] >> (k % 2 * 4) & 15) - (r.zeros[g] & 15);
      group += static_cast<float>(code) * x[r.index[g] * pitch + k];
    }
    sum += r.scales[g] * group;
  }
  return sum;
}

}  // namespace

void grouped_dots_i8__portable(const ByteRun& r) {
  for (size_t t = 0; t < r.tokens; t++) r.sums[t * r.sums_stride] = dot_i8(r, r.x + t * r.stride);
}

void grouped_dots_i4__portable(const NibbleRun& r) {
  for (size_t t = 0; t < r.tokens; t++) r.sums[t * r.sums_stride] = dot_i4(r, r.x + t * r.stride);
}

float grouped_single_f32__portable(const float* values, const uint32_t* index, size_t count, const float* x) {
  float sum = 0;
  for (size_t g = 0; g < count; g++) sum += values[g] * x[index[g]];
  return sum;
}

uint32_t grouped_largest_u32__portable(const uint32_t* index, size_t count) {
  uint32_t most = 0;
  for (size_t g = 0; g < count; g++) most = most < index[g] ? index[g] : most;
  return most;
}

}  // namespace lapidary
