#include "attention/lightning.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"
#include "gemm/gemm.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

constexpr size_t kPanel = 32;  // columns of a packed panel of Kᵀ, and the side of the squares that D cuts

// Fewer heads than this are cut along time as well: the state at the start of each chunk is found first, which costs
// 2·d·e operations a token more. Constants of the design: the bits of a result depend on them.
constexpr size_t kEnoughScans = 4, kChunk = 2048;
// Below about this many multiplications a second thread costs more to wake than it saves.
constexpr double kParallelWork = 2e6;
constexpr size_t kWave = 256;

// One head of one sequence, forwards or against time. `state` is d × e.
struct Scan {
  const float *q, *k, *v;
  float* out;
  size_t q_stride, k_stride, v_stride, out_stride;
  size_t tokens, d, e;
  double decay;
  bool reversed;
  // How often the state before the first token has decayed when that token reads it: 1 forwards. Against time 0, and
  // then the state that comes out is decayed once more.
  size_t lead;
  float* state;
  bool has_state;
};

float power(double decay, size_t exponent) {
  const auto p = static_cast<float>(std::pow(decay, static_cast<double>(exponent)));
  return p < 0x1p-126f ? 0.0f : p;  // what lies below would only slow the products down
}

// The space in which blocks of scans of one shape are worked on.
class Blocks {
 public:
  Blocks(size_t d, size_t e, size_t block) : block_(block) {
    const auto panels = checked_mul(checked_mul(ceil_div(block, kPanel), kPanel), d);
    const auto keys = checked_mul(block, d), values = checked_mul(block, e), scores = checked_mul(block, block);
    if (!panels || !keys || !values || !scores) return;
    q_ = frame_.take<float>(*keys);
    k_ = frame_.take<float>(*keys);
    packed_ = frame_.take<float>(*panels);
    v_ = frame_.take<float>(*values);
    o_ = frame_.take<float>(*values);
    scores_ = frame_.take<float>(*scores);
    powers_ = frame_.take<float>(block + 1);
  }

  bool ok() const { return q_ && k_ && packed_ && v_ && o_ && scores_ && powers_; }

  // Tokens [first, last) of a scan in its own order; `state` moves from before to after, `empty` says that it is zero
  // and not yet written. Without output only the state moves.
  Status run(const Scan& scan, size_t first, size_t last, float* state, bool empty, bool output,
             const Context& context) {
    for (size_t i = 0; i <= block_; i++) powers_[i] = power(scan.decay, i);
    for (size_t t = first; t < last; t += block_, empty = false) {
      if (context.cancelled()) return Status::aborted;
      const size_t n = std::min(block_, last - t);
      fetch_ahead(scan, t + n, std::min(block_, last - t - n), output);
      gather(scan, scan.k, scan.k_stride, scan.d, t, n, k_);
      gather(scan, scan.v, scan.v_stride, scan.e, t, n, v_);
      Status status = Status::ok;
      if (output) {
        gather(scan, scan.q, scan.q_stride, scan.d, t, n, q_);
        status = attend(scan, n, state, empty, context);
        for (size_t i = 0; i < n; i++)
          std::memcpy(scan.out + row(scan, t + i) * scan.out_stride, o_ + i * scan.e, scan.e * sizeof(float));
      }
      if (status == Status::ok) status = advance(scan, n, state, empty, context);
      if (status != Status::ok) return status;
    }
    if (empty) std::fill_n(state, scan.d * scan.e, 0.0f);
    return Status::ok;
  }

 private:
  static size_t row(const Scan& scan, size_t t) { return scan.reversed ? scan.tokens - 1 - t : t; }

  // Asks for the block that comes next. A head's rows lie far apart, so the processor does not foresee them.
  static void fetch_ahead(const Scan& scan, size_t t, size_t n, bool output) {
    constexpr size_t kLine = 64 / sizeof(float);
    for (size_t i = t; i < t + n; i++) {
      const size_t r = row(scan, i);
      for (size_t c = 0; c < scan.d; c += kLine) {
        __builtin_prefetch(scan.k + r * scan.k_stride + c, 0, 2);
        if (output) __builtin_prefetch(scan.q + r * scan.q_stride + c, 0, 2);
      }
      for (size_t c = 0; c < scan.e; c += kLine) {
        __builtin_prefetch(scan.v + r * scan.v_stride + c, 0, 2);
        if (output) __builtin_prefetch(scan.out + r * scan.out_stride + c, 1, 2);
      }
    }
  }

