// The text of the rotations, written once over F32 of core/avx2_lanes.h or core/avx512_lanes.h. The file that includes
// it defines swap_neighbours(v): values 2i and 2i + 1 change places.

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
    for (std::size_t i = 0; i < pairs; i += S::kLanes) {
      const std::size_t left = pairs - i;
      const typename S::Mask mask = S::mask(left < S::kLanes ? static_cast<int>(left) : S::kLanes);
      const V a = S::load(mask, x + i), b = S::load(mask, x + pairs + i);
      const V c = S::load(mask, r.cos + i), c_low = S::load(mask, r.cos_low + i);
      const V s = S::load(mask, r.sin + i), s_low = S::load(mask, r.sin_low + i);
      S::store(mask, y + i, turned<S>(a, c, c_low, b, S::sub(S::zero(), s), S::sub(S::zero(), s_low)));
      S::store(mask, y + pairs + i, turned<S>(b, c, c_low, a, s, s_low));
    }
}

template <class S>
inline void rotate_neighbours(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                              const Rotation& r) {
  using V = typename S::V;
  for (std::size_t h = 0; h < heads; h++, x += d, y += d)
    for (std::size_t i = 0; i < 2 * pairs; i += S::kLanes) {
      const std::size_t left = 2 * pairs - i;
      const typename S::Mask mask = S::mask(left < S::kLanes ? static_cast<int>(left) : S::kLanes);
      const V a = S::load(mask, x + i);
      const V c = S::load(mask, r.cos + i), c_low = S::load(mask, r.cos_low + i);
      const V s = S::load(mask, r.sin + i), s_low = S::load(mask, r.sin_low + i);
      S::store(mask, y + i, turned<S>(a, c, c_low, swap_neighbours(a), s, s_low));
    }
}
