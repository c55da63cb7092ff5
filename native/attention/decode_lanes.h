// The text of the decoding kernels, written once over F32 and F64 of core/*_lanes.h, after core/exp_lanes.h. The file
// that includes it gives, for each type of the cache,
//
//   struct CacheF32 { using T; static V load(const T*); static V load_first(size_t n, const T*); }   others are 0
//
// and sums4(a, b, c, d, out), the sums of the lanes of four vectors.

// Keys and values of a block, and the most query heads that share them in registers.
constexpr std::size_t kKeys = 4, kValues = 8, kQueries = F32::kLanes == 16 ? 4 : 2;

// What is asked for: `count` rows of a head at a time, `rows` after those worked on. From afar into the second-level
// cache: in the first one they would push out the queries and sums.
struct Asked {
  std::size_t rows, count;
  bool near;
};

// Whole blocks, at least one; none where there are not so many.
template <class T>
inline Asked rows_ahead(const DecodeRows<T>& rows, std::size_t first, std::size_t block) {
  const bool near = rows.ahead == kDecodeNear;
  const std::size_t ahead = near ? block : (rows.ahead / (rows.stride * sizeof(T)) / block + 1) * block;
  return {ahead, rows.ahead != 0 && first + ahead + block <= rows.count ? block : 0, near};
}

template <class T>
[[gnu::always_inline]] inline void ask(const T* x, std::size_t stride, const Asked& asked, std::size_t width) {
  x += asked.rows * stride;
  for (std::size_t i = 0; i < asked.count; i++, x += stride)
    if (asked.near)
      for (std::size_t j = 0; j < width; j += 64 / sizeof(T)) __builtin_prefetch(x + j);
    else
      for (std::size_t j = 0; j < width; j += 64 / sizeof(T)) __builtin_prefetch(x + j, 0, 2);
}

// The sums of the lanes of kK vectors.
template <class S, int kK>
[[gnu::always_inline]] inline void put_sums(const typename S::V* sum, typename S::T* x) {
  if constexpr (kK == 4) {
    sums4(sum[0], sum[1], sum[2], sum[3], x);
  } else {
    typename S::T sums[4];
    sums4(sum[0], sum[1], sum[2], sum[3], sums);
    for (int i = 0; i < kK; i++) x[i] = sums[i];
  }
}

// Whether kQ query heads of this cache have tiles of their own where heads are whole cache lines: C::Lines<kQ>.
template <class C, int kQ>
constexpr bool has_lines() {
  return requires { typename C::template Lines<kQ>; };
}
template <class T>
inline bool whole_lines(const DecodeRows<T>& rows, std::size_t width) {
  return width % 64 == 0 && rows.stride * sizeof(T) % 64 == 0;
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
  for (int a = 0; a < kQ; a++) put_sums<S, kK>(sum[a], x + a * ld);
}

template <class S, class C, int kQ, int kK>
[[gnu::always_inline]] inline void score_heads(const typename S::T* q, std::size_t d, const typename C::T* k,
                                               std::size_t stride, bool lines, typename S::T* x, std::size_t ld) {
  if constexpr (has_lines<C, kQ>())
    if (lines) return C::template Lines<kQ>::template scores<kK>(q, d, k, stride, x, ld);
  score_tile<S, C, kQ, kK>(q, d, k, stride, x, ld);
}

// The same as a call: with several query heads, or one lane, there is enough to do in each.
template <class S, class C, int kQ, int kK>
[[gnu::noinline]] void call_scores(const typename S::T* q, std::size_t d, const typename C::T* k, std::size_t stride,
                                   bool lines, typename S::T* x, std::size_t ld) {
  score_heads<S, C, kQ, kK>(q, d, k, stride, lines, x, ld);
}

// All heads of kK keys.
template <class S, class C, int kK>
inline void score_rows(const typename S::T* q, const DecodeRows<typename C::T>& keys, std::size_t first,
                       const DecodeHeads& heads, typename S::T* x, std::size_t ld) {
  const std::size_t d = heads.width, stride = keys.stride, group = heads.group;
  const auto* k = keys.data + first * stride;
  const Asked asked = kK == kKeys ? rows_ahead(keys, first, kKeys) : Asked{0, 0, false};
  const bool lines = whole_lines(keys, d);
  x += first;
  if (kK == kKeys && group == 1 && S::kLanes > 1) {
    for (std::size_t h = 0; h < heads.kv_heads; h++, k += d, q += d, x += ld) {
      ask(k, stride, asked, d);
      score_heads<S, C, 1, kK>(q, d, k, stride, lines, x, ld);
    }
    return;
  }
  for (std::size_t h = 0; h < heads.kv_heads; h++, k += d) {
    ask(k, stride, asked, d);
    std::size_t a = 0;
    for (; a + kQueries <= group; a += kQueries, q += kQueries * d, x += kQueries * ld)
      call_scores<S, C, kQueries, kK>(q, d, k, stride, lines, x, ld);
    for (; a + 2 <= group; a += 2, q += 2 * d, x += 2 * ld) call_scores<S, C, 2, kK>(q, d, k, stride, lines, x, ld);
    // One that is left over has the bits of its neighbours, which tiles of lines do not give; single keys of a group of
    // one have those of four keys.
    const bool alone = kK != kKeys && group == 1;
    for (; a < group; a++, q += d, x += ld) call_scores<S, C, 1, kK>(q, d, k, stride, lines && alone, x, ld);
  }
}

