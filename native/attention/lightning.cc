#include "attention/lightning.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/each_part.h"
#include "core/memory.h"
#include "core/rows_ahead.h"
#include "gemm/gemm.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"

namespace lapidary {
namespace {

constexpr size_t kPanel = 32;  // columns of a packed panel of Kᵀ, and the side of the squares that D cuts

// Fewer heads than this are cut along time as well: the state at the start of each chunk is found first, which costs
// 2·d·e operations a token more. Constants of the design: the bits of a result depend on them.
constexpr size_t kEnoughScans = 4, kChunk = 2048;
// Below about this many multiplications a second thread costs more to wake than it saves.
constexpr double kParallelWork = 2e6;
// The most scans that a thread takes along time together, and the tokens a scan of them that it goes before all others
// are as far: the heads of a row share pages of memory, and in a long sequence a scan of its own would find none of
// them in the TLB.
constexpr size_t kGroup = 8, kWave = 256;
// The products from which gemm takes over from tiles of what lies in the caches, unpacked. A lone head has threads left
// for its products, where gemm uses them sooner; with the same bits for so few multiplications, of operands that stay
// in the caches, of more columns than dots are taken for, and not so deep that they are cut into pieces.
constexpr double kDirectWork = 8e6, kDirectAlone = 1e6;
constexpr size_t kNoDots = 9, kNoPieces = 1024;

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
  const T* powers;  // of the decay, from 0 to the longest block
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

// A block of a scan: `count` tokens from `first` on in the scan's own order, and whether results are wanted or only the
// state behind them.
template <class T>
struct Block {
  const Scan<T>* scan;  // nullptr: no block
  size_t first, count;
  bool output;

  size_t row(size_t i) const { return scan->reversed ? scan->tokens - 1 - first - i : first + i; }
};

// The rows of a block, to be asked for while the one before is worked on: `work` multiplications. Those of the result
// last.
template <class T>
RowsAhead<T> rows_of(const Block<T>& block, double work) {
  RowsAhead<T> ahead;
  if (block.scan == nullptr) return ahead;
  const Scan<T>& scan = *block.scan;
  const auto add = [&](auto x, size_t values) {
    const auto stride = static_cast<ptrdiff_t>(x.stride);
    ahead.add(x[block.row(0)], scan.reversed ? -stride : stride, values);
  };
  if (block.output) {
    add(scan.out, scan.e);
    add(scan.q, scan.d);
  }
  add(scan.v, scan.e);
  add(scan.k, scan.d);
  ahead.begin(block.count, work);
  return ahead;
}

// The space in which blocks of scans are worked on, with neither d nor e beyond `widest`.
template <class T>
class Blocks {
 public:
  // `alone`: a lone head, whose products may use all threads and whose rows follow each other, so that the processor
  // foresees them.
  Blocks(size_t widest, size_t block, bool alone) : block_(block), alone_(alone) {
    const auto panels = checked_mul(checked_mul(ceil_div(block, kPanel), kPanel), widest);
    const auto rows = checked_mul(block, widest), scores = checked_mul(block, block);
    if (!panels || !rows || !scores) return;
    q_ = frame_.take<T>(*rows);
    k_ = frame_.take<T>(*rows);
    packed_ = frame_.take<T>(*panels);
    v_ = frame_.take<T>(*rows);
    o_ = frame_.take<T>(*rows);
    scores_ = frame_.take<T>(*scores);
  }

  bool ok() const { return q_ && k_ && packed_ && v_ && o_ && scores_; }

  // `state` moves from before the block to after it, `empty` says that it is zero and not yet written. The rows of
  // `next` are asked for meanwhile.
  Status run(const Block<T>& block, T* state, bool empty, const Block<T>& next, const Context& context) {
    const Scan<T>& scan = *block.scan;
    const auto n = static_cast<double>(block.count), d = static_cast<double>(scan.d), e = static_cast<double>(scan.e);
    RowsAhead<T> ahead = rows_of(alone_ ? Block<T>{} : next,
                                 n * d * e + (block.output ? n * (n * (d + e) / 2 + (empty ? 0 : d * e)) : 0));
    Status status = context.cancelled() ? Status::aborted : Status::ok;
    if (status != Status::ok) return status;
    if (block.output) {
      status = attend(block, state, empty, ahead, context);
    } else {
      gather(block, scan.k, scan.d, k_);
      gather(block, scan.v, scan.e, v_);
    }
    return status == Status::ok ? advance(block, state, empty, ahead, context) : status;
  }

