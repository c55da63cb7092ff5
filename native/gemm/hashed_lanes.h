// The text of the kernel of hashed weights, written once over F32 of core/*_lanes.h.

// kVecs vectors at `from` of the 16 rows, kTokens rows of x.
template <class S, int kTokens, int kVecs>
inline void hashed_rows(const HashedPanel& p, std::size_t from, const float* x, float* y) {
  using V = typename S::V;
  constexpr int kChains = kTokens == 1 ? 4 : 2;
  V total[kTokens][kVecs];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) total[t][v] = S::zero();
  for (std::size_t first = 0, tile = 0; first < p.cols; first += p.chunk, tile++) {
    const float* w = p.start[tile] + from;
    const std::size_t count = p.cols - first < p.chunk ? p.cols - first : p.chunk;
    V sum[kChains][kTokens][kVecs];
#pragma GCC unroll 4
    for (int c = 0; c < kChains; c++)
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) sum[c][t][v] = S::zero();
    std::size_t k = 0;
    for (; k + kChains <= count; k += kChains)
#pragma GCC unroll 4
      for (int c = 0; c < kChains; c++)
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; t++) {
          const V xk = S::broadcast(x + t * p.stride + first + k + c);
#pragma GCC unroll 2
          for (int v = 0; v < kVecs; v++)
            sum[c][t][v] = S::fma(S::load(w + 16 * (k + c) + v * S::kLanes), xk, sum[c][t][v]);
        }
    for (; k < count; k++)
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++) {
        const V xk = S::broadcast(x + t * p.stride + first + k);
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) sum[0][t][v] = S::fma(S::load(w + 16 * k + v * S::kLanes), xk, sum[0][t][v]);
      }
    const V sign = S::broadcast(p.sign + tile);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) {
        V all = S::add(sum[0][t][v], sum[1][t][v]);
        if constexpr (kChains == 4) all = S::add(all, S::add(sum[2][t][v], sum[3][t][v]));
        total[t][v] = S::fma(sign, all, total[t][v]);
      }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) S::store(y + 16 * t + from + v * S::kLanes, total[t][v]);
}

// kTokens at a time, as many as the registers hold.
template <class S, int kTokens, int kVecs>
inline void hashed_panel(const HashedPanel& p) {
  for (std::size_t from = 0; from < 16; from += kVecs * S::kLanes) {
    std::size_t t = 0;
    for (; t + kTokens <= p.tokens; t += kTokens)
      hashed_rows<S, kTokens, kVecs>(p, from, p.x + t * p.stride, p.y + 16 * t);
    for (; t < p.tokens; t++) hashed_rows<S, 1, kVecs>(p, from, p.x + t * p.stride, p.y + 16 * t);
  }
}
