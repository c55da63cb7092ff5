#include "gemm/packed_rows.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

constexpr size_t kTableBytes = size_t{8} << 20;     // of all tables at a time
constexpr size_t kTogetherBytes = size_t{1} << 18;  // of those that pass over a part together
constexpr size_t kMostTogether = 32;                // tokens
constexpr size_t kPartBytes = size_t{1} << 17, kPartTiles = 64;
// The same where all tokens pass together, so that nothing is read twice: at the beginning of a part nobody has asked
// for its codes yet. But a part in this many.
constexpr size_t kOnceBytes = size_t{1} << 22, kOnceParts = 32;
// Parts of a product whose codes would else be one part, or two of unlike sizes: for a few threads to share evenly.
constexpr size_t kFewestParts = 8;
// Bytes of codes, counted for each token, or of tables from which a second thread saves more than it costs to wake.
constexpr double kParallelBytes = 1 << 18;

}  // namespace

Status packed_product(const PackedProduct& p, const Head<float>& head, float* y, const Context& context) {
  const size_t rows = p.rows, tiles = ceil_div(rows, kPackedRows), width = std::max<size_t>(p.table_bytes, 1);
  if (p.tokens == 0 || tiles == 0) return Status::ok;
  const size_t block = std::min(p.tokens, std::max<size_t>(kTableBytes / width, 2));
  const size_t few_tokens = std::min(block, std::clamp<size_t>(kTogetherBytes / width / 2 * 2, 2, kMostTogether));
  const size_t most = std::min(kPartTiles, ceil_div(tiles, kFewestParts));
  const size_t tile_bytes = std::max<size_t>(p.tile_bytes, 1);
  const size_t fit = std::clamp<size_t>(kPartBytes / tile_bytes, 1, most);
  const size_t once = p.tokens <= few_tokens ? std::min({kOnceBytes / tile_bytes, tiles / kOnceParts, most}) : 0;
  const size_t each = ceil_div(std::max(fit, once), p.together) * p.together;
  ArenaFrame scratch;
  const auto length = checked_mul(block, width);
  uint8_t* tables = length ? scratch.take<uint8_t>(*length) : nullptr;
  if (tables == nullptr) return Status::out_of_memory;

  for (size_t first = 0; first < p.tokens; first += block) {
    const size_t count = std::min(block, p.tokens - first);
    const double passes = static_cast<double>(count);
    Status status = each_part(count, passes * static_cast<double>(width) >= kParallelBytes, context, [&](size_t t) {
      p.make(first + t, tables + t * width);
      return Status::ok;
    });
    if (status != Status::ok) return status;
    const bool parallel = passes * static_cast<double>(tiles) * static_cast<double>(p.tile_bytes) >= kParallelBytes;
    status = each_part(ceil_div(tiles, each), parallel, context, [&](size_t part) {
      float out[kMostTogether * kMostTiles * kPackedRows];
      const size_t begin = part * each, end = std::min(begin + each, tiles);
      for (size_t t = 0; t < count; t += few_tokens) {
        if (context.cancelled()) return Status::aborted;
        const size_t few = std::min(few_tokens, count - t);
        for (size_t tile = begin; tile < end; tile += p.together) {
          const size_t several = std::min(p.together, end - tile);
          p.run(tile, several, first + t, few, tables + t * width, out);
          const size_t row = tile * kPackedRows, height = std::min(several * kPackedRows, rows - row);
          for (size_t n = 0; n < few; n++) {
            const float scale = p.scale(first + t + n);
            float* to = y + (first + t + n) * rows + row;
            for (size_t r = 0; r < height; r++) to[r] = scale * out[n * several * kPackedRows + r];
          }
        }
        const size_t row = begin * kPackedRows, height = std::min(end * kPackedRows, rows) - row;
        head.epilogue.apply(y + (first + t) * rows + row, rows, few, height, row);
      }
      return Status::ok;
    });
    if (status != Status::ok) return status;
  }
  return normalised(Status::ok, p.tokens, rows, head, y, context);
}

}  // namespace lapidary