 private:
  // C ← A·B + beta·C, m × n, k deep, with rows of B `b_step` values apart.
  Status multiply(size_t m, size_t n, size_t k, Operand<T> a, const T* b, size_t b_step, T beta, T* c, size_t ldc,
                  RowsAhead<T>& ahead, const Context& context) {
    const double depth = static_cast<double>(k), work = static_cast<double>(m) * static_cast<double>(n) * depth;
    const bool shared =
        alone_ && work >= kDirectAlone && n >= kNoDots && k <= kNoPieces && n * k <= cache_sizes().l2 / 2 / sizeof(T);
    if (work >= kDirectWork || m == 1 || shared) {
      ahead.after(work);
      return gemm<T>(m, n, k, 1, a, {b, b_step, false}, beta, c, ldc, context);
    }
    const MicroKernel<T> kernel = kGemm<T>.pick();
    GemmTile<T> t;
    t.a_row = a.transposed ? 1 : a.stride;
    t.a_step = a.transposed ? a.stride : 1;
    t.b_step = b_step;
    t.padded = false;
    t.ldc = ldc;
    t.k = k;
    t.alpha = 1;
    t.beta = beta;
    for (size_t j = 0; j < n; j += kernel.nr) {
      t.n = std::min(kernel.nr, n - j);
      t.b = b + j;
      for (size_t i = 0; i < m; i += kernel.mr) {
        t.a = a.data + i * t.a_row;
        t.c = c + i * ldc + j;
        t.m = std::min(kernel.mr, m - i);
        kernel.run(t);
        ahead.after(static_cast<double>(t.m * t.n) * depth);
      }
    }
    return Status::ok;
  }

  // Rows of one head into a block of their own: at the stride of many heads they would fall into few sets of the cache.
  static void gather(const Block<T>& block, Rows<const T> x, size_t cols, T* to) {
    for (size_t i = 0; i < block.count; i++, to += cols) std::copy_n(x[block.row(i)], cols, to);
  }

  // out ← Λ·q·state + [(q·kᵀ) ⊙ D]·v; k_ and v_ are those of the block then.
  Status attend(const Block<T>& block, const T* state, bool empty, RowsAhead<T>& ahead, const Context& context) {
    const Scan<T>& scan = *block.scan;
    const size_t d = scan.d, e = scan.e, n = block.count;
    gather(block, scan.q, d, q_);
    if (!empty) {
      const Status status = multiply(n, e, d, {q_, d, false}, state, e, 0, o_, e, ahead, context);
      if (status != Status::ok) return status;
      for (size_t i = 0; i < n; i++) {
        const T decay = scan.powers[i + scan.lead()];
        for (size_t c = 0; c < e; c++) o_[i * e + c] *= decay;
      }
    }
    gather(block, scan.k, d, k_);
    pack::panels_transposed<T, kPanel>(k_, d, d, n, packed_);
    for (size_t j = 0; j < n; j += kPanel) {
      const size_t width = std::min(kPanel, n - j);
      const Status status = multiply(n - j, width, d, {q_ + j * d, d, false}, packed_ + j * d, kPanel, 0,
                                     scores_ + j * block_ + j, block_, ahead, context);
      if (status != Status::ok) return status;
      for (size_t i = j; i < n; i++) {
        T* const s = scores_ + i * block_ + j;
        const size_t seen = std::min(width, i - j + 1);
        for (size_t c = 0; c < seen; c++) s[c] *= scan.powers[i - j - c];
        std::fill(s + seen, s + width, T{0});
      }
    }
    gather(block, scan.v, e, v_);
    for (size_t i = 0; i < n; i += kPanel) {
      const size_t rows = std::min(kPanel, n - i);
      const Status status = multiply(rows, e, i + rows, {scores_ + i * block_, block_, false}, v_, e, empty ? 0 : 1,
                                     o_ + i * e, e, ahead, context);
      if (status != Status::ok) return status;
    }
    for (size_t i = 0; i < n; i++) std::copy_n(o_ + i * e, e, scan.out[block.row(i)]);
    return Status::ok;
  }

