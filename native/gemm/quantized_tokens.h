// Tokens rounded to whole numbers of 8 bits; see quantized.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "core/context.h"
#include "core/status.h"
#include "gemm/quantized_rows.h"

namespace lapidary {

// In what order kernels want a token: as it is or, for codes of which two are in a byte, of each 128 columns first the
// even ones.
enum class TokenForm : std::uint8_t { plain, nibbles };

struct RoundedTokens {
  std::int8_t* x;
  float* a;     // one for each `unit` columns, zeros after the last
  float* q;     // Σ q over them
  float* rest;  // of each token what is left of the factor: 1 where `a` has it
  std::size_t x_stride, a_stride;
};

// Room for so many tokens, `x_stride` bytes and `a_stride` factors apart; x is nullptr if there is none.
RoundedTokens rounded_room(ArenaFrame& scratch, std::size_t tokens, std::size_t x_stride, std::size_t a_stride);

// `count` tokens of `cols` values each, one behind another; out has room for them. A factor below 1 of all results is
// multiplied into large tokens, whose sums could overflow before it, and left out of others, which could lose digits.
Status round_tokens(const float* x, std::size_t count, std::size_t cols, const CodeRows& rows, TokenForm form,
                    std::size_t unit, const RoundedTokens& out, const Context& context);

}  // namespace lapidary
