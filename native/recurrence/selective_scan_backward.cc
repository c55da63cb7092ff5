#include <algorithm>

#include "core/checked.h"
#include "recurrence/scan_kernels.h"
#include "recurrence/selective_scan.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

constexpr size_t kChannels = 32;  // of a part, as forwards
// States of a chunk of tokens that are computed again: with their decays, a quarter of a 512 KiB second-level cache.
// And the most tokens of one: within it da and dskip are summed in f32, from chunk to chunk in f64.
constexpr size_t kChunk = size_t{1} << 14, kChunkTokens = 256;
constexpr size_t kParallelWork = size_t{1} << 14;  // states from which on a second thread is worth waking

// One block of channels of one sequence. A chunk is computed forwards from the state that was kept before it, then
// gone through backwards.
class Part {
 public:
  Part(const SelectiveScanGradient& gradient, const Sequences& sequences, size_t first, size_t length, size_t channel)
      : g_(gradient),
        sequences_(sequences),
        first_(first),
        length_(length),
        channel_(channel),
        n_(std::min(kChannels, sequences.channels - channel)),
        width_(gradient.states * n_),
        chunk_(std::clamp<size_t>(kChunk / std::max<size_t>(width_, 1), 1, kChunkTokens)) {}

  // `base`: where the states of this part begin in arrays of states; db and dc: tokens × states, of this block alone.
  Status run(size_t base, float* da, float* db, float* dc, float* dskip, const Context& context) {
    if (!allocate()) return Status::out_of_memory;
    turn(g_.a + channel_ * g_.states, a_);
    turn(g_.before ? g_.before + base : nullptr, kept_);
    turn(g_.dafter ? g_.dafter + base : nullptr, carry_);
    std::fill_n(da_total_, width_, 0.0);
    std::fill_n(dskip_total_, n_, 0.0);
    const size_t chunks = ceil_div(length_, chunk_);
    for (size_t k = 0; k + 1 < chunks; k++) {
      if (context.cancelled()) return Status::aborted;
      const SelectiveStates part = chunk(k);
      kernels_.states(part);
      std::copy_n(part.h + (part.rows - 1) * width_, width_, kept_ + (k + 1) * width_);
    }
    for (size_t k = chunks; k-- > 0;) {
      if (context.cancelled()) return Status::aborted;
      const SelectiveStates part = chunk(k);
      kernels_.states(part);
      const size_t row = row_of(k), at = row * sequences_.channels + channel_;
      std::fill_n(da_, width_, 0.0f);
      std::fill_n(dskip, n_, 0.0f);
      kernels_.backward({part, g_.c + row * g_.states, g_.skip ? g_.skip + channel_ : nullptr, g_.dout + at, carry_,
                         g_.dx + at, g_.ddelta + at, da_, db + row * g_.states, dc + row * g_.states, dskip, sums_});
      for (size_t i = 0; i < width_; i++) da_total_[i] += static_cast<double>(da_[i]);
      for (size_t j = 0; j < n_; j++) dskip_total_[j] += static_cast<double>(dskip[j]);
    }
    for (size_t i = 0; i < width_; i++) da_[i] = static_cast<float>(da_total_[i]);
    for (size_t j = 0; j < n_; j++) dskip[j] = static_cast<float>(dskip_total_[j]);
    turn_back(da_, da + base);
    turn_back(carry_, g_.dbefore + base);
    return Status::ok;
  }

 private:
  bool allocate() {
    const auto kept = checked_mul(std::max<size_t>(1, ceil_div(length_, chunk_)), width_);
    if (!kept) return false;
    const auto take = [&](size_t count) { return scratch_.take<float>(count); };
    a_ = take(width_);
    carry_ = take(width_);
    da_ = take(width_);
    sums_ = take(2 * n_);
    da_total_ = scratch_.take<double>(width_);
    dskip_total_ = scratch_.take<double>(n_);
    kept_ = take(*kept);
    h_ = take(std::min(chunk_, length_) * width_);
    decay_ = take(std::min(chunk_, length_) * width_);
    return a_ && carry_ && da_ && sums_ && da_total_ && dskip_total_ && kept_ && h_ && decay_;
  }

