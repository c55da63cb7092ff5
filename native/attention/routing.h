// Mixture of depths: which tokens of each sequence a block works on, and how its results come back.
//
// Source: Raposo et al., Mixture-of-Depths (2024): tokens with one of the k largest router scores take
// part; x_i + r_i·f(x)_i for them, x_i for the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// For each of lengths.size() sequences of room for `tokens` scores: the positions, ascending, of the k largest of its
// first lengths[b] scores, from indices[b·k] on, and their number in counts[b]. Among equal scores the earlier ones are
// taken; only scores above `threshold` are, so never −∞. O(tokens) a sequence, no scratch.
//
// k ≤ tokens. bad_structure: a NaN, or a length above `tokens`.
template <class T>  // float or double
Status topk_route(const T* scores, std::size_t tokens, std::span<const uint32_t> lengths, std::size_t k, T threshold,
                  uint32_t* indices, uint32_t* counts, const Context& context);

// The tokens of `batch` sequences that were chosen: positions indices[indptr[b]] … of sequence b, ascending.
struct Route {
  std::size_t batch, tokens;
  std::span<const uint32_t> indptr;  // batch + 1
  std::span<const uint32_t> indices;
};

// Row i of out is row b·tokens + indices[i] of x. bad_structure: a route that is none.
template <class T>
Status gather_route(const Route& route, const T* x, std::size_t cols, T* out, const Context& context);
// out = x, and row b·tokens + indices[i] of it is increased by weights[i]·(row i of y). out may be x.
template <class T>
Status combine_route(const Route& route, const T* x, const T* y, const T* weights, std::size_t cols, T* out,
                     const Context& context);

}  // namespace lapidary
