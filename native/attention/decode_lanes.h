// The text of the decoding kernels, written once over F32 and F64 of core/*_lanes.h, after core/exp_lanes.h. The file
// that includes it gives, for each type of the cache,
//
//   struct CacheF32 { using T; static V load(const T*); static V load_first(size_t n, const T*); }   others are 0
//
// and sums4(a, b, c, d, out), the sums of the lanes of four vectors.

// Keys and values of a block, and the most query heads that share them in registers.
constexpr std::size_t kKeys = 4, kValues = 8, kQueries = F32::kLanes == 16 ? 4 : 2;

// The rows ahead, at least one block of them; none where there are not so many.
template <class T>
inline std::size_t rows_ahead(const DecodeRows<T>& rows, std::size_t block) {
  if (rows.ahead == 0) return rows.count;
  return (rows.ahead / (rows.stride * sizeof(T)) / block + 1) * block;
}

// Asks for `count` rows of the head at x, into the second-level cache: in the first one they would push out the queries
// and sums.
template <class T>
inline void prefetch_rows(const T* x, std::size_t stride, std::size_t count, std::size_t width) {
  for (std::size_t i = 0; i < count; i++)
    for (std::size_t j = 0; j < width; j += 64 / sizeof(T)) __builtin_prefetch(x + i * stride + j, 0, 2);
}

// kQ query heads of one head of keys, kK keys.
template <class S, class C, int kQ, int kK>
[[gnu::always_inline]] inline void score_tile(const typename S::T* q, std::size_t d, const typename C::T* k,
                                              std::size_t stride, typename S::T* x, std::size_t ld) {
  using V = typename S::V;
  V sum[kQ][4];
#pragma GCC unroll 4
  for (int a = 0; a < kQ; a++)
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) sum[a][i] = S::zero();
  std::size_t j = 0;
  for (; j + S::kLanes <= d; j += S::kLanes) {
    V key[kK];
#pragma GCC unroll 4
    for (int i = 0; i < kK; i++) key[i] = C::load(k + i * stride + j);
#pragma GCC unroll 4
    for (int a = 0; a < kQ; a++) {
      const V query = S::load(q + a * d + j);
#pragma GCC unroll 4
      for (int i = 0; i < kK; i++) sum[a][i] = S::fma(query, key[i], sum[a][i]);
    }
  }
  if (j < d) {
    const std::size_t left = d - j;
    const typename S::Mask mask = S::mask(static_cast<int>(left));
#pragma GCC unroll 4
    for (int i = 0; i < kK; i++) {
      const V key = C::load_first(left, k + i * stride + j);
#pragma GCC unroll 4
      for (int a = 0; a < kQ; a++) sum[a][i] = S::fma(S::load(mask, q + a * d + j), key, sum[a][i]);
    }
  }
#pragma GCC unroll 4
  for (int a = 0; a < kQ; a++) {
    if constexpr (kK == 4) {
      sums4(sum[a][0], sum[a][1], sum[a][2], sum[a][3], x + a * ld);
    } else {
      typename S::T sums[4];
      sums4(sum[a][0], sum[a][1], sum[a][2], sum[a][3], sums);
      for (int i = 0; i < kK; i++) x[a * ld + i] = sums[i];
    }
  }
}

// All heads of kK keys; `wanted` keys `ahead` rows on are asked for.
template <class S, class C, int kK>
inline void score_rows(const typename S::T* q, const typename C::T* k, std::size_t stride, std::size_t ahead,
                       std::size_t wanted, const DecodeHeads& heads, typename S::T* x, std::size_t ld) {
  const std::size_t d = heads.width;
  if (heads.group == 1) {
    for (std::size_t h = 0; h < heads.kv_heads; h++, k += d, q += d, x += ld) {
      prefetch_rows(k + ahead * stride, stride, wanted, d);
      score_tile<S, C, 1, kK>(q, d, k, stride, x, ld);
    }
    return;
  }
  for (std::size_t h = 0; h < heads.kv_heads; h++, k += d) {
    prefetch_rows(k + ahead * stride, stride, wanted, d);
    std::size_t a = 0;
    for (; a + kQueries <= heads.group; a += kQueries, q += kQueries * d, x += kQueries * ld)
      score_tile<S, C, kQueries, kK>(q, d, k, stride, x, ld);
    for (; a + 2 <= heads.group; a += 2, q += 2 * d, x += 2 * ld) score_tile<S, C, 2, kK>(q, d, k, stride, x, ld);
    for (; a < heads.group; a++, q += d, x += ld) score_tile<S, C, 1, kK>(q, d, k, stride, x, ld);
  }
}

