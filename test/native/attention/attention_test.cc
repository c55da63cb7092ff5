#include "attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attention/row_kernels.h"
#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class T>
void fill(T* x, size_t n, uint64_t seed, double low = -1, double high = 1) {
  for (size_t i = 0; i < n; i++) x[i] = static_cast<T>(low + (high - low) * philox_uniform(seed, n, i));
}

template <class T>
constexpr double kUlp = std::numeric_limits<T>::epsilon();

// One row of n logits against a page that may not be touched, in two tiles, with a mask or without.
template <class T, bool kAtEnd>
void check_softmax(Isa isa, size_t n, bool masked) {
  Guarded<T, kAtEnd> s(n), mask(n);
  fill(s.data(), n, 1, -30, 30);
  fill(mask.data(), n, 2);
  std::vector<double> logits(n);
  double top = -1e300, total = 0;
  const double earlier = 3;  // the row has seen one logit of this size
  for (size_t j = 0; j < n; j++) {
    logits[j] = masked ? static_cast<double>(static_cast<T>(s[j] + mask[j])) : static_cast<double>(s[j]);
    top = std::fmax(top, logits[j]);
  }
  top = std::fmax(top, earlier);
  for (double x : logits) total += std::exp(x - top);
  T max = static_cast<T>(earlier), sum = 1, factor = 0;
  const size_t end = n;
  kOnlineSoftmax<T>.pick(isa)({s.data(), n, 1, &end, masked ? mask.data() : nullptr, n, &max, &sum, &factor});
  CHECK(max == static_cast<T>(top));
  CHECK_NEAR(factor, std::exp(earlier - top), 2 * kUlp<T>);
  CHECK_NEAR(sum, total + std::exp(earlier - top), 4 * kUlp<T> * (1 + total));
  for (size_t j = 0; j < n; j++) {
    const double x = logits[j] - top;  // rounded to T before the exponential
    CHECK_NEAR(s[j], std::exp(x), (3 - x) * kUlp<T> * std::exp(x) + 1e-44);
  }
}

template <class T, bool kAtEnd>
void check_gradient(Isa isa, size_t n, bool by_column) {
  Guarded<T, kAtEnd> p(n), g(n), lse(by_column ? n : 1), delta(by_column ? n : 1);
  fill(p.data(), n, 1, -3, 3);
  fill(g.data(), n, 2);
  fill(lse.data(), by_column ? n : 1, 3);
  fill(delta.data(), by_column ? n : 1, 4);
  const std::vector<double> s(p.data(), p.data() + n), dp(g.data(), g.data() + n);
  const size_t begin = n / 3, end = n;
  kSoftmaxGradient<T>.pick(isa)({p.data(), g.data(), n, 1, &begin, &end, lse.data(), delta.data(), by_column});
  for (size_t j = 0; j < n; j++) {
    const size_t at = by_column ? j : 0;
    const double share = std::exp(s[j] - static_cast<double>(lse[at]));
    CHECK_NEAR(p[j], j < begin ? s[j] : share, 8 * kUlp<T> * share);
    CHECK_NEAR(g[j], j < begin ? dp[j] : share * (dp[j] - static_cast<double>(delta[at])), 20 * kUlp<T> * share);
  }
}

template <class T>
void check_kernels() {
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t n = 1; n <= 140; n++)
      for (bool yes : {false, true}) {
        check_softmax<T, true>(isa, n, yes);
        check_softmax<T, false>(isa, n, yes);
        check_gradient<T, true>(isa, n, yes);
        check_gradient<T, false>(isa, n, yes);
      }
  }
}

// Forward, gradient and scores on operands whose last (or first) byte lies beside a page that may not be touched.
template <class T, bool kAtEnd>
void check_stays_inside(size_t queries, size_t keys, size_t d, size_t dv) {
  constexpr size_t kHeads = 2;
  Guarded<T, kAtEnd> q(queries * kHeads * d), k(keys * d), v(keys * dv), mask(queries * keys);
  Guarded<T, kAtEnd> out(queries * kHeads * dv), lse(queries * kHeads), dout(queries * kHeads * dv);
  Guarded<T, kAtEnd> dq(queries * kHeads * d), dk(keys * d), dvalues(keys * dv), scores(queries);
  fill(q.data(), queries * kHeads * d, 1);
  fill(k.data(), keys * d, 2);
  fill(v.data(), keys * dv, 3);
  fill(mask.data(), queries * keys, 4);
  fill(dout.data(), queries * kHeads * dv, 5);
  const AttentionSegment segment{0, queries, 0, keys, 0, 0};
  for (bool causal : {false, true}) {
    const AttentionInput<T> in{kHeads,   1,        d,    dv,     queries,       keys,        q.data(),
                               k.data(), v.data(), T{1}, causal, {&segment, 1}, mask.data(), keys};
    CHECK(attention<T>(in, out.data(), lse.data(), {}) == Status::ok);
    CHECK(attention_backward<T>(in, out.data(), lse.data(), dout.data(), dq.data(), dk.data(), dvalues.data(), {}) ==
          Status::ok);
    for (size_t i = 0; i < queries * kHeads * dv; i++) CHECK(std::isfinite(out[i]));
    for (size_t i = 0; i < keys * d; i++) CHECK(std::isfinite(dk[i]));
    const size_t starts[] = {0, keys};
    CHECK(block_scores<T>(in, queries, starts, scores.data(), {}) == Status::ok);
    for (size_t i = 0; i < queries; i++) CHECK_NEAR(scores[i], 1.0, 1e-5);
  }
}

}  // namespace

TEST(attention_row_kernels_stay_inside_and_are_right) {
  check_kernels<float>();
  check_kernels<double>();
}

TEST(attention_row_kernels_mask) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (Isa isa : kIsas) {
    if (!isa_supported(isa)) continue;
    for (size_t n : {1, 7, 16, 40})
      for (size_t at = 0; at < n; at++) {
        std::vector<float> s(n, -kInf);
        float max = -kInf, sum = 0, factor = 5;
        const OnlineSoftmax<float> row{s.data(), n, 1, &n, nullptr, 0, &max, &sum, &factor};
        kOnlineSoftmax<float>.pick(isa)(row);
        CHECK(max == -kInf && sum == 0 && factor == 1);
        for (float x : s) CHECK(x == 0);
        std::fill(s.begin(), s.end(), -kInf);
        s[at] = 2;
        kOnlineSoftmax<float>.pick(isa)(row);
        CHECK(max == 2 && sum == 1 && factor == 0);
        s[at] = std::numeric_limits<float>::quiet_NaN();
        kOnlineSoftmax<float>.pick(isa)(row);
        CHECK(std::isnan(sum) && max == 2);
      }
  }
}

TEST(attention_reads_and_writes_nothing_past_its_operands) {
  const Isa best = active_isa();
  for (Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (size_t queries : {1, 5, 15, 31})
      for (size_t keys : {1, 16, 33, 75})
        for (size_t d : {1, 3, 17, 32}) {
          check_stays_inside<float, true>(queries, keys, d, 35 - d);
          check_stays_inside<float, false>(queries, keys, d, 35 - d);
          check_stays_inside<double, true>(queries, keys, d, 35 - d);
          check_stays_inside<double, false>(queries, keys, d, 35 - d);
        }
  }
  set_active_isa(best);
}
