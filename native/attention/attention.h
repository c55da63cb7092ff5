// Exact attention, out = softmax(scale·q·kᵀ + mask)·v for each head, tile by tile: the logits of a tile live in the
// nearest cache between the two products, so memory is linear in the tokens and every product runs in registers.
//
// Which keys a query sees is said by segments. A segment is a run of queries with one run of keys (all of them, or
// causally: the last query sees all, each one before it one key less) and, before those, a prefix that all of its
// queries see. Sequences of a batch are segments; so are the blocks of a BlockRank prompt.
//
// Scratch: packed copies of the keys and values, and at most 256 KiB a thread. A query's bits depend on what it sees
// and on the second-level cache, which sizes the tiles; not on threads, nor on other queries. Keys that a segment hides
// are not even read into sums: NaN there does no harm.
//
// Source: Dao et al., FlashAttention (2022), algorithm 1; Dao, FlashAttention-2 (2023), algorithms 1 and 2.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct AttentionSegment {
  std::size_t query, queries;
  std::size_t key, keys;
  std::size_t prefix, prefix_keys;
};

// Tokens are rows; the heads of a token lie side by side in its row. Query head h reads key head h / (heads /
// kv_heads).
template <class T>
struct AttentionInput {
  std::size_t heads, kv_heads;  // kv_heads divides heads
  std::size_t d, dv;            // values of a head in q and k, and in v
  std::size_t queries, keys;    // tokens
  const T* q;                   // queries × heads·d
  const T* k;                   // keys × kv_heads·d
  const T* v;                   // keys × kv_heads·dv
  T scale;
  bool causal;
  std::span<const AttentionSegment> segments;  // their queries follow one another and are all queries
  const T* mask;          // queries × mask_cols, column j for key j of the query's segment; or null
  std::size_t mask_cols;  // with a mask no segment has a prefix
};

// out: queries × heads·dv. lse: queries × heads, log Σ exp(logit), or null. A query that sees nothing gives zeros and
// −∞; one with a NaN or +∞ among its logits gives NaN.
template <class T>
Status attention(const AttentionInput<T>& in, T* out, T* lse, const Context& context);

// Gradients of Σ dout∘out: dq, dk, dv have the shapes of q, k, v. `out` and `lse` are those of attention(). Logits are
// computed anew, once for dq, parallel over queries, and once for dk and dv, parallel over keys: nothing is summed
// across threads. 14·d operations a logit where one pass with atomic sums needs 10·d.
template <class T>
Status attention_backward(const AttentionInput<T>& in, const T* out, const T* lse, const T* dout, T* dq, T* dk, T* dv,
                          const Context& context);

// scores(i, b): the share of document b in the attention that query i, one of the last `count`, pays to all documents
// together, averaged over heads. Document b is keys [starts[b], starts[b + 1]). Zeros where there is nothing to see.
template <class T>
Status block_scores(const AttentionInput<T>& in, std::size_t count, std::span<const std::size_t> starts, T* scores,
                    const Context& context);

}  // namespace lapidary