  // Rows of one head into a block of their own: at the stride of many heads they would fall into few sets of the cache.
  static void gather(const Scan& scan, const float* x, size_t stride, size_t cols, size_t t, size_t n, float* to) {
    for (size_t i = 0; i < n; i++) std::memcpy(to + i * cols, x + row(scan, t + i) * stride, cols * sizeof(float));
  }

  // o ← Λ·q·state + [(q·kᵀ) ⊙ D]·v
  Status attend(const Scan& scan, size_t n, const float* state, bool empty, const Context& context) {
    const size_t d = scan.d, e = scan.e;
    if (!empty) {
      const Status status = gemm<float>(n, e, d, 1, {q_, d, false}, {state, e, false}, 0, o_, e, context);
      if (status != Status::ok) return status;
      for (size_t i = 0; i < n; i++) {
        const float decay = powers_[i + scan.lead];
        for (size_t c = 0; c < e; c++) o_[i * e + c] *= decay;
      }
    }
    pack::panels_transposed<float, kPanel>(k_, d, d, n, packed_);
    for (size_t j = 0; j < n; j += kPanel) {
      const size_t width = std::min(kPanel, n - j);
      const Status status = gemm<float>(n - j, width, d, 1, {q_ + j * d, d, false}, {packed_ + j * d, kPanel, false}, 0,
                                        scores_ + j * block_ + j, block_, context);
      if (status != Status::ok) return status;
      for (size_t i = j; i < n; i++) {
        float* const s = scores_ + i * block_ + j;
        const size_t seen = std::min(width, i - j + 1);
        for (size_t c = 0; c < seen; c++) s[c] *= powers_[i - j - c];
        std::fill(s + seen, s + width, 0.0f);
      }
    }
    for (size_t i = 0; i < n; i += kPanel) {
      const size_t rows = std::min(kPanel, n - i);
      const Status status = gemm<float>(rows, e, i + rows, 1, {scores_ + i * block_, block_, false}, {v_, e, false},
                                        empty ? 0 : 1, o_ + i * e, e, context);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  }

  // state ← λⁿ·state + (Λ·k)ᵀ·v
  Status advance(const Scan& scan, size_t n, float* state, bool empty, const Context& context) {
    const size_t d = scan.d, e = scan.e;
    for (size_t j = 0; j < n; j++) {
      const float decay = powers_[n - scan.lead - j];
      for (size_t c = 0; c < d; c++) k_[j * d + c] *= decay;
    }
    return gemm<float>(d, e, n, 1, {k_, d, true}, {v_, e, false}, empty ? 0 : powers_[n], state, e, context);
  }

  ArenaFrame frame_;
  size_t block_;
  float *q_ = nullptr, *k_ = nullptr, *packed_ = nullptr, *v_ = nullptr, *o_ = nullptr, *scores_ = nullptr,
        *powers_ = nullptr;
};

class Outcome {
 public:
  void add(Status status) {
    if (status != Status::ok) status_.store(status, std::memory_order_relaxed);
  }
  Status get() const { return status_.load(); }
  bool failed() const { return status_.load(std::memory_order_relaxed) != Status::ok; }

