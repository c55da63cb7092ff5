// The scans, DeltaNet and pLSTM on arrays that end where their memory ends.
#include <cmath>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/dispatch.h"
#include "core/philox.h"
#include "guarded.h"
#include "recurrence/delta_net.h"
#include "recurrence/gates.h"
#include "recurrence/linear_scan.h"
#include "recurrence/plstm.h"
#include "recurrence/selective_scan.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

template <class Body>
void on_each_isa(Body&& body) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas)
    if (set_active_isa(isa)) body();
  set_active_isa(best);
}

template <class T, bool kAtEnd>
struct Filled : Guarded<T, kAtEnd> {
  Filled(size_t n, uint64_t seed, double low = -1, double high = 1) : Guarded<T, kAtEnd>(n), count(n) {
    for (size_t i = 0; i < n; i++) this->data()[i] = static_cast<T>(low + (high - low) * philox_uniform(seed, n, i));
  }
  // An output: NaN until it is written.
  explicit Filled(size_t n) : Guarded<T, kAtEnd>(n), count(n) {
    for (size_t i = 0; i < n; i++) this->data()[i] = std::numeric_limits<T>::quiet_NaN();
  }
  bool finite() {
    for (size_t i = 0; i < count; i++)
      if (!std::isfinite(this->data()[i])) return false;
    return true;
  }
  size_t count;
};

const Context kContext;

size_t total(const std::vector<uint32_t>& lengths) {
  size_t tokens = 0;
  for (const uint32_t length : lengths) tokens += length;
  return tokens;
}

template <class T, bool kAtEnd>
void check_linear_scan(std::vector<uint32_t> lengths, size_t channels, bool reverse) {
  using Array = Filled<T, kAtEnd>;
  const size_t all = total(lengths) * channels, states = lengths.size() * channels;
  const Sequences sequences{lengths, channels, reverse};
  Array a(all, 1), b(all, 2), before(states, 3), dout(all, 4), dafter(states, 5);
  Array out(all), after(states), da(all), db(all), dbefore(states);
  CHECK(linear_scan<T>(a.data(), b.data(), before.data(), out.data(), after.data(), sequences, kContext) == Status::ok);
  CHECK(out.finite() && after.finite());
  CHECK(linear_scan_backward<T>(dout.data(), a.data(), out.data(), before.data(), dafter.data(), da.data(), db.data(),
                                dbefore.data(), sequences, kContext) == Status::ok);
  CHECK(da.finite() && db.finite() && dbefore.finite());
}

template <bool kAtEnd>
void check_selective_scan(std::vector<uint32_t> lengths, size_t channels, size_t states, bool reverse) {
  using Array = Filled<float, kAtEnd>;
  const size_t tokens = total(lengths), all = tokens * channels, held = lengths.size() * channels * states;
  Array x(all, 1), delta(all, 2, 0, 1), a(channels * states, 3, -1, 0), b(tokens * states, 4), c(tokens * states, 5);
  Array skip(channels, 6), before(held, 7), y(all), after(held);
  const SelectiveScanArguments arguments{x.data(),    delta.data(),  a.data(), b.data(),     c.data(),
                                         skip.data(), before.data(), y.data(), after.data(), states};
  CHECK(selective_scan(arguments, {lengths, channels, reverse}, kContext) == Status::ok);
  CHECK(y.finite() && after.finite());
  Array dout(all, 8), dafter(held, 9), dx(all), ddelta(all), da(channels * states), db(tokens * states);
  Array dc(tokens * states), dskip(channels), dbefore(held);
  const SelectiveScanGradient gradient{x.data(),       delta.data(),  a.data(),    b.data(),      c.data(),
                                       skip.data(),    before.data(), dout.data(), dafter.data(), dx.data(),
                                       ddelta.data(),  da.data(),     db.data(),   dc.data(),     dskip.data(),
                                       dbefore.data(), states};
  CHECK(selective_scan_backward(gradient, {lengths, channels, reverse}, kContext) == Status::ok);
  CHECK(dx.finite() && ddelta.finite() && da.finite() && db.finite() && dc.finite() && dskip.finite());
  CHECK(dbefore.finite());
}

// σ(x) and x·σ(x), to within rounding.
double logistic(double x) { return 1 / (1 + std::exp(-x)); }

