// Tokens rounded to whole numbers of 8 bits; see quantized.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/quantized_rows.h"

namespace lapidary {

// In what order kernels want a token.
enum class TokenForm : std::uint8_t { nibbles, bytes, panels };

struct RoundedTokens {
  std::int8_t* x;
  float* a;     // nibbles, bytes: four a lane of 32 or 16 columns; panels: one a unit
  float* sums;  // panels: Σ q of each unit; nibbles, bytes: a·Σ q of each group
  float* rest;  // of each token what is left of the factor: 1 where `a`, and with it a·Σ q, has it
  std::size_t x_stride, a_stride, sums_stride;
};

// Values of `a` and of `sums` for a token.
std::size_t scale_count(TokenForm form, const CodeRows& rows, std::size_t unit);
std::size_t sum_count(TokenForm form, const CodeRows& rows, std::size_t unit);

// `count` tokens of `cols` values each, one behind another; out has room for them. A factor below 1 of all results is
// multiplied into large tokens, whose sums could overflow before it, and left out of others, which could lose digits.
Status round_tokens(const float* x, std::size_t count, std::size_t cols, const CodeRows& rows, TokenForm form,
                    std::size_t unit, const RoundedTokens& out, const Context& context);

}  // namespace lapidary
