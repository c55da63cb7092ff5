// Weights packed for lookups: 32 rows are a tile, a byte of the vector register for each. And the loop over tiles and
// tokens that their products have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/context.h"
#include "core/status.h"
#include "gemm/linear.h"

namespace lapidary {

inline constexpr std::size_t kPackedRows = 32;  // of a tile
// Columns: most, so that the sum of 8-bit activations times 4-bit codes fits 32 bits.
inline constexpr std::size_t kPackedColumns = std::size_t{1} << 18;

// The byte of a register that belongs to row r of a tile: bytes widened to words, the even ones first, are in order.
constexpr std::size_t packed_byte(std::size_t r) { return r < 16 ? 2 * r : 2 * r - 31; }

// Bit `plane` of eight bytes, the lowest byte first. Their products with the powers never meet in one place.
constexpr std::uint8_t plane_of(std::uint64_t bytes, int plane) {
  return static_cast<std::uint8_t>(((bytes >> plane & 0x0101010101010101) * 0x0102040810204080) >> 56);
}

// Σ q. Eight neighbours of a word at a time, in four pairs: compilers for any processor add those up in registers,
// while bytes widened one by one take longer than the tables that the sum stands beside.
inline std::int32_t sum_of(const std::int8_t* q, std::size_t count) {
  constexpr std::uint64_t kEven = 0x00ff00ff00ff00ff, kRaise = 0x8080808080808080;
  constexpr std::size_t kWords = 128;  // 128·2·255 fits 16 bits
  std::uint64_t raised = 0;
  std::size_t j = 0;
  while (count - j >= 8) {
    const std::size_t words = std::min((count - j) / 8, kWords);
    std::uint64_t pairs = 0;
    for (std::size_t w = 0; w < words; w++, j += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, q + j, 8);
      eight ^= kRaise;
      pairs += (eight & kEven) + (eight >> 8 & kEven);
    }
    const std::uint64_t fours = (pairs & 0x0000ffff0000ffff) + (pairs >> 16 & 0x0000ffff0000ffff);
    raised += (fours & 0xffffffff) + (fours >> 32);
  }
  std::int32_t sum = static_cast<std::int32_t>(raised) - 128 * static_cast<std::int32_t>(j);
  for (; j < count; j++) sum += q[j];
  return sum;
}

// How packed weights meet tokens. All but rounded tables are exact, and give the same bits.
enum class PackedWay : std::uint8_t {
  automatic,  // lookups or bytes; see packed_way.h
  lookups,
  bytes,  // codes expanded to bytes, in panels that many tokens pass over
  bits,   // planes of the codes against planes of the tokens
};
inline constexpr std::size_t kPackedWays = 4;

// Panels of codes as bytes, what PanelTile of quantized.h takes: `nr` rows side by side, four columns of each.
struct CodePanels {
  std::uint8_t* to;
  std::size_t nr, panel;  // 8, 16 or 32; bytes from panel to panel
  std::uint8_t* at(std::size_t row, std::size_t step) const {
    return to + row / nr * panel + (step * nr + row % nr) * 4;
  }
};
// The same for loops: where each kEach rows begin. No division is left, and nothing that a store could change.
template <std::size_t kEach>
struct PanelRows {
  std::uint8_t* rows[kPackedRows / kEach];
  std::size_t pitch;
  explicit PanelRows(const CodePanels& panels) : pitch(4 * panels.nr) {
    for (std::size_t i = 0; i < kPackedRows / kEach; i++) rows[i] = panels.at(i * kEach, 0);
  }
  std::uint8_t* at(std::size_t i, std::size_t step) const { return rows[i] + step * pitch; }
};

inline constexpr std::size_t kMostTiles = 4;

// Tables of tokens, one after another, and the numbers that stand beside them.
struct TokenTables {
  std::uint8_t* bytes;
  std::int32_t* numbers;  // or floats
};

// The part of a product that is its own.
struct LookupProduct {
  std::size_t tokens, rows, tile_bytes, table_bytes;  // bytes of codes of a tile, of the tables of a token
  std::size_t numbers = 0;                            // of 32 bits that stand beside the tables of a token
  std::size_t sums = 1;                               // of a row, one for each group of columns
  std::size_t together = 1;                           // tiles that pass through the tables at once, ≤ kMostTiles

  virtual void make(std::size_t token, const TokenTables& to) const = 0;
  // out[(n·tiles + i)·32 + r] ← sums of row r of tile + i and token n of the tables, i < tiles ≤ together, n < count
  virtual void run(std::size_t tile, std::size_t tiles, std::size_t count, const TokenTables& tables,
                   float* out) const = 0;
  virtual float scale(std::size_t token, const TokenTables& tables) const = 0;  // of the sums of a token

 protected:
  ~LookupProduct() = default;
};

// y ← activation(scale·sums + bias), tokens × rows. Each thread makes the tables that it reads, at most 2 MiB or two
// tokens at a time; the codes of a part and the tables of the tokens that pass over them together stay in the
// second-level cache.
Status packed_product(const LookupProduct& product, const Head<float>& head, float* y, const Context& context);

}  // namespace lapidary
