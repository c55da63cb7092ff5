// Products with weights that stand in one small shared array (hashed weights), f32.
//
// W (rows × cols) is cut into tiles of 16 rows and `chunk` columns. Tile (i, j) is a chunk of 16·chunk neighbours of
// the array, column by column, so that a column of the tile is one cache line:
//
//   W(16·i + r, chunk·j + k) = scale·g(i, j)·array[start(i, j) + 16·k + r]
//
// with g = ±1. Tiles at the edges use a part of their chunk. Hashes are affine modulo the prime P = 2^61 − 1, with
// constants from Philox: h(i, j) = (R₁ + R₂·i + R₃·j) mod P, brought to 0 … q − 1 by ⌊q·h/P⌋ (up to 2^-61: ⌊q·h/2^61⌋).
//
//   tile    start = 16·h(i, j): any cache line from which a whole chunk follows; chunks overlap
//   cyclic  start = 16·chunk·((h(⌊t/q⌋, 0) + t) mod q) with t the number of the tile row by row and q = ⌊length/(16·
//           chunk)⌋: tiles that follow each other share nothing, and with q ≥ the number of tiles none share anything
//
// The product never forms W: few rows of x stream the chunks, which stay in the cache where W would not; many copy
// them into the packed panels of blocked.h.
//
// Source: Desai, Zhou & Shrivastava, Hardware-Aware Compression with Random Operation Access Specific Tile (ROAST)
// hashing (2023), section 3; Desai & Shrivastava, In defense of parameter sharing for model-compression (2024),
// section 4 (cyclic). Starts at whole cache lines and a sign for each tile, not each weight, are ours.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kHashRows = 16;

enum class HashMapper { tile, cyclic };
inline constexpr std::size_t kHashMappers = 2;

struct HashedView {
  std::size_t rows, cols, chunk;  // chunk ≥ 1
  const float* array;
  std::size_t length;  // of the array, at least 16·chunk
  std::uint64_t seed;
  HashMapper mapper;
  float scale;
};

// y ← x·Wᵀ with x tokens × cols and y tokens × rows. Error as in gemm.h.
Status hashed_linear(const float* x, std::size_t tokens, const HashedView& w, float* y, const Context& context);

// gradient[a] ← Σ over the places (i, j) of W that read array[a] of ∂W(i, j)·∂W/∂array, with ∂W = dyᵀ·x: what the
// shared array's gradient is when dy (tokens × rows) is that of y. Formed panel by panel, added in one order whatever
// the threads; scratch of about 1 MiB, or 16·cols values if more. mean: divided by the number of those places. w.array
// is not read.
Status hashed_gradient(const float* x, const float* dy, std::size_t tokens, const HashedView& w, bool mean,
                       float* gradient, const Context& context);

// W itself, row-major.
Status hashed_expand(const HashedView& w, float* out, const Context& context);

// One row of tiles times up to kHashTokens rows of x: y[16·t + r] = Σ_j sign[j]·Σ_k start[j][16·k + r]·x[t·stride +
// chunk·j + k] over cols columns. Reads the 16 values of the columns it uses. Sums of a tile run in 4 chains.
inline constexpr std::size_t kHashTokens = 4;
struct HashedPanel {
  const float* x;
  std::size_t stride, tokens;
  std::size_t cols, chunk;
  const float* const* start;
  const float* sign;
  float* y;
};

void hashed_f32__portable(const HashedPanel&);
#if LAPIDARY_X86
void hashed_f32_4x16__avx2(const HashedPanel&);
void hashed_f32_4x16__avx512(const HashedPanel&);
#endif

inline constexpr KernelTable<void (*)(const HashedPanel&), 1 + 2 * LAPIDARY_X86> kHashed = {{
    {Isa::portable, hashed_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, hashed_f32_4x16__avx2},
    {Isa::avx512, hashed_f32_4x16__avx512},
#endif
}};

}  // namespace lapidary