template <class S, class C>
inline void scores(const typename S::T* q, const DecodeRows<typename C::T>& keys, const DecodeHeads& heads,
                   typename S::T* x, std::size_t ld) {
  std::size_t s = 0;
  const std::size_t ahead = rows_ahead(keys, kKeys);
  const auto* k = keys.data;
  for (; s + kKeys <= keys.count; s += kKeys, k += kKeys * keys.stride) {
    const std::size_t wanted = s + ahead + kKeys <= keys.count ? kKeys : 0;
    score_rows<S, C, kKeys>(q, k, keys.stride, ahead, wanted, heads, x + s, ld);
  }
  for (; s < keys.count; s++, k += keys.stride) score_rows<S, C, 1>(q, k, keys.stride, 0, 0, heads, x + s, ld);
}

// kC vectors of the values of one head into kQ query heads.
template <class S, class C, int kQ, int kC>
[[gnu::always_inline]] inline void value_tile(const typename S::T* w, std::size_t ld, const typename C::T* v,
                                              std::size_t stride, std::size_t count, typename S::T* acc,
                                              std::size_t dv) {
  using V = typename S::V;
  V sum[kQ][kC];
#pragma GCC unroll 8
  for (int a = 0; a < kQ; a++)
#pragma GCC unroll 8
    for (int c = 0; c < kC; c++) sum[a][c] = S::load(acc + a * dv + c * S::kLanes);
  for (std::size_t s = 0; s < count; s++, v += stride) {
    V value[kC];
#pragma GCC unroll 8
    for (int c = 0; c < kC; c++) value[c] = C::load(v + c * S::kLanes);
#pragma GCC unroll 8
    for (int a = 0; a < kQ; a++) {
      const V weight = S::broadcast(w + a * ld + s);
#pragma GCC unroll 8
      for (int c = 0; c < kC; c++) sum[a][c] = S::fma(weight, value[c], sum[a][c]);
    }
  }
#pragma GCC unroll 8
  for (int a = 0; a < kQ; a++)
#pragma GCC unroll 8
    for (int c = 0; c < kC; c++) S::store(acc + a * dv + c * S::kLanes, sum[a][c]);
}

// The last `left` < kLanes columns for one query head.
template <class S, class C>
inline void value_tail(const typename S::T* w, const typename C::T* v, std::size_t stride, std::size_t count,
                       typename S::T* acc, std::size_t left) {
  const typename S::Mask mask = S::mask(static_cast<int>(left));
  typename S::V sum = S::load(mask, acc);
  for (std::size_t s = 0; s < count; s++, v += stride) sum = S::fma(S::broadcast(w + s), C::load_first(left, v), sum);
  S::store(mask, acc, sum);
}

template <class S, class C, int kQ>
[[gnu::always_inline]] inline void value_heads(const typename S::T* w, std::size_t ld, const typename C::T* v,
                                               std::size_t stride, std::size_t count, typename S::T* acc,
                                               std::size_t dv) {
  // As much of a row at a time as there are registers for: the longer the runs, the better memory is read ahead.
  constexpr int kWide = kQ == 1 && sizeof(typename C::T) > 2 ? 8 : 4;
  std::size_t j = 0;
  for (; j + kWide * S::kLanes <= dv; j += kWide * S::kLanes)
    value_tile<S, C, kQ, kWide>(w, ld, v + j, stride, count, acc + j, dv);
  if constexpr (kWide > 4)
    for (; j + 4 * S::kLanes <= dv; j += 4 * S::kLanes)
      value_tile<S, C, kQ, 4>(w, ld, v + j, stride, count, acc + j, dv);
  for (; j + S::kLanes <= dv; j += S::kLanes) value_tile<S, C, kQ, 1>(w, ld, v + j, stride, count, acc + j, dv);
  if (j < dv)
    for (int a = 0; a < kQ; a++) value_tail<S, C>(w + a * ld, v + j, stride, count, acc + a * dv + j, dv - j);
}

