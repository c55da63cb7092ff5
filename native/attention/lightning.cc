#include "attention/lightning.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
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

// The rows of one head of an operand.
template <class T>
struct Rows {
  T* data;
  size_t stride;

  T* operator[](size_t i) const { return data + i * stride; }
};

// One head of one sequence, forwards or against time: q and k are tokens × d, v and out tokens × e, `state` d × e.
template <class T>
struct Scan {
  Rows<const T> q, k, v;
  Rows<T> out;
  size_t tokens, d, e;
  double decay;
  bool reversed;
  T* state;
  bool has_state;

  // How often the state before the first token has decayed when that token reads it: once forwards. Against time not at
  // all, and then the state that comes out is decayed once more.
  size_t lead() const { return reversed ? 0 : 1; }
};

template <class T>
T power(double decay, size_t exponent) {
  const auto p = static_cast<T>(std::pow(decay, static_cast<double>(exponent)));
  return p < std::numeric_limits<T>::min() ? T{0} : p;  // what lies below would only slow the products down
}

// The space in which blocks of scans of one shape are worked on.
template <class T>
class Blocks {
 public:
  Blocks(size_t d, size_t e, size_t block) : block_(block) {
    const auto panels = checked_mul(checked_mul(ceil_div(block, kPanel), kPanel), d);
    const auto keys = checked_mul(block, d), values = checked_mul(block, e), scores = checked_mul(block, block);
    if (!panels || !keys || !values || !scores) return;
    q_ = frame_.take<T>(*keys);
    k_ = frame_.take<T>(*keys);
    packed_ = frame_.take<T>(*panels);
    v_ = frame_.take<T>(*values);
    o_ = frame_.take<T>(*values);
    scores_ = frame_.take<T>(*scores);
    powers_ = frame_.take<T>(block + 1);
  }

  bool ok() const { return q_ && k_ && packed_ && v_ && o_ && scores_ && powers_; }

  // Tokens [first, last) of a scan in its own order; `state` moves from before to after, `empty` says that it is zero
  // and not yet written. Without output only the state moves.
  Status run(const Scan<T>& scan, size_t first, size_t last, T* state, bool empty, bool output,
             const Context& context) {
    for (size_t i = 0; i <= block_; i++) powers_[i] = power<T>(scan.decay, i);
    for (size_t t = first; t < last; t += block_, empty = false) {
      if (context.cancelled()) return Status::aborted;
      const size_t n = std::min(block_, last - t);
      Status status = Status::ok;
      if (output) {
        status = attend(scan, t, n, state, empty, context);
      } else {
        gather(scan, scan.k, scan.d, t, n, k_);
        gather(scan, scan.v, scan.e, t, n, v_);
      }
      if (status == Status::ok) status = advance(scan, n, state, empty, context);
      if (status != Status::ok) return status;
    }
    if (empty) std::fill_n(state, scan.d * scan.e, T{0});
    return Status::ok;
  }

 private:
  static size_t row(const Scan<T>& scan, size_t t) { return scan.reversed ? scan.tokens - 1 - t : t; }

  // While a row is worked on, the one a block later is asked for. A head's rows lie far apart, so the processor does
  // not foresee them; asked for all at once they would be waited for, so each operand is fetched between other
  // products.
  template <int kWrite, class Row>
  void ask_ahead(const Scan<T>& scan, Rows<Row> x, size_t cols, size_t t) const {
    if (scan.tokens - t <= block_) return;
    const T* const next = x[row(scan, t + block_)];
    const auto from = reinterpret_cast<uintptr_t>(next), to = reinterpret_cast<uintptr_t>(next + cols);
    for (uintptr_t line = from / kAlignment * kAlignment; line < to; line += kAlignment)
      __builtin_prefetch(reinterpret_cast<const void*>(line), kWrite, 2);
  }

