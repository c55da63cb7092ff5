// Boost.Math or libstdc++, a program for each: the logarithm of its unscaled functions, which is what it offers.
#include "protocol.h"

#include <cmath>
#include <vector>

#if LAPIDARY_BESSEL_OF_BOOST
#include <boost/math/special_functions/bessel.hpp>
#include <boost/version.hpp>
#endif

namespace {

const double *v, *x;
std::vector<double> out;
double (*function)(double, double);

// A denormal has lost digits that its logarithm would show: an answer they cannot give, like 0 and infinity.
double log_of(double value) { return std::fpclassify(value) == FP_SUBNORMAL ? NAN : std::log(value); }

#if LAPIDARY_BESSEL_OF_BOOST
namespace policies = boost::math::policies;
// infinite instead of an exception, and no promotion to long double
using Policy = policies::policy<policies::overflow_error<policies::ignore_error>,
                                policies::evaluation_error<policies::ignore_error>, policies::promote_double<false>>;
double log_i(double order, double at) { return log_of(boost::math::cyl_bessel_i(order, at, Policy())); }
double log_k(double order, double at) { return log_of(boost::math::cyl_bessel_k(order, at, Policy())); }
constexpr const char* kVersion = "Boost.Math " BOOST_LIB_VERSION;
#else
double log_i(double order, double at) { return log_of(std::cyl_bessel_i(order, at)); }
double log_k(double order, double at) { return log_of(std::cyl_bessel_k(order, at)); }
constexpr const char* kVersion = "libstdc++";
#endif

}  // namespace

double prepare(Session* s, const char** why) {
  function = strncmp(s->task, "logBesselI ", 11) == 0 ? log_i : log_k;
  const auto count = static_cast<size_t>(task_number(s, "n"));
  v = static_cast<const double*>(session_array(s, "v", count));
  x = static_cast<const double*>(session_array(s, "x", count));
  *why = "arrays do not fit";
  if (!v || !x) return -1;
  out.resize(count);
  return 0;
}

void call(void) {
  for (size_t i = 0; i < out.size(); i++) {
    try {
      out[i] = function(v[i], x[i]);
    } catch (...) {  // libstdc++ throws where its iteration does not end
      out[i] = NAN;
    }
  }
}

const void* result(const char** dtype, size_t* count) {
  *dtype = "f64";
  *count = out.size();
  return out.data();
}

int main() { return serve(kVersion); }
