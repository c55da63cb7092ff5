// The text of the kernels of grouped weights, written once over F32 of core/*_lanes.h and what the file says of itself:
//
//   Bytes, Nibbles     load(p, zero, v): a chunk of codes (grouped.h) as kCodeVecs vectors; kBytes, its bytes. Nibbles
//                      subtracts *zero, and its zeros(p, n, out) makes floats of n zero points, 0 < n ≤ 16
//   Gather             load(x, index): looks up kLanes
//   total(v)           the sum of the lanes

// The groups of a row with kTokens rows of x. Groups of kChunks·kLanes columns where that is not 0: a loop over the
// chunks of each would cost more than the products.
template <class S, int kTokens, std::size_t kChunks>
inline void dots_of(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                    const float* x, std::size_t stride, float* sums, std::size_t sums_stride) {
  using V = typename S::V;
  constexpr int kSide = 2;
  if constexpr (kChunks != 0) size = kChunks * S::kLanes;
  const std::size_t whole = size / S::kLanes * S::kLanes;
  [[maybe_unused]] const typename S::Mask rest = S::mask(static_cast<int>(size - whole));
  V sum[kSide][kTokens];
#pragma GCC unroll 4
  for (int s = 0; s < kSide; s++)
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) sum[s][t] = S::zero();
  const auto add = [&](V(&to)[kTokens]) __attribute__((always_inline)) {
    const float* from = x + std::size_t{*index++} * size;
    std::size_t k = 0;
    const auto chunk = [&]() __attribute__((always_inline)) {
      const V w = S::load(values + k);
#pragma GCC unroll 4
      for (std::size_t t = 0; t < kTokens; t++) to[t] = S::fma(w, S::load(from + t * stride + k), to[t]);
      k += S::kLanes;
    };
    if constexpr (kChunks != 0) {
#pragma GCC unroll 2
      for (std::size_t c = 0; c < kChunks; c++) chunk();
    } else {
      while (k < whole) chunk();
      if (whole < size) {
        const V w = S::load(rest, values + whole);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < kTokens; t++) to[t] = S::fma(w, S::load(rest, from + t * stride + whole), to[t]);
      }
    }
    values += size;
  };
  for (; count >= kSide; count -= kSide)
#pragma GCC unroll 2
    for (int s = 0; s < kSide; s++) add(sum[s]);
  if (count > 0) add(sum[0]);
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; t++) sums[t * sums_stride] = total(S::add(sum[0][t], sum[1][t]));
}

template <class S>
inline void grouped_dots(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                         const float* x, std::size_t stride, std::size_t tokens, float* sums, std::size_t sums_stride) {
  constexpr std::size_t kUsual = kCodeChunk;
  if (size == kUsual)
    for (; tokens >= 4; tokens -= 4, x += 4 * stride, sums += 4 * sums_stride)
      dots_of<S, 4, kUsual / S::kLanes>(values, index, count, size, x, stride, sums, sums_stride);
  for (; tokens > 0; tokens--, x += stride, sums += sums_stride)
    dots_of<S, 1, 0>(values, index, count, size, x, stride, sums, sums_stride);
}

template <class S>
inline constexpr int kCodeVecs = static_cast<int>(kCodeChunk) / S::kLanes;

// sums + scale·(codes − zero)·x of one group of whole chunks, the last of which is read from `last`; for several rows
// of x, `stride` apart, where the group is one chunk.
template <class S, class Codes, bool kOne, int kTokens>
inline void add_codes(typename S::V (&sums)[kTokens][kCodeVecs<S>], const std::uint8_t* codes, const std::uint8_t* last,
                      const float* zero, const float* scale, const float* x, std::size_t stride, std::size_t chunks) {
  static_assert(kOne || kTokens == 1);
  using V = typename S::V;
  constexpr int kVecs = kCodeVecs<S>;
  V group[kVecs], code[kVecs];
  if constexpr (!kOne) {
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) group[v] = S::zero();
    for (std::size_t c = 1; c < chunks; c++, codes += Codes::kBytes, x += kCodeChunk) {
      Codes::load(codes, zero, code);
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) group[v] = S::fma(code[v], S::load(x + v * S::kLanes), group[v]);
    }
  }
  Codes::load(last, zero, code);
  const V by = S::broadcast(scale);
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) {
      const V xv = S::load(x + t * stride + v * S::kLanes);
      group[v] = kOne ? S::mul(code[v], xv) : S::fma(code[v], xv, group[v]);
      sums[t][v] = S::fma(by, group[v], sums[t][v]);
    }
}

