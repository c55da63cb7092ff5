import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logBesselK } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { errorOf } from './exact.js';
import { arguments_, beyond, orders, singles, ulp, type Row } from './table.js';

const eps = 2 ** -52;

/** v, x, the value of the published integral without rounding, and how far that is from log K */
const rothwell = JSON.parse(readFileSync(new URL('./rothwell_table.json', import.meta.url), 'utf8')) as [
  v: string,
  x: string,
  value: string,
  error: string,
][];

describeEachIsa('against 40 digits', (isa) => {
  test('within 1 unit in the last place of the logarithm and 2^-61 · S where v² + x² ≥ 512', () => {
    const got = withIsa(isa, () => logBesselK(orders, arguments_));
    expect(
      beyond(
        got,
        (r) => r.logK,
        (r) => (r.v ** 2 + r.x ** 2 < 513 || r.x < 1e-99 ? Infinity : ulp(Number(r.logK)) + 2 ** -61 * r.scaleK),
      ),
    ).toEqual([]);
  });

  test('f32: within 4 · 2^-23 · S, and 1 unit in the last place + 2^-31 · S where v² + x² ≥ 96', () => {
    const v = Float32Array.from(singles, (r) => r.v);
    const x = Float32Array.from(singles, (r) => r.x);
    const got = withIsa(isa, () => logBesselK(v, x));
    expect(singles.length).toBeGreaterThan(80);
    expect(
      beyond(
        got,
        (r) => r.logK,
        (r) => {
          const far = r.v ** 2 + r.x ** 2 > 97;
          return far ? ulp(Number(r.logK), 24) + 2 ** -31 * r.scaleK : 4 * 2 ** -23 * r.scaleK + 2 ** -149;
        },
        singles,
      ),
    ).toEqual([]);
  });

  test("'auto' within 4 · 2^-52 · S", () => {
    const got = withIsa(isa, () => logBesselK(orders, arguments_));
    // below 2^-1022 the spacing of numbers is the bound
    expect(
      beyond(
        got,
        (r) => r.logK,
        (r) => 4 * eps * r.scaleK + 2 ** -1074,
      ),
    ).toEqual([]);
  });

  test("'paper' within what its table and its integral allow", () => {
    const got = withIsa(isa, () => logBesselK(orders, arguments_, { method: 'paper' }));
    const method = (r: Row): number => {
      if (r.v > 12.6964 || r.x > 30) return 5e-9; // expansions, as for log I
      // near v = 0 the integrand at the first of 600 panels is 16/u down to u = x^(1/16): see rothwell_table.py
      return r.v < 0.1 && r.x < 1e-40 ? 1.88 : 1.5e-9;
    };
    expect(
      beyond(
        got,
        (r) => r.logK,
        (r) => 4 * eps * r.scaleK + method(r),
      ),
    ).toEqual([]);
  });

  test("'paper' is Rothwell's integral by Simpson's rule: its errors and no others", () => {
    const v = Float64Array.from(rothwell, ([order]) => Number(order));
    const x = Float64Array.from(rothwell, ([, argument]) => Number(argument));
    const got = withIsa(isa, () => logBesselK(v, x, { method: 'paper' }));
    for (const [i, [, , value]] of rothwell.entries()) {
      // the factors of the integrand are exponentials of numbers up to v |log 2x| + |log K|
      const scale = Math.abs(got[i]!) + v[i]! * Math.abs(Math.log(x[i]!)) + x[i]! + 30;
      expect(Math.abs(errorOf(got[i]!, value)), `v = ${v[i]}, x = ${x[i]}`).toBeLessThanOrEqual(4 * eps * scale);
    }
  });
});

test('half-integer orders: closed forms', () => {
  for (const x of [1e-300, 1e-9, 0.01, 0.3, 1, 1.99, 2.01, 7, 18.9, 19.1, 29, 31, 300, 1e4, 1e150, 1e300]) {
    const tolerance = (l: number): number => 6 * eps * (Math.abs(l) + x + 1);
    const half = 0.5 * (Math.log(Math.PI / 2) - Math.log(x));
    expect(Math.abs(logBesselK(0.5, x) - (half - x))).toBeLessThanOrEqual(tolerance(half - x));
    // K_{n+½} = √(π/2x) e^−x Σ_k (n+k)! / (k! (n−k)! (2x)^k)
    for (const n of [1, 4, 9]) {
      let sum = 0;
      let term = 1;
      for (let k = 0; k <= n; k++) {
        sum += term;
        term *= ((n - k) * (n + k + 1)) / ((k + 1) * 2 * x);
      }
      if (!Number.isFinite(sum)) continue;
      const expected = half - x + Math.log(sum);
      const scale = Math.abs(expected) + x + n * Math.abs(Math.log(x)) + n;
      expect(Math.abs(logBesselK(n + 0.5, x) - expected)).toBeLessThanOrEqual(6 * eps * scale);
    }
  }
});

test('K is even in v', () => {
  const x = Float64Array.of(0.1, 1, 3, 30, 300);
  for (const v of [0.3, 2, 17.2, 250]) expect(logBesselK(-v, x)).toEqual(logBesselK(v, x));
});
