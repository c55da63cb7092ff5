// The lines of a Matrix Market file below its size line. One line holds one entry; blank lines and lines that start
// with
// '%' hold none. Blocks of the file are parsed in parallel; results do not depend on the number of threads.
//
// Source: Boisvert, Pozo & Remington, The Matrix Market Exchange Formats: Initial Design (NISTIR 5935, 1996).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class MarketField : uint8_t { real, integer, pattern };

// What is wrong with a line; lib/io/matrix-market.ts has the words for each.
enum class MarketFault : uint8_t { none, row, column, value, surplus, diagonal };

struct MarketProblem {
  MarketFault fault = MarketFault::none;
  size_t offset = 0;  // of the first faulty line in the text
};

using MarketText = std::span<const uint8_t>;

// The number of lines that hold an entry.
Status market_count(MarketText text, size_t* entries, const Context& context);

struct MarketShape {
  size_t rows, cols;  // bounds of the indices
  MarketField field;
  bool skew;  // an entry on the diagonal is a fault
};

// row[k], col[k] (from 0) and value[k] (1 for a pattern) of the k-th entry; the spans' length must be market_count.
Status market_coordinates(MarketText text, const MarketShape& shape, std::span<uint32_t> row, std::span<uint32_t> col,
                          std::span<double> value, MarketProblem* problem, const Context& context);

// The k-th value of an array file.
Status market_array(MarketText text, MarketField field, std::span<double> value, MarketProblem* problem,
                    const Context& context);

// Adds the mirror image of each of the first `entries` entries that is not on the diagonal, its value times `sign`.
// The spans hold 2·entries; gives the number then used.
size_t market_mirror(size_t entries, double sign, std::span<uint32_t> row, std::span<uint32_t> col,
                     std::span<double> value);

// The row-major n × n matrix whose lower triangle `packed` holds by columns: with the diagonal and value(j,i) =
// value(i,j), or (skew) without it, a zero diagonal and value(j,i) = −value(i,j).
void market_unpack(std::span<const double> packed, size_t n, bool skew, std::span<double> out);

}  // namespace lapidary
