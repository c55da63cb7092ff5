"""Writes bessel_table.json: log I_v(x), log K_v(x) and I_{v+1}(x)/I_v(x) to 40 digits, for the tests beside it.

Run with python3 and mpmath (test data only; nothing else needs Python):  python3 test/special/bessel_table.py

K comes from K_v(x) = 1/2 int exp(-x cosh t + v t) dt by the trapezoidal rule, whose error falls like the Fourier
transform of the integrand at 2 pi / h; the ratio from Gauss's continued fraction, evaluated backwards; I from the
Wronskian I_v K_{v+1} + I_{v+1} K_v = 1/x, or below 1 from its power series with 720 digits. Every 10th point with
moderate arguments is compared with mpmath's own functions.

Each row: v, x, log I, log K, ratio, S_I, S_K with S = |L| + |x dL/dx| + |v dL/dv|, and from these to 25 digits
(log I)', (log K)', exp(-x) I, exp(x) K.
"""
import json
import math
import pathlib
import random

from mpmath import asinh, besseli, besselk, cosh, exp, fabs, hypot, log, loggamma, mp, mpf, nstr, sqrt, workdps

mp.dps = 58


def log_k(v, x):
    t0, r = asinh(v / x), hypot(v, x)
    h = min(mpf("0.33") / sqrt(r), mpf("0.05"))
    peak = v * t0 - x * cosh(t0)
    total = mpf(1)
    for sign in (1, -1):
        k = 1
        while True:
            t = t0 + sign * k * h
            term = exp(v * t - x * cosh(t) - peak)
            total += term
            if term < mpf(10) ** -52:
                break
            k += 1
    return peak + log(total * h / 2)


def ratio(v, x):
    steps = int(12 * math.sqrt(x)) + 60
    f = mpf(0)
    for k in range(steps, 0, -1):
        f = 1 / (2 * (v + k) / x + f)
    return f


def log_i(v, x, rho, k0, k1):
    if x < 1 and v < 1:  # the logarithm may be tiny: the power series, with digits to spare
        with workdps(720):
            term, total, k = mpf(1), mpf(0), 1
            while term > mpf(10) ** -720 and k < 400:
                term *= x * x / (4 * k * (k + v))
                total, k = total + term, k + 1
            return v * log(x / 2) - loggamma(1 + v) + log(1 + total)
    return -log(x) - k1 - log(1 + rho * exp(k0 - k1))


def row(v, x):
    a, b = mpf(v), mpf(x)
    h = mpf(10) ** -19 * max(a, mpf(10) ** -3)
    k0, k1, rho = log_k(a, b), log_k(a + 1, b), ratio(a, b)
    above0, above1 = log_k(a + h, b), log_k(a + 1 + h, b)
    i = log_i(a, b, rho, k0, k1)
    slope_i = (log_i(a + h, b, ratio(a + h, b), above0, above1) - i) / h
    slope_k = (above0 - k0) / h
    s_i = fabs(i) + fabs(a + b * rho) + fabs(a * slope_i)
    s_k = fabs(k0) + fabs(a - b * exp(k1 - k0)) + fabs(a * slope_k)
    more = [rho + a / b, a / b - exp(k1 - k0), exp(i - b), exp(k0 + b)]
    return [repr(float(v)), repr(float(x)), nstr(i, 40), nstr(k0, 40), nstr(rho, 40), nstr(s_i, 8), nstr(s_k, 8)] + [
        nstr(value, 25) for value in more
    ]


def near(value):
    """The value and its neighbours."""
    return [math.nextafter(value, 0), value, math.nextafter(value, math.inf)]


