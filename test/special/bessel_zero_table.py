"""Writes bessel_zero_table.json: log I_v(x) and log K_v(x) around their zeros to 40 digits, for the tests beside it.

Run with python3 and mpmath:  python3 test/special/bessel_zero_table.py

Each row: which, v, x, L, S with S = |L| + |x dL/dx| + |v asinh(v/x)|; x is the f64 next to the zero, its neighbours, and
points at relative distances up to 0.1; then points farther away that need more than the plain methods. The functions are those of bessel_table.py, with an absolute error of 1e-50.
"""
import json
import math
import pathlib

from bessel_table import log_i, log_k, ratio
from mpmath import asinh, exp, fabs, mp, mpf, nstr

mp.dps = 62


def values(which, v, x):
    """L and x dL/dx."""
    a, b = mpf(v), mpf(x)
    k0, k1, rho = log_k(a, b), log_k(a + 1, b), ratio(a, b)
    if which == "K":
        return k0, a - b * exp(k1 - k0)
    return log_i(a, b, rho, k0, k1), a + b * rho


def zero(which, v):
    """By Newton's method for log x."""
    x = mpf(0.6627434 * v) if v > 30 else mpf(0.5 + 0.6 * v)
    if which == "I" and v < 1:
        x = mpf(2 * math.sqrt(v * max(1, -math.log(v)) / 2))
    for _ in range(60):
        y, slope = values(which, v, x)
        step = y / slope
        x *= exp(-max(mpf(-0.5), min(mpf(0.5), step)))
        if fabs(step) < mpf(10) ** -20:
            break
    return float(x)


# Without what it does there, each is off by 2.01 to 2.53 last places.
FARTHER = [
    ("I", 12.088296270006667, 11.529882471761955),
    ("I", 0.5066697030674787, 0.21871529321593963),
    ("K", 17.500620528933275, 9.749742757459389),
    ("K", 16.500719648456876, 8.410067494411663),
    ("K", 1.5020196253641631, 0.15216321062441734),
    ("K", 1.5263063748390815, 0.23044014368287313),
    ("K", 1.666448053428219, 0.12985004113500698),
    ("I", 0.8531236465126204, 2.936628677304287),
    ("I", 0.9479110549540944, 2.9355635314967374),
    ("K", 0.6477306993665429, 0.012111997343443264),
    ("K", 0.3860305930557259, 0.006754204906567503),
    ("K", 1.3875252886777996, 0.06446880946710774),
    ("K", 0.3542978646087227, 0.0012467393707037313),
    # where |L| is 2 to 4: the series and its Gamma function, steps of the recurrence, Temme's series
    ("I", 2.601387238433941, 5.906054388584847),
    ("I", 0.8479332765849639, 5.7025848675205415),
    ("I", 2.028233051398275, 5.91243405476186),
    ("I", 4.740376036660388, 6.757833550714),
    ("I", 3.7520274388917256, 5.903153225935813),
    ("I", 1.0805780896607957, 5.871096464874246),
    ("I", 8.689673128128309, 9.741828592212414),
    ("I", 8.717248191182602, 9.379788452899039),
    ("I", 7.710536092789644, 8.193070986949223),
    ("K", 9.00569296952753, 3.8791608880922066),
    ("K", 8.354231743647695, 3.6830867477258407),
    ("K", 5.24190977291053, 1.7665291050718006),
    ("K", 0.2371055271187698, 5.588310091199482e-05),
    ("K", 0.12795139610451803, 3.2855848339870475e-05),
    ("K", 0.046837454906347775, 2.1140954110005736e-13),
    ("K", 7.440369847638139e-05, 0.00043752966057044354),
    # where |log K| is 1/64 to 1/32, next to its zero
    ("K", 17.259042335230394, 10.758378849111498),
    ("K", 9.480216708220594, 5.745921720400307),
    ("K", 12.77409301050415, 7.8683207596818585),
    # small v and 2 < |L| < 4, where few steps come after the first rounding errors: K for x < 1/2, I for x < 6
    ("K", 1.5066152519087759, 0.28168286218515887),
    ("K", 2.5071321389977808, 0.3606372791450032),
    ("K", 1.5190176067966785, 0.2734492160250854),
    ("I", 0.33828854667653707, 5.688759222176874),
    ("I", 0.014193596436237715, 5.7397423828980285),
    # Temme's series: the low part of e^σ, and of p_0
    ("K", 0.5024273068462858, 0.03281461412725288),
    ("K", 0.5090776148261906, 0.1227133129999715),
]
# And where it must not look as far: the trapezoidal rule would end too early.
NOT_FARTHER = [("K", 2.2913742909850677e-10, 1.1889446051964835e-17)]


def row(which, v, x):
    value, slope = values(which, v, x)
    size = fabs(value) + fabs(slope) + mpf(v) * asinh(mpf(v) / mpf(x))
    return [which, repr(float(v)), repr(float(x)), nstr(value, 40), nstr(size, 8)]


if __name__ == "__main__":
    rows = []
    small = [1e-6, 0.003, 0.2, 0.49, 0.5, 0.9, 1.5, 2.7, 4.49, 6, 9.51, 12.6, 15.3, 17.9]
    large = [18.6, 22.2, 31, 47.5, 62, 66.4, 90, 300, 812, 1e3, 2e4, 1e6]
    for v in small + large:
        for which in "IK":
            x = zero(which, v)
            at = [x, math.nextafter(x, 0), math.nextafter(x, math.inf)]
            at += [x * (1 + d) for d in (-1e-13, 1e-9, -1e-6, 1e-4, -1e-3, 5e-3, -0.03, 0.1)]
            rows += [row(which, v, y) for y in at]
    rows += [row(*point) for point in FARTHER + NOT_FARTHER]
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "rows")