  // state ← λⁿ·state + (Λ·k)ᵀ·v, of what k_ and v_ hold.
  Status advance(const Block<T>& block, T* state, bool empty, RowsAhead<T>& ahead, const Context& context) {
    const Scan<T>& scan = *block.scan;
    const size_t d = scan.d, e = scan.e, n = block.count;
    for (size_t j = 0; j < n; j++) {
      const T decay = scan.powers[n - scan.lead() - j];
      for (size_t c = 0; c < d; c++) k_[j * d + c] *= decay;
    }
    return multiply(d, e, n, {k_, d, true}, v_, e, empty ? 0 : scan.powers[n], state, e, ahead, context);
  }

  ArenaFrame frame_;
  size_t block_;
  bool alone_;
  T *q_ = nullptr, *k_ = nullptr, *packed_ = nullptr, *v_ = nullptr, *o_ = nullptr, *scores_ = nullptr;
};

// Tokens [first, last) of scans of one shape (some may have d and e the other way round), block by block through all of
// them; a scan that is shorter ends earlier.
// The states move from before to after; before they are zero and not yet written, unless `begun` or has_state.
template <class T>
Status run_blocks(std::span<const Scan<T>> scans, size_t first, size_t last, size_t block, bool begun, bool output,
                  bool alone, const Context& context) {
  Blocks<T> blocks(std::max(scans[0].d, scans[0].e), block, alone);
  if (!blocks.ok()) return Status::out_of_memory;
  // The block of scan i that begins with token t, or the one after it.
  const auto block_at = [&](size_t i, size_t t) -> Block<T> {
    for (;; i++) {
      if (i == scans.size()) i = 0, t += block;
      if (t >= last) return {nullptr, 0, 0, false};
      const size_t end = std::min(last, scans[i].tokens);
      if (t < end) return {&scans[i], t, std::min(block, end - t), output};
    }
  };
  for (Block<T> at = block_at(0, first); at.scan != nullptr;) {
    const Block<T> next = block_at(static_cast<size_t>(at.scan - scans.data()) + 1, at.first);
    const bool empty = at.first == first && !begun && !at.scan->has_state;
    const Status status = blocks.run(at, at.scan->state, empty, next, context);
    if (status != Status::ok) return status;
    at = next;
  }
  return Status::ok;
}

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