def points():
    rng = random.Random(1)
    spread = lambda low, high: math.exp(rng.uniform(math.log(low), math.log(high)))
    for _ in range(260):  # the whole plane
        yield spread(1e-8, 1e6), spread(1e-8, 1e6)
    for _ in range(260):  # small arguments, where no expansion holds
        yield rng.uniform(0, 20), rng.uniform(0, 32)
    for _ in range(60):
        yield rng.uniform(0, 13), spread(1e-4, 2.2)
    for x in (1e-300, 1e-160, 1e-150, 1e-20, 1e-5, 0.3, 0.4225, 0.9, 1.9, 2.1, 5, 18.5, 31, 500, 1e5):
        for v in (0.0, 1e-300, 1e-9, 0.01, 0.4999, 0.5, 0.5001, 1.0, 1.5, 2.5, 7.5, 12.6, 18.9):
            yield v, x
    for v in (0.0, 0.3, 5.0, 12.5, 20.5, 30.0, 1000.0):
        yield v, 5e-324
        yield v, 3e-310
    for x in (1e-3, 1.0, 100.0, 1e6):
        yield 1e15, x
        yield 1e6, x
    for r2 in (18, 24, 86, 112, 208, 240, 512, 1232, 9722, 2318310):  # borders of 'auto'
        for angle in (0.0, 0.2, 0.7, 1.1, 1.5):
            x = math.sqrt(r2) * math.cos(angle)
            for v in near(math.sqrt(r2) * math.sin(angle)):
                yield v, x
    for border in (0.125, 0.25, 1.0, 3.0, 6.0, 10.0, 16.0):
        for x in near(border):
            for v in (0.0, 0.3, 1.4, 6.0, 15.0):
                yield v, x
    for v in (0.2, 3.0, 15.0, 1e4):
        for x in near(1e-100):
            yield v, x
    for v in (100.0, 1e3, 1e5, 1e6):  # near the zero of log I
        for ratio_ in (0.6627, 0.66274, 0.6628, 0.663):
            yield v, v * ratio_
    for x in near(30.0) + near(1400.0) + [200.0, 1e3, 1e4, 1e6]:
        for v in near(math.sqrt(2 * x)) + near(math.sqrt(0.002 * x)) + [0.0, 0.2]:
            yield v, x
    # borders of the paper
    for x in (35.0, 200.0, 1e3, 1e4):
        for v in near(math.exp(0.5113 * math.log(x) + 0.7939)):
            yield v, x
    for x in (200.0, 1e3, 1e4, 1e5):  # just inside, where mu_20 and mu_3 leave out the most
        yield math.exp(0.5113 * math.log(x) + 0.7939) * (1 - 1e-9), x
        yield math.exp(0.6229 * math.log(x) - 3.2318) * (1 - 1e-9), x
    for v in (12.6964, 15.3919, 20.1534, 56.9971, 163.6993):
        for w in near(v):
            yield w, 3.0
            yield w, 25.0
    for x in (19.6931, 30.0, 35.9074, 59.6925, 84.4153, 274.2377):
        for y in near(x):
            for v in (0.2, 0.65, 3.0, 14.0, 18.0):
                yield v, y
    for p in (2, 3, 2048, 8192, 32768):  # von Mises-Fisher
        for kappa in (1e-3, 1.0, 300.0, 4e4):
            yield p / 2 - 1, kappa
    for _ in range(150):  # around the zero of log K
        yield rng.choice((0.0, 1e-3, rng.uniform(0, 0.6))), spread(0.06, 1.3)
    yield from cells()


def cells():
    """Borders of the terms of U for values, and of the polynomials for K."""
    for r2 in (477, 713, 1228, 3210, 9640, 424**2, 995**2):
        for angle in (0.0, 0.7, 1.3):
            for x in near(math.sqrt(r2) * math.cos(angle)):
                yield math.sqrt(r2) * math.sin(angle), x
    for x in (0.125, 0.25, 0.5, 1.625, 2.75, 5.0, 10.0):
        for y in near(x):
            for v in (0.0, 0.5, 3.3, 15.5):
                yield v, y


if __name__ == "__main__":
    rows = []
    for n, (v, x) in enumerate(points()):
        rows.append(row(v, x))
        if n % 10 == 0 and 1e-3 < x < 200 and v < 200:
            assert fabs(log(besseli(mpf(v), mpf(x))) - mpf(rows[-1][2])) < mpf(10) ** -37 * max(1, fabs(mpf(rows[-1][2])))
            assert fabs(log(besselk(mpf(v), mpf(x))) - mpf(rows[-1][3])) < mpf(10) ** -37 * max(1, fabs(mpf(rows[-1][3])))
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "rows")