// kOne: groups of one chunk, the usual size. Four sums, so that none waits for the one before; zero points become
// floats a block of groups at a time. The last chunk of a group may be read into the next one, where x has zeros, but
// not past the last group.
template <class S, class Codes, bool kOne, int kTokens, class Run>
inline void dot_codes(const Run& r, const float* x, float* out) {
  constexpr int kVecs = kCodeVecs<S>, kSide = 4 / kVecs;
  constexpr std::size_t kPerByte = kCodeChunk / Codes::kBytes, kBlock = 16;
  const auto* codes = reinterpret_cast<const std::uint8_t*>(r.codes);
  const std::size_t bytes = kOne ? Codes::kBytes : (r.size + kPerByte - 1) / kPerByte;
  const std::size_t chunks = kOne ? 1 : (r.size + kCodeChunk - 1) / kCodeChunk, before = (chunks - 1) * Codes::kBytes;
  typename S::V sums[kSide][kTokens][kVecs];
#pragma GCC unroll 4
  for (int s = 0; s < kSide; s++)
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) sums[s][t][v] = S::zero();
  const std::uint8_t* const end = codes + r.count * bytes;
  for (std::size_t first = 0; first < r.count; first += kBlock) {
    const std::size_t count = r.count - first < kBlock ? r.count - first : kBlock;
    float zeros[kBlock];
    if constexpr (kPerByte == 2) Codes::zeros(r.zeros + first, static_cast<int>(count), zeros);
    const auto add = [&](std::size_t g, auto& to) __attribute__((always_inline)) {
      const std::uint8_t* group = codes + (first + g) * bytes;
      const std::uint8_t* last = group + before;
      std::uint8_t copy[Codes::kBytes] = {};
      if (!kOne && static_cast<std::size_t>(end - last) < Codes::kBytes) {
        for (std::size_t i = 0; i < bytes - before; i++) copy[i] = last[i];
        last = copy;
      }
      add_codes<S, Codes, kOne, kTokens>(to, group, last, zeros + g, r.scales + first + g,
                                         x + r.index[first + g] * chunks * kCodeChunk, r.stride, chunks);
    };
    std::size_t g = 0;
    for (; g + kSide <= count; g += kSide)
#pragma GCC unroll 4
      for (int s = 0; s < kSide; s++) add(g + s, sums[s]);
    for (; g < count; g++) add(g, sums[0]);
  }
#pragma GCC unroll 4
  for (std::size_t t = 0; t < kTokens; t++) {
    typename S::V sum = S::zero();
#pragma GCC unroll 4
    for (int s = 0; s < kSide; s++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) sum = S::add(sum, sums[s][t][v]);
    out[t * r.sums_stride] = total(sum);
  }
}

// As many tokens together as there are registers for.
template <class S, class Codes, class Run>
inline void dots_coded(const Run& r) {
  constexpr std::size_t kTokens = 4 / kCodeVecs<S>;
  const float* x = r.x;
  float* out = r.sums;
  std::size_t left = r.tokens;
  if (r.size == kCodeChunk) {
    if (left == 1) return dot_codes<S, Codes, true, 1>(r, x, out);
    for (; left >= kTokens; left -= kTokens, x += kTokens * r.stride, out += kTokens * r.sums_stride)
      dot_codes<S, Codes, true, kTokens>(r, x, out);
    for (; left > 0; left--, x += r.stride, out += r.sums_stride) dot_codes<S, Codes, true, 1>(r, x, out);
  }
  for (; left > 0; left--, x += r.stride, out += r.sums_stride) dot_codes<S, Codes, false, 1>(r, x, out);
}

template <class S>
inline float grouped_singles(const float* values, const std::uint32_t* index, std::size_t count, const float* x) {
  typename S::V sum[2] = {S::zero(), S::zero()};
  std::size_t g = 0;
  for (; g + 2 * S::kLanes <= count; g += 2 * S::kLanes) {
    sum[0] = S::fma(S::load(values + g), Gather::load(x, index + g), sum[0]);
    sum[1] = S::fma(S::load(values + g + S::kLanes), Gather::load(x, index + g + S::kLanes), sum[1]);
  }
  float rest = 0;
  for (; g < count; g++) rest += values[g] * x[index[g]];
  return total(S::add(sum[0], sum[1])) + rest;
}

inline std::uint32_t largest(const std::uint32_t* index, std::size_t count) {
  std::uint32_t most = 0;
  for (std::size_t g = 0; g < count; g++) most = most < index[g] ? index[g] : most;
  return most;
}
