"""Draws special_error.svg: the error of log I and log K over the (v, x) plane, for lapidary, its 'paper' method, SciPy and
Boost. Run from the root after `npm run build` and one run of the bench (which builds the Boost peer), with python3,
mpmath and SciPy:  python3 docs/special_error.py

The unit is 2^-52 S, S = |L| + |x dL/dx| + |v asinh(v/x)| (the last for |v dL/dv|, to leading order).
"""
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import scipy.special as special
from mpmath import exp, log, mp, mpf

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "test/special"))
from bessel_table import log_i, log_k, ratio  # noqa: E402

warnings.filterwarnings("ignore")
mp.dps = 40
CELLS = 28
GRID = np.exp(np.linspace(np.log(1e-3), np.log(1e5), CELLS))
V, X = (a.ravel() for a in np.meshgrid(GRID, GRID * 1.0123))
COLOURS = ["#dfeedd", "#a8d5a2", "#f4e285", "#f4a259", "#bc4b51", "#444444"]
CLASSES = ["≤ 1", "≤ 4", "≤ 10³", "≤ 10⁶", "more", "not finite"]
LIMITS = [1, 4, 1e3, 1e6]


def lapidary(name, method):
    code = f"""import {{ {name} }} from '{root}/dist/special/index.js';
const chunks = []; for await (const c of process.stdin) chunks.push(c);
const all = new Float64Array(Uint8Array.from(Buffer.concat(chunks)).buffer), n = all.length / 2;
process.stdout.write(new Uint8Array({name}(all.subarray(0, n), all.subarray(n), {{ method: '{method}' }}).buffer));"""
    run = ["node", "--input-type=module", "-e", code]
    return np.frombuffer(subprocess.run(run, input=V.tobytes() + X.tobytes(), stdout=subprocess.PIPE, check=True).stdout)


def boost(name):
    n = len(V)
    head = [b"array v f64 %d\n" % n + V.tobytes(), b"array x f64 %d\n" % n + X.tobytes()]
    commands = b"".join(head) + b"task %s n=%d library=boost\nresult\n" % (name.encode(), n)
    out = subprocess.run([root / "build/bench/bessel_boost"], input=commands, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out[-8 * n :])


def panel(values, exact, scale, left, top, title):
    marks = [[] for _ in COLOURS]
    for row in range(CELLS):
        column = 0
        kinds = []
        for i in range(row * CELLS, (row + 1) * CELLS):
            if not np.isfinite(values[i]):
                kinds.append(5)
                continue
            units = float(abs(mpf(float(values[i])) - exact[i])) / (2**-52 * scale[i])
            kinds.append(next((k for k, limit in enumerate(LIMITS) if units <= limit), 4))
        while column < CELLS:
            run = 1
            while column + run < CELLS and kinds[column + run] == kinds[column]:
                run += 1
            marks[kinds[column]].append(f"M{column} {CELLS - 1 - row}h{run}v1h-{run}z")
            column += run
    paths = "".join(f'<path fill="{c}" d="{"".join(m)}"/>' for c, m in zip(COLOURS, marks) if m)
    return (
        f'<g transform="translate({left} {top})"><text y="-6">{title}</text>'
        f'<g transform="scale({168 / CELLS})" shape-rendering="crispEdges">{paths}</g></g>'
    )


def main():
    exact = {"logBesselI": [], "logBesselK": []}
    scale = {"logBesselI": [], "logBesselK": []}
    for v, x in zip(V, X):
        a, b = mpf(float(v)), mpf(float(x))
        k0, k1, rho = log_k(a, b), log_k(a + 1, b), ratio(a, b)
        i = log_i(a, b, rho, k0, k1)
        slope_v = float(v * np.arcsinh(v / x))
        exact["logBesselI"].append(i)
        exact["logBesselK"].append(k0)
        scale["logBesselI"].append(float(abs(i) + a + b * rho) + slope_v)
        scale["logBesselK"].append(float(abs(k0) + abs(a - b * exp(k1 - k0))) + slope_v)
    body = []
    scipy_values = {"logBesselI": np.log(special.ive(V, X)) + X, "logBesselK": np.log(special.kve(V, X)) - X}
    for row, name in enumerate(exact):
        columns = [
            ("lapidary", lapidary(name, "auto")),
            ("method 'paper'", lapidary(name, "paper")),
            ("SciPy", scipy_values[name]),
            ("Boost", boost(name)),
        ]
        for column, (who, values) in enumerate(columns):
            left, top = 40 + 184 * column, 30 + 210 * row
            body.append(panel(values, exact[name], scale[name], left, top, f"{who}: log {name[-1]}"))
            shown = [
                float(abs(mpf(float(y)) - e)) / (2**-52 * s) for y, e, s in zip(values, exact[name], scale[name]) if np.isfinite(y)
            ]
            print(name, who, "worst %.3g units, not finite %.3f" % (max(shown), np.mean(~np.isfinite(values))))
    legend = "".join(
        f'<rect x="{40 + 110 * k}" y="446" width="14" height="14" fill="{c}"/><text x="{60 + 110 * k}" y="458">{t}</text>'
        for k, (c, t) in enumerate(zip(COLOURS, CLASSES))
    )
    axes = '<text x="40" y="434">v from 10⁻³ (left) to 10⁵, x from 10⁻³ (below) to 10⁵, both logarithmic; error in units of 2⁻⁵² S:</text>'
    (root / "docs/special_error.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 790 470" font-family="sans-serif" font-size="12">'
        f'<rect width="790" height="470" fill="#ffffff"/>{"".join(body)}{axes}{legend}</svg>\n'
    )


main()
