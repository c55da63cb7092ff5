// The text of the scan kernels, written once over the lanes of core/*_lanes.h and included after core/exp_lanes.h and
// core/each_vector.h.

// Up to kVecs·kLanes channels with the state in registers; the last of the vectors is masked.
template <class S, int kVecs>
inline void scan_narrow(const typename S::T* a, const typename S::T* b, const typename S::T* before, typename S::T* out,
                        std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  using V = typename S::V;
  constexpr int kLast = (kVecs - 1) * S::kLanes;
  const typename S::Mask mask = S::mask(static_cast<int>(n) - kLast);
  V h[kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs - 1; v++) h[v] = S::load(before + v * S::kLanes);
  h[kVecs - 1] = S::load(mask, before + kLast);
  for (; rows > 0; rows--, a += step, b += step, out += step) {
#pragma GCC unroll 4
    for (int v = 0; v < kVecs - 1; v++) {
      h[v] = S::fma(S::load(a + v * S::kLanes), h[v], S::load(b + v * S::kLanes));
      S::store(out + v * S::kLanes, h[v]);
    }
    h[kVecs - 1] = S::fma(S::load(mask, a + kLast), h[kVecs - 1], S::load(mask, b + kLast));
    S::store(mask, out + kLast, h[kVecs - 1]);
  }
}

// Row after row, so that memory is read in long runs; the row before is still in the first-level cache.
template <class S>
inline void scan_wide(const typename S::T* a, const typename S::T* b, const typename S::T* before, typename S::T* out,
                      std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  for (; rows > 0; rows--, a += step, b += step, before = out, out += step) {
    std::size_t j = 0;
    for (; j + S::kLanes <= n; j += S::kLanes) {
      __builtin_prefetch(a + 2 * step + j);
      __builtin_prefetch(b + 2 * step + j);
      S::store(out + j, S::fma(S::load(a + j), S::load(before + j), S::load(b + j)));
    }
    if (j == n) continue;
    const typename S::Mask mask = S::mask(static_cast<int>(n - j));
    S::store(mask, out + j, S::fma(S::load(mask, a + j), S::load(mask, before + j), S::load(mask, b + j)));
  }
}

template <class S>
inline void scan(const typename S::T* a, const typename S::T* b, const typename S::T* before, typename S::T* out,
                 std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  constexpr std::size_t kLanes = S::kLanes;
  if (n <= kLanes)
    scan_narrow<S, 1>(a, b, before, out, step, rows, n);
  else if (n <= 2 * kLanes)
    scan_narrow<S, 2>(a, b, before, out, step, rows, n);
  else if (n <= 3 * kLanes)
    scan_narrow<S, 3>(a, b, before, out, step, rows, n);
  else if (n <= 4 * kLanes)
    scan_narrow<S, 4>(a, b, before, out, step, rows, n);
  else
    scan_wide<S>(a, b, before, out, step, rows, n);
}

template <class S>
inline void scan_backward(const typename S::T* dout, const typename S::T* a, const typename S::T* previous,
                          typename S::T* carry, typename S::T* da, typename S::T* db, std::ptrdiff_t step,
                          std::size_t rows, std::size_t n) {
  using V = typename S::V;
  for (; rows > 0; rows--, dout += step, a += step, previous += step, da += step, db += step) {
    std::size_t j = 0;
    for (; j + S::kLanes <= n; j += S::kLanes) {
      const V g = S::add(S::load(dout + j), S::load(carry + j));
      S::store(carry + j, S::mul(S::load(a + j), g));
      S::store(da + j, S::mul(g, S::load(previous + j)));
      S::store(db + j, g);
    }
    if (j == n) continue;
    const typename S::Mask mask = S::mask(static_cast<int>(n - j));
    const V g = S::add(S::load(mask, dout + j), S::load(mask, carry + j));
    S::store(mask, carry + j, S::mul(S::load(mask, a + j), g));
    S::store(mask, da + j, S::mul(g, S::load(mask, previous + j)));
    S::store(mask, db + j, g);
  }
}

template <class S>
inline void selective_scan(const SelectiveTile& t) {
  using V = typename S::V;
  const float *x = t.x, *delta = t.delta, *b = t.b, *c = t.c;
  float* y = t.y;
  const std::ptrdiff_t across = t.step < 0 ? -static_cast<std::ptrdiff_t>(t.states) : t.states;
  for (std::size_t row = 0; row < t.rows; row++) {
    each_vector<S>(t.n, [&](std::size_t j, auto vector) {
      const V xj = vector.load(x + j), dj = vector.load(delta + j), dx = S::mul(dj, xj);
      V sum = t.skip ? S::mul(vector.load(t.skip + j), xj) : S::zero();
      for (std::size_t s = 0; s < t.states; s++) {
        float* h = t.h + s * t.n + j;
        const V decay = exp_lanes<S>(S::mul(dj, vector.load(t.a + s * t.n + j)));
        const V next = S::fma(decay, vector.load(h), S::mul(dx, S::broadcast(b + s)));
        vector.store(h, next);
        sum = S::fma(next, S::broadcast(c + s), sum);
      }
      vector.store(y + j, sum);
    });
    x += t.step;
    delta += t.step;
    y += t.step;
    b += across;
    c += across;
  }
}

