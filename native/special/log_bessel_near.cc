#include "special/log_bessel_near.h"

#include <algorithm>
#include <cmath>

#include "special/log_bessel_dispatch.h"

namespace lapidary {
namespace {

// Below these, |log I| and |log K| of the branches for small r are computed once more: carrying along what the leading
// operations round off (careful) for x ≥ ⅛, and with twice the digits below kTiny. For x < 3 the series has so few
// terms that log I may do with less; and each step in v rounds off a little, so that the limit rises to kMostSmall with
// v, by v − kFewSteps. For x < ¼ log K takes kMostSmall at once.
constexpr double kSmall = 2, kSmallOfFew = 1, kFewSteps = 6, kMostSmall = 4, kTinyI = 1 / 16.0, kTinyK = 1 / 64.0;
constexpr int kFewTerms = 14;
// Where x² is less, log I is nearly v log(x/2) − log Γ(v + 1), which has no such errors.
constexpr double kSmallByX2 = 24;
// The same with twice the digits for large r, over v + x.
constexpr double kSmallBySum = 1 / 256.0;

// The methods with twice the digits.
constexpr int kTermsI[] = {34, 60, 12, 4}, kTermsK[] = {12, 20, 12, 4};
size_t double_method(double v, double x) {
  const double r2 = v * v + x * x;
  return r2 < 477 ? 0 : r2 < 6400 ? 1 : r2 < 1e6 ? 2 : 3;
}

// The first branches of the kernels that have a careful method for each of theirs.
constexpr size_t kSeries = index_of<double>(Kernel::series), kRecurred = index_of<double>(Kernel::recurred);

}  // namespace

NearZeros::NearZeros(BesselFunction f, ArenaFrame& frame)
    : f_(f),
      v_(frame.take<double>(kMethods * kCapacity)),
      x_(frame.take<double>(kMethods * kCapacity)),
      out_(frame.take<double>(kCapacity)),
      places_(frame.take<uint32_t>(kMethods * kCapacity)),
      found_(frame.take<uint16_t>(kMost + kBesselLanes)) {}

size_t NearZeros::find(size_t branch, const double* v, const double* x, std::span<const double> values) {
  NearZero rule{INFINITY, 0, INFINITY, INFINITY, INFINITY};
  const auto [kernel, terms] = Tables<double>::branches[branch];
  if (kernel == Kernel::series)
    rule = {terms <= kFewTerms ? kSmallOfFew : kSmall, kFewSteps, kMostSmall, kSmallByX2, INFINITY};
  else if (kernel == Kernel::recurred)
    rule = {terms == 0 ? kMostSmall : kSmall, kFewSteps, kMostSmall, INFINITY, INFINITY};
  else if (kernel == Kernel::temme)
    rule = {kSmall, 0, kSmall, INFINITY, INFINITY};
  else if (kernel == Kernel::uniform)
    rule.by_sum = kSmallBySum;
  else
    return 0;
  return Tables<double>::near.pick()(rule, v, x, values.data(), values.size(), found_);
}

size_t NearZeros::careful_method(size_t branch) {
  const Kernel kernel = Tables<double>::branches[branch].kernel;
  if (kernel == Kernel::series) return kDouble + branch - kSeries;
  if (kernel == Kernel::recurred) return kDouble + branch - kRecurred;
  return kMethods;
}

void NearZeros::add(double v, double x, uint32_t place) {
  const size_t method = double_method(v, x), at = method * kCapacity + counts_[method]++;
  v_[at] = v;
  x_[at] = x;
  places_[at] = place;
}

void NearZeros::refine(size_t method, double* part) {
  double *const v = v_ + method * kCapacity, *const x = x_ + method * kCapacity;
  const uint32_t* const places = places_ + method * kCapacity;
  const size_t count = counts_[method];
  const bool first = f_ == BesselFunction::log_i;
  counts_[method] = 0;
  bessel_pad(v, count);
  bessel_pad(x, count);
  if (method >= kDouble) {
    const size_t branch = method - kDouble + (first ? kSeries : kRecurred);
    Tables<double>::careful.pick()(f_, Tables<double>::branches[branch].terms, v, x, out_, count);
  } else {
    const auto& table = method < 2 ? Tables<double>::zero : Tables<double>::zero_debye;
    table.pick()(f_, first ? kTermsI[method] : kTermsK[method], v, x, out_, count);
  }
  for (size_t j = 0; j < count; j++) part[places[j]] = out_[j];
  if (method < kDouble) return;
  const double tiny = first ? kTinyI : kTinyK;
  for (size_t j = 0; j < count; j++)
    if (std::abs(out_[j]) < tiny) add(v[j], x[j], places[j]);
}

void NearZeros::refine(double* part, bool all) {
  const auto each_above = [&](size_t first, size_t end, size_t enough, auto then) {
    for (size_t method = first; method < end; method++) {
      if (counts_[method] <= enough) continue;
      refine(method, part);
      then();
    }
  };
  // The careful ones first: what one of them finds to be tiny joins the others, which have room for that much and what
  // they held: kEnough from before and what keep() gave them, with at most kMost elements of this time in all.
  const size_t enough = all ? 0 : kEnough;
  each_above(kDouble, kMethods, enough, [&] { each_above(0, kDouble, kEnough, [] {}); });
  each_above(0, kDouble, enough, [] {});
}

}  // namespace lapidary
