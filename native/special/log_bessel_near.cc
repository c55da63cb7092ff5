#include "special/log_bessel_near.h"

#include <algorithm>
#include <cmath>

#include "special/bands.h"
#include "special/log_bessel_dispatch.h"

namespace lapidary {
namespace {

// Below the limits of bands.h, |log I| and |log K| of the branches for small r and x ≥ ⅛ are computed carrying along
// what the leading operations round off (careful), and with twice the digits below kTiny.
constexpr double kTinyI = 1 / 16.0, kTinyK = 1 / 32.0;
// Where x² is less, log I is nearly v log(x/2) − log Γ(v + 1), which has no such errors.
constexpr double kSmallByX2 = 24;
// The same with twice the digits for large r, over v + x.
constexpr double kSmallBySum = 1 / 256.0;

// The methods with twice the digits.
constexpr int kTermsI[] = {34, 60, 12, 4}, kTermsK[] = {12, 20, 12, 4};
size_t double_method(double v, double x) {
  const double r2 = v * v + x * x;
  return r2 < kSmallR2 ? 0 : r2 < 6400 ? 1 : r2 < 1e6 ? 2 : 3;
}

}  // namespace

NearZeros::NearZeros(BesselFunction f, ArenaFrame& frame)
    : f_(f),
      v_(frame.take<double>(kRoom)),
      x_(frame.take<double>(kRoom)),
      out_(frame.take<double>(kRoom)),
      zero_v_(frame.take<double>(kMethods * kRoom)),
      zero_x_(frame.take<double>(kMethods * kRoom)),
      zero_places_(frame.take<uint16_t>(kMethods * kRoom)),
      found_(frame.take<uint16_t>(kMost)) {}

size_t NearZeros::find(size_t branch, const double* v, const double* x, std::span<const double> values) {
  NearZero rule{INFINITY, 0, INFINITY, INFINITY, INFINITY};
  const auto [kernel, terms] = Tables<double>::branches[branch];
  if (kernel == Kernel::careful)
    rule.least = rule.most = f_ == BesselFunction::log_i ? kTinyI : kTinyK;
  else if (kernel == Kernel::series)
    rule = {terms == kWholeTermsI ? kLimitI.most : kLimitI.least, kLimitI.few_steps, kLimitI.most, kSmallByX2,
            INFINITY};
  else if (kernel == Kernel::recurred)
    rule = {terms < kWholeCellsK ? kLimitK.most : kLimitK.least, kLimitK.few_steps, kLimitK.most, INFINITY, INFINITY};
  else if (kernel == Kernel::uniform)
    rule.by_sum = kSmallBySum;
  else
    return 0;
  return Tables<double>::near.pick()(rule, v, x, values.data(), values.size(), found_);
}

bool NearZeros::is_careful(size_t branch) {
  const Kernel kernel = Tables<double>::branches[branch].kernel;
  return kernel == Kernel::series || kernel == Kernel::recurred;
}

void NearZeros::careful(size_t branch, size_t count) {
  bessel_pad(v_, count);
  bessel_pad(x_, count);
  Tables<double>::careful.pick()(f_, Tables<double>::branches[branch].terms, v_, x_, out_, count);
}

bool NearZeros::is_tiny(double value) const {
  return std::abs(value) < (f_ == BesselFunction::log_i ? kTinyI : kTinyK);
}

void NearZeros::add(double v, double x, size_t place) {
  const size_t method = double_method(v, x), at = method * kRoom + counts_[method]++;
  zero_v_[at] = v;
  zero_x_[at] = x;
  zero_places_[at] = static_cast<uint16_t>(place);
}

void NearZeros::finish(double* to) {
  const int* const terms = f_ == BesselFunction::log_i ? kTermsI : kTermsK;
  for (size_t method = 0; method < kMethods; method++) {
    const size_t count = counts_[method];
    if (count == 0) continue;
    double *const v = zero_v_ + method * kRoom, *const x = zero_x_ + method * kRoom;
    const uint16_t* const places = zero_places_ + method * kRoom;
    bessel_pad(v, count);
    bessel_pad(x, count);
    const auto& table = method < 2 ? Tables<double>::zero : Tables<double>::zero_debye;
    table.pick()(f_, terms[method], v, x, out_, count);
    for (size_t j = 0; j < count; j++) to[places[j]] = out_[j];
  }
}

}  // namespace lapidary
