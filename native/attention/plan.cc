#include "attention/plan.h"

#include <algorithm>
#include <cmath>

namespace lapidary {

AttentionTiles plan_attention_tiles(double words, std::size_t d, std::size_t n) {
  const double depth = static_cast<double>(d), tokens = static_cast<double>(n);
  // Tiles are never larger than the problem.
  const auto tile = [&](double size) { return std::clamp(size, 1.0, tokens); };
  const double matrix = tokens * depth;
  double rows, cols, io;
  if (words >= depth * depth) {
    cols = tile(std::ceil(words / (4 * depth)));
    rows = std::min(cols, tile(depth));
    io = 2 * matrix + 3 * matrix * std::ceil(tokens / cols);
  } else {
    rows = cols = tile(std::floor(std::sqrt(words) / 2));
    // A tile reads its queries, keys and values and its part of the result, and writes that.
    io = std::ceil(tokens / rows) * std::ceil(tokens / cols) * depth * (3 * rows + 2 * cols);
  }
  const double bound = matrix * tokens * std::min(depth / words, 1 / std::sqrt(words));
  // Inputs are read and the result is written in any case.
  return {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), io, std::max(bound, 4 * matrix)};
}

}  // namespace lapidary
