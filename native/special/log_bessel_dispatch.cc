#include "special/log_bessel_dispatch.h"

#include <cmath>
#include <limits>

#include "special/bands.h"

namespace lapidary {
namespace {

// Debye: the first term that U_K leaves out is at most max_t |ũ_{K+1}(t²)| r^{−K−1} (of its logarithm: d̃_{K+1}); from
// its border on that is below 2^-55 (f32: 2^-26), a quarter of the last place of a logarithm in [½, 1). Series: beyond
// its border a number of terms leaves out more than 2^-57 (f32: 2^-27) of the sum.
template <class Real>
struct Dispatch {
  BesselBorders<Real> borders;
  bool ordered;  // the branches of Tables stand as the borders want them
};
template <class Real>
constexpr Dispatch<Real> dispatch(bool first, bool values, bool logarithm) {
  constexpr bool wide = sizeof(Real) == 8;
  Dispatch<Real> d{{}, true};
  BesselBorders<Real>& b = d.borders;
  b.low = Tables<Real>::low;
  b.high = Tables<Real>::high;
  const auto x_border = [&](double from, Kernel kernel, int terms) {
    b.x[b.x_count++] = static_cast<Real>(from);
    d.ordered &= index_of<Real>(kernel, terms) == b.near + b.x_count;
  };
  const auto r2_border = [&](double from, Kernel kernel, int terms) {
    const uint8_t branch = index_of<Real>(kernel, terms);
    if (b.r2_count == 0) b.far = branch;
    d.ordered &= branch == b.far + b.r2_count;
    b.r2[b.r2_count++] = static_cast<Real>(from);
  };
  if (first) {
    if constexpr (wide) {
      b.near = index_of<Real>(Kernel::series, kSeriesTerms[0]);
      for (int cell = 1; cell < kSeriesCells; cell++)
        x_border(kSeriesBorders[cell - 1], Kernel::series, kSeriesTerms[cell]);
    } else {
      b.near = index_of<Real>(Kernel::series, 6);
      x_border(1.5, Kernel::series, 11);
      x_border(4, Kernel::series, 19);
    }
  } else {
    b.near = index_of<Real>(Kernel::temme, wide ? 6 : 4);
    for (int cell = 0; cell < (wide ? kKCellCount : 7); cell++) x_border(kKBorders[cell], Kernel::recurred, cell);
  }
  if constexpr (!wide) {
    r2_border(96, Kernel::debye, 9);
    r2_border(746, Kernel::debye, 4);
    r2_border(28900, Kernel::debye, 2);
  } else if (values) {
    r2_border(kSmallR2, Kernel::uniform, 20);
    r2_border(713, Kernel::uniform, 16);
    r2_border(1228, Kernel::uniform, 13);
    r2_border(3210, Kernel::uniform, 10);
    r2_border(9640, Kernel::uniform, 8);
  } else {
    r2_border(512, Kernel::debye, 20);
    r2_border(1232, Kernel::debye, 13);
    r2_border(9722, Kernel::debye, 8);
    r2_border(2318310, Kernel::debye, 4);
  }
  if constexpr (wide)
    if (logarithm) {
      // the cells of K begin after Temme's
      b.careful =
          first ? index_of<Real>(Kernel::careful, 10) - b.near : index_of<Real>(Kernel::careful, 0) - b.near - 1;
      b.band = first ? kBandI : kBandK;
    }
  return d;
}

template <class Real, bool first>
constexpr Dispatch<Real> kDispatch[3] = {dispatch<Real>(first, false, false), dispatch<Real>(first, true, false),
                                         dispatch<Real>(first, true, true)};
template <class Real, bool first>
constexpr bool ordered() {
  for (const auto& d : kDispatch<Real, first>)
    if (!d.ordered) return false;
  return true;
}
static_assert(ordered<double, false>() && ordered<double, true>() && ordered<float, false>() && ordered<float, true>());

template <class Real>
const BesselBorders<Real>& borders_of(BesselFunction f) {
  const bool logarithm = f == BesselFunction::log_i || f == BesselFunction::log_k;
  const int kind = logarithm ? 2 : is_value(f) ? 1 : 0;
  return first_kind(f) ? kDispatch<Real, true>[kind].borders : kDispatch<Real, false>[kind].borders;
}

}  // namespace

template <>
const BesselBorders<double>& bessel_borders(BesselFunction f) {
  return borders_of<double>(f);
}
template <>
const BesselBorders<float>& bessel_borders(BesselFunction f) {
  return borders_of<float>(f);
}

// Zero, infinite and not-a-number arguments (docs/special.md has the table).
double bessel_limit(BesselFunction f, double v, double x) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(v) || std::isnan(x) || (std::isinf(v) && std::isinf(x))) return nan;
  const bool far = std::isinf(x), zero = !far && x == 0 && v == 0;
  switch (f) {
    case BesselFunction::log_i:
      return far ? inf : zero ? 0 : -inf;
    case BesselFunction::log_k:
      return far ? -inf : inf;
    case BesselFunction::i_ratio:
      return far ? 1 : 0;
    case BesselFunction::log_i_slope:
      return far ? 1 : zero ? 0 : inf;
    case BesselFunction::log_k_slope:
      return far ? -1 : -inf;
    case BesselFunction::i_scaled:
      return zero ? 1 : 0;
    case BesselFunction::k_scaled:
      return far ? 0 : inf;
  }
  return nan;
}

// The dispatch of the paper: the first line that holds. ln is only taken where it decides.
uint8_t paper_branch(double v, double x) {
  const auto at = [](Kernel kernel, int terms) { return index_of<double>(kernel, terms); };
  if (is_limit(v, x)) return index_of<double>(Kernel::limit);
  if (x < Tables<double>::low || x > Tables<double>::high || v > Tables<double>::high)
    return v > 12.6964 || x > 30 ? index_of<double>(Kernel::extreme) : index_of<double>(Kernel::paper_small);
  if (x > 1400 && v < 3.05) return at(Kernel::mu, 3);
  if (v > 3.1 && x > 1 && 0.6229 * std::log(x) - 3.2318 > std::log(v)) return at(Kernel::mu, 3);
  if (x > 30 && v < 15.3919) return at(Kernel::mu, 20);
  if (x > 59.6925 && 0.5113 * std::log(x) + 0.7939 > std::log(v)) return at(Kernel::mu, 20);
  if ((x > 274.2377 && v > 0.3) || v > 163.6993) return at(Kernel::debye, 4);
  if ((x > 84.4153 && v > 0.46) || v > 56.9971) return at(Kernel::debye, 6);
  if ((x > 35.9074 && v > 0.6) || v > 20.1534) return at(Kernel::debye, 9);
  if ((x > 19.6931 && v > 0.7) || v > 12.6964) return at(Kernel::debye, 13);
  return index_of<double>(Kernel::paper_small);
}

}  // namespace lapidary
