// Boost.Math and libstdc++ as peers: the logarithm of their unscaled functions, which is what they offer.
#include "protocol.h"

#include <cmath>
#include <vector>

#if LAPIDARY_HAVE_BOOST
#include <boost/math/special_functions/bessel.hpp>
#include <boost/version.hpp>
#define LAPIDARY_BOOST_VERSION BOOST_LIB_VERSION
#else
#define LAPIDARY_BOOST_VERSION "absent"
#endif

namespace {

const double *v, *x;
std::vector<double> out;
double (*function)(double, double);

// A denormal has lost digits that its logarithm would show: an answer they cannot give, like 0 and infinity.
double log_of(double value) { return std::fpclassify(value) == FP_SUBNORMAL ? NAN : std::log(value); }

double std_i(double order, double at) { return log_of(std::cyl_bessel_i(order, at)); }
double std_k(double order, double at) { return log_of(std::cyl_bessel_k(order, at)); }
#if LAPIDARY_HAVE_BOOST
namespace policies = boost::math::policies;
// infinite instead of an exception, and no promotion to long double
using Policy = policies::policy<policies::overflow_error<policies::ignore_error>,
                                policies::evaluation_error<policies::ignore_error>, policies::promote_double<false>>;
double boost_i(double order, double at) { return log_of(boost::math::cyl_bessel_i(order, at, Policy())); }
double boost_k(double order, double at) { return log_of(boost::math::cyl_bessel_k(order, at, Policy())); }
#endif

}  // namespace

double prepare(Session* s, const char** why) {
  const char* library = task_word(s, "library", "std");
  const bool first = !strncmp(s->task, "logBesselI ", 11);
  *why = "the library is not on this machine";
#if LAPIDARY_HAVE_BOOST
  if (!strcmp(library, "boost")) function = first ? boost_i : boost_k;
  else
#endif
    if (!strcmp(library, "std"))
    function = first ? std_i : std_k;
  else
    return -1;
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

int main() { return serve("Boost.Math " LAPIDARY_BOOST_VERSION ", libstdc++"); }
