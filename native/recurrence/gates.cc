#include "recurrence/gates.h"

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "core/each_part.h"
#include "quant/sums.h"

namespace lapidary {
namespace {

// Elements of a part: some 30 µs.
constexpr size_t kElements = size_t{1} << 15;

// body(first token, tokens) for parts of whole tokens.
template <class Body>
Status for_tokens(size_t tokens, size_t channels, const Context& context, Body&& body) {
  const size_t step = std::max<size_t>(1, kElements / std::max<size_t>(channels, 1));
  const size_t parts = ceil_div(tokens, step);
  return each_part(parts, parts > 1, context, [&](size_t part) {
    body(part * step, std::min(step, tokens - part * step));
    return Status::ok;
  });
}

}  // namespace

Status mlgru_gates(const float* f, const float* x, const float* lower_bound, float* a, float* b, size_t tokens,
                   size_t channels, const Context& context) {
  const auto kernel = kGates.pick()->gates;
  return for_tokens(tokens, channels, context, [&](size_t first, size_t count) {
    for (size_t at = first * channels; at < (first + count) * channels; at += channels)
      kernel(f + at, x + at, lower_bound, a + at, b + at, channels);
  });
}

Status gated_norm(const GatedNorm& norm, const Context& context) {
  const auto kernel = kGates.pick()->row;
  const size_t n = norm.channels;
  return for_tokens(norm.tokens, n, context, [&](size_t first, size_t count) {
    for (size_t t = first; t < first + count; t++) {
      const float* x = norm.x.data + t * norm.x.stride;
      float factor = 1;
      if (norm.normalise) {
        const double squares = sum_of(x, n, [](double v) { return v * v; });
        factor = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(n) + norm.epsilon));
      }
      kernel(x, factor, norm.gain, norm.gate.data == nullptr ? nullptr : norm.gate.data + t * norm.gate.stride,
             norm.out + t * n, n);
    }
  });
}

}  // namespace lapidary
