#include "gemm/quantize_activations.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/arena.h"
#include "core/each_part.h"
#include "quant/codec.h"

namespace lapidary {
namespace {

// Values from which a second thread saves more than it costs to wake.
constexpr size_t kParallelValues = size_t{1} << 17;
constexpr uint32_t kInfinity = 0x7f800000;

// x / √(mean x² + epsilon) · gain
void normalise(const float* x, size_t cols, const TokenNorm& norm, float* out) {
  double squares = 0;
  for (size_t j = 0; j < cols; j++) squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
  const auto inverse =
      static_cast<float>(1 / std::sqrt(squares / static_cast<double>(std::max<size_t>(cols, 1)) + norm.epsilon));
  if (norm.gain == nullptr)
    for (size_t j = 0; j < cols; j++) out[j] = x[j] * inverse;
  else
    for (size_t j = 0; j < cols; j++) out[j] = x[j] * inverse * norm.gain[j];
}

}  // namespace

Status quantize_activations(const float* x, size_t rows, size_t cols, const TokenNorm& norm, float floor, int8_t* q,
                            float* scales, const Context& context) {
  const CodecKernels& codec = *kCodec.pick();
  const bool parallel = rows > 1 && cols != 0 && rows >= ceil_div(kParallelValues, cols);
  return each_part(rows, parallel, context, [&](size_t i) {
    ArenaFrame scratch;
    const float* row = x + i * cols;
    if (norm.rms) {
      float* normal = scratch.take<float>(cols);
      if (normal == nullptr) return Status::out_of_memory;
      normalise(row, cols, norm, normal);
      row = normal;
    }
    int8_t* to = q + i * cols;
    const uint32_t bits = codec.abs_max_bits(row, cols);
    const float largest = std::max(std::bit_cast<float>(bits), floor);
    if (bits >= kInfinity || !(largest > 0)) {
      std::fill(to, to + cols, int8_t{0});
      scales[i] = bits >= kInfinity ? std::nanf("") : 0;
      return Status::ok;
    }
    // 127 / a of a denormal a may leave f32; the largest factor that stays keeps |q| ≤ 127.
    const float factor = std::min(127 / largest, 3.4028234663852886e38f);
    scales[i] = factor < 3.4028234663852886e38f ? largest / 127 : 1 / factor;
    codec.encode_multiples(row, cols, factor, reinterpret_cast<uint8_t*>(to));
    return Status::ok;
  });
}

}  // namespace lapidary