  // Channels become lanes: channels × states to states × channels; null gives zeros.
  void turn(const float* from, float* to) const {
    for (size_t j = 0; j < n_; j++)
      for (size_t s = 0; s < g_.states; s++) to[s * n_ + j] = from ? from[j * g_.states + s] : 0;
  }
  void turn_back(const float* from, float* to) const {
    for (size_t j = 0; j < n_; j++)
      for (size_t s = 0; s < g_.states; s++) to[j * g_.states + s] = from[s * n_ + j];
  }

  // The token that the k-th chunk begins with.
  size_t row_of(size_t k) const { return first_ + (sequences_.reverse ? length_ - 1 - k * chunk_ : k * chunk_); }

  SelectiveStates chunk(size_t k) const {
    const size_t row = row_of(k), at = row * sequences_.channels + channel_;
    const auto step = static_cast<std::ptrdiff_t>(sequences_.channels);
    return {g_.x + at,
            g_.delta + at,
            a_,
            g_.b + row * g_.states,
            kept_ + k * width_,
            h_,
            decay_,
            sequences_.reverse ? -step : step,
            std::min(chunk_, length_ - k * chunk_),
            g_.states,
            n_};
  }

  const SelectiveScanGradient& g_;
  const Sequences& sequences_;
  size_t first_, length_, channel_, n_, width_, chunk_;
  SelectiveKernels kernels_ = kSelective.pick();
  ArenaFrame scratch_;
  float *a_ = nullptr, *carry_ = nullptr, *da_ = nullptr, *sums_ = nullptr, *kept_ = nullptr, *h_ = nullptr,
        *decay_ = nullptr;
  double *da_total_ = nullptr, *dskip_total_ = nullptr;
};

// to[i] = Σ_k from[k·size + i], in the order of k and in f64.
void sum_parts(const float* from, size_t parts, size_t size, float* to) {
  constexpr size_t kGrain = size_t{1} << 10;
  parallel_for(ceil_div(size, kGrain), [&](size_t block) {
    const size_t begin = block * kGrain, count = std::min(size - begin, kGrain);
    double sum[kGrain] = {};
    for (size_t k = 0; k < parts; k++)
      for (size_t i = 0; i < count; i++) sum[i] += static_cast<double>(from[k * size + begin + i]);
    for (size_t i = 0; i < count; i++) to[begin + i] = static_cast<float>(sum[i]);
  });
}

}  // namespace

Status selective_scan_backward(const SelectiveScanGradient& gradient, const Sequences& sequences,
                               const Context& context) {
  const size_t channels = sequences.channels, states = gradient.states, count = sequences.lengths.size();
  size_t tokens = 0;
  for (const uint32_t length : sequences.lengths) tokens += length;
  const size_t blocks = ceil_div(channels, kChannels);
  ArenaFrame scratch;
  const auto mixed = checked_mul(checked_mul(tokens, states), blocks);
  const auto matrix = checked_mul(checked_mul(channels, states), count);
  const auto sums = checked_mul(channels, count);
  if (!mixed || !matrix || !sums) return Status::out_of_memory;
  float *db = scratch.take<float>(*mixed), *dc = scratch.take<float>(*mixed);
  float *da = scratch.take<float>(*matrix), *dskip = scratch.take<float>(*sums);
  if (!db || !dc || !da || !dskip) return Status::out_of_memory;
  if (channels > 0) {
    const bool parallel = tokens >= ceil_div(ceil_div(kParallelWork, channels), std::max<size_t>(states, 1));
    const auto part = [&](size_t sequence, size_t token, size_t length, size_t block) {
      const size_t channel = block * kChannels, base = (sequence * channels + channel) * states;
      const size_t own = block * tokens * states;
      Part one(gradient, sequences, token, length, channel);
      return one.run(base, da, db + own, dc + own, dskip + sequence * channels + channel, context);
    };
    const Status status = each_sequence(sequences.lengths, blocks, parallel, part);
    if (status != Status::ok) return status;
  }
  sum_parts(db, blocks, tokens * states, gradient.db);
  sum_parts(dc, blocks, tokens * states, gradient.dc);
  sum_parts(da, count, channels * states, gradient.da);
  sum_parts(dskip, count, channels, gradient.dskip);
  return Status::ok;
}

}  // namespace lapidary
