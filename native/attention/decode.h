// Attention of one new token of each sequence over its cached keys and values: for each query head
//
//   out = Σ_s w_s·v_s / Σ_s w_s,   w_s = exp(scale·q·k_s)
//
// A sequence is cut into chunks of kDecodeChunk keys, whose sums are formed apart from each other and joined in
// ascending order. What lets a chunk begin before the largest logit is known is the scheme:
//
//   unified_max         w_s / e^φ for one φ of all chunks: nothing to join but sums. Where a logit leaves (φ + low,
//                       φ + high), or sum or result are no ordinary numbers, the head is computed again by `safe`
//   extended_exponent   w_s = m·2ⁿ; a chunk has the largest n of its own and chunks are joined by powers of two. Logits
//                       beyond ±60000 (−∞ excepted), where m is inaccurate, are computed again by `safe`
//   safe                w_s / e^M with M the chunk's own maximum, joined by factors e^(M − max M)
//
// Every key and value is read once whatever the number of query heads that share it (a recomputed head reads its own
// again). Bound: the bandwidth of reading lengths·kv_heads·(d + dv) values.
//
// Sources: Hong et al., FlashDecoding++ (2023), section 3 (unified maximum and recomputation); Dukhan & Ablavatski,
// Two-Pass Softmax Algorithm (2020), algorithm 3 (pairs m·2ⁿ).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class DecodeScheme { unified_max, extended_exponent, safe };
inline constexpr std::size_t kDecodeSchemes = 3;
enum class KvType { f32, f16, bf16, f64 };
inline constexpr std::size_t kKvTypes = 4;

inline constexpr std::size_t kDecodeChunk = 256;

// Keys and values of all sequences: `rows` rows of kv_heads·d keys and of kv_heads·dv values. Without pages sequence b
// has rows b·(rows/batch) and on; with pages its token s lies in row pages[b·pages_per_sequence +
// s/page_size]·page_size
// + s mod page_size.
struct KvCache {
  KvType type;
  const void* keys;
  const void* values;
  std::size_t rows;
  std::span<const uint32_t> pages;
  std::size_t pages_per_sequence, page_size;  // 0: contiguous
};

struct DecodeProblem {
  std::size_t batch, heads, kv_heads, d, dv;  // heads is a multiple of kv_heads
  DecodeScheme scheme;
  double scale;
  double phi, low, high;  // of unified_max
};

// q is batch × heads·d, out batch × heads·dv, lengths one a sequence. A sequence of length 0, or whose logits are all
// −∞, gives zeros; NaN or +∞ among the logits of a head gives NaN. `fallbacks` counts the heads that were computed
// again. A sequence's bits depend neither on the others nor on the number of threads.
//
// bad_structure: a length beyond the room of a sequence, or a page beyond the cache. Scratch: heads·(dv + 2) floats a
// chunk, for up to kDecodeGroup chunks or one sequence, and 1 KiB a head and thread. R is double where the cache is
// f64, and else float.
template <class R>
Status decode_attention(const DecodeProblem& problem, const R* q, const KvCache& cache,
                        std::span<const uint32_t> lengths, R* out, std::size_t& fallbacks, const Context& context);

inline constexpr std::size_t kDecodeGroup = 1024;

}  // namespace lapidary