template <class S>
inline void selective_states(const SelectiveStates& t) {
  using V = typename S::V;
  const std::ptrdiff_t across = t.step < 0 ? -static_cast<std::ptrdiff_t>(t.states) : t.states;
  const float *x = t.x, *delta = t.delta, *b = t.b, *before = t.before;
  float *h = t.h, *decay = t.decay;
  for (std::size_t row = 0; row < t.rows; row++) {
    each_vector<S>(t.n, [&](std::size_t j, auto vector) {
      const V dj = vector.load(delta + j), dx = S::mul(dj, vector.load(x + j));
      for (std::size_t s = 0; s < t.states; s++) {
        const std::size_t at = s * t.n + j;
        const V factor = exp_lanes<S>(S::mul(dj, vector.load(t.a + at)));
        vector.store(decay + at, factor);
        vector.store(h + at, S::fma(factor, vector.load(before + at), S::mul(dx, S::broadcast(b + s))));
      }
    });
    x += t.step;
    delta += t.step;
    b += across;
    before = h;
    h += t.states * t.n;
    decay += t.states * t.n;
  }
}

template <class S>
inline float sum_of(typename S::V v) {
  float lanes[S::kLanes];
  S::store(lanes, v);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

template <class S>
inline void selective_backward(const SelectiveBackward& t) {
  using V = typename S::V;
  const SelectiveStates& f = t.forward;
  const std::size_t n = f.n, width = f.states * n;
  const std::ptrdiff_t across = f.step < 0 ? -static_cast<std::ptrdiff_t>(f.states) : f.states;
  for (std::size_t row = f.rows; row-- > 0;) {
    const auto down = static_cast<std::ptrdiff_t>(row) * f.step, side = static_cast<std::ptrdiff_t>(row) * across;
    const float *x = f.x + down, *delta = f.delta + down, *dout = t.dout + down;
    const float *h = f.h + row * width, *decay = f.decay + row * width, *before = row > 0 ? h - width : f.before;
    float *by_x = t.sums, *by_delta = t.sums + n;
    each_vector<S>(n, [&](std::size_t j, auto vector) {
      vector.store(by_x + j, S::zero());
      vector.store(by_delta + j, S::zero());
      vector.store(t.dskip + j, S::fma(vector.load(dout + j), vector.load(x + j), vector.load(t.dskip + j)));
    });
    for (std::size_t s = 0; s < f.states; s++) {
      const V bs = S::broadcast(f.b + side + s), cs = S::broadcast(t.c + side + s);
      V db = S::zero(), dc = S::zero();
      each_vector<S>(n, [&](std::size_t j, auto vector) {
        const std::size_t at = s * n + j;
        const V dy = vector.load(dout + j), dj = vector.load(delta + j);
        const V g = vector.own(S::fma(dy, cs, vector.load(t.carry + at)));
        const V back = S::mul(g, vector.load(decay + at)), decayed = S::mul(back, vector.load(before + at));
        vector.store(t.carry + at, back);
        vector.store(t.da + at, S::fma(dj, decayed, vector.load(t.da + at)));
        vector.store(by_delta + j, S::fma(vector.load(f.a + at), decayed, vector.load(by_delta + j)));
        vector.store(by_x + j, S::fma(g, bs, vector.load(by_x + j)));
        db = S::fma(g, S::mul(dj, vector.load(x + j)), db);
        dc = S::fma(dy, vector.load(h + at), dc);
      });
      t.db[side + static_cast<std::ptrdiff_t>(s)] = sum_of<S>(db);
      t.dc[side + static_cast<std::ptrdiff_t>(s)] = sum_of<S>(dc);
    }
    each_vector<S>(n, [&](std::size_t j, auto vector) {
      const V sum = vector.load(by_x + j);
      const V through = t.skip ? S::mul(vector.load(t.skip + j), vector.load(dout + j)) : S::zero();
      vector.store(t.dx + down + j, S::fma(vector.load(delta + j), sum, through));
      vector.store(t.ddelta + down + j, S::fma(vector.load(x + j), sum, vector.load(by_delta + j)));
    });
  }
}