template <class S, class C>
inline void scores(const typename S::T* q, const DecodeRows<typename C::T>& keys, const DecodeHeads& heads,
                   typename S::T* x, std::size_t ld) {
  std::size_t s = 0;
  for (; s + kKeys <= keys.count; s += kKeys) score_rows<S, C, kKeys>(q, keys, s, heads, x, ld);
  for (; s < keys.count; s++) score_rows<S, C, 1>(q, keys, s, heads, x, ld);
}

// body(s, row s of v) for `count` ≤ kValues rows. Mostly with instructions for each of them, which the compiler makes
// of the plain loop: the processor reads memory ahead by what each instruction loaded before. Where arithmetic is the
// limit anyway, the code is kept short.
template <class S, int kQ, class T, class Body>
[[gnu::always_inline]] inline void for_rows(const T* v, std::size_t stride, std::size_t count, Body body) {
  if constexpr (kQ != 2) {
    for (std::size_t s = 0; s < count; s++, v += stride) body(s, v);
  } else {
#pragma GCC unroll 1
    for (std::size_t s = 0; s < count; s++, v += stride) body(s, v);
  }
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
  for_rows<S, kQ>(
      v, stride, count, [&](std::size_t s, const typename C::T* row) __attribute__((always_inline)) {
        V value[kC];
#pragma GCC unroll 8
        for (int c = 0; c < kC; c++) value[c] = C::load(row + c * S::kLanes);
#pragma GCC unroll 8
        for (int a = 0; a < kQ; a++) {
          const V weight = S::broadcast(w + a * ld + s);
#pragma GCC unroll 8
          for (int c = 0; c < kC; c++) sum[a][c] = S::fma(weight, value[c], sum[a][c]);
        }
      });
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
#pragma GCC unroll 1
  for (std::size_t s = 0; s < count; s++, v += stride) sum = S::fma(S::broadcast(w + s), C::load_first(left, v), sum);
  S::store(mask, acc, sum);
}

template <class S, class C, int kQ>
[[gnu::always_inline]] inline void value_heads(const typename S::T* w, std::size_t ld, const typename C::T* v,
                                               std::size_t stride, std::size_t count, bool lines, typename S::T* acc,
                                               std::size_t dv) {
  if constexpr (has_lines<C, kQ>())
    if (lines) return C::template Lines<kQ>::values(w, ld, v, stride, count, acc, dv);
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

template <class S, class C, int kQ>
[[gnu::noinline]] void call_values(const typename S::T* w, std::size_t ld, const typename C::T* v, std::size_t stride,
                                   std::size_t count, bool lines, typename S::T* acc, std::size_t dv) {
  value_heads<S, C, kQ>(w, ld, v, stride, count, lines, acc, dv);
}

template <class S, class C>
inline void values(const typename S::T* w, std::size_t ld, const DecodeRows<typename C::T>& rows,
                   const DecodeHeads& heads, typename S::T* acc) {
  const std::size_t dv = heads.width, stride = rows.stride, group = heads.group;
  const bool lines = whole_lines(rows, dv);
  // Rows asked for nearby are read faster by half as many: of 4 or 8 KiB each, more would share sets of the cache.
  const std::size_t block = rows.ahead == kDecodeNear ? kValues / 2 : kValues;
  for (std::size_t s = 0; s < rows.count; s += block) {
    const std::size_t left = rows.count - s, count = left < block ? left : block;
    const Asked asked = rows_ahead(rows, s, block);
    const auto* v = rows.data + s * stride;
    const typename S::T* weight = w + s;
    typename S::T* sum = acc;
    if (group == 1 && S::kLanes > 1) {
      for (std::size_t h = 0; h < heads.kv_heads; h++, v += dv, weight += ld, sum += dv) {
        ask(v, stride, asked, dv);
        value_heads<S, C, 1>(weight, ld, v, stride, count, lines, sum, dv);
      }
      continue;
    }
    for (std::size_t h = 0; h < heads.kv_heads; h++, v += dv) {
      ask(v, stride, asked, dv);
      std::size_t a = 0;
      for (; a + kQueries <= group; a += kQueries, weight += kQueries * ld, sum += kQueries * dv)
        call_values<S, C, kQueries>(weight, ld, v, stride, count, lines, sum, dv);
      for (; a + 2 <= group; a += 2, weight += 2 * ld, sum += 2 * dv)
        call_values<S, C, 2>(weight, ld, v, stride, count, lines, sum, dv);
      for (; a < group; a++, weight += ld, sum += dv)
        call_values<S, C, 1>(weight, ld, v, stride, count, lines, sum, dv);
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
