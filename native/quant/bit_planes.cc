#include "quant/bit_planes.h"

#include <algorithm>
#include <atomic>

#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kPartCodes = 1 << 18;  // codes of the rows that one thread takes

struct Range {
  int lo, hi;  // values; odd ones only for bipolar
};

Range range_of(int bits, BitEncoding encoding, bool codes) {
  const int all = (1 << bits) - 1;
  if (codes || encoding == BitEncoding::unsigned_) return {0, all};
  if (encoding == BitEncoding::twos) return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
  return {-all, all};
}

// The code of `value`; `wrong` collects a non-zero bit if there is none. Branch-free, so that it runs in vectors.
template <class T>
uint8_t code_of(T value, bool bipolar, int mask, Range range, int& wrong) {
  const int v = value;
  wrong |= (v < range.lo) | (v > range.hi);
  if (!bipolar) return static_cast<uint8_t>(v & mask);
  wrong |= ~v & 1;
  return static_cast<uint8_t>((v + mask) >> 1);
}

}  // namespace

template <class T>
Status pack_planes(const T* values, size_t rows, size_t cols, int bits, BitEncoding encoding, uint64_t* planes,
                   bool& in_range, const Context& context) {
  const SplitWord split = kSplitWord.pick();
  const bool codes_given = sizeof(T) == 1 && T(-1) > T(0);
  const bool bipolar = encoding == BitEncoding::bipolar && !codes_given;
  const Range range = range_of(bits, encoding, codes_given);
  const int mask = (1 << bits) - 1;
  const size_t words = plane_words(cols), stride = rows * words;
  const size_t rows_per_part = std::max<size_t>(1, kPartCodes / std::max<size_t>(1, cols));
  std::atomic<bool> misfit = false;
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    if (context.cancelled()) return;
    int wrong = 0;
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++) {
      for (size_t word = 0; word < words; word++) {
        uint8_t codes[64] = {};
        const size_t begin = std::min(cols, word * 64), n = std::min<size_t>(64, cols - begin);
        const T* row = values + i * cols + begin;
        if (n == 64)
          for (size_t k = 0; k < 64; k++) codes[k] = code_of(row[k], bipolar, mask, range, wrong);
        else
          for (size_t k = 0; k < n; k++) codes[k] = code_of(row[k], bipolar, mask, range, wrong);
        split(codes, bits, planes + i * words + word, stride);
      }
    }
    if (wrong != 0) misfit.store(true, std::memory_order_relaxed);
  });
  in_range = !misfit;
  return context.cancelled() ? Status::aborted : Status::ok;
}

template <class T>
Status unpack_planes(const uint64_t* planes, size_t rows, size_t cols, int bits, BitEncoding encoding, T* values,
                     const Context& context) {
  const JoinWord join = kJoinWord.pick();
  const int all = (1 << bits) - 1, sign = 1 << (bits - 1);
  const size_t words = plane_words(cols), stride = rows * words;
  const size_t rows_per_part = std::max<size_t>(1, kPartCodes / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++) {
      for (size_t begin = 0; begin < cols; begin += 64) {
        uint8_t codes[64];
        join(planes + i * words + begin / 64, stride, bits, codes);
        const size_t n = std::min<size_t>(64, cols - begin);
        T* row = values + i * cols + begin;
        if (encoding == BitEncoding::unsigned_)
          for (size_t k = 0; k < n; k++) row[k] = static_cast<T>(codes[k]);
        else if (encoding == BitEncoding::twos)
          for (size_t k = 0; k < n; k++) row[k] = static_cast<T>((codes[k] ^ sign) - sign);
        else
          for (size_t k = 0; k < n; k++) row[k] = static_cast<T>(2 * codes[k] - all);
      }
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

#define LAPIDARY_PLANES(T)                                                                                      \
  template Status pack_planes<T>(const T*, size_t, size_t, int, BitEncoding, uint64_t*, bool&, const Context&); \
  template Status unpack_planes<T>(const uint64_t*, size_t, size_t, int, BitEncoding, T*, const Context&);
LAPIDARY_PLANES(int8_t)
LAPIDARY_PLANES(uint8_t)
LAPIDARY_PLANES(int16_t)
#undef LAPIDARY_PLANES

}  // namespace lapidary
