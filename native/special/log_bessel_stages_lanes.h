// Logarithms in stages, over lanes; see log_bessel_lanes.h for S, of which this asks some things more.
//
//   smaller(a, b)
//   below(a, b)      whether a < b, a bit for each lane
//   exponent(a), mantissa(a)   a = 2^exponent mantissa, 1 ≤ mantissa < 2, for positive normal a
//   pick(table, u)   table[u mod 8] of a table of eight f64; pick_short where the lower 32 bits of all eight are 0
//
// The branches of small r of 'auto' in f64 run in stages over kStage elements at a time, each a short chain of
// operations: a processor then works at several vectors at once, where one long chain would leave it waiting. The end
// of each loop is a wrong guess; with 256 elements what the stages hand on still fits into the first cache.

static constexpr size_t kStage = F64::kLanes == 4 ? 256 : 128;

// The largest of n numbers ≥ 0, a multiple of kLanes.
template <class S>
static inline double largest(const double* a, size_t n) {
  typename S::V most = S::all(0);
  for (size_t i = 0; i < n; i += S::kLanes) most = S::larger(most, S::load(a + i));
  double lanes[S::kLanes], all = 0;
  S::store(lanes, most);
  for (const double lane : lanes) all = lane > all ? lane : all;
  return all;
}

// kInverseOfCell · 2^1023, so that the exponent of a is all there is to subtract from its bits.
struct ScaleOfCell {
  double c[8];
  constexpr ScaleOfCell() : c() {
    for (int i = 0; i < 8; i++) c[i] = kInverseOfCell[i] * 0x1p1023;
  }
};
static constexpr ScaleOfCell kScaleOfCell;

// log a = exact + f + tail for positive normal a and a tiny `rest` that belongs to a: `exact` is a multiple of 2^-37
// below 2^10, |f| ≤ 1/16, and what is left out is about 2^-61. First what the cell of a gives, then the series.
template <class S>
struct LogCell {
  typename S::V exact, f, low;
};
template <class S>
static inline LogCell<S> log_cell(typename S::V a, typename S::V rest) {
  using V = typename S::V;
  using U = typename S::U;
  constexpr uint64_t exponents = 0x7ff0000000000000;
  const U bits = S::bits(a), cell = bits >> 49;
  const V e = S::exponent(a), scale = S::real(S::bits(S::pick(kScaleOfCell.c, cell)) - (bits & exponents));
  const V p = a * scale, f = p - 1, f_low = S::fma(rest, scale, S::fma(a, scale, -p));
  return {S::fma(e, S::all(kLn2High<S>), S::pick_short(kLogOfCell, cell)), f,
          S::fma(e, S::all(kLn2Low<S>), S::fma(-f, f_low, f_low))};
}
// The same for a without a rest, where 2^-55 is enough.
template <class S>
static inline LogCell<S> short_cell(typename S::V a) {
  using V = typename S::V;
  const auto cell = S::bits(a) >> 49;
  const V e = S::exponent(a);
  return {S::fma(e, S::all(kLn2High<S>), S::pick_short(kLogOfCell, cell)),
          S::fma(S::mantissa(a), S::pick(kInverseOfCell, cell), S::all(-1)), e * kLn2Low<S>};
}
template <class S, int terms>
static inline typename S::V log_tail(const double (&c)[terms], typename S::V f, typename S::V low) {
  using V = typename S::V;
  const V square = f * f;
  static_assert(terms % 2 == 0);
  V even = S::all(c[terms - 2]), odd = S::all(c[terms - 1]);
  LAPIDARY_UNROLL
  for (int k = terms - 4; k >= 0; k -= 2) {
    even = S::fma(even, square, S::all(c[k]));
    odd = S::fma(odd, square, S::all(c[k + 1]));
  }
  const V curve = S::fma(f, S::fma(f, odd, even), S::all(-0.5));
  return S::fma(square, curve, low);
}

// The same over a stage: low becomes the tail.
struct LogStage {
  alignas(64) double exact[kStage], f[kStage], low[kStage];
};
template <class S>
static inline void store_cell(LogStage& s, size_t i, const LogCell<S>& cell) {
  S::store(s.exact + i, cell.exact);
  S::store(s.f + i, cell.f);
  S::store(s.low + i, cell.low);
}
template <class S, int terms>
static inline void log_tails(const double (&c)[terms], LogStage& s, size_t n) {
  for (size_t i = 0; i < n; i += S::kLanes) S::store(s.low + i, log_tail<S>(c, S::load(s.f + i), S::load(s.low + i)));
}

// A constant as a multiple of 2^-37 and the rest of it.
struct Grid {
  double high, low;
  constexpr explicit Grid(const double (&pair)[2], double sign) : high(), low() {
    const double shifted = sign * pair[0] + 0x1.8p15;  // the last place of numbers there is 2^-37
    high = shifted - 0x1.8p15;
    low = (sign * pair[0] - high) + sign * pair[1];
  }
};
static constexpr Grid kGridI{kHalfLogTwoPi, -1}, kGridK{kHalfLogHalfPi, 1};
