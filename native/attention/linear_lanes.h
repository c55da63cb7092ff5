// The text of the kernels of linear_kernels.h, written once over the lanes S of core/*_lanes.h.

#include "core/exp_lanes.h"

template <class S>
inline typename S::Mask tail_mask(std::size_t left) {
  return S::mask(left < S::kLanes ? static_cast<int>(left) : S::kLanes);
}

template <class S>
inline typename S::T max_of(const typename S::T* x, std::size_t n) {
  using T = typename S::T;
  using V = typename S::V;
  const V least = S::all(static_cast<T>(-__builtin_huge_val()));
  V top[4] = {least, least, least, least};
  std::size_t i = 0;
  for (; i + 4 * S::kLanes <= n; i += 4 * S::kLanes)
    for (int u = 0; u < 4; u++) top[u] = S::max(top[u], S::load(x + i + u * S::kLanes));
  for (; i < n; i += S::kLanes) {
    const auto mask = tail_mask<S>(n - i);
    top[0] = S::select(mask, S::max(top[0], S::load(mask, x + i)), top[0]);
  }
  T lanes[S::kLanes];
  S::store(lanes, S::max(S::max(top[0], top[1]), S::max(top[2], top[3])));
  T max = lanes[0];
  for (int l = 1; l < S::kLanes; l++) max = lanes[l] > max ? lanes[l] : max;
  return max;
}

template <class S>
inline double exp_minus(typename S::T* x, std::size_t n, typename S::T max) {
  using V = typename S::V;
  const V top = S::all(max);
  V sum[2] = {S::zero(), S::zero()};
  std::size_t i = 0;
  for (; i + 2 * S::kLanes <= n; i += 2 * S::kLanes)
    for (int u = 0; u < 2; u++) {
      const V y = exp_of<S>(S::sub(S::load(x + i + u * S::kLanes), top));
      S::store(x + i + u * S::kLanes, y);
      sum[u] = S::add(sum[u], y);
    }
  for (; i < n; i += S::kLanes) {
    const auto mask = tail_mask<S>(n - i);
    const V y = S::select(mask, exp_of<S>(S::sub(S::load(mask, x + i), top)), S::zero());
    S::store(mask, x + i, y);
    sum[0] = S::add(sum[0], y);
  }
  typename S::T lanes[S::kLanes];
  S::store(lanes, S::add(sum[0], sum[1]));
  double total = 0;
  for (int l = 0; l < S::kLanes; l++) total += lanes[l];
  return total;
}

template <class S>
inline void center_by(typename S::T* a, const typename S::T* w, typename S::T c, std::size_t n) {
  const typename S::V middle = S::all(c);
  std::size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) S::store(a + i, S::mul(S::load(w + i), S::sub(S::load(a + i), middle)));
  if (i == n) return;
  const auto mask = tail_mask<S>(n - i);
  S::store(mask, a + i, S::mul(S::load(mask, w + i), S::sub(S::load(mask, a + i), middle)));
}

template <class S>
inline void complement_by(typename S::T* a, const typename S::T* w, typename S::T c, std::size_t n) {
  const typename S::V middle = S::all(c), one = S::all(1);
  std::size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes)
    S::store(a + i, S::mul(S::load(w + i), S::sub(one, S::sub(S::load(a + i), middle))));
  if (i == n) return;
  const auto mask = tail_mask<S>(n - i);
  S::store(mask, a + i, S::mul(S::load(mask, w + i), S::sub(one, S::sub(S::load(mask, a + i), middle))));
}
