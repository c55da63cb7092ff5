#include "recurrence/selective_scan.h"

#include <algorithm>

#include "core/checked.h"
#include "recurrence/scan_kernels.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

// Channels of a part: two vectors, so that 16 states of a and h fill an eighth of the first-level cache.
constexpr size_t kChannels = 32;
// Exponentials between two looks at the cancel flag, and from which on a second thread is worth waking.
constexpr size_t kChunk = size_t{1} << 18, kParallelWork = size_t{1} << 15;

}  // namespace

Status selective_scan(const SelectiveScanArguments& arguments, const Sequences& sequences, const Context& context) {
  const auto& [x, delta, a, b, c, skip, before, y, after, states] = arguments;
  const size_t channels = sequences.channels;
  if (channels == 0) return Status::ok;
  const auto scan = kSelective.pick().scan;
  const size_t chunk = std::max<size_t>(1, kChunk / (kChannels * std::max<size_t>(states, 1)));
  size_t tokens = 0;
  for (const uint32_t length : sequences.lengths) tokens += length;
  const bool parallel = tokens >= ceil_div(ceil_div(kParallelWork, channels), std::max<size_t>(states, 1));
  const auto part = [&](size_t sequence, size_t token, size_t length, size_t block) {
    const size_t channel = block * kChannels, n = std::min(kChannels, channels - channel);
    ArenaFrame scratch;
    const auto count = checked_mul(states, n);
    float* turned_a = count ? scratch.take<float>(*count) : nullptr;
    float* h = count ? scratch.take<float>(*count) : nullptr;
    if (turned_a == nullptr || h == nullptr) return Status::out_of_memory;
    // Channels become lanes: a and h are turned, so that a state of neighbouring channels is one vector.
    const size_t base = (sequence * channels + channel) * states;
    for (size_t j = 0; j < n; j++)
      for (size_t s = 0; s < states; s++) {
        turned_a[s * n + j] = a[(channel + j) * states + s];
        h[s * n + j] = before ? before[base + j * states + s] : 0;
      }
    const auto step = static_cast<std::ptrdiff_t>(channels);
    for (size_t done = 0; done < length; done += chunk) {
      if (context.cancelled()) return Status::aborted;
      const size_t row = token + (sequences.reverse ? length - 1 - done : done);
      const size_t at = row * channels + channel;
      scan({x + at, delta + at, turned_a, b + row * states, c + row * states, skip ? skip + channel : nullptr, h,
            y + at, sequences.reverse ? -step : step, std::min(chunk, length - done), states, n});
    }
    for (size_t j = 0; j < n; j++)
      for (size_t s = 0; s < states; s++) after[base + j * states + s] = h[s * n + j];
    return Status::ok;
  };
  return each_sequence(sequences.lengths, ceil_div(channels, kChannels), parallel, part);
}

}  // namespace lapidary
