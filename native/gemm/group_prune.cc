#include "gemm/group_prune.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <type_traits>

#include "core/arena.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

// Weights in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 16, kParallelValues = size_t{1} << 18;

// body(n) with n a constant where it is the usual size of a group.
template <class Body>
void with_size(size_t n, Body&& body) {
  if (n == 16)
    body(std::integral_constant<size_t, 16>{});
  else
    body(n);
}

// Of kSide groups at a time: the additions of one wait for each other.
template <size_t kSide, bool kWeighted>
void saliencies(const float* w, const float* importance, size_t size, double* out) {
  with_size(size, [&](auto n) {
    double sum[kSide] = {};
    for (size_t k = 0; k < n; k++)
      for (size_t s = 0; s < kSide; s++) {
        const double x = static_cast<double>(w[s * n + k]);
        const double square = x * x;
        sum[s] += kWeighted ? static_cast<double>(importance[s * n + k]) * square : square;
      }
    // NaN; and what is negative, as importance in shared memory may have become, is no place among the buckets.
    for (size_t s = 0; s < kSide; s++) out[s] = sum[s] >= 0 ? sum[s] : std::numeric_limits<double>::infinity();
  });
}

template <bool kWeighted>
void row_saliencies(const float* w, const float* importance, const GroupPruneShape& shape, double* out) {
  const size_t size = shape.size, whole = shape.cols / size;
  const auto of = [&](size_t g) { return kWeighted ? importance + g * size : nullptr; };
  size_t g = 0;
  for (; g + 4 <= whole; g += 4) saliencies<4, kWeighted>(w + g * size, of(g), size, out + g);
  for (; g < whole; g++) saliencies<1, kWeighted>(w + g * size, of(g), size, out + g);
  if (g < shape.groups()) saliencies<1, kWeighted>(w + g * size, of(g), shape.cols - g * size, out + g);
}

// The `rank`-th largest, from 0, of numbers that are not negative: their bits ascend as they do.
Status select(const double* values, size_t count, size_t rank, double& chosen) {
  constexpr size_t kBuckets = size_t{1} << 15;
  ArenaFrame scratch;
  uint32_t* counts = scratch.take<uint32_t>(kBuckets);
  if (counts == nullptr) return Status::out_of_memory;
  std::fill_n(counts, kBuckets, uint32_t{0});
  const auto bucket_of = [](double x) { return static_cast<size_t>(std::bit_cast<uint64_t>(x) >> 48); };
  for (size_t i = 0; i < count; i++) counts[bucket_of(values[i])]++;
  size_t bucket = kBuckets;
  while (rank >= counts[--bucket]) rank -= counts[bucket];
  double* among = scratch.take<double>(counts[bucket]);
  if (among == nullptr) return Status::out_of_memory;
  double* end = among;
  for (size_t i = 0; i < count; i++)
    if (bucket_of(values[i]) == bucket) *end++ = values[i];
  std::nth_element(among, among + rank, end, std::greater<>());
  chosen = among[rank];
  return Status::ok;
}

// Half up. A float times 1 / scale in f64 is their quotient up to 2^−44, and quotients of floats that are no halves are
// 2^−26 from one: at 2^20, where numbers are 2^−32 apart, halves are halves again and the others keep their side.
int rounded(double quotient) {
  constexpr int kRaised = 1 << 20;
  return static_cast<int>(quotient + (kRaised + 0.5)) - kRaised;
}

bool has_codes(float scale) { return scale > 0 && scale <= std::numeric_limits<float>::max(); }

template <class Code>
void round_all(const float* __restrict w, size_t n, double by, int zero, int least, int most, Code* __restrict to) {
  for (size_t k = 0; k < n; k++)
    to[k] = static_cast<Code>(std::clamp(rounded(static_cast<double>(w[k]) * by) + zero, least, most));
}

float round_to_bytes(const float* w, size_t n, int8_t* to) {
  int32_t most = 0;  // of the bits of magnitudes: NaN is the largest
  for (size_t k = 0; k < n; k++) most = std::max(most, std::bit_cast<int32_t>(w[k]) & 0x7fffffff);
  const float scale = std::bit_cast<float>(most) / 127;
  // Among denormals the scale is coarse: the quotient may leave the codes.
  if (has_codes(scale))
    round_all(w, n, 1 / static_cast<double>(scale), 0, -127, 127, to);
  else
    std::fill_n(to, n, int8_t{0});
  return scale;
}

// One code a byte.
float round_to_nibbles(const float* w, size_t n, uint8_t& zero, uint8_t* to) {
  // Whole numbers that ascend as floats do, between NaNs.
  const auto ordered = [](int32_t bits) { return bits ^ (bits >> 31 & 0x7fffffff); };
  int32_t least = 0, most = 0;
  for (size_t k = 0; k < n; k++) {
    const int32_t x = ordered(std::bit_cast<int32_t>(w[k]));
    least = std::min(least, x);
    most = std::max(most, x);
  }
  const double low = static_cast<double>(std::bit_cast<float>(ordered(least)));
  const float scale = static_cast<float>(static_cast<double>(std::bit_cast<float>(most)) / 15 - low / 15);
  const double by = 1 / static_cast<double>(scale);
  zero = has_codes(scale) ? static_cast<uint8_t>(std::min(15, rounded(-low * by))) : 0;
  if (has_codes(scale))
    round_all(w, n, by, zero, 0, 15, to);
  else
    std::fill_n(to, n, uint8_t{0});
  return scale;
}

