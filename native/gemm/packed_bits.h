// Packed weights as bits: the planes of the codes against the eight of the tokens, which are numbers in two's
// complement, through the product of planes (bits.h, and form). Sums of a group are whole, groups add up as lookups
// add them: the result has the same bits.
//
// Bound: that of bits.h for 8·bits pairs of planes. Lookups take one plane of the weights in an eighth of the
// operations, so this way pays only where counting bits is an instruction.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/linear.h"
#include "gemm/packed_bytes.h"

namespace lapidary {

// As packed_bytes. Scratch: the planes of 64 tokens and of a few rows, one group at a time.
Status packed_bits(const PackedCodes& w, std::size_t tokens, const std::int8_t* q, const float* token_scales,
                   const Head<float>& head, float* y, const Context& context);

}  // namespace lapidary
