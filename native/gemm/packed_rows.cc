#include "gemm/packed_rows.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "gemm/packed_shares.h"

namespace lapidary {
namespace {

constexpr size_t kTableBytes = size_t{2} << 20;     // of a thread
constexpr size_t kTogetherBytes = size_t{1} << 18;  // of those that pass over a part together
constexpr size_t kMostTogether = 32;                // tokens
constexpr size_t kPartBytes = size_t{1} << 17, kPartTiles = 64;
// The same where all tokens pass together, so that nothing is read twice: at the beginning of a part nobody has asked
// for its codes yet. But a part in this many.
constexpr size_t kOnceBytes = size_t{1} << 22, kOnceParts = 32;
// Parts of a product whose codes would else be one part, or two of unlike sizes: for a few threads to share evenly.
constexpr size_t kFewestParts = 8;
// Bytes of codes, counted for each token, or of tables from which a second thread saves more than it costs to wake. To
// end the sums of a tile takes as long as so many.
constexpr double kParallelBytes = 3 << 15;
constexpr size_t kSumBytes = 200;
// Tokens from which a thread reads codes of its own tokens as fast from the last cache as from its own.
constexpr size_t kSplitTokens = 4;
// Bytes of codes that take as long to read from the last cache, for fewer tokens, as a byte of tables to make.
constexpr double kCodesOfTable = 20;

// Whether threads share out tokens, not rows: then no table is made twice, but all of them read all codes. That costs
// nothing where the second-level cache of each holds them beside its tables; where the last one does, with tokens
// enough; and less than to make the other tables, where a few tiles share very long ones.
bool shares_tokens(const LookupProduct& p, size_t each, double code_bytes) {
  if (code_bytes <= static_cast<double>(cache_sizes().l2 / 2)) return true;
  if (code_bytes > static_cast<double>(cache_sizes().l3 / 4)) return false;
  const double others = static_cast<double>(p.tokens - each) * static_cast<double>(p.table_bytes);
  return each >= kSplitTokens || code_bytes <= kCodesOfTable * others;
}

}  // namespace

Status packed_product(const LookupProduct& p, const Head<float>& head, float* y, const Context& context) {
  const size_t rows = p.rows, tiles = ceil_div(rows, kPackedRows), width = std::max<size_t>(p.table_bytes, 1);
  if (p.tokens == 0 || tiles == 0) return Status::ok;
  const size_t tile_bytes = std::max<size_t>(p.tile_bytes, 1);
  const double passes = static_cast<double>(p.tokens),
               codes = static_cast<double>(tiles) * static_cast<double>(p.tile_bytes);
  const double ends = static_cast<double>(tiles) * static_cast<double>(p.sums) * kSumBytes;
  const bool parallel = passes * std::max(codes + ends, static_cast<double>(width)) >= kParallelBytes;
  const size_t threads = parallel ? thread_count() : 1;
  size_t group = std::min(p.tokens, std::max<size_t>(kTableBytes / width, 2));
  if (shares_tokens(p, p.tokens / threads, codes)) group = std::clamp<size_t>(p.tokens / threads, 1, group);
  const size_t few_tokens = std::min(group, std::clamp<size_t>(kTogetherBytes / width / 2 * 2, 2, kMostTogether));
  const size_t most = std::min(kPartTiles, ceil_div(tiles, kFewestParts));
  const size_t fit = std::clamp<size_t>(kPartBytes / tile_bytes, 1, most);
  const size_t once = p.tokens <= few_tokens ? std::min({kOnceBytes / tile_bytes, tiles / kOnceParts, most}) : 0;
  const size_t each = ceil_div(std::max(fit, once), p.together) * p.together;
  const auto length = checked_mul(group, width), numbers = checked_mul(group, p.numbers);
  if (!length || !numbers) return Status::out_of_memory;
  const Shares shares{p.tokens, group, ceil_div(tiles, each), threads};
  const Status status = shares.run(context, [&](auto take) {
    ArenaFrame scratch;
    const TokenTables all{scratch.take<uint8_t>(*length), scratch.take<int32_t>(*numbers)};
    if (all.bytes == nullptr || all.numbers == nullptr) return Status::out_of_memory;
    const auto of = [&](size_t t) { return TokenTables{all.bytes + t * width, all.numbers + t * p.numbers}; };
    float out[kMostTogether * kMostTiles * kPackedRows];
    return take([&](size_t first, size_t count, size_t part, bool begins) {
      for (size_t t = 0; begins && t < count; t++) p.make(first + t, of(t));
      const size_t begin = part * each, end = std::min(begin + each, tiles);
      for (size_t t = 0; t < count; t += few_tokens) {
        if (context.cancelled()) return Status::aborted;
        const size_t few = std::min(few_tokens, count - t);
        for (size_t tile = begin; tile < end; tile += p.together) {
          const size_t several = std::min(p.together, end - tile);
          p.run(tile, several, few, of(t), out);
          const size_t row = tile * kPackedRows, height = std::min(several * kPackedRows, rows - row);
          for (size_t n = 0; n < few; n++) {
            const float scale = p.scale(first + t + n, of(t + n));
            float* to = y + (first + t + n) * rows + row;
            for (size_t r = 0; r < height; r++) to[r] = scale * out[n * several * kPackedRows + r];
          }
        }
        const size_t row = begin * kPackedRows, height = std::min(end * kPackedRows, rows) - row;
        head.epilogue.apply(y + (first + t) * rows + row, rows, few, height, row);
      }
      return Status::ok;
    });
  });
  if (status != Status::ok) return status;
  return normalised(Status::ok, p.tokens, rows, head, y, context);
}

}  // namespace lapidary
