import { expect, test } from 'vitest';
import { logBesselKDerivative } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { beyond, singles, table, ulp, type Row } from './table.js';

const largest = { 53: Number.MAX_VALUE, 24: (2 - 2 ** -23) * 2 ** 127 } as const;
/** Below the smallest number, or beyond the largest, the digits of the table mean 0 or ∞. */
const ordinary = (rows: readonly Row[], bits: 53 | 24): Row[] =>
  rows.filter((r) => Number(r.slopeK) !== 0 && Math.abs(Number(r.slopeK)) <= largest[bits]);

describeEachIsa('against 25 digits', (isa) => {
  test('f64', () => {
    const rows = ordinary(table, 53);
    const got = withIsa(isa, () =>
      logBesselKDerivative(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => 12 * ulp(Number(r.slopeK));
    expect(beyond(got, (r) => r.slopeK, bound, rows)).toEqual([]);
  });

  test('f32', () => {
    const rows = ordinary(singles, 24);
    const got = withIsa(isa, () =>
      logBesselKDerivative(
        Float32Array.from(rows, (r) => r.v),
        Float32Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => 8 * ulp(Number(r.slopeK), 24);
    expect(beyond(got, (r) => r.slopeK, bound, rows)).toEqual([]);
  });

  test('beyond the range of f64: 0 or ∞', () => {
    const rows = table.filter((r) => !Number.isFinite(Number(r.slopeK)) || Number(r.slopeK) === 0);
    const got = withIsa(isa, () =>
      logBesselKDerivative(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    expect(Array.from(got)).toEqual(rows.map((r) => Number(r.slopeK)));
  });
});

test('limits', () => {
  const f = logBesselKDerivative;
  expect([f(0, 0), f(1, 0), f(0, Infinity), f(3, Infinity)]).toEqual([-Infinity, -Infinity, -1, -1]);
  expect([f(Infinity, 3), f(NaN, 1), f(Infinity, Infinity)]).toEqual([-Infinity, NaN, NaN]);
  expect([f(1, 5e-324), f(2, 1e308)]).toEqual([-Infinity, -1]);
});

test('order ½: −1 − 1/2x', () => {
  for (const x of [1e-9, 0.3, 0.999, 1, 5, 20, 25, 1e5])
    expect(Math.abs(logBesselKDerivative(0.5, x) / (-1 - 0.5 / x) - 1)).toBeLessThan(2e-15);
});
