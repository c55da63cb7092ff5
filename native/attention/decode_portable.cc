// The reference: the same text as the vector kernels, one value at a time; the pairs m·2ⁿ of f32 in f64.
#include <bit>
#include <cmath>
#include <cstdint>

#include "attention/decode_kernels.h"

namespace lapidary {
namespace {

#include "core/exp_lanes.h"
#include "core/portable_lanes.h"

struct CacheF32 {
  using T = float;
  static float load(const T* x) { return *x; }
  static float load_first(std::size_t, const T* x) { return *x; }
};

struct CacheF64 {
  using T = double;
  static double load(const T* x) { return *x; }
  static double load_first(std::size_t, const T* x) { return *x; }
};

struct CacheF16 {
  using T = F16Bits;
  static float load(const T* x) {
    // Exponent and fraction in their places of an f32 are 2^112 too small, denormals too; all ones stay all ones.
    const uint32_t size = (x->bits & 0x7fffu) << 13, sign = (x->bits & 0x8000u) << 16;
    const float value = std::bit_cast<float>(size) * 0x1p112f;
    const uint32_t bits = size >= 0x0f800000u ? size | 0x7f800000u : std::bit_cast<uint32_t>(value);
    return std::bit_cast<float>(bits | sign);
  }
  static float load_first(std::size_t, const T* x) { return load(x); }
};

struct CacheBf16 {
  using T = Bf16Bits;
  static float load(const T* x) { return std::bit_cast<float>(uint32_t{x->bits} << 16); }
  static float load_first(std::size_t, const T* x) { return load(x); }
};

template <class R>
inline void sums4(R a, R b, R c, R d, R* out) {
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

#include "attention/decode_lanes.h"

}  // namespace

void decode_scores_f32__portable(const float* q, const DecodeRows<float>& keys, const DecodeHeads& heads, float* x,
                                 std::size_t ld) {
  scores<F32, CacheF32>(q, keys, heads, x, ld);
}

void decode_scores_f16__portable(const float* q, const DecodeRows<F16Bits>& keys, const DecodeHeads& heads, float* x,
                                 std::size_t ld) {
  scores<F32, CacheF16>(q, keys, heads, x, ld);
}

void decode_scores_bf16__portable(const float* q, const DecodeRows<Bf16Bits>& keys, const DecodeHeads& heads, float* x,
                                  std::size_t ld) {
  scores<F32, CacheBf16>(q, keys, heads, x, ld);
}

void decode_values_f32__portable(const float* w, std::size_t ld, const DecodeRows<float>& rows,
                                 const DecodeHeads& heads, float* acc) {
  values<F32, CacheF32>(w, ld, rows, heads, acc);
}

void decode_values_f16__portable(const float* w, std::size_t ld, const DecodeRows<F16Bits>& rows,
                                 const DecodeHeads& heads, float* acc) {
  values<F32, CacheF16>(w, ld, rows, heads, acc);
}

void decode_values_bf16__portable(const float* w, std::size_t ld, const DecodeRows<Bf16Bits>& rows,
                                  const DecodeHeads& heads, float* acc) {
  values<F32, CacheBf16>(w, ld, rows, heads, acc);
}

DecodeWeights<float> decode_range_f32__portable(const float* x, std::size_t count) { return range<F32>(x, count); }

DecodeWeights<float> decode_shifted_f32__portable(float* x, std::size_t count, float shift) {
  return shifted<F32>(x, count, shift);
}

DecodeWeights<float> decode_extended_f32__portable(float* x, std::size_t count, float top) {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1;
  DecodeWeights<float> all = {0, 0, 0};
  for (std::size_t i = 0; i < count; i++) {
    // e^(x − top·ln 2), whose size f64 holds
    x[i] = static_cast<float>(std::exp(x[i] - top * kLn2));
    all.sum += x[i];
  }
  return all;
}

void decode_scores_f64__portable(const double* q, const DecodeRows<double>& keys, const DecodeHeads& heads, double* x,
                                 std::size_t ld) {
  scores<F64, CacheF64>(q, keys, heads, x, ld);
}

void decode_values_f64__portable(const double* w, std::size_t ld, const DecodeRows<double>& rows,
                                 const DecodeHeads& heads, double* acc) {
  values<F64, CacheF64>(w, ld, rows, heads, acc);
}

DecodeWeights<double> decode_range_f64__portable(const double* x, std::size_t count) { return range<F64>(x, count); }

DecodeWeights<double> decode_shifted_f64__portable(double* x, std::size_t count, double shift) {
  return shifted<F64>(x, count, shift);
}

DecodeWeights<double> decode_extended_f64__portable(double* x, std::size_t count, double top) {
  return extended<F64>(x, count, top);
}

}  // namespace lapidary