 private:
  std::atomic<Status> status_{Status::ok};
};

// Each chunk's own state first, then the states before all chunks, then the outputs.
Status run_chunks(std::span<const Scan> scans, size_t block, const Context& context) {
  size_t chunks = 0, room = 0;
  for (const Scan& scan : scans) {
    const size_t count = std::max<size_t>(1, ceil_div(scan.tokens, kChunk));
    chunks += count;
    room += count * scan.d * scan.e;
  }
  struct Chunk {
    const Scan* scan;
    size_t index;
    float* state;
  };
  ArenaFrame frame;
  Chunk* const all = frame.take<Chunk>(chunks);
  float* states = frame.take<float>(room);
  if (all == nullptr || states == nullptr) return Status::out_of_memory;
  size_t at = 0;
  for (const Scan& scan : scans)
    for (size_t c = 0; c < std::max<size_t>(1, ceil_div(scan.tokens, kChunk)); c++, states += scan.d * scan.e)
      all[at++] = {&scan, c, states};

  Outcome outcome;
  const auto each_chunk = [&](auto&& body) {
    parallel_for(chunks, [&](size_t part) {
      if (outcome.failed()) return;
      const Chunk& chunk = all[part];
      Blocks blocks(chunk.scan->d, chunk.scan->e, block);
      outcome.add(blocks.ok() ? body(chunk, blocks) : Status::out_of_memory);
    });
    return outcome.get();
  };
  // The sum of chunk c goes to where the state before chunk c + 1 will be.
  Status status = each_chunk([&](const Chunk& chunk, Blocks& blocks) {
    const size_t end = (chunk.index + 1) * kChunk, size = chunk.scan->d * chunk.scan->e;
    if (end >= chunk.scan->tokens) return Status::ok;
    return blocks.run(*chunk.scan, end - kChunk, end, chunk.state + size, true, false, context);
  });
  if (status != Status::ok) return status;
  for (size_t c = 0; c < chunks; c++) {
    const Scan& scan = *all[c].scan;
    const size_t size = scan.d * scan.e;
    if (all[c].index == 0) {
      if (scan.has_state)
        std::copy_n(scan.state, size, all[c].state);
      else
        std::fill_n(all[c].state, size, 0.0f);
    } else {
      const float decay = power(scan.decay, kChunk);
      if (decay == 0) continue;
      for (size_t i = 0; i < size; i++) all[c].state[i] += decay * all[c - 1].state[i];
    }
  }
  return each_chunk([&](const Chunk& chunk, Blocks& blocks) {
    const Scan& scan = *chunk.scan;
    const size_t first = chunk.index * kChunk, last = std::min(scan.tokens, first + kChunk);
    const bool empty = chunk.index == 0 && !scan.has_state;
    const Status ran = blocks.run(scan, first, last, chunk.state, empty, true, context);
    if (ran == Status::ok && last == scan.tokens) std::copy_n(chunk.state, scan.d * scan.e, scan.state);
    return ran;
  });
}

Status run_scans(std::span<const Scan> scans, size_t block, const Context& context) {
  bool longer = false;
  for (const Scan& scan : scans) longer |= scan.tokens > kChunk;
  if (scans.size() < kEnoughScans && longer) return run_chunks(scans, block, context);
  // In waves of some hundred tokens through all scans: the heads of a row share pages of memory, and in a long sequence
  // a scan of its own would find none of them in the TLB.
  const size_t wave = ceil_div(kWave, block) * block;
  double work = 0;
  size_t tokens = 0;
  for (const Scan& scan : scans) {
    tokens = std::max(tokens, scan.tokens);
    work += static_cast<double>(std::min(wave, scan.tokens)) * static_cast<double>((scan.d + scan.e) * block);
  }
  Outcome outcome;
  for (size_t first = 0; first == 0 || first < tokens; first += wave) {
    const auto run = [&](size_t part) {
      const Scan& scan = scans[part];
      if (outcome.failed() || (first > 0 && first >= scan.tokens)) return;
      Blocks blocks(scan.d, scan.e, block);
      const bool empty = first == 0 && !scan.has_state;
      const size_t last = std::min(scan.tokens, first + wave);
      outcome.add(blocks.ok() ? blocks.run(scan, first, last, scan.state, empty, true, context)
                              : Status::out_of_memory);
    };
    if (work >= kParallelWork) {
      parallel_for(scans.size(), run);
    } else {
      for (size_t part = 0; part < scans.size(); part++) run(part);
    }
    if (outcome.failed()) break;
  }
  return outcome.get();
}

// to ← fromᵀ, from rows × cols
void turn(const float* from, size_t rows, size_t cols, float* to) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) to[j * rows + i] = from[i * cols + j];
}

}  // namespace

