// The reference kernels of stored floats.
#include <algorithm>
#include <bit>

#include "gemm/half.h"

namespace lapidary {
namespace {

using std::size_t, std::uint16_t, std::uint32_t;

struct F32Value {
  using T = float;
  static float of(float x) { return x; }
};

struct Bf16Value {
  using T = uint16_t;
  static float of(uint16_t x) { return std::bit_cast<float>(uint32_t{x} << 16); }
};

struct F16Value {
  using T = uint16_t;
  static float of(uint16_t x) {
    const uint32_t sign = (x & 0x8000u) << 16, rest = (x & 0x7fffu) << 13;
    if (rest >= 0x0f800000) return std::bit_cast<float>(sign | 0x70000000 | rest);  // infinity and NaN
    // The exponent's bias is 127 instead of 15, subnormals included: a multiplication that is exact.
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * 0x1p112f));
  }
};

struct E4M3Value {
  using T = std::uint8_t;
  static float of(std::uint8_t x) {
    return F16Value::of(static_cast<uint16_t>((x & 0x80) << 8 | (x & 0x7f) << 7));  // 2^−8 of it
  }
};

struct E5M2Value {
  using T = std::uint8_t;
  static float of(std::uint8_t x) { return F16Value::of(static_cast<uint16_t>(x << 8)); }
};

bool has_nan(const std::uint8_t* w, size_t n) {
  return std::any_of(w, w + n, [](std::uint8_t c) { return (c & 0x7f) == 0x7f; });
}

// Eight partial sums: independent, so that the compiler may keep them in vectors.
template <class S>
void dots(const float* x, size_t x_stride, size_t rows, const void* from, size_t w_stride, size_t cols, size_t k,
          size_t, float* y, size_t ldy) {
  constexpr size_t kSums = 8;
  const auto* w = static_cast<const typename S::T*>(from);
  for (size_t j = 0; j < cols; j++, w += w_stride)
    for (size_t i = 0; i < rows; i++) {
      const float* xi = x + i * x_stride;
      float sum[kSums] = {};
      size_t p = 0;
      for (; p + kSums <= k; p += kSums)
        for (size_t s = 0; s < kSums; s++) sum[s] += xi[p + s] * S::of(w[p + s]);
      for (size_t s = 0; p < k; p++, s++) sum[s] += xi[p] * S::of(w[p]);
      for (size_t half = kSums / 2; half > 0; half /= 2)
        for (size_t s = 0; s < half; s++) sum[s] += sum[s + half];
      y[i * ldy + j] += sum[0];
    }
}

template <class S>
void widen(const void* x, size_t n, float* out) {
  for (size_t i = 0; i < n; i++) out[i] = S::of(static_cast<const typename S::T*>(x)[i]);
}

template <class S>
void panels(const void* from, size_t stride, size_t depth, size_t width, size_t panel, float* out) {
  const auto* x = static_cast<const typename S::T*>(from);
  for (size_t j = 0; j < width; j += panel)
    for (size_t p = 0; p < depth; p++, out += panel)
      for (size_t i = 0; i < panel; i++) out[i] = j + i < width ? S::of(x[p * stride + j + i]) : 0;
}

constexpr HalfKernels kKernels = {
    {dots<F32Value>, dots<F16Value>, dots<Bf16Value>},
    {dots<E4M3Value>, dots<E5M2Value>},
    has_nan,
    {nullptr, widen<F16Value>, widen<Bf16Value>},
    {nullptr, panels<F16Value>, panels<Bf16Value>},
};

}  // namespace

const HalfKernels& half_kernels__portable() { return kKernels; }

}  // namespace lapidary
