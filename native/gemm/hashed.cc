#include "gemm/hashed.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/cpu.h"
#include "core/each_part.h"
#include "core/philox.h"
#include "gemm/blocked.h"
#include "gemm/gemm.h"
#include "gemm/plain_rows.h"

namespace lapidary {
namespace {

__extension__ using Wide = unsigned __int128;
constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

// Rows of x up to which the chunks are streamed; more go through packed panels.
constexpr size_t kFlatTokens = 16;
// Weights in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 16, kParallelValues = size_t{1} << 19;
// Values of a panel of ∂W.
constexpr size_t kGradientValues = size_t{1} << 18;

// (R₁ + R₂·i + R₃·j) mod P with constants in [1, P): blocks `first` and on of the seed's stream 0.
struct AffineHash {
  uint64_t constant, row, col;

  AffineHash(uint64_t seed, uint64_t first)
      : constant(draw(seed, first)), row(draw(seed, first + 1)), col(draw(seed, first + 2)) {}

  static uint64_t draw(uint64_t seed, uint64_t index) {
    const PhiloxBlock block = philox_block(seed, 0, index);
    return (uint64_t{block[0]} << 32 | block[1]) % (kPrime - 1) + 1;
  }
  uint64_t of(uint64_t i, uint64_t j) const {
    return reduced(constant + Wide{reduced(Wide{row} * i)} + reduced(Wide{col} * j));
  }
  // Modulo P: 2^61 ≡ 1. A division of 128 bits would cost as much as the products with a tile.
  static uint64_t reduced(Wide x) {
    x = (x & kPrime) + (x >> 61);
    x = (x & kPrime) + (x >> 61);
    const auto sum = static_cast<uint64_t>(x);
    return sum >= kPrime ? sum - kPrime : sum;
  }
  // of(i, j + 1) from of(i, j).
  uint64_t next(uint64_t hash) const {
    const uint64_t sum = hash + col;
    return sum >= kPrime ? sum - kPrime : sum;
  }
};

// Where the tiles of one row of tiles stand in the array.
class Tiles {
 public:
  explicit Tiles(const HashedView& w)
      : place_(w.seed, 0),
        sign_(w.seed, 3),
        cyclic_(w.mapper == HashMapper::cyclic),
        unit_(cyclic_ ? kHashRows * w.chunk : kHashRows),
        places_(cyclic_ ? w.length / unit_ : (w.length - kHashRows * w.chunk) / kHashRows + 1),
        per_row_(ceil_div(w.cols, w.chunk)) {}

  size_t per_row() const { return per_row_; }

  // start[j] and sign[j] of tiles [first, first + count) of row i.
  [[gnu::noinline]] void locate(size_t i, size_t first, size_t count, size_t* start, float* sign) const {
    uint64_t hash = place_.of(i, first), other = sign_.of(i, first);
    // Of cyclic tiles one stands after another, from where each turn round the array begins.
    const size_t tile = i * per_row_ + first;
    size_t turn = tile / places_, left = places_ - tile % places_;
    size_t at = cyclic_ ? (within(place_.of(turn, 0)) + tile % places_) % places_ : 0;
    for (size_t j = 0; j < count; j++) {
      sign[j] = other >> 60 ? -1.0f : 1.0f;
      other = sign_.next(other);
      if (!cyclic_) {
        start[j] = unit_ * within(hash);
        hash = place_.next(hash);
        continue;
      }
      start[j] = unit_ * at;
      if (++at == places_) at = 0;
      if (--left > 0) continue;
      left = places_;
      at = within(place_.of(++turn, 0));
    }
  }

 private:
  size_t within(uint64_t hash) const { return static_cast<size_t>(Wide{hash} * places_ >> 61); }