  // Rows of one head into a block of their own: at the stride of many heads they would fall into few sets of the cache.
  void gather(const Scan<T>& scan, Rows<const T> x, size_t cols, size_t t, size_t n, T* to) const {
    for (size_t i = t; i < t + n; i++, to += cols) {
      ask_ahead<0>(scan, x, cols, i);
      std::copy_n(x[row(scan, i)], cols, to);
    }
  }

  // out ← Λ·q·state + [(q·kᵀ) ⊙ D]·v for n tokens from t on; k_ and v_ are theirs then.
  Status attend(const Scan<T>& scan, size_t t, size_t n, const T* state, bool empty, const Context& context) {
    const size_t d = scan.d, e = scan.e;
    gather(scan, scan.q, d, t, n, q_);
    if (!empty) {
      const Status status = gemm<T>(n, e, d, 1, {q_, d, false}, {state, e, false}, 0, o_, e, context);
      if (status != Status::ok) return status;
      for (size_t i = 0; i < n; i++) {
        const T decay = powers_[i + scan.lead()];
        for (size_t c = 0; c < e; c++) o_[i * e + c] *= decay;
      }
    }
    gather(scan, scan.k, d, t, n, k_);
    pack::panels_transposed<T, kPanel>(k_, d, d, n, packed_);
    for (size_t j = 0; j < n; j += kPanel) {
      const size_t width = std::min(kPanel, n - j);
      const Status status = gemm<T>(n - j, width, d, 1, {q_ + j * d, d, false}, {packed_ + j * d, kPanel, false}, 0,
                                    scores_ + j * block_ + j, block_, context);
      if (status != Status::ok) return status;
      for (size_t i = j; i < n; i++) {
        T* const s = scores_ + i * block_ + j;
        const size_t seen = std::min(width, i - j + 1);
        for (size_t c = 0; c < seen; c++) s[c] *= powers_[i - j - c];
        std::fill(s + seen, s + width, T{0});
      }
    }
    gather(scan, scan.v, e, t, n, v_);
    for (size_t i = 0; i < n; i += kPanel) {
      const size_t rows = std::min(kPanel, n - i);
      const Status status = gemm<T>(rows, e, i + rows, 1, {scores_ + i * block_, block_, false}, {v_, e, false},
                                    empty ? 0 : 1, o_ + i * e, e, context);
      if (status != Status::ok) return status;
    }
    for (size_t i = 0; i < n; i++) {
      ask_ahead<1>(scan, scan.out, e, t + i);
      std::copy_n(o_ + i * e, e, scan.out[row(scan, t + i)]);
    }
    return Status::ok;
  }

  // state ← λⁿ·state + (Λ·k)ᵀ·v, of what k_ and v_ hold.
  Status advance(const Scan<T>& scan, size_t n, T* state, bool empty, const Context& context) {
    const size_t d = scan.d, e = scan.e;
    for (size_t j = 0; j < n; j++) {
      const T decay = powers_[n - scan.lead() - j];
      for (size_t c = 0; c < d; c++) k_[j * d + c] *= decay;
    }
    return gemm<T>(d, e, n, 1, {k_, d, true}, {v_, e, false}, empty ? 0 : powers_[n], state, e, context);
  }

  ArenaFrame frame_;
  size_t block_;
  T *q_ = nullptr, *k_ = nullptr, *packed_ = nullptr, *v_ = nullptr, *o_ = nullptr, *scores_ = nullptr,
    *powers_ = nullptr;
};

