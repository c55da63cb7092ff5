#include "gemm/quantized_tokens.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/checked.h"
#include "core/each_part.h"
#include "quant/codec.h"

namespace lapidary {
namespace {

// Values in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 14, kParallelValues = size_t{1} << 16;
constexpr float kLarge = 0x1p40f;    // scale of a token from which on it takes a factor
constexpr float kLeast = 0x1p-120f;  // below, a/127 and its reciprocal lose digits

// q and the scales of blocks of 32. depth is a multiple of 32.
void round_blocks(const CodecKernels& codec, const float* x, size_t depth, int8_t* q, float* scales) {
  for (size_t b = 0; b < depth / kTokenBlock; b++, x += kTokenBlock, q += kTokenBlock) {
    const uint32_t bits = codec.abs_max_bits(x, kTokenBlock);
    const float largest = std::bit_cast<float>(bits);
    const bool finite = bits < 0x7f800000;
    if (!finite || largest < kLeast) {
      scales[b] = finite ? 0 : std::numeric_limits<float>::quiet_NaN();
      std::fill_n(q, kTokenBlock, int8_t{0});
      continue;
    }
    scales[b] = largest / 127;
    codec.encode_rint(x, kTokenBlock, scales[b], -127, 127, 0, reinterpret_cast<uint8_t*>(q));
  }
}

int32_t sum_of_16s(const int8_t* q, size_t count) {
  int32_t sum = 0;
  for (size_t k = 0; k < count; k += 16)
    for (size_t i = 0; i < 16; i++) sum += q[k + i];
  return sum;
}

// Of each 128 first the even ones, then the odd ones.
void split(const int8_t* q, size_t depth, int8_t* out) {
  constexpr size_t kHalf = kDepthStep / 2;
  for (size_t k = 0; k < depth; k += kDepthStep)
    for (size_t i = 0; i < kHalf; i++) {
      out[k + i] = q[k + 2 * i];
      out[k + kHalf + i] = q[k + 2 * i + 1];
    }
}

}  // namespace

RoundedTokens rounded_room(ArenaFrame& scratch, size_t tokens, size_t x_stride, size_t a_stride) {
  const auto x_length = checked_mul(tokens, x_stride), a_length = checked_mul(tokens, a_stride);
  if (!x_length || !a_length) return {};
  const RoundedTokens room = {scratch.take<int8_t>(*x_length),
                              scratch.take<float>(*a_length),
                              scratch.take<float>(*a_length),
                              scratch.take<float>(tokens),
                              x_stride,
                              a_stride};
  return room.x && room.a && room.q && room.rest ? room : RoundedTokens{};
}

Status round_tokens(const float* x, size_t count, size_t cols, const CodeRows& rows, TokenForm form, size_t unit,
                    const RoundedTokens& out, const Context& context) {
  const CodecKernels& codec = *kCodec.pick();
  const size_t depth = rows.depth(), blocks = depth / kTokenBlock, units = depth / unit;
  const size_t each = std::max<size_t>(1, kPartValues / depth);
  return each_part(ceil_div(count, each), count >= ceil_div(kParallelValues, depth), context, [&](size_t part) {
    ArenaFrame scratch;
    float* placed = scratch.take<float>(depth);
    float* scales = scratch.take<float>(blocks);
    int8_t* plain = scratch.take<int8_t>(form == TokenForm::nibbles ? depth : 0);
    if (placed == nullptr || scales == nullptr || plain == nullptr) return Status::out_of_memory;
    for (size_t t = part * each; t < std::min(count, (part + 1) * each); t++) {
      int8_t* to = out.x + t * out.x_stride;
      int8_t* q = form == TokenForm::nibbles ? plain : to;
      rows.place(x + t * cols, placed);
      round_blocks(codec, placed, depth, q, scales);
      const float factor = rows.factor();
      out.rest[t] = factor;
      if (factor < 1 && *std::max_element(scales, scales + blocks) >= kLarge) {
        for (size_t b = 0; b < blocks; b++) scales[b] *= factor;
        out.rest[t] = 1;
      }
      float* a = out.a + t * out.a_stride;
      float* sums = out.q + t * out.a_stride;
      for (size_t u = 0; u < units; u++) {
        a[u] = scales[u * unit / kTokenBlock];
        sums[u] = static_cast<float>(sum_of_16s(q + u * unit, unit));
      }
      std::fill(a + units, a + out.a_stride, 0.0f);
      std::fill(sums + units, sums + out.a_stride, 0.0f);
      if (form == TokenForm::nibbles) split(q, depth, to);
    }
    return Status::ok;
  });
}

}  // namespace lapidary