Status lightning_attention(const LightningShape& shape, const float* q, const float* k, const float* v, float* out,
                           float* state, bool has_state, const Context& context) {
  const size_t heads = shape.heads, d = shape.d, e = shape.e, count = shape.lengths.size() * heads;
  ArenaFrame frame;
  Scan* const scans = frame.take<Scan>(count);
  if (scans == nullptr) return Status::out_of_memory;
  size_t row = 0, at = 0;
  for (const size_t tokens : shape.lengths) {
    for (size_t h = 0; h < heads; h++, at++)
      scans[at] = {.q = q + row * heads * d + h * d,
                   .k = k + row * heads * d + h * d,
                   .v = v + row * heads * e + h * e,
                   .out = out + row * heads * e + h * e,
                   .q_stride = heads * d,
                   .k_stride = heads * d,
                   .v_stride = heads * e,
                   .out_stride = heads * e,
                   .tokens = tokens,
                   .d = d,
                   .e = e,
                   .decay = shape.decay[h],
                   .reversed = false,
                   .lead = 1,
                   .state = state + at * d * e,
                   .has_state = has_state};
    row += tokens;
  }
  return run_scans({scans, count}, shape.block, context);
}

Status lightning_attention_backward(const LightningShape& shape, const float* q, const float* k, const float* v,
                                    const float* d_out, const float* state, float* dq, float* dk, float* dv,
                                    float* d_state, bool has_d_state, const Context& context) {
  const size_t heads = shape.heads, d = shape.d, e = shape.e, count = shape.lengths.size() * heads;
  const size_t size = d * e;
  const auto room = checked_mul(checked_mul(count, 2), size);
  const auto scan_count = checked_mul(count, 3);
  ArenaFrame frame;
  Scan* const scans = scan_count ? frame.take<Scan>(*scan_count) : nullptr;
  float* turned = room ? frame.take<float>(*room) : nullptr;
  if (scans == nullptr || turned == nullptr) return Status::out_of_memory;
  const size_t wide_d = heads * d, wide_e = heads * e;
  size_t row = 0, at = 0;
  for (const size_t tokens : shape.lengths) {
    for (size_t h = 0; h < heads; h++, at++) {
      const size_t key = row * wide_d + h * d, value = row * wide_e + h * e;
      float* const first = turned + 2 * at * size;
      float* const last = first + size;
      if (state != nullptr) turn(state + at * size, d, e, first);
      if (has_d_state) turn(d_state + at * size, d, e, last);
      scans[3 * at] = {.q = d_out + value,
                       .k = v + value,
                       .v = k + key,
                       .out = dq + key,
                       .q_stride = wide_e,
                       .k_stride = wide_e,
                       .v_stride = wide_d,
                       .out_stride = wide_d,
                       .tokens = tokens,
                       .d = e,
                       .e = d,
                       .decay = shape.decay[h],
                       .reversed = false,
                       .lead = 1,
                       .state = first,
                       .has_state = state != nullptr};
      scans[3 * at + 1] = {.q = v + value,
                           .k = d_out + value,
                           .v = q + key,
                           .out = dk + key,
                           .q_stride = wide_e,
                           .k_stride = wide_e,
                           .v_stride = wide_d,
                           .out_stride = wide_d,
                           .tokens = tokens,
                           .d = e,
                           .e = d,
                           .decay = shape.decay[h],
                           .reversed = true,
                           .lead = 0,
                           .state = last,
                           .has_state = has_d_state};
      scans[3 * at + 2] = {.q = k + key,
                           .k = q + key,
                           .v = d_out + value,
                           .out = dv + value,
                           .q_stride = wide_d,
                           .k_stride = wide_d,
                           .v_stride = wide_e,
                           .out_stride = wide_e,
                           .tokens = tokens,
                           .d = d,
                           .e = e,
                           .decay = shape.decay[h],
                           .reversed = true,
                           .lead = 0,
                           .state = d_state + at * size,
                           .has_state = has_d_state};
    }
    row += tokens;
  }
  return run_scans({scans, 3 * count}, shape.block, context);
}

}  // namespace lapidary
