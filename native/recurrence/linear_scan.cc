#include "recurrence/linear_scan.h"

#include <algorithm>

#include "core/checked.h"
#include "recurrence/scan_kernels.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

using std::ptrdiff_t;

// Elements between two looks at the cancel flag: some 100 µs of memory traffic.
constexpr size_t kChunk = size_t{1} << 17;
// From here on a second thread saves more than it costs to wake.
constexpr size_t kParallelElements = size_t{1} << 16;
// Channels of a part: 4 KiB of each row, so that memory is read in runs of a page. Blocks of 1 KiB of rows of 4 KiB
// took twice as long on Zen 4, for one thread and for two.
template <class T>
constexpr size_t kBlock = 4096 / sizeof(T);

size_t total(std::span<const uint32_t> lengths) {
  size_t tokens = 0;
  for (const uint32_t length : lengths) tokens += length;
  return tokens;
}

// Calls body(rows, offset, length): `rows` steps from the one whose row lies `offset` values into the arrays.
template <class Body>
Status in_chunks(size_t rows, size_t n, ptrdiff_t step, const Context& context, Body&& body) {
  const size_t chunk = std::max<size_t>(1, kChunk / n);
  for (size_t row = 0; row < rows; row += chunk) {
    if (context.cancelled()) return Status::aborted;
    body(static_cast<ptrdiff_t>(row) * step, std::min(chunk, rows - row));
  }
  return Status::ok;
}

}  // namespace

template <class T>
Status linear_scan(const T* a, const T* b, const T* before, T* out, T* after, const Sequences& sequences,
                   const Context& context) {
  const size_t channels = sequences.channels, block = kBlock<T>;
  if (channels == 0) return Status::ok;
  ArenaFrame scratch;
  T* zeros = scratch.take<T>(block);
  if (zeros == nullptr) return Status::out_of_memory;
  std::fill_n(zeros, block, T{0});

  const auto scan = kScan<T>.pick().forward;
  const ptrdiff_t step = sequences.reverse ? -static_cast<ptrdiff_t>(channels) : static_cast<ptrdiff_t>(channels);
  const bool parallel = total(sequences.lengths) >= ceil_div(kParallelElements, channels);
  const auto part = [&](size_t sequence, size_t token, size_t tokens, size_t b_index) {
    const size_t channel = b_index * block, n = std::min(block, channels - channel);
    const size_t at = sequence * channels + channel;
    const T* last = before ? before + at : zeros;
    // The first step of the recurrence: the first token, or the last one in reverse.
    const size_t start = (token + (sequences.reverse && tokens > 0 ? tokens - 1 : 0)) * channels + channel;
    const Status status = in_chunks(tokens, n, step, context, [&](ptrdiff_t offset, size_t rows) {
      scan(a + start + offset, b + start + offset, last, out + start + offset, step, rows, n);
      last = out + start + offset + static_cast<ptrdiff_t>(rows - 1) * step;
    });
    if (status == Status::ok && last != after + at) std::copy_n(last, n, after + at);
    return status;
  };
  return each_sequence(sequences.lengths, ceil_div(channels, block), parallel, part);
}

template <class T>
Status linear_scan_backward(const T* dout, const T* a, const T* h, const T* before, const T* dafter, T* da, T* db,
                            T* dbefore, const Sequences& sequences, const Context& context) {
  const size_t channels = sequences.channels, block = kBlock<T>;
  if (channels == 0) return Status::ok;
  ArenaFrame scratch;
  T* zeros = scratch.take<T>(block);
  if (zeros == nullptr) return Status::out_of_memory;
  std::fill_n(zeros, block, T{0});

  const auto scan = kScan<T>.pick().backward;
  // Against the recurrence: from the last token on, or in reverse from the first.
  const ptrdiff_t step = sequences.reverse ? static_cast<ptrdiff_t>(channels) : -static_cast<ptrdiff_t>(channels);
  const bool parallel = total(sequences.lengths) >= ceil_div(kParallelElements, channels);
  const auto part = [&](size_t sequence, size_t token, size_t tokens, size_t b_index) {
    const size_t channel = b_index * block, n = std::min(block, channels - channel);
    const size_t at = sequence * channels + channel;
    T* carry = dbefore + at;
    if (dafter == nullptr)
      std::fill_n(carry, n, T{0});
    else if (dafter != dbefore)
      std::copy_n(dafter + at, n, carry);
    if (tokens == 0) return Status::ok;
    const size_t start = (token + (sequences.reverse ? 0 : tokens - 1)) * channels + channel;
    const auto run = [&](ptrdiff_t offset, size_t rows, const T* previous) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(start) + offset;
      scan(dout + row, a + row, previous, carry, da + row, db + row, step, rows, n);
    };
    const Status status = in_chunks(tokens - 1, n, step, context, [&](ptrdiff_t offset, size_t rows) {
      run(offset, rows, h + static_cast<ptrdiff_t>(start) + offset + step);
    });
    if (status == Status::ok) run(static_cast<ptrdiff_t>(tokens - 1) * step, 1, before ? before + at : zeros);
    return status;
  };
  return each_sequence(sequences.lengths, ceil_div(channels, block), parallel, part);
}

template Status linear_scan(const float*, const float*, const float*, float*, float*, const Sequences&, const Context&);
template Status linear_scan(const double*, const double*, const double*, double*, double*, const Sequences&,
                            const Context&);
template Status linear_scan_backward(const float*, const float*, const float*, const float*, const float*, float*,
                                     float*, float*, const Sequences&, const Context&);
template Status linear_scan_backward(const double*, const double*, const double*, const double*, const double*, double*,
                                     double*, double*, const Sequences&, const Context&);

}  // namespace lapidary