  AffineHash place_, sign_;
  bool cyclic_;
  size_t unit_, places_, per_row_;
};

bool parallel(const HashedView& w, size_t tokens) {
  return static_cast<double>(w.rows) * static_cast<double>(w.cols) * static_cast<double>(tokens) >=
         static_cast<double>(kParallelValues);
}

// body(i, start, sign) for each row of tiles, in parts of about kPartValues weights.
template <class Body>
Status each_tile_row(const HashedView& w, const Tiles& tiles, bool in_threads, const Context& context, Body&& body) {
  const size_t rows = ceil_div(w.rows, kHashRows);
  const size_t each = std::max<size_t>(1, kPartValues / kHashRows / std::max<size_t>(1, w.cols));
  return each_part(ceil_div(rows, each), in_threads, context, [&](size_t part) {
    ArenaFrame scratch;
    size_t* start = scratch.take<size_t>(tiles.per_row());
    float* sign = scratch.take<float>(tiles.per_row());
    if (start == nullptr || sign == nullptr) return Status::out_of_memory;
    for (size_t i = part * each; i < std::min((part + 1) * each, rows); i++) {
      if (context.cancelled()) return Status::aborted;
      tiles.locate(i, 0, tiles.per_row(), start, sign);
      const Status status = body(i, start, sign);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  });
}

Status few_tokens(const float* x, size_t tokens, const HashedView& w, const Tiles& tiles, float* y,
                  const Context& context) {
  const auto kernel = kHashed.pick();
  return each_tile_row(w, tiles, parallel(w, tokens), context, [&](size_t i, const size_t* start, const float* sign) {
    ArenaFrame scratch;
    const float** chunks = scratch.take<const float*>(tiles.per_row());
    if (chunks == nullptr) return Status::out_of_memory;
    for (size_t j = 0; j < tiles.per_row(); j++) chunks[j] = w.array + start[j];
    float sums[kHashTokens * kHashRows];
    HashedPanel panel;
    panel.stride = panel.cols = w.cols;
    panel.chunk = w.chunk;
    panel.start = chunks;
    panel.sign = sign;
    panel.y = sums;
    const size_t first = i * kHashRows, rows = std::min(kHashRows, w.rows - first);
    for (size_t t = 0; t < tokens; t += kHashTokens) {
      panel.x = x + t * w.cols;
      panel.tokens = std::min(kHashTokens, tokens - t);
      kernel(panel);
      for (size_t s = 0; s < panel.tokens; s++)
        for (size_t r = 0; r < rows; r++) y[(t + s) * w.rows + first + r] = w.scale * sums[s * kHashRows + r];
    }
    return Status::ok;
  });
}

// Hashed weights as the source B of blocked.h: column j of B is row j of W.
struct HashedColumns {
  const HashedView& w;
  const Tiles& tiles;

  // Runs of rows within one tile and one panel: panels start at multiples of nr, tiles at multiples of 16.
  void pack(size_t j, size_t cols, size_t p, size_t depth, float* to, size_t nr) const {
    for (size_t i = j; i < j + ceil_div(cols, nr) * nr;) {
      const size_t r = i % kHashRows, run = std::min(kHashRows - r, nr - (i - j) % nr);
      const size_t live = i < j + cols ? std::min(run, j + cols - i) : 0;
      float* panel = to + (i - j) / nr * nr * depth + (i - j) % nr;
      for (size_t k = 0; k < depth;) {
        const size_t tile = (p + k) / w.chunk, within = (p + k) % w.chunk;
        const size_t end = std::min(depth, k + w.chunk - within);
        size_t start;
        float sign;
        tiles.locate(i / kHashRows, tile, 1, &start, &sign);
        const float* from = w.array + start + kHashRows * within + r;
        for (; k < end; k++, from += kHashRows) {
          for (size_t l = 0; l < live; l++) panel[k * nr + l] = sign * from[l];
          for (size_t l = live; l < run; l++) panel[k * nr + l] = 0;
        }
      }
      i += run;
    }
  }
};

// body(a, i, j, sign) for every weight (i, j) and the element a of the array that it reads, tile by tile.
template <class Body>
Status each_weight(const HashedView& w, bool in_threads, const Context& context, Body&& body) {
  const Tiles tiles(w);
  return each_tile_row(w, tiles, in_threads, context, [&](size_t i, const size_t* start, const float* sign) {
    const size_t first = i * kHashRows, rows = std::min(kHashRows, w.rows - first);
    for (size_t j = 0; j < w.cols; j++) {
      const size_t tile = j / w.chunk, at = start[tile] + kHashRows * (j % w.chunk);
      for (size_t r = 0; r < rows; r++) body(at + r, first + r, j, sign[tile]);
    }
    return Status::ok;
  });
}

Status divide_by_uses(const HashedView& w, float* gradient, const Context& context) {
  ArenaFrame scratch;
  uint32_t* uses = scratch.take<uint32_t>(w.length);
  if (uses == nullptr) return Status::out_of_memory;
  std::fill(uses, uses + w.length, 0u);
  const Status status = each_weight(w, false, context, [&](size_t a, size_t, size_t, float) { uses[a]++; });
  for (size_t a = 0; a < w.length; a++)
    if (uses[a] > 1) gradient[a] /= static_cast<float>(uses[a]);
  return status;
}

}  // namespace

Status hashed_linear(const float* x, size_t tokens, const HashedView& w, float* y, const Context& context) {
  if (tokens == 0 || w.rows == 0) return Status::ok;
  if (w.cols == 0) {
    std::fill(y, y + tokens * w.rows, 0.0f);
    return Status::ok;
  }
  const Tiles tiles(w);
  if (tokens <= kFlatTokens) {
    // Columns of tiles are lines if the array begins with one; else each is read in two.
    const bool off_line = reinterpret_cast<std::uintptr_t>(w.array) % kAlignment != 0;
    const bool often = static_cast<double>(w.rows) * static_cast<double>(w.cols) >= 4 * static_cast<double>(w.length);
    if (tokens < kHashTokens || !off_line || !often || w.length > cache_sizes().l2 / 2 / sizeof(float))
      return few_tokens(x, tokens, w, tiles, y, context);
    ArenaFrame scratch;
    float* copy = scratch.take<float>(w.length);
    if (copy == nullptr) return Status::out_of_memory;
    std::memcpy(copy, w.array, w.length * sizeof(float));
    HashedView aligned = w;
    aligned.array = copy;
    return few_tokens(x, tokens, aligned, tiles, y, context);
  }
  const Target<float> target{tokens, w.rows, w.cols, w.scale, 0, y, w.rows};
  return blocked_product(target, PlainRows{x, w.cols}, HashedColumns{w, tiles}, kGemm<float>.pick(), context);
}

Status hashed_gradient(const float* x, const float* dy, size_t tokens, const HashedView& w, bool mean, float* gradient,
                       const Context& context) {
  std::fill(gradient, gradient + w.length, 0.0f);
  if (tokens == 0 || w.rows == 0 || w.cols == 0) return Status::ok;
  const Tiles tiles(w);
  const size_t most = std::clamp<size_t>(kGradientValues / kHashRows / w.cols, 1, ceil_div(w.rows, kHashRows));
  ArenaFrame scratch;
  const auto length = checked_mul(most * kHashRows, w.cols);
  float* panel = length ? scratch.take<float>(*length) : nullptr;
  size_t* start = scratch.take<size_t>(tiles.per_row());
  float* sign = scratch.take<float>(tiles.per_row());
  if (panel == nullptr || start == nullptr || sign == nullptr) return Status::out_of_memory;
  for (size_t first = 0; first < w.rows; first += most * kHashRows) {
    // ∂Wᵀ of these rows: a column of W is then a row here, as in a chunk.
    const size_t width = std::min(most * kHashRows, w.rows - first);
    const Status status = gemm<float>(w.cols, width, tokens, w.scale, {x, w.cols, true}, {dy + first, w.rows, false}, 0,
                                      panel, width, context);
    if (status != Status::ok) return status;
    for (size_t i = 0; i < width; i += kHashRows) {
      if (context.cancelled()) return Status::aborted;
      tiles.locate((first + i) / kHashRows, 0, tiles.per_row(), start, sign);
      const size_t rows = std::min(kHashRows, width - i);
      for (size_t tile = 0, j = 0; j < w.cols; tile++) {
        float* to = gradient + start[tile];
        for (const size_t end = std::min(j + w.chunk, w.cols); j < end; j++, to += kHashRows)
          for (size_t r = 0; r < rows; r++) to[r] += sign[tile] * panel[j * width + i + r];
      }
    }
  }
  return mean ? divide_by_uses(w, gradient, context) : Status::ok;
}

Status hashed_expand(const HashedView& w, float* out, const Context& context) {
  if (w.rows == 0 || w.cols == 0) return Status::ok;
  return each_weight(w, parallel(w, 1), context, [&](size_t a, size_t i, size_t j, float sign) {
    out[i * w.cols + j] = w.scale * sign * w.array[a];
  });
}

}  // namespace lapidary
