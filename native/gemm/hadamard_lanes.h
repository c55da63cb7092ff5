// The text of the transform, written once over lanes S of core/*_lanes.h and exchange<s>(v), the lanes of v with lane i
// in the place of lane i ^ s.

template <class S, int s>
inline typename S::V stage(typename S::V v) {
  typename S::T sign[S::kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < S::kLanes; i++) sign[i] = i & s ? -1 : 1;
  return S::fma(v, S::load(sign), exchange<s>(v));  // ±v is exact: one rounding
}

template <class S, int s>
inline typename S::V stages(typename S::V v, std::size_t block) {
  if constexpr (s < S::kLanes) {
    if (s < static_cast<int>(block)) return stages<S, 2 * s>(stage<S, s>(v), block);
  }
  return v;
}

// kRegs vectors, which are one block or part of one.
template <class S, int kRegs>
inline void whole_vectors(const typename S::T* x, std::size_t n, typename S::T scale, typename S::T* out) {
  using V = typename S::V;
  const V factor = S::all(scale);
  for (std::size_t i = 0; i < n; i += kRegs * S::kLanes) {
    V v[kRegs];
#pragma GCC unroll 8
    for (int r = 0; r < kRegs; r++) v[r] = stages<S, 1>(S::mul(S::load(x + i + r * S::kLanes), factor), S::kLanes);
#pragma GCC unroll 3
    for (int stride = 1; stride < kRegs; stride *= 2)
#pragma GCC unroll 8
      for (int r = 0; r < kRegs; r++)
        if ((r & stride) == 0) {
          const V a = v[r], b = v[r + stride];
          v[r] = S::add(a, b);
          v[r + stride] = S::sub(a, b);
        }
#pragma GCC unroll 8
    for (int r = 0; r < kRegs; r++) S::store(out + i + r * S::kLanes, v[r]);
  }
}

// Blocks shorter than a vector: several in each.
template <class S>
inline void short_blocks(const typename S::T* x, std::size_t n, std::size_t block, typename S::T scale,
                         typename S::T* out) {
  each_vector<S>(n, [&](std::size_t i, auto vector) {
    vector.store(out + i, stages<S, 1>(S::mul(vector.load(x + i), S::all(scale)), block));
  });
}

template <class S>
inline void transform(const typename S::T* x, std::size_t n, std::size_t block, typename S::T scale,
                      typename S::T* out) {
  const std::size_t vectors = block / S::kLanes;
  if (vectors == 0) return short_blocks<S>(x, n, block, scale, out);
  if (vectors == 1) return whole_vectors<S, 1>(x, n, scale, out);
  if (vectors == 2) return whole_vectors<S, 2>(x, n, scale, out);
  if (vectors == 4) return whole_vectors<S, 4>(x, n, scale, out);
  for (std::size_t i = 0; i < n; i += block) {
    whole_vectors<S, 8>(x + i, block, scale, out + i);
    for (std::size_t stride = 8 * S::kLanes; stride < block; stride *= 2)
      for (std::size_t j = i; j < i + block; j += 2 * stride)
        for (std::size_t l = j; l < j + stride; l += S::kLanes) {
          const typename S::V a = S::load(out + l), b = S::load(out + l + stride);
          S::store(out + l, S::add(a, b));
          S::store(out + l + stride, S::sub(a, b));
        }
  }
}
