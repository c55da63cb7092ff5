"""Compares log I_v(x) and log K_v(x) with ball arithmetic on fresh random points, on every instruction set.

python3 test/special/bessel_campaign.py [points in a class] [seed] [part of a class's name]    from the root, after
`npm run build`; 6000 points in a class are 100,000 together

Needs python-flint, whose balls bound their own error (the tables of the tests come from mpmath). Prints for each class of
points the largest error in units of eps S, S = |L| + |x dL/dx| + |v dL/dv|, eps = 2^-52 (f32: 2^-23), in last places of L
(where S < 2^41 |L|), and where; and the largest difference between two instruction sets in last places. Exits with 1 if an error is beyond 4
units.
"""
import array
import itertools
import json
import math
import os
import random
import subprocess
import sys

from flint import arb, ctx

next_up = lambda a: math.nextafter(a, math.inf)
next_down = lambda a: math.nextafter(a, 0)
single = lambda a: array.array("f", [a])[0]


def next_single(a, step):
    """The f32 number `step` places above the positive f32 number a."""
    word = array.array("i", array.array("f", [a]).tobytes())
    return array.array("f", array.array("i", [max(0, word[0] + step)]).tobytes())[0]


def log_values(v, x, bits):
    """log I, log K and their derivatives in v and x as balls."""
    ctx.prec = bits
    big = x > 1e4
    h = arb(2) ** (-bits // 3) * (v if v > 1e-3 else arb(1) / 1000)

    def both(a):
        # K is even in v, and for integers far cheaper than next to them
        i, k = x.bessel_i(a, scaled=big), x.bessel_k(arb(0) if a < 1e-60 else a, scaled=big)
        shift = x if big else arb(0)
        return i.log() + shift, k.log() - shift, i, k

    i, k, i0, k0 = both(v)
    i1, k1 = x.bessel_i(v + 1, scaled=big), x.bessel_k(arb(1) if v < 1e-60 else v + 1, scaled=big)
    up_i, up_k, _, _ = both(v + h)
    return i, k, v / x + i1 / i0, v / x - k1 / k0, (up_i - i) / h, (up_k - k) / h


def debye(v, x, bits):
    """The same for huge arguments: the corrections are below 2^-200 from r = 1e15 on with 13 terms."""
    ctx.prec = bits
    r = (v * v + x * x).sqrt()
    y = arb(1) / r
    t2 = (v / r) ** 2
    sums = []
    for sign in (1, -1):
        total = arb(1)
        for n, row in enumerate(U[1:], 1):
            total += (sign * y) ** n * sum((arb(c.p) / c.q * t2**j for j, c in enumerate(row)), arb(0))
        sums.append(total.log())
    arc = (v / x).asinh()
    h = r - v * arc
    half = arb(1) / 2
    two_pi = 2 * arb.pi()
    i = h - half * (two_pi * r).log() + sums[0]
    k = -h + half * (arb.pi() / (2 * r)).log() + sums[1]
    return i, k, r / x, -r / x, -arc, arc


def debye_polynomials(count):
    from flint import fmpq

    u = [[fmpq(1)]]
    for k in range(count):
        following = [fmpq(0)] * (k + 2)
        for j, c in enumerate(u[k]):
            power = k + 2 * j
            following[j] += c * (fmpq(power, 2) + fmpq(1, 8 * (power + 1)))
            following[j + 1] -= c * (fmpq(power, 2) + fmpq(5, 8 * (power + 3)))
        u.append(following)
    return u


U = debye_polynomials(13)


def reference(v, x):
    a, b = arb(v), arb(x)
    for bits in (320, 640, 1280, 2600, 5200):
        if v > 2e7 or x > 2e7:
            values = debye(a, b, bits)
        else:
            values = log_values(a, b, bits)
        good = all(w.is_finite() and (w == 0 or w.rel_accuracy_bits() > 100) for w in values[:2])
        if good and all(w.is_finite() and (w == 0 or w.rel_accuracy_bits() > 20) for w in values[2:4]):
            i, k, xi, xk, vi, vk = values
            size = lambda l, along_x, along_v: float(abs(l) + abs(b * along_x) + abs(a * along_v))
            return i, k, size(i, xi, vi), size(k, xk, vk)
    return None


def zero(which, v):
    """x where log I_v or log K_v is 0, by bisection in f64 of the balls' midpoints."""
    ctx.prec = 160
    a = arb(v)
    value = lambda x: float((arb(x).bessel_i(a) if which == "I" else arb(x).bessel_k(a)).log().mid())
    low, high = (1e-160, 4.0 + v) if which == "I" else (0.1, 4.0 + v)
    rising = which == "I"
    for _ in range(1200):
        middle = math.sqrt(low * high) if high > 4 * low else (low + high) / 2
        if middle in (low, high):
            break
        if (value(middle) < 0) == rising:
            low = middle
        else:
            high = middle
    return low


BORDERS_R2 = [477, 713, 1228, 3210, 9640, 424**2, 995**2, 79.0**2, 80.0**2]
BORDERS_X = [0.125, 0.25, 0.5, 1, 1.625, 2.75, 5, 10, 3, 6, 16, 23, 1e-100, 1e100]


def classes(count, rng):
    spread = lambda low, high: math.exp(rng.uniform(math.log(low), math.log(high)))
    pick = rng.choice
    near = lambda a: pick([next_down(next_down(a)), next_down(a), a, next_up(a), next_up(next_up(a))])

    def border():
        if rng.random() < 0.5:
            r, angle = math.sqrt(pick(BORDERS_R2)), rng.uniform(0, math.pi / 2)
            return near(r * math.sin(angle)), near(r * math.cos(angle))
        return pick([rng.uniform(0, 20), spread(1e-6, 25), 0.0]), near(pick(BORDERS_X))

    def order_cell():
        return near(rng.randrange(0, 24) + 0.5), spread(1e-3, 22)

    def at_zero(which, draw_v, offset):
        v = draw_v()
        x = zero(which, v)
        return v, max(5e-324, offset(x))

    around = lambda x: pick([near(x), x * (1 + pick([-1, 1]) * spread(1e-15, 0.1)), x + pick([-1, 1]) * spread(1e-15, 0.1)])
    small_v = lambda: pick([rng.uniform(0, 22), rng.uniform(0, 0.6), spread(1e-6, 1)])
    middle_v = lambda: rng.uniform(17, 90)
    large_v = lambda: spread(60, 1e6)
    yield "v, x in [0, 10]", count, lambda: (rng.uniform(0, 10), rng.uniform(0, 10))
    yield "r < 22", count, lambda: (rng.uniform(0, 22), rng.uniform(0, 22))
    yield "small v, x < 1/8", count, lambda: (pick([rng.uniform(0, 3), spread(1e-12, 3)]), spread(1e-20, 0.125))
    yield "small v, 1/8 < x < 2", count, lambda: (pick([rng.uniform(0, 3), spread(1e-12, 3), 0.0]), rng.uniform(0.125, 2))
    yield "whole plane to 1e6", count, lambda: (spread(1e-8, 1e6), spread(1e-8, 1e6))
    yield "[10, 100]", count, lambda: (rng.uniform(10, 100), rng.uniform(10, 100))
    yield "[100, 1e4]", count // 2, lambda: (spread(100, 1e4), spread(100, 1e4))
    yield "borders", count, border
    yield "half-integers and near", count // 2, order_cell
    yield "v near 12.6", count // 4, lambda: (rng.uniform(12.4, 12.8), spread(1e-3, 30))
    yield "tiny v", count // 4, lambda: (pick([0.0, 5e-324, 1e-300, spread(1e-300, 1e-3)]), spread(1e-3, 30))
    yield "tiny x", count // 2, lambda: (pick([0.0, rng.uniform(0, 30), spread(1e-10, 1)]), pick([5e-324, 3e-310, spread(1e-307, 1e-3)]))  # fmt: skip
    yield "huge", count // 4, lambda: (pick([0.0, spread(1e-3, 1e6), spread(1e8, 1e300)]), spread(1e8, 1e308))
    yield "huge order", count // 4, lambda: (spread(1e8, 1e250), spread(1e-20, 1e308))
    yield "zero of log I, v < 22", count // 2, lambda: at_zero("I", small_v, around)
    yield "zero of log I, v < 90", count // 4, lambda: at_zero("I", middle_v, around)
    yield "zero of log I, v < 1e6", count // 4, lambda: at_zero("I", large_v, around)
    yield "zero of log K, v < 22", count // 2, lambda: at_zero("K", small_v, around)
    yield "zero of log K, v < 90", count // 4, lambda: at_zero("K", middle_v, around)
    yield "zero of log K, v < 1e6", count // 4, lambda: at_zero("K", large_v, around)


BORDERS_R2_SINGLE = [96, 746, 28900]
BORDERS_X_SINGLE = [0.125, 0.25, 0.5, 1, 1.5, 1.625, 2.75, 4, 5, 1e-12, 1e12]


def single_classes(count, rng):
    spread = lambda low, high: math.exp(rng.uniform(math.log(low), math.log(high)))
    pick = rng.choice
    near = lambda a: next_single(a, rng.randrange(-2, 3))

    def border():
        if rng.random() < 0.5:
            r, angle = math.sqrt(pick(BORDERS_R2_SINGLE)), rng.uniform(0, math.pi / 2)
            return near(r * math.sin(angle)), near(r * math.cos(angle))
        return pick([rng.uniform(0, 20), spread(1e-6, 25), 0.0]), near(pick(BORDERS_X_SINGLE))

    def at_zero(which):
        v = single(pick([rng.uniform(0, 22), rng.uniform(0, 0.6), spread(20, 1000)]))
        return v, near(zero(which, v))

    yield "f32: v, x in [0, 10]", count, lambda: (rng.uniform(0, 10), rng.uniform(0, 10))
    yield "f32: small v, x < 2", count // 2, lambda: (pick([rng.uniform(0, 3), spread(1e-12, 3), 0.0]), spread(1e-11, 2))
    yield "f32: whole plane to 1e6", count, lambda: (spread(1e-8, 1e6), spread(1e-8, 1e6))
    yield "f32: [10, 1e4]", count // 2, lambda: (spread(10, 1e4), spread(10, 1e4))
    yield "f32: borders", count // 2, border
    yield "f32: tiny x", count // 4, lambda: (pick([0.0, rng.uniform(0, 30), spread(1e-10, 1)]), pick([1e-45, 3e-40, spread(1e-37, 1e-3)]))  # fmt: skip
    yield "f32: huge", count // 4, lambda: (pick([0.0, spread(1e-3, 1e6), spread(1e8, 1e30)]), spread(1e8, 1e30))
    yield "f32: zero of log I", count // 4, lambda: at_zero("I")
    yield "f32: zero of log K", count // 4, lambda: at_zero("K")


def lapidary(points, isa, wide):
    code = """import { logBesselI, logBesselK } from '%s/dist/special/index.js';
const chunks = []; for await (const c of process.stdin) chunks.push(c);
const all = new %s(Uint8Array.from(Buffer.concat(chunks)).buffer), n = all.length / 2;
const v = all.subarray(0, n), x = all.subarray(n);
process.stdout.write(new Uint8Array(logBesselI(v, x).buffer)); process.stdout.write(new Uint8Array(logBesselK(v, x).buffer));"""
    kind = "d" if wide else "f"
    data = array.array(kind, [v for v, _ in points] + [x for _, x in points]).tobytes()
    run = ["node", "--input-type=module", "-e", code % (os.getcwd(), "Float64Array" if wide else "Float32Array")]
    out = subprocess.run(run, input=data, stdout=subprocess.PIPE, check=True, env={**os.environ, "LAPIDARY_ISA": isa}).stdout
    values = array.array(kind)
    values.frombytes(out)
    n = len(points)
    return values[:n], values[n:]


def supported():
    code = "import { cpuInfo } from './dist/index.js'; console.log(JSON.stringify(cpuInfo().supported))"
    return json.loads(subprocess.run(["node", "--input-type=module", "-e", code], stdout=subprocess.PIPE, check=True).stdout)


def ulp(a, wide=True):
    """The spacing of f64 (f32) numbers at a."""
    least = 5e-324 if wide else 2.0**-149
    return max(least, math.ulp(abs(a)) * (1 if wide else 2**29)) if a else least


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    isas = supported()
    total = 0
    worst = 0
    for name, n, draw in itertools.chain(classes(count, rng), single_classes(count, rng)):
        if only not in name:
            continue
        wide = not name.startswith("f32")
        eps = 2.0**-52 if wide else 2.0**-23
        points = [draw() for _ in range(n)]
        if not wide:
            points = [(single(v), single(x)) for v, x in points]
        rows = [(v, x, reference(v, x)) for v, x in points]
        lost = sum(r is None for _, _, r in rows)
        rows = [r for r in rows if r[2] is not None]
        got = {isa: lapidary([(v, x) for v, x, _ in rows], isa, wide) for isa in isas}
        first = got[isas[0]]
        pairs = [(a, b) for isa in isas for w in (0, 1) for a, b in zip(got[isa][w], first[w]) if a != b]
        apart = max((abs(a - b) / ulp(b, wide) for a, b in pairs), default=0)
        ctx.prec = 400
        text = []
        for w in (0, 1):
            units, places = (0, None), (0, None)
            for i, (v, x, ref) in enumerate(rows):
                value = got[isas[-1]][w][i]
                error = abs(float(arb(value) - ref[w]))
                scale = ref[2 + w]
                e, p = error / (eps * scale) if eps * scale else 0, error / ulp(float(ref[w]), wide)
                if error <= ulp(0, wide):
                    e = min(e, 1)
                if not e <= units[0]:
                    units = (e, (v, x))
                if scale < 2.0**41 * abs(float(ref[w])) and not p <= places[0]:
                    places = (p, (v, x))
            worst = max(worst, units[0])
            text.append(f"log {'IK'[w]}: {units[0]:.2f} units {units[1]}, {places[0]:.3g} places {places[1]}")
        total += len(rows)
        print(f"{name} ({len(rows)}{f', {lost} left out' if lost else ''}): {'; '.join(text)}; sets apart {apart}", flush=True)
    print(total, "points")
    sys.exit(worst > 4)


main()
