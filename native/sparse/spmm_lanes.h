// The text of the sparse × dense kernels, written once over F32 and F64 of core/avx2_lanes.h or core/avx512_lanes.h.

// The row of B that is named so many entries later is fetched meanwhile.
constexpr std::size_t kAhead = 6;
// Registers that hold a row of the panel; a wider one takes two sweeps over the entries of a row, the second over
// indices and values that are in the first-level cache by then.
constexpr int kSums = 8;

// One row, V vectors from column j on, the last of them by mask. `end` bounds the indices that may be prefetched.
template <class S, int V>
inline void row_of(const SpmmPanel<typename S::T>& s, std::size_t i, std::size_t j, typename S::Mask tail,
                   std::size_t end) {
  using T = typename S::T;
  typename S::V sum[V];
  for (int v = 0; v < V; v++) sum[v] = S::zero();
  for (std::size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
    if (p + kAhead < end) {
      const char* next = reinterpret_cast<const char*>(s.b + s.indices[p + kAhead] * s.ld + j);
      for (std::size_t byte = 0; byte < V * sizeof(typename S::V); byte += 64) __builtin_prefetch(next + byte);
    }
    const T* b = s.b + s.indices[p] * s.ld + j;
    const auto value = S::broadcast(s.values + p);
    for (int v = 0; v < V - 1; v++) sum[v] = S::fma(value, S::load(b + v * S::kLanes), sum[v]);
    sum[V - 1] = S::fma(value, S::load(tail, b + (V - 1) * S::kLanes), sum[V - 1]);
  }
  T* c = s.c + i * s.ld + j;
  for (int v = 0; v < V - 1; v++) S::store(c + v * S::kLanes, sum[v]);
  S::store(tail, c + (V - 1) * S::kLanes, sum[V - 1]);
}

template <class S, int V>
inline void rows_of(const SpmmPanel<typename S::T>& s) {
  constexpr std::size_t kFull = kSums * S::kLanes;
  const std::size_t end = s.indptr[s.last];
  const std::size_t j = s.width > kFull ? kFull : 0;  // the second sweep begins here
  const auto all = S::mask(S::kLanes);
  const auto tail = S::mask(static_cast<int>(s.width - j) - (V - 1) * S::kLanes);
  for (std::size_t i = s.first; i < s.last; i++) {
    if (j > 0) row_of<S, kSums>(s, i, 0, all, end);
    row_of<S, V>(s, i, j, tail, end);
  }
}

template <class S>
inline void panel_of(const SpmmPanel<typename S::T>& s) {
  constexpr std::size_t kFull = kSums * S::kLanes;
  static_assert(kSpmmPanel<typename S::T> <= 2 * kFull);
  const std::size_t last = s.width > kFull ? s.width - kFull : s.width;
  switch ((last + S::kLanes - 1) / S::kLanes) {
    case 1:
      return rows_of<S, 1>(s);
    case 2:
      return rows_of<S, 2>(s);
    case 3:
      return rows_of<S, 3>(s);
    case 4:
      return rows_of<S, 4>(s);
    case 5:
      return rows_of<S, 5>(s);
    case 6:
      return rows_of<S, 6>(s);
    case 7:
      return rows_of<S, 7>(s);
    default:
      return rows_of<S, 8>(s);
  }
}

// Products of a row of X and of a row of Y for each entry of rows first … last − 1; see sddmm.h.
template <class S>
inline typename S::T dot(const typename S::T* x, const typename S::T* y, std::size_t k) {
  using V = typename S::V;
  V sum[4] = {S::zero(), S::zero(), S::zero(), S::zero()};
  std::size_t j = 0;
  for (; j + 4 * S::kLanes <= k; j += 4 * S::kLanes)
    for (int v = 0; v < 4; v++) sum[v] = S::fma(S::load(x + j + v * S::kLanes), S::load(y + j + v * S::kLanes), sum[v]);
  for (; j + S::kLanes <= k; j += S::kLanes) sum[0] = S::fma(S::load(x + j), S::load(y + j), sum[0]);
  if (j < k) {
    const auto tail = S::mask(static_cast<int>(k - j));
    sum[1] = S::fma(S::load(tail, x + j), S::load(tail, y + j), sum[1]);
  }
  typename S::T lanes[S::kLanes];
  S::store(lanes, S::add(S::add(sum[0], sum[1]), S::add(sum[2], sum[3])));
  for (int half = S::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

template <class S>
inline void dots_of(const SddmmRows<typename S::T>& s) {
  const std::size_t end = s.indptr[s.last];
  for (std::size_t i = s.first; i < s.last; i++) {
    const auto* x = s.x + i * s.k;
    for (std::size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
      if (p + kAhead < end) {
        const char* next = reinterpret_cast<const char*>(s.y + s.indices[p + kAhead] * s.k);
        const std::size_t bytes = s.k * sizeof(typename S::T);
        for (std::size_t byte = 0; byte < (bytes < 512 ? bytes : 512); byte += 64) __builtin_prefetch(next + byte);
      }
      s.out[p] = s.values[p] * dot<S>(x, s.y + s.indices[p] * s.k, s.k);
    }
  }
}
