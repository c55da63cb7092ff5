import { expect, test } from 'vitest';
import { logBesselI } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { errorOf } from './exact.js';
import { arguments_, beyond, orders, singles, table, ulp, type Row } from './table.js';

const eps = 2 ** -52;

describeEachIsa('against 40 digits', (isa) => {
  test('within 1 unit in the last place of the logarithm and 2^-61 · S where v² + x² ≥ 512', () => {
    const got = withIsa(isa, () => logBesselI(orders, arguments_));
    expect(
      beyond(
        got,
        (r) => r.logI,
        (r) => (r.v ** 2 + r.x ** 2 < 513 || r.x < 1e-99 ? Infinity : ulp(Number(r.logI)) + 2 ** -61 * r.scaleI),
      ),
    ).toEqual([]);
  });

  test('f32: within 4 · 2^-23 · S, and 1 unit in the last place + 2^-31 · S where v² + x² ≥ 96', () => {
    const v = Float32Array.from(singles, (r) => r.v);
    const x = Float32Array.from(singles, (r) => r.x);
    const got = withIsa(isa, () => logBesselI(v, x));
    expect(singles.length).toBeGreaterThan(80);
    expect(
      beyond(
        got,
        (r) => r.logI,
        (r) => {
          const far = r.v ** 2 + r.x ** 2 > 97;
          return far ? ulp(Number(r.logI), 24) + 2 ** -31 * r.scaleI : 4 * 2 ** -23 * r.scaleI + 2 ** -149;
        },
        singles,
      ),
    ).toEqual([]);
  });

  test("'auto' within 4 · 2^-52 · S", () => {
    const got = withIsa(isa, () => logBesselI(orders, arguments_));
    // below 2^-1022 the spacing of numbers is the bound
    expect(
      beyond(
        got,
        (r) => r.logI,
        (r) => 4 * eps * r.scaleI + 2 ** -1074,
      ),
    ).toEqual([]);
  });

  // The published method has these errors: see docs/special.md.
  test("'paper' within what its table allows", () => {
    const got = withIsa(isa, () => logBesselI(orders, arguments_, { method: 'paper' }));
    // mu_K leaves out about y^(K+1) / (K+1)! of e^-y, y = v²/2x
    const truncation = (y: number, terms: number): number => {
      let term = 1.5 * Math.exp(y);
      for (let k = 1; k <= terms + 1; k++) term *= y / k;
      return term;
    };
    const edge = (r: Row): number => {
      const y = r.v ** 2 / (2 * r.x);
      if (r.v > 3.1 && 0.6229 * Math.log(r.x) - 3.2318 > Math.log(r.v) - 1e-9) return truncation(y, 3);
      if (r.x > 59.6 && 0.5113 * Math.log(r.x) + 0.7939 > Math.log(r.v) - 1e-9) return truncation(y, 20);
      return 5e-13; // U_K
    };
    expect(
      beyond(
        got,
        (r) => r.logI,
        (r) => 4 * eps * r.scaleI + edge(r),
      ),
    ).toEqual([]);
  });

  test("'paper' is the published dispatch: its mu_20 loses what was measured of it at its edge", () => {
    for (const [x, loss] of [
      [200, 1.9e-11],
      [1e3, 6.4e-10],
      [1e4, 3.6e-9],
    ] as const) {
      const row = table.find(
        (r) => r.x === x && Math.abs(r.v / Math.exp(0.5113 * Math.log(x) + 0.7939) - 1 + 1e-9) < 1e-12,
      )!;
      const got = withIsa(isa, () => logBesselI(row.v, x, { method: 'paper' }));
      expect(Math.abs(errorOf(got, row.logI)) / loss).toBeGreaterThan(0.8);
      expect(Math.abs(errorOf(got, row.logI)) / loss).toBeLessThan(1.25);
    }
  });
});

test('order ½: √(2/πx) sinh x', () => {
  for (const x of [1e-300, 1e-9, 0.01, 0.3, 1, 1.99, 2.01, 7, 18.9, 19.1, 29, 31, 300, 1e4, 1e150, 1e300]) {
    const tolerance = (l: number): number => 6 * eps * (Math.abs(l) + x + 1);
    const logSinh = x < 1e-6 ? Math.log(x) : x + Math.log(-Math.expm1(-2 * x) / 2);
    const logI = 0.5 * (Math.log(2 / Math.PI) - Math.log(x)) + logSinh;
    expect(Math.abs(logBesselI(0.5, x) - logI)).toBeLessThanOrEqual(tolerance(logI) + 2 * eps * Math.abs(Math.log(x)));
  }
});