// Each chunk's own state first, then the states before all chunks, then the outputs.
template <class T>
Status run_chunks(std::span<const Scan<T>> scans, size_t block, const Context& context) {
  size_t chunks = 0, room = 0;
  for (const Scan<T>& scan : scans) {
    const size_t count = std::max<size_t>(1, ceil_div(scan.tokens, kChunk));
    chunks += count;
    room += count * scan.d * scan.e;
  }
  struct Chunk {
    const Scan<T>* scan;
    size_t index;
    T* state;
  };
  ArenaFrame frame;
  Chunk* const all = frame.take<Chunk>(chunks);
  T* states = frame.take<T>(room);
  if (all == nullptr || states == nullptr) return Status::out_of_memory;
  size_t at = 0;
  for (const Scan<T>& scan : scans)
    for (size_t c = 0; c < std::max<size_t>(1, ceil_div(scan.tokens, kChunk)); c++, states += scan.d * scan.e)
      all[at++] = {&scan, c, states};

  const auto each_chunk = [&](auto&& body) {
    return each_part(chunks, true, context, [&](size_t part) {
      const Chunk& chunk = all[part];
      Blocks<T> blocks(chunk.scan->d, chunk.scan->e, block);
      return blocks.ok() ? body(chunk, blocks) : Status::out_of_memory;
    });
  };
  // The sum of chunk c goes to where the state before chunk c + 1 will be.
  Status status = each_chunk([&](const Chunk& chunk, Blocks<T>& blocks) {
    const size_t end = (chunk.index + 1) * kChunk, size = chunk.scan->d * chunk.scan->e;
    if (end >= chunk.scan->tokens) return Status::ok;
    return blocks.run(*chunk.scan, end - kChunk, end, chunk.state + size, true, false, context);
  });
  if (status != Status::ok) return status;
  for (size_t c = 0; c < chunks; c++) {
    const Scan<T>& scan = *all[c].scan;
    const size_t size = scan.d * scan.e;
    if (all[c].index == 0) {
      if (scan.has_state)
        std::copy_n(scan.state, size, all[c].state);
      else
        std::fill_n(all[c].state, size, T{0});
    } else {
      const T decay = power<T>(scan.decay, kChunk);
      if (decay == 0) continue;
      for (size_t i = 0; i < size; i++) all[c].state[i] += decay * all[c - 1].state[i];
    }
  }
  return each_chunk([&](const Chunk& chunk, Blocks<T>& blocks) {
    const Scan<T>& scan = *chunk.scan;
    const size_t first = chunk.index * kChunk, last = std::min(scan.tokens, first + kChunk);
    const bool empty = chunk.index == 0 && !scan.has_state;
    const Status ran = blocks.run(scan, first, last, chunk.state, empty, true, context);
    if (ran == Status::ok && last == scan.tokens) std::copy_n(chunk.state, scan.d * scan.e, scan.state);
    return ran;
  });
}

template <class T>
Status run_scans(std::span<const Scan<T>> scans, size_t block, const Context& context) {
  bool longer = false;
  for (const Scan<T>& scan : scans) longer |= scan.tokens > kChunk;
  if (scans.size() < kEnoughScans && longer) return run_chunks(scans, block, context);
  // In waves of some hundred tokens through all scans: the heads of a row share pages of memory, and in a long sequence
  // a scan of its own would find none of them in the TLB.
  const size_t wave = ceil_div(kWave, block) * block;
  double work = 0;
  size_t tokens = 0;
  for (const Scan<T>& scan : scans) {
    tokens = std::max(tokens, scan.tokens);
    work += static_cast<double>(std::min(wave, scan.tokens)) * static_cast<double>((scan.d + scan.e) * block);
  }
  Status status = Status::ok;
  for (size_t first = 0; status == Status::ok && (first == 0 || first < tokens); first += wave)
    status = each_part(scans.size(), work >= kParallelWork, context, [&](size_t part) {
      const Scan<T>& scan = scans[part];
      if (first > 0 && first >= scan.tokens) return Status::ok;
      Blocks<T> blocks(scan.d, scan.e, block);
      const bool empty = first == 0 && !scan.has_state;
      const size_t last = std::min(scan.tokens, first + wave);
      return blocks.ok() ? blocks.run(scan, first, last, scan.state, empty, true, context) : Status::out_of_memory;
    });
  return status;
}

// to ← fromᵀ, from rows × cols
template <class T>
void turn(const T* from, size_t rows, size_t cols, T* to) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) to[j * rows + i] = from[i * cols + j];
}

