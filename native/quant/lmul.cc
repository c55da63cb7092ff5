#include "quant/lmul.h"

#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "core/each_part.h"
#include "quant/codec.h"

namespace lapidary {
namespace {

constexpr size_t kChunk = 65536;  // products that one thread takes
constexpr size_t kFewest = 2 * kChunk;

int bump_of(const LmulNumbers& numbers) { return 1 << (23 - lmul_shift(numbers.mantissa)); }

void multiply(const LmulNumbers& n, const void* a, const void* b, void* y, size_t begin, size_t count) {
  const LmulKernels& kernels = *kLmul.pick();
  const int variant = static_cast<int>(n.variant);
  const auto run = [&]<class T>(LmulFn<T> kernel) {
    kernel(static_cast<const T*>(a) + begin, static_cast<const T*>(b) + begin, count, bump_of(n),
           static_cast<T*>(y) + begin);
  };
  switch (n.format) {
    case LmulFormat::f32:
      return run(kernels.f32[variant]);
    case LmulFormat::bfloat16:
      return run(kernels.bfloat16[variant]);
    case LmulFormat::half:
      return run(kernels.half[variant]);
    case LmulFormat::e4m3:
      return run(kernels.e4m3[variant]);
    case LmulFormat::e5m2:
      return run(kernels.e5m2[variant]);
  }
}

// To nearest even at the last of `mantissa` bits; infinity stays, NaN stays one.
void round_mantissa(const float* x, size_t count, int mantissa, float* y) {
  if (mantissa == 23) return void(std::memmove(y, x, count * sizeof *x));
  const int drop = 23 - mantissa;
  const uint32_t half = (1u << (drop - 1)) - 1, kept = ~0u << drop;
  for (size_t i = 0; i < count; i++) {
    uint32_t u;
    std::memcpy(&u, x + i, sizeof u);
    const uint32_t rounded = (u + half + (u >> drop & 1)) & kept;
    u = (u & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : rounded;
    std::memcpy(y + i, &u, sizeof u);
  }
}

// f32 to codes of an 8- or 16-bit format, saturating in 8 bits, and back.
void encode(LmulFormat format, const float* x, size_t count, void* codes) {
  const CodecKernels& codec = *kCodec.pick();
  if (format == LmulFormat::bfloat16) return codec.to_bfloat16(x, count, static_cast<uint16_t*>(codes));
  if (format == LmulFormat::half) return codec.to_half(x, count, static_cast<uint16_t*>(codes));
  const auto kernel = format == LmulFormat::e4m3 ? codec.encode_e4m3 : codec.encode_e5m2;
  kernel(x, count, 1, Overflow::saturate, static_cast<uint8_t*>(codes));
}

void decode(LmulFormat format, const void* codes, size_t count, float* y) {
  const CodecKernels& codec = *kCodec.pick();
  if (format == LmulFormat::bfloat16) return codec.from_bfloat16(static_cast<const uint16_t*>(codes), count, y);
  if (format == LmulFormat::half) return codec.from_half(static_cast<const uint16_t*>(codes), count, y);
  const auto kernel = format == LmulFormat::e4m3 ? codec.decode_e4m3 : codec.decode_e5m2;
  kernel(static_cast<const uint8_t*>(codes), count, 1, y);
}

// Below this a number of the format is subnormal; f32 and bfloat16 have one exponent range.
float smallest_normal(LmulFormat format) {
  return format == LmulFormat::e4m3                                 ? 0x1p-6f
         : format == LmulFormat::e5m2 || format == LmulFormat::half ? 0x1p-14f
                                                                    : 0x1p-126f;
}

template <class Body>
Status for_chunks(size_t count, const Context& context, Body&& body) {
  return each_part(ceil_div(count, kChunk), count >= kFewest, context, [&](size_t part) {
    body(part * kChunk, std::min(kChunk, count - part * kChunk));
    return Status::ok;
  });
}

}  // namespace

Status lmul_codes(const LmulNumbers& numbers, const void* a, const void* b, void* y, size_t count,
                  const Context& context) {
  return for_chunks(count, context, [&](size_t begin, size_t n) { multiply(numbers, a, b, y, begin, n); });
}

Status lmul_values(const LmulNumbers& numbers, std::span<const float> a, std::span<const float> b, std::span<float> y,
                   const Context& context) {
  if (numbers.format == LmulFormat::f32 && numbers.mantissa == 23)
    return lmul_codes(numbers, a.data(), b.data(), y.data(), y.size(), context);
  return for_chunks(y.size(), context, [&](size_t begin, size_t n) {
    alignas(64) unsigned char left[kLmulBlock * sizeof(float)], right[kLmulBlock * sizeof(float)];
    for (size_t i = begin; i < begin + n; i += kLmulBlock) {
      const size_t count = std::min(kLmulBlock, begin + n - i);
      if (numbers.format == LmulFormat::f32) {
        round_mantissa(a.data() + i, count, numbers.mantissa, reinterpret_cast<float*>(left));
        round_mantissa(b.data() + i, count, numbers.mantissa, reinterpret_cast<float*>(right));
        multiply(numbers, left, right, y.data() + i, 0, count);
        continue;
      }
      encode(numbers.format, a.data() + i, count, left);
      encode(numbers.format, b.data() + i, count, right);
      multiply(numbers, left, right, left, 0, count);
      decode(numbers.format, left, count, y.data() + i);
    }
  });
}

void lmul_operand(const LmulNumbers& numbers, bool codes, const void* x, size_t count, float* y) {
  if (numbers.format == LmulFormat::f32) {
    round_mantissa(static_cast<const float*>(x), count, numbers.mantissa, y);
  } else if (codes) {
    decode(numbers.format, x, count, y);
  } else {
    alignas(64) unsigned char staged[kLmulBlock * sizeof(uint16_t)];
    encode(numbers.format, static_cast<const float*>(x), count, staged);
    decode(numbers.format, staged, count, y);
  }
  const float least = smallest_normal(numbers.format);
  for (size_t i = 0; i < count; i++) {
    const float magnitude = y[i] < 0 ? -y[i] : y[i];
    y[i] = magnitude < least ? y[i] * 0.0f : y[i];
  }
}

}  // namespace lapidary
