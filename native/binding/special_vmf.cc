#include <cmath>
#include <limits>

#include "binding/args.h"
#include "binding/domains.h"
#include "special/directions.h"
#include "special/vmf_mixture.h"
#include "special/vmf_sample.h"

namespace lapidary {
namespace {

double row_or_none(size_t row) { return row == kAllHaveDirections ? -1.0 : static_cast<double>(row); }

uint64_t seed_of(Args& args, int i) { return uint64_t{args.size(i)} | (uint64_t{args.size(i + 1)} << 32); }

// (x, rows, cols, weights or null, sum): the sum of the rows' directions. Answers the first row that has none, or −1.
void DirectionSum(Args& args) {
  const size_t rows = args.size(1), cols = args.size(2);
  const auto x = args.in<double>(0, args.product(rows, cols));
  const double* weights = args.absent(3) ? nullptr : args.in<double>(3, rows).data();
  const auto sum = args.out<double>(4, cols);
  size_t bad = kAllHaveDirections;
  args.done(direction_sum(x, rows, cols, weights, sum, &bad, args.context()));
  args.done(row_or_none(bad));
}

// (x, rows, cols, mu, out): the products of the rows' directions with mu. Answers the first row that has none, or −1.
void DirectionDots(Args& args) {
  const size_t rows = args.size(1), cols = args.size(2);
  const auto x = args.in<double>(0, args.product(rows, cols));
  const auto mu = args.in<double>(3, cols);
  const auto out = args.out<double>(4, rows);
  size_t bad = kAllHaveDirections;
  args.done(direction_dots(x, rows, cols, mu, out, &bad, args.context()));
  args.done(row_or_none(bad));
}

// (x, rows, cols, out): the rows' directions. Answers the first row that has none, or −1.
void UnitRows(Args& args) {
  const size_t rows = args.size(1), cols = args.size(2);
  const auto x = args.in<double>(0, args.product(rows, cols));
  const auto out = args.out<double>(3, x.size());
  size_t bad = kAllHaveDirections;
  args.done(unit_rows(x, rows, cols, out, &bad, args.context()));
  args.done(row_or_none(bad));
}

// (seedLo, seedHi, mu, kappa, rows, out)
void VmfSample(Args& args) {
  const uint64_t seed = seed_of(args, 0);
  const auto mu = args.in<double>(2, args.length(2));
  const double kappa = args.number(3);
  if (mu.size() < 2) args.refuse(2, "ERR_SHAPE", "at least 2 numbers");
  // NaN or infinity would be rejected for ever.
  if (!(kappa >= 0 && kappa <= std::numeric_limits<double>::max())) args.refuse(3, "ERR_RANGE", "a finite number ≥ 0");
  const size_t rows = args.size(4);
  const auto out = args.out<double>(5, args.product(rows, mu.size()));
  args.done(vmf_sample(seed, mu, kappa, rows, out, args.context()));
}

MixtureShape mixture_shape(Args& args) {
  const MixtureShape shape = {args.size(0), args.size(1), args.size(2)};
  if (shape.n == 0 || shape.n > std::numeric_limits<uint32_t>::max()) args.refuse(0, "ERR_RANGE", "1 to 2^32 - 1 rows");
  if (shape.k == 0) args.refuse(2, "ERR_RANGE", "at least 1 component");
  return shape;
}

// (n, p, k, seedLo, seedHi, u, chosen)
void MixtureSeeds(Args& args) {
  const MixtureShape shape = mixture_shape(args);
  const uint64_t seed = seed_of(args, 3);
  const auto u = args.in<double>(5, args.product(shape.n, shape.p));
  args.done(mixture_seeds(shape, seed, u, args.out<uint32_t>(6, shape.k), args.context()));
}

// (n, p, k, hard, u, mu, kappa, logs, parts, labels): the log-likelihood
void MixtureExpect(Args& args) {
  const MixtureShape shape = mixture_shape(args);
  const bool hard = args.boolean(3);
  const auto u = args.in<double>(4, args.product(shape.n, shape.p));
  const auto mu = args.in<double>(5, args.product(shape.k, shape.p));
  const auto kappa = args.in<double>(6, shape.k);
  const auto logs = args.in<double>(7, shape.k);
  const auto parts = args.out<double>(8, args.product(shape.n, shape.k));
  const auto labels = args.out<uint32_t>(9, shape.n);
  double total = 0;
  args.done(mixture_expect(shape, hard, u, mu, kappa, logs, parts, labels, &total, args.context()));
  args.done(total);
}

// (n, p, k, parts, u, sums, mass)
void MixtureSums(Args& args) {
  const MixtureShape shape = mixture_shape(args);
  const auto parts = args.in<double>(3, args.product(shape.n, shape.k));
  const auto u = args.in<double>(4, args.product(shape.n, shape.p));
  const auto sums = args.out<double>(5, args.product(shape.k, shape.p));
  args.done(mixture_sums(shape, parts, u, sums, args.out<double>(6, shape.k), args.context()));
}

constexpr Method kMethods[] = {
    {"directionSum", DirectionSum}, {"directionDots", DirectionDots}, {"unitRows", UnitRows},
    {"vmfSample", VmfSample},       {"mixtureSeeds", MixtureSeeds},   {"mixtureExpect", MixtureExpect},
    {"mixtureSums", MixtureSums},
};

}  // namespace

void add_special_vmf(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "special", kMethods); }

}  // namespace lapidary