template <bool kAtEnd>
void check_gates(size_t tokens, size_t channels) {
  using Array = Filled<float, kAtEnd>;
  const size_t all = tokens * channels;
  Array f(all, 1, -9, 9), x(all, 2, -9, 9), bound(channels, 3, 0, 1), gain(channels, 4), a(all), b(all), out(all);
  CHECK(mlgru_gates(f.data(), x.data(), bound.data(), a.data(), b.data(), tokens, channels, kContext) == Status::ok);
  const GatedNorm norm{{x.data(), channels}, true,       1e-6,   gain.data(),
                       {f.data(), channels}, out.data(), tokens, channels};
  CHECK(gated_norm(norm, kContext) == Status::ok);
  for (size_t t = 0; t < tokens; t++) {
    double squares = 0;
    for (size_t c = 0; c < channels; c++) squares += std::pow(double{x[t * channels + c]}, 2);
    const double factor = 1 / std::sqrt(squares / static_cast<double>(channels) + 1e-6);
    for (size_t c = 0; c < channels; c++) {
      const size_t i = t * channels + c;
      const double lb = bound[c], gate = lb + (1 - lb) * logistic(f[i]);
      const double in = x[i] * logistic(x[i]) * (1 - lb) * logistic(-double{f[i]});
      const double y = x[i] * factor * gain[c] * f[i] * logistic(f[i]);
      CHECK_NEAR(a[i], gate, 1e-6 * gate);
      CHECK_NEAR(b[i], in, 2e-6 * std::abs(in));
      CHECK_NEAR(out[i], y, 2e-6 * std::abs(y));
    }
  }
}

template <class T, bool kAtEnd>
void check_delta_net(std::vector<uint32_t> lengths, size_t heads, size_t dk, size_t dv, size_t chunk, bool gated) {
  using Array = Filled<T, kAtEnd>;
  const size_t rows = total(lengths) * heads, states = lengths.size() * heads * dk * dv;
  Array q(rows * dk, 1), k(rows * dk, 2), v(rows * dv, 3), beta(rows, 4, 0, 2), alpha(rows, 5, 0, 1), before(states, 6);
  Array dout(rows * dv, 7), dafter(states, 8), out(rows * dv), after(states);
  Array dq(rows * dk), d_key(rows * dk), d_value(rows * dv), dbeta(rows), dalpha(rows), dbefore(states);
  DeltaNet<T> net{};
  net.q = q.data();
  net.k = k.data();
  net.v = v.data();
  net.beta = beta.data();
  net.alpha = gated ? alpha.data() : nullptr;
  net.lengths = lengths;
  net.heads = heads;
  net.dk = dk;
  net.dv = dv;
  net.chunk = chunk;
  net.normalize = true;
  CHECK(delta_net<T>(net, before.data(), out.data(), after.data(), kContext) == Status::ok);
  CHECK(out.finite() && after.finite());
  DeltaNetGradient<T> gradient{};
  gradient.dq = dq.data();
  gradient.dk = d_key.data();
  gradient.dv = d_value.data();
  gradient.dbeta = dbeta.data();
  gradient.dalpha = gated ? dalpha.data() : nullptr;
  gradient.dbefore = dbefore.data();
  CHECK(delta_net_backward<T>(net, before.data(), dout.data(), dafter.data(), gradient, kContext) == Status::ok);
  CHECK(dq.finite() && d_key.finite() && d_value.finite() && dbeta.finite() && dbefore.finite());
  CHECK(!gated || dalpha.finite());
}