  // The sum of chunk c goes to where the state before chunk c + 1 will be.
  Status status = each_part(chunks, true, context, [&](size_t part) {
    Scan<T> scan = *all[part].scan;
    const size_t end = (all[part].index + 1) * kChunk;
    if (end >= scan.tokens) return Status::ok;
    scan.state = all[part + 1].state;
    scan.has_state = false;
    return run_blocks<T>({&scan, 1}, end - kChunk, end, block, false, false, false, context);
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
  return each_part(chunks, true, context, [&](size_t part) {
    Scan<T> scan = *all[part].scan;
    T* const result = scan.state;
    const size_t first = all[part].index * kChunk, last = std::min(scan.tokens, first + kChunk);
    scan.state = all[part].state;
    const Status ran = run_blocks<T>({&scan, 1}, first, last, block, first > 0, true, false, context);
    if (ran == Status::ok && last == scan.tokens) std::copy_n(scan.state, scan.d * scan.e, result);
    return ran;
  });
}

// Cuts scans, from token `first` to `last` of each, into about `parts` parts of the same work, none of more than `most`
// scans. The end of each goes to `ends`; returns how many there are.
template <class T>
size_t cut(std::span<const Scan<T>> scans, size_t first, size_t last, size_t parts, size_t most, size_t* ends) {
  const auto tokens = [&](size_t i) { return static_cast<double>(std::min(last, scans[i].tokens) - first); };
  double work = 0, done = 0;
  for (size_t i = 0; i < scans.size(); i++) work += tokens(i);
  const double share = work / static_cast<double>(parts);
  size_t count = 0;
  for (size_t i = 0, begin = 0; i < scans.size(); i++) {
    const double after = done + tokens(i);
    // One scan more, if that comes nearer to the share of the parts up to here than to do without.
    if (i > begin && (i - begin == most || (done + after) / 2 > share * static_cast<double>(count + 1))) {
      ends[count++] = i;
      begin = i;
    }
    done = after;
  }
  ends[count++] = scans.size();
  return count;
}

template <class T>
Status run_scans(std::span<const Scan<T>> scans, size_t block, const Context& context) {
  bool longer = false;
  for (const Scan<T>& scan : scans) longer |= scan.tokens > kChunk;
  if (scans.size() < kEnoughScans && longer) return run_chunks(scans, block, context);
  ArenaFrame frame;
  // Those that have tokens left, side by side.
  Scan<T>* const left = frame.take<Scan<T>>(scans.size());
  size_t* const ends = frame.take<size_t>(scans.size());
  if (left == nullptr || ends == nullptr) return Status::out_of_memory;
  size_t count = 0, size = 1;
  for (const Scan<T>& scan : scans) {
    size = std::max(size, scan.d * scan.e);
    if (scan.tokens > 0)
      left[count++] = scan;
    else if (!scan.has_state)
      std::fill_n(scan.state, scan.d * scan.e, T{0});
  }
  // The states of a group stay in the second-level cache.
  const size_t most = std::clamp<size_t>(cache_sizes().l2 / 2 / sizeof(T) / size, 1, kGroup);
  Status status = Status::ok;
  for (size_t first = 0; status == Status::ok && count > 0;) {
    double work = 0;
    for (size_t i = 0; i < count; i++)
      work += static_cast<double>(std::min(kWave, left[i].tokens - first)) *
              static_cast<double>((left[i].d + left[i].e) * block);
    // As many parts as give each thread the same number of them.
    const bool parallel = work >= kParallelWork;
    const size_t threads = parallel ? thread_count() : 1, wanted = ceil_div(count, threads * most) * threads;
    // Whole blocks, so that the bits of a result do not depend on how scans are cut into parts.
    const size_t last = first + ceil_div(kWave * ceil_div(count, wanted), block) * block;
    const size_t parts = cut<T>({left, count}, first, last, wanted, most, ends);
    status = each_part(parts, parallel, context, [&](size_t part) {
      const size_t from = part == 0 ? 0 : ends[part - 1];
      return run_blocks<T>({left + from, ends[part] - from}, first, last, block, first > 0, true,
                           parallel && parts == 1 && thread_count() > 1, context);
    });
    first = last;
    count = static_cast<size_t>(
        std::remove_if(left, left + count, [&](const Scan<T>& s) { return s.tokens <= first; }) - left);
  }
  return status;
}

// The powers that scans of these heads need, a row of `length` for each.
template <class T>
T* take_powers(const LightningShape& shape, ArenaFrame& frame, size_t* length) {
  size_t longest = 0;
  for (const size_t tokens : shape.lengths) longest = std::max(longest, tokens);
  *length = std::min(shape.block, longest) + 1;
  const auto room = checked_mul(shape.heads, *length);
  T* const powers = room ? frame.take<T>(*room) : nullptr;
  if (powers == nullptr) return nullptr;
  for (size_t h = 0; h < shape.heads; h++)
    for (size_t i = 0; i < *length; i++) powers[h * *length + i] = power<T>(shape.decay[h], i);
  return powers;
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
  size_t length = 0;
  const T* const powers = take_powers<T>(shape, frame, &length);
  if (scans == nullptr || powers == nullptr) return Status::out_of_memory;
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
                 powers + h * length,
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
  size_t length = 0;
  const T* const powers = take_powers<T>(shape, frame, &length);
  if (scans == nullptr || turned == nullptr || powers == nullptr) return Status::out_of_memory;
  each_head(shape, [&](size_t at, size_t h, size_t tokens, size_t row) {
    const size_t key = row * wide_d + h * d, value = row * wide_e + h * e;
    const Rows<const T> query{q + key, wide_d}, keys{k + key, wide_d}, values{v + value, wide_e};
    const Rows<const T> given{d_out + value, wide_e};
    T *const first = turned + 2 * at * size, *const last = first + size;
    if (state != nullptr) turn(state + at * size, d, e, first);
    if (has_d_state) turn(d_state + at * size, d, e, last);
    const double decay = shape.decay[h];
    const T* const p = powers + h * length;
    // The two against time read the same rows: side by side.
    Scan<T>* const to = scans + count + 2 * at;
    scans[at] = {given, values, keys, {dq + key, wide_d}, tokens, e, d, decay, p, false, first, state != nullptr};
    to[0] = {values, given, query, {dk + key, wide_d}, tokens, e, d, decay, p, true, last, has_d_state};
    to[1] = {keys, query, given, {dv + value, wide_e}, tokens, d, e, decay, p, true, d_state + at * size, has_d_state};
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