// body(at, head, tokens, row of its first token) for each head of each sequence.
template <class Body>
void each_head(const LightningShape& shape, Body&& body) {
  size_t row = 0, at = 0;
  for (const size_t tokens : shape.lengths) {
    for (size_t h = 0; h < shape.heads; h++) body(at++, h, tokens, row);
    row += tokens;
  }
}

}  // namespace

template <class T>
Status lightning_attention(const LightningShape& shape, const T* q, const T* k, const T* v, T* out, T* state,
                           bool has_state, const Context& context) {
  const size_t d = shape.d, e = shape.e, wide_d = shape.heads * d, wide_e = shape.heads * e;
  const size_t count = shape.lengths.size() * shape.heads;
  ArenaFrame frame;
  Scan<T>* const scans = frame.take<Scan<T>>(count);
  if (scans == nullptr) return Status::out_of_memory;
  each_head(shape, [&](size_t at, size_t h, size_t tokens, size_t row) {
    const size_t key = row * wide_d + h * d, value = row * wide_e + h * e;
    scans[at] = {{q + key, wide_d},
                 {k + key, wide_d},
                 {v + value, wide_e},
                 {out + value, wide_e},
                 tokens,
                 d,
                 e,
                 shape.decay[h],
                 false,
                 state + at * d * e,
                 has_state};
  });
  return run_scans<T>({scans, count}, shape.block, context);
}

template <class T>
Status lightning_attention_backward(const LightningShape& shape, const T* q, const T* k, const T* v, const T* d_out,
                                    const T* state, T* dq, T* dk, T* dv, T* d_state, bool has_d_state,
                                    const Context& context) {
  const size_t d = shape.d, e = shape.e, size = d * e, wide_d = shape.heads * d, wide_e = shape.heads * e;
  const size_t count = shape.lengths.size() * shape.heads;
  const auto room = checked_mul(checked_mul(count, 2), size);
  const auto scan_count = checked_mul(count, 3);
  ArenaFrame frame;
  Scan<T>* const scans = scan_count ? frame.take<Scan<T>>(*scan_count) : nullptr;
  T* const turned = room ? frame.take<T>(*room) : nullptr;
  if (scans == nullptr || turned == nullptr) return Status::out_of_memory;
  each_head(shape, [&](size_t at, size_t h, size_t tokens, size_t row) {
    const size_t key = row * wide_d + h * d, value = row * wide_e + h * e;
    const Rows<const T> query{q + key, wide_d}, keys{k + key, wide_d}, values{v + value, wide_e};
    const Rows<const T> given{d_out + value, wide_e};
    T *const first = turned + 2 * at * size, *const last = first + size;
    if (state != nullptr) turn(state + at * size, d, e, first);
    if (has_d_state) turn(d_state + at * size, d, e, last);
    const double decay = shape.decay[h];
    Scan<T>* const to = scans + 3 * at;
    to[0] = {given, values, keys, {dq + key, wide_d}, tokens, e, d, decay, false, first, state != nullptr};
    to[1] = {values, given, query, {dk + key, wide_d}, tokens, e, d, decay, true, last, has_d_state};
    to[2] = {keys, query, given, {dv + value, wide_e}, tokens, d, e, decay, true, d_state + at * size, has_d_state};
  });
  return run_scans<T>({scans, 3 * count}, shape.block, context);
}

template Status lightning_attention(const LightningShape&, const float*, const float*, const float*, float*, float*,
                                    bool, const Context&);
template Status lightning_attention(const LightningShape&, const double*, const double*, const double*, double*,
                                    double*, bool, const Context&);
template Status lightning_attention_backward(const LightningShape&, const float*, const float*, const float*,
                                             const float*, const float*, float*, float*, float*, float*, bool,
                                             const Context&);
template Status lightning_attention_backward(const LightningShape&, const double*, const double*, const double*,
                                             const double*, const double*, double*, double*, double*, double*, bool,
                                             const Context&);

}  // namespace lapidary
