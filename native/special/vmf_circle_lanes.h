// The text of VmfCircle (vmf_sample.h), over the lanes of normal_lanes.h, after which this is included: one row a lane.

// kLanes rows from `row` on: 1 − cos θ and sin θ.
template <class S, class W>
inline void circle_angles(uint64_t seed, uint64_t row, double kappa, double b, double* fall, double* sine) {
  using V = typename S::V;
  const auto streams = W::add(W::all(row), W::iota());
  V kept = S::all(-1), side = S::zero();  // −1: not accepted yet
  double lanes[S::kLanes];
  for (uint64_t block = 0;; block++) {
    const PhiloxWords<W> draw = philox_rounds<W>(seed, streams, W::all(block));
    const V u = S::sub(S::all(2), W::as_double(one_to_two<W>(draw.w[0], draw.w[1])));
    const auto turn = turn_lanes<S, W>(draw.w[2], draw.w[3]);
    const V s2 = S::mul(turn.sine, turn.sine), c2 = S::mul(turn.cosine, turn.cosine);
    const auto swap = second_bit<S, W>(draw.w[3]);
    const V across = S::mul(S::select(swap, c2, s2), S::all(b)), along = S::select(swap, s2, c2);
    const V w = S::div(S::add(across, across), S::add(along, across));
    const V q = S::add(S::all((1 + b) / 2), S::mul(S::all(kappa), w));
    const V taken = S::select(S::below(S::sub(q, S::all(1)), log_lanes<S, W>(S::div(q, u))), w, S::all(-1));
    const V root = S::root(S::mul(w, S::sub(S::all(2), w)));
    const auto pending = S::below(kept, S::zero());
    side = S::select(pending, with_sign<S, W>(root, draw.w[3]), side);
    kept = S::select(pending, taken, kept);
    S::store(lanes, kept);
    bool all = true;
    for (double lane : lanes) all &= lane >= 0;
    if (all) break;
  }
  S::store(fall, kept);
  S::store(sine, side);
}

template <class S, class W>
inline void vmf_circle(uint64_t seed, uint64_t row, const double* mu, double kappa, double b, std::size_t rows,
                       double* out) {
  double fall[S::kLanes], sine[S::kLanes];
  for (std::size_t i = 0; i < rows; i += S::kLanes) {
    circle_angles<S, W>(seed, row + i, kappa, b, fall, sine);
    for (std::size_t l = 0; l < S::kLanes && i + l < rows; l++) {
      const double t = 1 - fall[l];
      out[2 * (i + l)] = t * mu[0] - sine[l] * mu[1];
      out[2 * (i + l) + 1] = t * mu[1] + sine[l] * mu[0];
    }
  }
}