// Writes group `slot`, `count` values of w. codes: room for a group.
void store(const float* w, size_t count, size_t size, const KeptGroups& out, size_t slot, uint8_t* codes) {
  if (out.values != nullptr) {
    float* to = out.values + slot * size;
    with_size(count, [&](auto n) { std::copy_n(w, +n, to); });
    for (size_t k = count; k < size; k++) to[k] = 0;
  } else if (out.codes != nullptr) {
    int8_t* to = out.codes + slot * size;
    out.scales[slot] = round_to_bytes(w, count, to);
    for (size_t k = count; k < size; k++) to[k] = 0;
  } else {
    uint8_t* to = out.nibbles + slot * ceil_div(size, 2);
    out.scales[slot] = round_to_nibbles(w, count, out.zeros[slot], codes);
    // The codes past the last column are those of zero.
    for (size_t k = count; k < size; k++) codes[k] = out.zeros[slot];
    with_size(size, [&](auto n) {
      for (size_t k = 0; k < n / 2; k++) to[k] = static_cast<uint8_t>(codes[2 * k] | codes[2 * k + 1] << 4);
    });
    if (size % 2 != 0) to[size / 2] = codes[size - 1];
  }
}

struct Tally {
  size_t above, equal;
};

}  // namespace

Status group_prune(const float* w, const float* importance, const GroupPruneShape& shape, const KeptGroups& out,
                   const Context& context) {
  const size_t rows = shape.rows, cols = shape.cols, per_row = shape.groups(), total = rows * per_row;
  out.indptr[0] = 0;
  if (out.count == 0) {
    std::fill_n(out.indptr, rows + 1, uint32_t{0});
    return Status::ok;
  }
  // In huge pages, which cost fewer faults.
  if (out.values != nullptr) expect_full_write(out.values, out.count * shape.size * sizeof(float));
  if (out.codes != nullptr) expect_full_write(out.codes, out.count * shape.size);
  const size_t each = std::max<size_t>(1, kPartValues / cols), parts = ceil_div(rows, each);
  const bool parallel = rows >= ceil_div(kParallelValues, cols);
  ArenaFrame shared;
  double* saliency = shared.take<double>(total);
  Tally* tallies = shared.take<Tally>(parts);
  if (saliency == nullptr || tallies == nullptr) return Status::out_of_memory;
  const auto by_rows = [&](auto&& body) {
    return each_part(parts, parallel, context,
                     [&](size_t part) { return body(part, part * each, std::min((part + 1) * each, rows)); });
  };

  Status status = by_rows([&](size_t, size_t first, size_t end) {
    for (size_t i = first; i < end; i++)
      (importance != nullptr ? row_saliencies<true> : row_saliencies<false>)(w + i * cols, importance, shape,
                                                                             saliency + i * per_row);
    return Status::ok;
  });
  double threshold = 0;
  if (status == Status::ok) status = select(saliency, total, out.count - 1, threshold);
  if (status == Status::ok)
    status = by_rows([&](size_t part, size_t first, size_t end) {
      size_t above = 0, equal = 0;
      for (size_t g = first * per_row; g < end * per_row; g++) {
        above += saliency[g] > threshold;
        equal += saliency[g] == threshold;
      }
      tallies[part] = {above, equal};
      return Status::ok;
    });
  if (status != Status::ok) return status;
  // What the parts before have kept, and how many equal ones are left to keep.
  size_t left = out.count, before = 0;
  for (size_t part = 0; part < parts; part++) left -= tallies[part].above;
  for (size_t part = 0; part < parts; part++) {
    const size_t taken = std::min(left, tallies[part].equal), kept = tallies[part].above + taken;
    tallies[part] = {before, left};
    before += kept;
    left -= taken;
  }

  return by_rows([&](size_t part, size_t first, size_t end) {
    ArenaFrame scratch;
    uint8_t* codes = out.nibbles != nullptr ? scratch.take<uint8_t>(shape.size) : nullptr;
    if (out.nibbles != nullptr && codes == nullptr) return Status::out_of_memory;
    size_t slot = tallies[part].above, equal = tallies[part].equal;
    for (size_t i = first; i < end; i++) {
      const double* of = saliency + i * per_row;
      // Bits of 64 groups: a branch on each would often be foreseen wrongly.
      for (size_t base = 0; base < per_row; base += 64) {
        uint64_t kept = 0, same = 0;
        for (size_t b = 0; b < std::min<size_t>(64, per_row - base); b++) {
          kept |= uint64_t{of[base + b] > threshold} << b;
          same |= uint64_t{of[base + b] == threshold} << b;
        }
        for (; same != 0 && equal > 0; same &= same - 1, equal--) kept |= same & -same;
        for (; kept != 0; kept &= kept - 1, slot++) {
          const size_t g = base + static_cast<size_t>(std::countr_zero(kept)), j = g * shape.size;
          out.index[slot] = static_cast<uint32_t>(g);
          store(w + i * cols + j, std::min(shape.size, cols - j), shape.size, out, slot, codes);
        }
      }
      out.indptr[i + 1] = static_cast<uint32_t>(slot);
    }
    return Status::ok;
  });
}

}  // namespace lapidary
