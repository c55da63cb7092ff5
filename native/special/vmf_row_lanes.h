// The text of VmfRow (vmf_sample.h), over the lanes of normal_lanes.h, after which this is included.

constexpr std::size_t kGroup = 8;  // blocks of Philox that are drawn together: 8 cosines, then 8 sines

// n normal numbers from the blocks 0, 1, … of a stream.
template <class S, class W>
inline void normals(uint64_t seed, uint64_t stream, std::size_t n, double* out) {
  double group[2 * kGroup];
  for (std::size_t done = 0; done < n; done += 2 * kGroup) {
    double* const to = n - done >= 2 * kGroup ? out + done : group;
    for (std::size_t l = 0; l < kGroup; l += S::kLanes)
      normal_lanes<S, W>(seed, stream, done / 2 + l, to + l, to + kGroup + l);
    if (to == group)
      for (std::size_t j = done; j < n; j++) out[j] = group[j - done];
  }
}

// Σ a_j b_j in eight sums and a fixed tree.
template <class S>
inline double dot_of_eight(const double* a, const double* b, std::size_t n) {
  constexpr int kVectors = 8 / S::kLanes;
  typename S::V sum[kVectors];
  for (int l = 0; l < kVectors; l++) sum[l] = S::zero();
  std::size_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (int l = 0; l < kVectors; l++)
      sum[l] = S::add(sum[l], S::mul(S::load(a + j + l * S::kLanes), S::load(b + j + l * S::kLanes)));
  double lanes[8];
  for (int l = 0; l < kVectors; l++) S::store(lanes + l * S::kLanes, sum[l]);
  for (std::size_t l = 0; j < n; j++, l++) lanes[l] += a[j] * b[j];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <class S>
inline double root_of(double x) {
  double lanes[S::kLanes];
  S::store(lanes, S::root(S::all(x)));
  return lanes[0];
}

template <class S, class W>
inline void vmf_row(uint64_t seed, uint64_t row, const double* mu, std::size_t p, double t, double sine, double* out) {
  const std::size_t n = p - 1;
  double* const z = out + 1;
  const double* const tail = mu + 1;
  normals<S, W>(seed, row, n, z);
  double squares = dot_of_eight<S>(z, z, n);
  if (squares == 0) z[0] = squares = 1;  // all radii 0: for p = 3 with probability 2^−104
  // H = I − 2vvᵀ/vᵀv with v = (μ₁ ± 1, μ₂, …), the sign of μ₁; vᵀv = 2(1 + |μ₁|), H e₁ = ∓μ, and H(0, z) = (0, z) − c
  // v.
  const double first = mu[0], corner = first < 0 ? first - 1 : first + 1;
  const double scale = sine / root_of<S>(squares);
  const double c = scale * dot_of_eight<S>(z, tail, n) / (first < 0 ? 1 - first : 1 + first);
  const double along = t - c;
  out[0] = t * first - c * corner;
  std::size_t j = 0;
  for (; j + S::kLanes <= n; j += S::kLanes)
    S::store(z + j, S::add(S::mul(S::all(scale), S::load(z + j)), S::mul(S::all(along), S::load(tail + j))));
  for (; j < n; j++) z[j] = scale * z[j] + along * tail[j];
}
