// How large the tiles of attention should be, and how many words then cross between a fast memory of M words and a slow
// one.
//
// Source: Saha & Ye, The I/O Complexity of Attention, or How Optimal is FlashAttention? (2024), both regimes;
// tile sizes of Dao et al., FlashAttention (2022), algorithm 1, line 1.
#pragma once

#include <cstddef>

namespace lapidary {

struct AttentionTiles {
  std::size_t rows, cols;  // queries and keys of a tile
  double io_words;         // words moved with these tiles, N queries on N keys
  double lower_bound;      // what any schedule moves, up to a constant factor
};

// For heads of d values, n tokens and a fast memory of `words` words; all at least 1.
//
// words ≥ d²: tiles of min(⌈M/4d⌉, d) queries by ⌈M/4d⌉ keys; a tile of keys and values stays while all queries pass
// it, 2nd + 3nd·⌈n/cols⌉ words, within 12 of n²d²/M. words < d²: not even one tile of FlashAttention's fits well;
// square tiles of √M/2 with d cut too, 5n²d/rows words, within 10 of n²d/√M.
AttentionTiles plan_attention_tiles(double words, std::size_t d, std::size_t n);

}  // namespace lapidary
