// The reference kernels of grouped weights.
#include "gemm/grouped.h"

namespace lapidary {

using std::size_t;

float grouped_dot_f32__portable(const float* values, const uint32_t* index, size_t count, size_t size, const float* x) {
  float sum = 0;
  for (size_t g = 0; g < count; g++, values += size)
    for (size_t k = 0; k < size; k++) sum += values[k] * x[index[g] * size + k];
  return sum;
}

float grouped_dot_i8__portable(const int8_t* codes, const float* scales, const uint32_t* index, size_t count,
                               size_t size, const float* x) {
  float sum = 0;
  for (size_t g = 0; g < count; g++, codes += size) {
    float group = 0;
    for (size_t k = 0; k < size; k++) group += static_cast<float>(codes[k]) * x[index[g] * size + k];
    sum += scales[g] * group;
  }
  return sum;
}

float grouped_dot_i4__portable(const uint8_t* nibbles, const uint8_t* zeros, const float* scales, const uint32_t* index,
                               size_t count, size_t size, const float* x) {
  float sum = 0;
  for (size_t g = 0; g < count; g++, nibbles += (size + 1) / 2) {
    float group = 0;
    for (size_t k = 0; k < size; k++) {
      const int code = (nibbles[k / 2] >> (k % 2 * 4) & 15) - (zeros[g] & 15);
      group += static_cast<float>(code) * x[index[g] * size + k];
    }
    sum += scales[g] * group;
  }
  return sum;
}

float grouped_single_f32__portable(const float* values, const uint32_t* index, size_t count, const float* x) {
  float sum = 0;
  for (size_t g = 0; g < count; g++) sum += values[g] * x[index[g]];
  return sum;
}

}  // namespace lapidary