template <class S, class C>
inline void values(const typename S::T* w, std::size_t ld, const DecodeRows<typename C::T>& rows,
                   const DecodeHeads& heads, typename S::T* acc) {
  const std::size_t dv = heads.width, ahead = rows_ahead(rows, kValues);
  for (std::size_t s = 0; s < rows.count; s += kValues) {
    const std::size_t left = rows.count - s, count = left < kValues ? left : kValues;
    const std::size_t wanted = ahead + kValues <= left ? kValues : 0;
    const auto* v = rows.data + s * rows.stride;
    const typename S::T* weight = w + s;
    typename S::T* sum = acc;
    if (heads.group == 1) {
      for (std::size_t h = 0; h < heads.kv_heads; h++, v += dv, weight += ld, sum += dv) {
        prefetch_rows(v + ahead * rows.stride, rows.stride, wanted, dv);
        value_heads<S, C, 1>(weight, ld, v, rows.stride, count, sum, dv);
      }
      continue;
    }
    for (std::size_t h = 0; h < heads.kv_heads; h++, v += dv) {
      prefetch_rows(v + ahead * rows.stride, rows.stride, wanted, dv);
      std::size_t a = 0;
      for (; a + kQueries <= heads.group; a += kQueries, weight += kQueries * ld, sum += kQueries * dv)
        value_heads<S, C, kQueries>(weight, ld, v, rows.stride, count, sum, dv);
      for (; a + 2 <= heads.group; a += 2, weight += 2 * ld, sum += 2 * dv)
        value_heads<S, C, 2>(weight, ld, v, rows.stride, count, sum, dv);
      for (; a < heads.group; a++, weight += ld, sum += dv)
        value_heads<S, C, 1>(weight, ld, v, rows.stride, count, sum, dv);
    }
  }
}

// Running extremes and sum of one head, a lane each.
template <class S>
struct Extremes {
  typename S::V low, high, sum;

  DecodeWeights<typename S::T> gather() const {
    typename S::T lows[S::kLanes], highs[S::kLanes], sums[S::kLanes];
    S::store(lows, low);
    S::store(highs, high);
    S::store(sums, sum);
    DecodeWeights<typename S::T> all = {lows[0], highs[0], sums[0]};
    for (int l = 1; l < S::kLanes; l++) {
      all.low = lows[l] < all.low ? lows[l] : all.low;
      all.high = highs[l] > all.high ? highs[l] : all.high;
      all.sum += sums[l];
    }
    return all;
  }
};

// What is made of a vector of logits: the weights, and in x the values whose extremes count.
template <class S>
struct AsTheyAre {
  typename S::V operator()(typename S::V& x) const { return x; }
};

template <class S>
struct Shifted {
  typename S::T shift;
  typename S::V operator()(typename S::V& x) const {
    x = S::sub(x, S::all(shift));
    return exp_of<S>(x);
  }
};

template <class S>
struct Extended {
  typename S::T top;
  typename S::V operator()(typename S::V& x) const {
    using V = typename S::V;
    const auto masked = S::below(x, S::all(-kDecodeOrdinary));  // −∞, which has no pair
    V n;
    const V m = exp_pair_of<S>(S::select(masked, S::zero(), x), n);
    // so far below the largest weight nothing is left of one
    const V w = S::scale(m, S::max(S::all(sizeof(top) == 8 ? -2040 : -250), S::sub(n, S::all(top))));
    x = S::zero();
    return S::select(masked, S::zero(), w);
  }
};

// Lanes past the end count neither in the extremes nor in the sum.
template <class S, bool kStore, class Make>
inline DecodeWeights<typename S::T> for_logits(typename S::T* x, std::size_t count, Make make) {
  using V = typename S::V;
  constexpr auto kInfinity = static_cast<typename S::T>(__builtin_huge_val());
  Extremes<S> all = {S::all(kInfinity), S::all(-kInfinity), S::zero()};
  std::size_t j = 0;
  for (; j + S::kLanes <= count; j += S::kLanes) {
    V v = S::load(x + j);
    const V w = make(v);
    all.low = S::min(v, all.low);
    all.high = S::max(v, all.high);
    if constexpr (kStore) {
      all.sum = S::add(all.sum, w);
      S::store(x + j, w);
    }
  }
  if (j < count) {
    const typename S::Mask mask = S::mask(static_cast<int>(count - j));
    V v = S::load(mask, x + j);
    const V w = make(v);
    all.low = S::min(S::select(mask, v, all.low), all.low);
    all.high = S::max(S::select(mask, v, all.high), all.high);
    if constexpr (kStore) {
      all.sum = S::add(all.sum, S::select(mask, w, S::zero()));
      S::store(mask, x + j, w);
    }
  }
  return all.gather();
}

template <class S>
inline DecodeWeights<typename S::T> range(const typename S::T* x, std::size_t count) {
  return for_logits<S, false>(const_cast<typename S::T*>(x), count, AsTheyAre<S>{});
}

template <class S>
inline DecodeWeights<typename S::T> shifted(typename S::T* x, std::size_t count, typename S::T shift) {
  return for_logits<S, true>(x, count, Shifted<S>{shift});
}

template <class S>
inline DecodeWeights<typename S::T> extended(typename S::T* x, std::size_t count, typename S::T top) {
  return for_logits<S, true>(x, count, Extended<S>{top});
}