template <class T, bool kAtEnd>
void check_plstm_1d(std::vector<uint32_t> lengths, size_t heads, size_t dk, size_t dv, size_t chunk) {
  using Array = Filled<T, kAtEnd>;
  const size_t rows = total(lengths) * heads, states = lengths.size() * heads * dk * dv;
  Array q(rows * dk, 1), k(rows * dk, 2), v(rows * dv, 3), source(rows, 4), transition(rows, 5), mark(rows, 6);
  Array direct(rows, 7), before(states, 8), dout(rows * dv, 9), dafter(states, 10), out(rows * dv), after(states);
  Array dq(rows * dk), d_key(rows * dk), d_value(rows * dv), dsource(rows), dtransition(rows), dmark(rows),
      ddirect(rows), dbefore(states);
  const PlstmSequence<T> net{q.data(),    k.data(),      v.data(), source.data(), transition.data(),
                             mark.data(), direct.data(), lengths,  heads,         dk,
                             dv,          chunk};
  CHECK(plstm_1d<T>(net, before.data(), out.data(), after.data(), kContext) == Status::ok);
  CHECK(out.finite() && after.finite());
  const PlstmGradient<T> gradient{dq.data(),          d_key.data(), d_value.data(), dsource.data(),
                                  dtransition.data(), dmark.data(), ddirect.data(), dbefore.data()};
  CHECK(plstm_1d_backward<T>(net, before.data(), dout.data(), dafter.data(), gradient, kContext) == Status::ok);
  CHECK(dq.finite() && d_key.finite() && d_value.finite() && dsource.finite() && dtransition.finite());
  CHECK(dmark.finite() && ddirect.finite() && dbefore.finite());
}

}  // namespace

TEST(linear_scan_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const size_t channels : {1, 7, 16, 17, 33, 48, 64, 65, 1030}) {
      check_linear_scan<float, true>({3, 0, 1, 5}, channels, false);
      check_linear_scan<float, false>({4, 2}, channels, true);
      check_linear_scan<double, true>({2, 3}, channels, true);
      check_linear_scan<double, false>({5}, channels, false);
    }
  });
}

TEST(selective_scan_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const size_t channels : {1, 7, 16, 33, 70})
      for (const size_t states : {0, 1, 5, 16}) {
        check_selective_scan<true>({3, 0, 5}, channels, states, false);
        check_selective_scan<false>({4, 1}, channels, states, true);
      }
  });
}

TEST(gates_stay_inside_their_arrays_and_are_right) {
  on_each_isa([] {
    for (const size_t channels : {1, 7, 8, 9, 16, 33, 70}) {
      check_gates<true>(3, channels);
      check_gates<false>(2, channels);
    }
  });
}

TEST(delta_net_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const size_t width : {1, 5, 16, 33})
      for (const size_t chunk : {1, 4, 64}) {
        check_delta_net<float, true>({9, 0, 1, 33}, 2, width, width + 2, chunk, true);
        check_delta_net<float, false>({17}, 1, width + 1, width, chunk, false);
        check_delta_net<double, true>({5, 6}, 3, width, width, chunk, true);
      }
  });
}

TEST(plstm_1d_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const size_t width : {1, 5, 16, 33})
      for (const size_t chunk : {1, 4, 64}) {
        check_plstm_1d<float, true>({9, 0, 1, 33}, 2, width, width + 2, chunk);
        check_plstm_1d<float, false>({17}, 1, width + 1, width, chunk);
        check_plstm_1d<double, true>({5, 6}, 3, width, width, chunk);
      }
  });
}

