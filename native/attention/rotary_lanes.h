// The text of the rotations, written once over F32 and F64 of core/avx2_lanes.h or core/avx512_lanes.h. The file that
// includes it defines swap_neighbours(v), values 2i and 2i + 1 change places, and split(v, high, low), f64 lanes stored
// as sums of two f32.

// x·(c + c_low) + other·(s + s_low), rounded about once: the product that is added exactly keeps its rounding error.
template <class S>
inline typename S::V turned(typename S::V x, typename S::V c, typename S::V c_low, typename S::V other, typename S::V s,
                            typename S::V s_low) {
  using V = typename S::V;
  const V product = S::mul(other, s);
  const V lost = S::sub(S::zero(), S::fnma(other, s, product));
  const V low = S::fma(other, s_low, S::fma(x, c_low, lost));
  return S::add(S::fma(x, c, product), low);
}

template <class S>
inline void rotate_halves(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                          const Rotation& r) {
  using V = typename S::V;
  for (std::size_t h = 0; h < heads; h++, x += d, y += d)
    each_vector<S>(pairs, [&](std::size_t i, auto vector) {
      const V a = vector.load(x + i), b = vector.load(x + pairs + i);
      const V c = vector.load(r.cos + i), c_low = vector.load(r.cos_low + i);
      const V s = vector.load(r.sin + i), s_low = vector.load(r.sin_low + i);
      vector.store(y + i, turned<S>(a, c, c_low, b, S::sub(S::zero(), s), S::sub(S::zero(), s_low)));
      vector.store(y + pairs + i, turned<S>(b, c, c_low, a, s, s_low));
    });
}

template <class S>
inline void rotate_neighbours(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                              const Rotation& r) {
  using V = typename S::V;
  for (std::size_t h = 0; h < heads; h++, x += d, y += d)
    each_vector<S>(2 * pairs, [&](std::size_t i, auto vector) {
      const V a = vector.load(x + i);
      const V c = vector.load(r.cos + i), c_low = vector.load(r.cos_low + i);
      const V s = vector.load(r.sin + i), s_low = vector.load(r.sin_low + i);
      vector.store(y + i, turned<S>(a, c, c_low, swap_neighbours(a), s, s_low));
    });
}

// sin and cos for |x| < 2^45, within 2^−50: Taylor polynomials of degree 15 and 16 on |t| ≤ 0.8 (2^−53) around the
// nearest multiple of π/2. The first step of the reduction is exact, for x − n·high is a multiple of 2^−53 below 1;
// what the second one leaves out is n·2^−107.
template <class S>
inline void sin_and_cos(typename S::V x, typename S::V& sin, typename S::V& cos) {
  using V = typename S::V;
  const V n = S::round(S::mul(x, S::all(0x1.45f306dc9c883p-1)));
  V t = S::fnma(n, S::all(0x1.921fb54442d18p+0), x);
  t = S::fnma(n, S::all(0x1.1a62633145c07p-54), t);
  const V z = S::mul(t, t);
  V s = S::fma(z, S::all(-1.0 / 1307674368000.0), S::all(1.0 / 6227020800.0));
  s = S::fma(z, s, S::all(-1.0 / 39916800.0));
  s = S::fma(z, s, S::all(1.0 / 362880.0));
  s = S::fma(z, s, S::all(-1.0 / 5040.0));
  s = S::fma(z, s, S::all(1.0 / 120.0));
  s = S::fma(z, s, S::all(-1.0 / 6.0));
  s = S::fma(S::mul(t, z), s, t);
  V c = S::fma(z, S::all(1.0 / 20922789888000.0), S::all(-1.0 / 87178291200.0));
  c = S::fma(z, c, S::all(1.0 / 479001600.0));
  c = S::fma(z, c, S::all(-1.0 / 3628800.0));
  c = S::fma(z, c, S::all(1.0 / 40320.0));
  c = S::fma(z, c, S::all(-1.0 / 720.0));
  c = S::fma(z, c, S::all(1.0 / 24.0));
  c = S::fma(z, c, S::all(-0.5));
  c = S::fma(z, c, S::all(1));
  // quadrant −2 … 2; at odd ones sin and cos change places
  const V quadrant = S::fnma(S::all(4), S::round(S::mul(n, S::all(0.25))), n);
  const auto odd = S::below(S::abs(S::sub(S::abs(quadrant), S::all(1))), S::all(0.5));
  const V sine = S::select(odd, c, s), cosine = S::select(odd, s, c);
  const V minus_sine = S::sub(S::zero(), sine), minus_cosine = S::sub(S::zero(), cosine);
  sin = S::select(S::below(quadrant, S::all(-0.5)), minus_sine, sine);
  sin = S::select(S::below(S::all(1.5), quadrant), minus_sine, sin);
  cos = S::select(S::below(S::all(0.5), quadrant), minus_cosine, cosine);
  cos = S::select(S::below(quadrant, S::all(-1.5)), minus_cosine, cos);
}

template <class S>
inline void angles(double position, const double* frequencies, std::size_t n, const Rotation& r) {
  using V = typename S::V;
  for (std::size_t i = 0; i < n; i += S::kLanes) {
    V sin, cos;
    sin_and_cos<S>(S::mul(S::all(position), S::load(frequencies + i)), sin, cos);
    split(cos, r.cos + i, r.cos_low + i);
    split(sin, r.sin + i, r.sin_low + i);
  }
}
