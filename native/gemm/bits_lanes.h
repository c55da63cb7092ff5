// The text of the bit-plane micro-kernels, written once. Included inside an instruction set's region and unnamed
// namespace after a struct of this shape:
//
//   struct Bits {
//     using V = <vector of i32>;  static constexpr int kLanes;
//     zero(), all(i32), load(p), store(p, v), load(mask(n), p), store(mask(n), p, v), add(a, b), mul(a, b)
//     template <int kRows, int kVecs, bool kXor, bool kMinus>
//     accumulate(V (&sum)[kRows][kVecs], a, a_row, b, words): sum[i][v] ± popcounts of a's row i against b's columns
//   };

template <class S, int kRows, int kVecs, bool kXor>
void bits_tile(const BitTile& t) {
  using V = typename S::V;
  constexpr int kWidth = 2 * S::kLanes;  // columns of a packed row of B
  V sum[kRows][kVecs];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; v++) sum[i][v] = S::zero();
  for (int order = t.a_bits + t.b_bits - 2; order >= 0; order--) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) sum[i][v] = S::add(sum[i][v], sum[i][v]);
    const int first = order < t.b_bits ? 0 : order - t.b_bits + 1, last = order < t.a_bits ? order : t.a_bits - 1;
    for (int p = first; p <= last; p++) {
      const int q = order - p;
      const bool minus = (t.a_signed && p == t.a_bits - 1) != (t.b_signed && q == t.b_bits - 1);
      const std::int32_t* a = t.a + static_cast<std::size_t>(p) * t.a_plane;
      const std::int32_t* b = t.b + static_cast<std::size_t>(q) * t.b_plane;
      if (minus)
        S::template accumulate<kRows, kVecs, kXor, true, kWidth>(sum, a, t.a_row, b, t.words);
      else
        S::template accumulate<kRows, kVecs, kXor, false, kWidth>(sum, a, t.a_row, b, t.words);
    }
  }
  const typename S::Mask last = S::mask(static_cast<int>(t.n) - (kVecs - 1) * S::kLanes);
  const V alpha = S::all(t.alpha);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
    std::int32_t* c = t.c + static_cast<std::size_t>(i) * t.ldc;
    if constexpr (kVecs == 2) {
      S::store(c, S::add(S::load(c), S::mul(alpha, sum[i][0])));
      c += S::kLanes;
    }
    S::store(last, c, S::add(S::load(last, c), S::mul(alpha, sum[i][kVecs - 1])));
  }
}

template <class S, int kRows>
inline void bits_rows(const BitTile& t) {
  if (static_cast<int>(t.m) < kRows) {
    if constexpr (kRows > 1) bits_rows<S, kRows - 1>(t);
    return;
  }
  const bool two = t.n > S::kLanes;
  if (t.exclusive_or)
    (two ? bits_tile<S, kRows, 2, true> : bits_tile<S, kRows, 1, true>)(t);
  else
    (two ? bits_tile<S, kRows, 2, false> : bits_tile<S, kRows, 1, false>)(t);
}
