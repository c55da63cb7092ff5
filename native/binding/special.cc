#include "binding/args.h"
#include "binding/domains.h"
#include "special/log_bessel.h"

namespace lapidary {
namespace {

// Of one float type. Answers the first index outside the domain, or −1 when out has been filled.
template <class Real>
void bessel_of(Args& args, BesselFunction f, BesselMethod method) {
  const size_t n = args.length(4);
  const auto v = args.in<Real>(2, args.length(2) == 1 ? 1 : n);
  const auto x = args.in<Real>(3, args.length(3) == 1 ? 1 : n);
  const auto out = args.out<Real>(4, n, MayEqual(3));
  if (const auto outside = bessel_first_outside(f, v, x, n)) return args.done(static_cast<double>(*outside));
  if constexpr (sizeof(Real) == 8)
    args.done(bessel(f, method, v, x, out, args.context()));
  else
    args.done(bessel(f, v, x, out, args.context()));
  args.done(-1.0);
}

// (function, method, v, x, out): v and x of out's length or of length 1, all three f64 or all three f32.
void Bessel(Args& args) {
  const auto f = args.code<BesselFunction>(0, kBesselFunctions);
  const auto method = args.code<BesselMethod>(1, kBesselMethods);
  const bool logs = f == BesselFunction::log_i || f == BesselFunction::log_k;
  if (args.type(4) == napi_float32_array) {
    if (method != BesselMethod::automatic) args.refuse(1, "ERR_OPTION", "the automatic method for f32");
    return bessel_of<float>(args, f, method);
  }
  if (method != BesselMethod::automatic && !logs) args.refuse(1, "ERR_OPTION", "the automatic method");
  bessel_of<double>(args, f, method);
}

constexpr Method kMethods[] = {
    {"bessel", Bessel},
};

}  // namespace

void add_special(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "special", kMethods); }

}  // namespace lapidary