namespace {

template <class T, bool kAtEnd>
void check_plstm_2d(size_t images, size_t height, size_t width, size_t heads, size_t dk, size_t dv, bool flip) {
  using Array = Filled<T, kAtEnd>;
  const size_t nodes = images * height * width * heads, rows = images * heads * height * dk * dv,
               columns = images * heads * width * dk * dv;
  Array q(nodes * dk, 1), k(nodes * dk, 2), v(nodes * dv, 3), g0(nodes, 4), g1(nodes, 5), g2(nodes, 6), g3(nodes, 7);
  Array g4(nodes, 8), g5(nodes, 9), g6(nodes, 10), g7(nodes, 11), g8(nodes, 12), rows_before(rows, 13),
      columns_before(columns, 14), dout(nodes * dv, 15);
  const PlstmGrid<T> net{q.data(),  k.data(),  v.data(),  g0.data(), g1.data(), g2.data(), g3.data(),
                         g4.data(), g5.data(), g6.data(), g7.data(), g8.data(), images,    height,
                         width,     heads,     dk,        dv,        flip,      !flip};
  Array out(nodes * dv), rows_after(rows), columns_after(columns);
  CHECK(plstm_2d<T>(net, rows_before.data(), columns_before.data(), out.data(), rows_after.data(), columns_after.data(),
                    kContext) == Status::ok);
  CHECK(out.finite() && rows_after.finite() && columns_after.finite());
  Array dq(nodes * dk), d_key(nodes * dk), d_value(nodes * dv), d0(nodes), d1(nodes), d2(nodes), d3(nodes), d4(nodes),
      d5(nodes), d6(nodes), d7(nodes), d8(nodes), drows(rows), dcolumns(columns);
  const PlstmGridGradient<T> gradient{dq.data(), d_key.data(), d_value.data(), d0.data(),      d1.data(),
                                      d2.data(), d3.data(),    d4.data(),      d5.data(),      d6.data(),
                                      d7.data(), d8.data(),    drows.data(),   dcolumns.data()};
  CHECK(plstm_2d_backward<T>(net, rows_before.data(), columns_before.data(), dout.data(), rows_after.data(),
                             columns_after.data(), gradient, kContext) == Status::ok);
  CHECK(dq.finite() && d_key.finite() && d_value.finite() && drows.finite() && dcolumns.finite());
  for (Array* gate : {&d0, &d1, &d2, &d3, &d4, &d5, &d6, &d7, &d8}) CHECK(gate->finite());
}

// A hub with `spokes` edges in and out, half of them from and to outside, and a chain of pairs through it.
template <class T, bool kAtEnd>
void check_plstm_dag(uint32_t spokes, size_t heads, size_t dk, size_t dv) {
  using Array = Filled<T, kAtEnd>;
  std::vector<uint32_t> from, to, first, second;
  size_t entering = 0, leaving = 0;
  for (uint32_t s = 0; s < spokes; s++) {
    from.push_back(s % 2 ? kOutside : 1 + s);
    to.push_back(0);
    from.push_back(0);
    to.push_back(s % 3 ? kOutside : 1 + spokes + s);
    entering += s % 2;
    leaving += s % 3 != 0;
    first.push_back(2 * s);
    second.push_back(2 * ((s + 1) % spokes) + 1);
  }
  const size_t nodes = 1 + 2 * spokes, rows = nodes * heads, edges = from.size() * heads, pairs = first.size() * heads;
  Array q(rows * dk, 1), k(rows * dk, 2), v(rows * dv, 3), source(edges, 4), transition(pairs, 5), mark(edges, 6);
  Array direct(rows, 7), before(entering * heads * dk * dv, 8), dout(rows * dv, 9);
  PlstmDag<T> net{q.data(),
                  k.data(),
                  v.data(),
                  source.data(),
                  transition.data(),
                  mark.data(),
                  direct.data(),
                  {nodes, from, to, first, second},
                  heads,
                  dk,
                  dv};
  Array out(rows * dv), after(leaving * heads * dk * dv);
  CHECK(plstm_dag<T>(net, before.data(), out.data(), after.data(), kContext) == Status::ok);
  CHECK(out.finite() && after.finite());
  Array dq(rows * dk), d_key(rows * dk), d_value(rows * dv), dsource(edges), dtransition(pairs), dmark(edges),
      ddirect(rows), dbefore(entering * heads * dk * dv);
  const PlstmGradient<T> gradient{dq.data(),          d_key.data(), d_value.data(), dsource.data(),
                                  dtransition.data(), dmark.data(), ddirect.data(), dbefore.data()};
  CHECK(plstm_dag_backward<T>(net, before.data(), dout.data(), after.data(), gradient, kContext) == Status::ok);
  CHECK(dq.finite() && d_key.finite() && d_value.finite() && dsource.finite() && dtransition.finite());
  CHECK(dmark.finite() && ddirect.finite() && dbefore.finite());
}

}  // namespace

TEST(plstm_2d_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const size_t width : {1, 5, 16, 33, 66}) {
      check_plstm_2d<float, true>(2, 3, 4, 2, 3, width, false);
      check_plstm_2d<float, false>(1, 9, 1, 1, width, 7, true);
      check_plstm_2d<double, true>(1, 1, 6, 1, 2, width, true);
      check_plstm_2d<double, false>(1, 2, 2, 3, 1, width, false);
    }
  });
}

TEST(plstm_dag_stays_inside_its_arrays) {
  on_each_isa([] {
    for (const uint32_t spokes : {1, 2, 5})
      for (const size_t width : {1, 5, 16, 33, 66}) {
        check_plstm_dag<float, true>(spokes, 2, 3, width);
        check_plstm_dag<float, false>(spokes, 1, 5, width);
        check_plstm_dag<double, true>(spokes, 1, 2, width);
      }
  });
}
