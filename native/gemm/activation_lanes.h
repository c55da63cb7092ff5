// The text of the activation functions, written once over F32 and F64 of core/*_lanes.h and included after one of them
// and after core/exp_lanes.h.

template <class S>
inline constexpr bool kDouble = sizeof(typename S::T) == 8;

template <class S>
inline typename S::V logistic(typename S::V x) {
  if constexpr (!kDouble<S>) {
    return logistic_lanes<S>(x);
  } else {
    const typename S::V e = exp64_lanes<S>(S::sub(S::zero(), S::abs(x)));
    return S::div(S::select(S::below(x, S::zero()), e, S::all(1)), S::add(e, S::all(1)));
  }
}

// x, but no less than where a factor that vanishes there has become 0: 0·(−∞) would be NaN.
template <class S>
inline typename S::V bounded_below(typename S::V x, typename S::T least) {
  return S::max(S::all(least), x);  // this order lets a NaN through
}

struct Relu {
  template <class S>
  typename S::V of(typename S::V x) const {
    return S::max(S::zero(), x);
  }
};

struct SquaredRelu {
  template <class S>
  typename S::V of(typename S::V x) const {
    const typename S::V r = S::max(S::zero(), x);
    return S::mul(r, r);
  }
};

struct Silu {
  template <class S>
  typename S::V of(typename S::V x) const {
    return S::mul(bounded_below<S>(x, kDouble<S> ? -800 : -120), logistic<S>(x));
  }
};

struct GeluTanh {
  template <class S>
  typename S::V of(typename S::V x) const {
    using T = typename S::T;
    const typename S::V bounded = bounded_below<S>(x, kDouble<S> ? -40 : -20);
    // 2·√(2/π) and that times 0.044715; the cube of +∞ or of anything large is +∞, whose σ is 1
    const typename S::V z = S::mul(bounded, bounded);
    const typename S::V slope = S::fma(z, S::all(T(0.07135481627260024877)), S::all(T(1.5957691216057307)));
    return S::mul(bounded, logistic<S>(S::mul(bounded, slope)));
  }
};

// Φ(−z) = e^{−z²/2}·t·P(t − 0.59375) with t = 1 / (1 + 0.3·z): a minimax polynomial of degree 9 for 0 ≤ z ≤ 14.5 with
// relative error 2^−24.2 after rounding its coefficients. z² is taken to twice the precision (Dekker 1971), because its
// rounding error would be multiplied by up to 105.
template <class S>
inline typename S::V normal_tail(typename S::V z) {
  using V = typename S::V;
  const V t = S::div(S::all(1), S::fma(z, S::all(0x1.333334p-2f), S::all(1))), u = S::sub(t, S::all(0.59375f));
  V p = S::fma(u, S::all(-0x1.51e512p-6f), S::all(0x1.2426bap-9f));
  p = S::fma(u, p, S::all(0x1.69635p-5f));
  p = S::fma(u, p, S::all(-0x1.36d4f8p-7f));
  p = S::fma(u, p, S::all(-0x1.739d6ap-4f));
  p = S::fma(u, p, S::all(-0x1.67c722p-7f));
  p = S::fma(u, p, S::all(0x1.ce29ep-3f));
  p = S::fma(u, p, S::all(0x1.a35844p-2f));
  p = S::fma(u, p, S::all(0x1.999756p-2f));
  p = S::fma(u, p, S::all(0x1.0633bap-2f));
  const V split = S::mul(z, S::all(4097)), high = S::sub(split, S::sub(split, z)), low = S::sub(z, high);
  const V square = S::mul(z, z);
  V rest = S::sub(S::mul(high, high), square);
  rest = S::add(rest, S::mul(S::add(high, high), low));
  rest = S::add(rest, S::mul(low, low));
  const V e = exp_lanes<S>(S::mul(square, S::all(-0.5f)));
  return S::mul(S::mul(t, p), S::fnma(S::mul(e, S::all(0.5f)), rest, e));
}

struct Gelu {
  template <class S>
  typename S::V of(typename S::V x) const {
    if constexpr (kDouble<S>) {
      double lanes[S::kLanes];
      S::store(lanes, bounded_below<S>(x, -40));
      for (int i = 0; i < S::kLanes; i++) lanes[i] *= 0.5 * ::erfc(lanes[i] * -0.70710678118654752);
      return S::load(lanes);
    } else {
      const typename S::V bounded = bounded_below<S>(x, -14.5f);
      const typename S::V tail = normal_tail<S>(S::min(S::all(14.5f), S::abs(bounded)));
      const typename S::V part = S::mul(S::min(S::all(14.5f), bounded), tail);
      return S::select(S::below(bounded, S::zero()), part, S::sub(bounded, part));
    }
  }
};

