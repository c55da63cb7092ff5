// Methods for one element at a time with the libm: what the published method needs for small arguments (v and x below
// about 20), and the whole plane where powers of v and x do not fit into f64. They share no code with the lanes: tests
// compare the two. All take v ≥ 0 and 0 < x < ∞, denormal x included.
#pragma once

#include "special/log_bessel.h"

namespace lapidary {

// Any function where x < 1e-100, x > 1e100 or v > 1e100; for the scaled functions a relative error of up to 2^-52 of
// the exponent, |v log x|.
double bessel_extreme(BesselFunction f, double v, double x);

// log I_v(x) by its power series (DLMF 10.25.2), for x up to about 40.
double log_i_series(double v, double x);

// log K_v(x): for |v − n| ≤ ½ by Temme's series (x ≤ ¼), the trapezoidal rule on an integral (x ≤ 2) or Steed's
// continued fraction, then n steps of the recurrence; for v up to about 30.
double log_k_recurrence(double v, double x);

// log K_v(x) by Rothwell's integral and Simpson's rule with 600 panels, as published. The rule's own absolute error is
// up to 1.4e-9 (v < ½, tiny x; 8.6e-10 at v = 12.7), and up to 1.9 for v < 0.1 with x < 1e-40, where the integrand
// rises like 16/u from inside the first panel on (test/special/rothwell_table.py). For the paper's method.
double log_k_integral(double v, double x);

// I_{v+1}(x) / I_v(x) by Gauss's continued fraction, relative error about 1e-15; about 6 √x steps.
double i_ratio_fraction(double v, double x);

}  // namespace lapidary
