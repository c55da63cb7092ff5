#include "binding/args.h"
#include "binding/domains.h"
#include "special/log_bessel.h"

namespace lapidary {
namespace {

// (function, method, v, x, out): v and x of out's length or of length 1. Answers the first index outside the domain, or
// −1 when out has been filled.
void Bessel(Args& args) {
  const auto f = args.code<BesselFunction>(0, kBesselFunctions);
  const auto method = args.code<BesselMethod>(1, kBesselMethods);
  const size_t n = args.length(4);
  const auto v = args.in<double>(2, args.length(2) == 1 ? 1 : n);
  const auto x = args.in<double>(3, args.length(3) == 1 ? 1 : n);
  const auto out = args.out<double>(4, n, MayEqual(3));
  if (const auto outside = bessel_first_outside(f, v, x, n)) return args.done(static_cast<double>(*outside));
  args.done(bessel(f, method, v, x, out, args.context()));
  args.done(-1.0);
}

constexpr Method kMethods[] = {
    {"bessel", Bessel},
};

}  // namespace

void add_special(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "special", kMethods); }

}  // namespace lapidary