struct None {
  template <class S>
  typename S::V of(typename S::V x) const {
    return x;
  }
};

template <class S>
inline typename S::V horner(typename S::V x, const typename S::T* a, std::size_t degree) {
  typename S::V p = S::broadcast(a + degree);
  for (std::size_t i = degree; i > 0; i--) p = S::fma(p, x, S::broadcast(a + i - 1));
  return p;
}

template <class T>
struct PolyRelu {
  const T* a;
  std::size_t degree;
  template <class S>
  typename S::V of(typename S::V x) const {
    return horner<S>(S::max(S::zero(), x), a, degree);
  }
};

template <class T>
struct ScaledPolynomial {
  T scale;
  const T* a;
  std::size_t degree;
  template <class S>
  typename S::V of(typename S::V x) const {
    return horner<S>(S::div(x, S::all(scale)), a, degree);
  }
};

template <class S, class F>
inline void map_row(const typename S::T* bias, typename S::T* c, std::size_t n, const F& f) {
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes) {
    const typename S::V x = S::load(c + j);
    S::store(c + j, f.template of<S>(bias == nullptr ? x : S::add(x, S::load(bias + j))));
  }
  if (j == n) return;
  const typename S::Mask mask = S::mask(static_cast<int>(n - j));
  const typename S::V x = S::load(mask, c + j);
  S::store(mask, c + j, f.template of<S>(bias == nullptr ? x : S::add(x, S::load(mask, bias + j))));
}

template <class S>
void activate(const Epilogue<typename S::T>& e, const typename S::T* bias, typename S::T* c, std::size_t n) {
  switch (e.activation) {
    case Activation::none:
    case Activation::poly_norm:
      return map_row<S>(bias, c, n, None{});
    case Activation::relu:
      return map_row<S>(bias, c, n, Relu{});
    case Activation::gelu:
      return map_row<S>(bias, c, n, Gelu{});
    case Activation::gelu_tanh:
      return map_row<S>(bias, c, n, GeluTanh{});
    case Activation::silu:
      return map_row<S>(bias, c, n, Silu{});
    case Activation::squared_relu:
      return map_row<S>(bias, c, n, SquaredRelu{});
    case Activation::poly_relu:
      return map_row<S>(bias, c, n, PolyRelu<typename S::T>{e.coefficients, e.degree});
  }
}

template <class S>
typename S::T largest(const typename S::T* x, std::size_t n) {
  typename S::V best = S::zero();
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes) best = S::max(S::abs(S::load(x + j)), best);
  if (j < n) best = S::max(S::abs(S::load(S::mask(static_cast<int>(n - j)), x + j)), best);
  typename S::T lanes[S::kLanes];
  S::store(lanes, best);
  for (int l = 1; l < S::kLanes; l++) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  return lanes[0];
}

template <class S, std::size_t kDegree>
inline void add_powers(typename S::V t, typename S::V* sum) {
  typename S::V power = t;
#pragma GCC unroll 8
  for (std::size_t p = 0; p < kDegree; p++) {
    sum[p] = S::fma(power, power, sum[p]);
    power = S::mul(power, t);
  }
}

template <class S, std::size_t kDegree>
inline void moments_of(const typename S::T* x, std::size_t n, typename S::T scale, typename S::T* sums) {
  typename S::V sum[kDegree];
  for (std::size_t p = 0; p < kDegree; p++) sum[p] = S::zero();
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes) add_powers<S, kDegree>(S::div(S::load(x + j), S::all(scale)), sum);
  if (j < n) add_powers<S, kDegree>(S::div(S::load(S::mask(static_cast<int>(n - j)), x + j), S::all(scale)), sum);
  for (std::size_t p = 0; p < kDegree; p++) {
    typename S::T lanes[S::kLanes];
    S::store(lanes, sum[p]);
    for (int half = S::kLanes / 2; half > 0; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
    sums[p + 1] = lanes[0];
  }
}

template <class S, std::size_t kDegree = kPolynomialDegree>
void moments(const typename S::T* x, std::size_t n, typename S::T scale, std::size_t degree, typename S::T* sums) {
  if (degree == kDegree)
    moments_of<S, kDegree>(x, n, scale, sums);
  else if constexpr (kDegree > 1)
    moments<S, kDegree - 1>(x, n, scale, degree, sums);
}

template <class S>
void polynomial(typename S::T* x, std::size_t n, typename S::T scale, const typename S::T* a, std::size_t degree) {
  map_row<S>(nullptr, x, n, ScaledPolynomial<typename S::T>{scale, a, degree});
}

template <class S>
constexpr ActivationKernels<typename S::T> kKernels = {activate<S>, largest<S>, moments<S>, polynomial<S>};
