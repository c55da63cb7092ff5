// Which way a product takes, as data: the heuristic dataflow of FlashDecoding++. One row per operation.
//
// A product is a large operand of `across` × k values that meets `few` vectors of k (the rows of A against B; or,
// narrow, the columns of B against A). With few vectors the time is that of reading the large operand once, with many
// that of the multiplications, and where one way overtakes the other depends on the operand's own two sizes too. So a
// row has a cell for each class of (across, k), and a cell says
//
//   few ≤ dots            dots of rows against rows (where the large operand lies so)
//   dots < few ≤ flat     the large operand read once, through panels in the nearest caches
//   else                  blocked: both sides packed
//
// Defaults were measured, for packed weights on processors with 512-bit units and on those that take such instructions
// in two halves (`lapidary bench --tune` measures them anew); a user's own values may take their place when
// the package is loaded. packed_way.h goes by sizes, not by classes of them, where that was measured. The ways differ
// in the order of sums: bits depend on the table, and on nothing else that the caller does not say, the number of
// threads least of all.
//
// A new operation is a name in TunedOperation, its line in kTunedNames and in the defaults (tuning.cc), and a maker of
// products in lib/cli/tune.ts.
//
// Source: Hong et al., FlashDecoding++ (2023), section 5: inflection points per weight shape, found once, looked up
// then.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gemm/operand.h"

namespace lapidary {

enum class TunedOperation : std::uint8_t {
  f32,             // B straight: no dots
  f32_transposed,  // B transposed
  f32_narrow,      // few columns, A straight and B transposed; a straight B is left where it lies (gemm.cc)
  f64,
  f64_transposed,  // no dots
  f64_narrow,      // no dots
  half,            // the large operand of 16-bit floats
  half_transposed,
  half_narrow,  // no flat
  int8,
  int8_transposed,
  int8_narrow,  // no flat
  packed1,      // packed weights of 1 to 4 bits and ternary ones: dots are lookups, flat is lookups where the codes
  packed2,      // lie beyond the last cache and else bytes, blocked is bytes
  packed3,
  packed4,
  packed_ternary,
  packed1_short,  // groups of fewer than kLongGroup columns, whose sums end so often that they cost more as bytes
  packed2_short,
  packed3_short,
  packed4_short,
};
inline constexpr std::size_t kTunedOperations = 21;
inline constexpr std::size_t kLongGroup = 128;
extern const char* const kTunedNames[kTunedOperations];

// Classes of across and of k: below 512, below 2048, larger. Cells are numbered class of across · 3 + class of k.
inline constexpr std::size_t kTunedSides[] = {512, 2048};
inline constexpr std::size_t kTunedCells = 9;

struct Crossover {
  std::uint16_t dots, flat;
};
// As `dots`: for any number. As `few` otherwise, at most kMostFew.
inline constexpr std::uint16_t kAnyCount = UINT16_MAX, kMostFew = 256;

// The way for this operation and these sizes: Route::dot, Route::flat or Route::blocked.
Route tuned_route(TunedOperation operation, std::size_t few, std::size_t across, std::size_t k);

// Whether the cell of these sizes has another value than its default.
bool is_tuned(TunedOperation operation, std::size_t across, std::size_t k);

// All cells, operation by operation; and other values for all of them, or (nullptr) the defaults again. Not for the
// time while products run: they would take some of both.
void read_tuning(Crossover* cells);
void set_tuning(const Crossover* cells);
// True to the first who asks: one environment of the process loads a user's table, and the others do not load another.
bool claim_tuning();

}  // namespace lapidary
