"""Writes rothwell_table.json: what the published integral for log K_v(x) gives when nothing is rounded.

Run with python3 and mpmath (test data only):  python3 test/special/rothwell_table.py

The method is that of Plesner, Sørensen & Hauberg (2024), after Rothwell (2008): with beta = 16/(2v+1),

    log K = log(pi)/2 - lgamma(v+1/2) - v log(2x) - x + log int_0^1 (g + h) du
    g(u) = beta exp(-u^beta) (2x + u^beta)^(v-1/2) u^7,  h(u) = exp(-1/u) u^(-2v-1) (2xu + 1)^(v-1/2)

by Simpson's rule on 600 panels, the integrand taken as 0 at u = 0. It differs from log K_v(x) by the error of that rule
alone, which this file gives beside it.

Each row: v, x, the method's value to 30 digits, and that value minus log K_v(x).
"""
import json
import pathlib

from bessel_table import log_k
from mpmath import exp, log, loggamma, mp, mpf, nstr, pi

PANELS = 600


def rothwell(v, x):
    beta, edge = 16 / (2 * v + 1), v - mpf(1) / 2
    total = mpf(0)
    for i in range(1, PANELS + 1):
        u = mpf(i) / PANELS
        power = u**beta
        g = beta * exp(-power) * (2 * x + power) ** edge * u**7
        h = exp(-1 / u) * u ** (-2 * v - 1) * (2 * x * u + 1) ** edge
        total += (1 if i == PANELS else 4 if i % 2 else 2) * (g + h)
    return log(pi) / 2 - loggamma(v + mpf(1) / 2) - v * log(2 * x) - x + log(total / (3 * PANELS))


if __name__ == "__main__":
    mp.dps = 58
    rows = []
    for v in (0.0, 1e-9, 0.01, 0.1, 0.3, 0.4999, 0.5, 0.5001, 1.0, 2.5, 5.0, 9.3, 12.6, 12.6964):
        for x in (5e-324, 1e-300, 1e-100, 1e-20, 1e-9, 1e-5, 1e-4, 1e-3, 0.1, 1.0, 5.0, 19.6):
            value = rothwell(mpf(v), mpf(x))
            rows.append([repr(v), repr(x), nstr(value, 30), nstr(value - log_k(mpf(v), mpf(x)), 4)])
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "rows")
