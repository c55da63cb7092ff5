// The text of row_kernels.h, written once over the lanes S of core/*_lanes.h and included beside them.

#include "core/exp_lanes.h"

template <class S>
inline typename S::T join_max(typename S::V v) {
  typename S::T lane[S::kLanes];
  S::store(lane, v);
  typename S::T max = lane[0];
  for (int i = 1; i < S::kLanes; i++) max = lane[i] > max ? lane[i] : max;
  return max;
}

template <class S>
inline typename S::T join_sum(typename S::V v) {
  typename S::T lane[S::kLanes];
  S::store(lane, v);
  for (int width = S::kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lane[i] += lane[i + width];
  return lane[0];
}

// The maximum of `old` and a row's first n logits, after the mask is added to them. A NaN is passed over here: it comes
// out of the exponential again.
template <class S>
inline typename S::T masked_max(typename S::T* s, const typename S::T* mask, std::size_t n, typename S::T old) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr std::size_t kLanes = S::kLanes;
  const V none = S::all(static_cast<T>(-__builtin_huge_val()));
  V max[4] = {S::all(old), none, none, none};
  std::size_t j = 0;
  if (mask == nullptr) {
    for (; j + 4 * kLanes <= n; j += 4 * kLanes)
#pragma GCC unroll 4
      for (std::size_t u = 0; u < 4; u++) max[u] = S::max(S::load(s + j + u * kLanes), max[u]);
    for (; j + kLanes <= n; j += kLanes) max[0] = S::max(S::load(s + j), max[0]);
  } else {
    for (; j + kLanes <= n; j += kLanes) {
      const V x = S::add(S::load(s + j), S::load(mask + j));
      S::store(s + j, x);
      max[0] = S::max(x, max[0]);
    }
  }
  if (j < n) {
    const typename S::Mask rest = S::mask(static_cast<int>(n - j));
    V x = S::load(rest, s + j);
    if (mask != nullptr) {
      x = S::add(x, S::load(rest, mask + j));
      S::store(rest, s + j, x);
    }
    max[0] = S::max(S::select(rest, x, none), max[0]);
  }
  return join_max<S>(S::max(S::max(max[0], max[1]), S::max(max[2], max[3])));
}

template <class S>
void online_softmax(const OnlineSoftmax<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr std::size_t kLanes = S::kLanes;
  const T none = static_cast<T>(-__builtin_huge_val());
  for (std::size_t r = 0; r < t.rows; r++) {
    T* s = t.s + r * t.pitch;
    const std::size_t n = t.end[r];
    t.factor[r] = 1;
    if (n == 0) continue;
    const T old = t.max[r];
    const T max = masked_max<S>(s, t.mask == nullptr ? nullptr : t.mask + r * t.mask_pitch, n, old);
    const V origin = S::all(max == none ? T{0} : max);  // −∞ − −∞ would be NaN
    V sum = S::zero();
    std::size_t j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      const V p = exp_of<S>(S::sub(S::load(s + j), origin));
      S::store(s + j, p);
      sum = S::add(sum, p);
    }
    if (j < n) {
      const typename S::Mask rest = S::mask(static_cast<int>(n - j));
      const V p = exp_of<S>(S::sub(S::load(rest, s + j), origin));
      S::store(rest, s + j, p);
      sum = S::add(sum, S::select(rest, p, S::zero()));
    }
    if (max != old) {
      T lane[S::kLanes];
      S::store(lane, exp_of<S>(S::sub(S::all(old), origin)));
      t.factor[r] = lane[0];
    }
    t.max[r] = max;
    t.sum[r] = t.sum[r] * t.factor[r] + join_sum<S>(sum);
  }
}

template <class S, bool kByColumn>
inline void gradient_rows(const SoftmaxGradient<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr std::size_t kLanes = S::kLanes;
  for (std::size_t r = 0; r < t.rows; r++) {
    T* p = t.p + r * t.pitch;
    T* g = t.g + r * t.pitch;
    const std::size_t end = t.end[r];
    V lse = kByColumn ? S::zero() : S::all(t.lse[r]);
    V delta = kByColumn ? S::zero() : S::all(t.delta[r]);
    std::size_t j = t.begin[r];
    for (; j + kLanes <= end; j += kLanes) {
      if constexpr (kByColumn) {
        lse = S::load(t.lse + j);
        delta = S::load(t.delta + j);
      }
      const V x = exp_of<S>(S::sub(S::load(p + j), lse));
      S::store(p + j, x);
      S::store(g + j, S::mul(x, S::sub(S::load(g + j), delta)));
    }
    if (j < end) {
      const typename S::Mask rest = S::mask(static_cast<int>(end - j));
      if constexpr (kByColumn) {
        lse = S::load(rest, t.lse + j);
        delta = S::load(rest, t.delta + j);
      }
      const V x = exp_of<S>(S::sub(S::load(rest, p + j), lse));
      S::store(rest, p + j, x);
      S::store(rest, g + j, S::mul(x, S::sub(S::load(rest, g + j), delta)));
    }
  }
}

template <class S>
void softmax_gradient(const SoftmaxGradient<typename S::T>& t) {
  if (t.by_column)
    gradient_rows<S, true>(t);
  else
    gradient_rows<S, false>(t);
}
