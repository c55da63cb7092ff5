"""Writes vmf_table.json: entropy and Kullback-Leibler divergence of von Mises-Fisher distributions to 40 digits.

    python3 test/special/vmf_table.py        (mpmath, SciPy; half a minute)

log I_v(kappa) is summed from the power series (all terms positive), from the expansion for large arguments where that
reaches 60 digits; the ratio comes from two of them, so nothing is shared with the library. The values of `scipy` are
scipy.stats.vonmises_fisher(mu, kappa).entropy() and .logpdf(x) with mu = (1, 0, ...) and x = (0.6, 0.8, 0, ...).
"""

import json
import pathlib

import numpy as np
from mpmath import mp, mpf
from scipy.stats import vonmises_fisher

mp.dps = 70


def log_i(v, x):
    if x > 200 + 4 * v * v:
        term = total = mpf(1)
        for k in range(1, 2000):
            nxt = -term * (4 * v * v - (2 * k - 1) ** 2) / (8 * k * x)
            if abs(nxt) < mpf(10) ** (5 - mp.dps) * abs(total):
                return x - mp.log(2 * mp.pi * x) / 2 + mp.log(total)
            if abs(nxt) > abs(term):
                break
            term = nxt
            total += term
    quarter = x * x / 4
    term = total = mpf(1)
    k = 0
    while True:
        k += 1
        term *= quarter / (k * (k + v))
        total += term
        if term < mpf(10) ** (5 - mp.dps) * total and k * (k + v) > quarter:
            return v * mp.log(x / 2) - mp.loggamma(v + 1) + mp.log(total)


def parts(p, kappa):
    """log C_p(kappa) and A_p(kappa)"""
    v, kappa = mpf(p) / 2 - 1, mpf(kappa)
    if kappa == 0:
        return mp.loggamma(v + 1) - mp.log(2) - (v + 1) * mp.log(mp.pi), mpf(0)
    log = log_i(v, kappa)
    return v * mp.log(kappa) - (v + 1) * mp.log(2 * mp.pi) - log, mp.exp(log_i(v + 1, kappa) - log)


dimensions = [2, 3, 4, 17, 100, 122, 123, 784, 2048, 8192, 32768, 100001]
kappas = ["0", "1e-9", "1e-3", "0.7", "12", "59.9", "60.1", "399", "5000", "60000"]
far = {2: ["1e8", "1e20", "1e100"], 3: ["1e8", "1e300"], 17: ["1e7", "1e12"], 100: ["1e6", "1e12"], 2048: ["1e9"]}

entropy = []
for p in dimensions:
    for text in kappas + far.get(p, []):
        mp.dps = 70 + 2 * int(np.log10(float(text) + 1))  # log C and kappa A agree in their leading kappa
        c, a = parts(p, float(text))
        entropy.append([p, float(text), mp.nstr(-c - float(text) * a, 40)])

mp.dps = 70
pairs = [(0, 0.5), (2, 0), (1e-3, 2e-3), (1, 1.0000001), (1, 1), (12, 300), (300, 12), (58, 62), (5e3, 5001), (5e4, 1e-3), (2e3, 6e4)]
kl = []
for p in [2, 3, 17, 784, 8192]:
    for first, second in pairs:
        for cosine in [1.0, 0.5, -1.0]:
            (c1, a1), (c2, _) = parts(p, first), parts(p, second)
            kl.append([p, first, second, cosine, mp.nstr(c1 - c2 + a1 * (mpf(first) - mpf(second) * cosine), 40)])

scipy = []
for p in [2, 3, 5, 20, 64]:
    for kappa in [0.1, 2.0, 30.0]:
        mu = np.zeros(p)
        mu[0] = 1
        x = np.zeros(p)
        x[0], x[1] = 0.6, 0.8
        frozen = vonmises_fisher(mu, kappa)
        scipy.append([p, kappa, float(frozen.entropy()), float(frozen.logpdf(x))])

table = {"entropy": entropy, "kl": kl, "scipy": scipy}
lines = [f'"{name}": [\n' + ",\n".join("    " + json.dumps(row) for row in rows) + "\n  ]" for name, rows in table.items()]
pathlib.Path(__file__).with_name("vmf_table.json").write_text("{\n  " + ",\n  ".join(lines) + "\n}\n")
