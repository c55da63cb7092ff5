import { expect, test } from 'vitest';
import { logBesselIDerivative } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { beyond, singles, table, ulp, type Row } from './table.js';

const largest = { 53: Number.MAX_VALUE, 24: (2 - 2 ** -23) * 2 ** 127 } as const;
/** Below the smallest number, or beyond the largest, the digits of the table mean 0 or ∞. */
const ordinary = (rows: readonly Row[], bits: 53 | 24): Row[] =>
  rows.filter((r) => Number(r.slopeI) !== 0 && Math.abs(Number(r.slopeI)) <= largest[bits]);

describeEachIsa('against 25 digits', (isa) => {
  test('f64', () => {
    const rows = ordinary(table, 53);
    const got = withIsa(isa, () =>
      logBesselIDerivative(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => 6 * ulp(Number(r.slopeI));
    expect(beyond(got, (r) => r.slopeI, bound, rows)).toEqual([]);
  });

  test('f32', () => {
    const rows = ordinary(singles, 24);
    const got = withIsa(isa, () =>
      logBesselIDerivative(
        Float32Array.from(rows, (r) => r.v),
        Float32Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => 4 * ulp(Number(r.slopeI), 24);
    expect(beyond(got, (r) => r.slopeI, bound, rows)).toEqual([]);
  });

  test('beyond the range of f64: 0 or ∞', () => {
    const rows = table.filter((r) => !Number.isFinite(Number(r.slopeI)) || Number(r.slopeI) === 0);
    const got = withIsa(isa, () =>
      logBesselIDerivative(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    expect(Array.from(got)).toEqual(rows.map((r) => Number(r.slopeI)));
  });
});

test('limits', () => {
  const f = logBesselIDerivative;
  expect([f(0, 0), f(1, 0), f(0, Infinity), f(3, Infinity), f(Infinity, 3)]).toEqual([0, Infinity, 1, 1, Infinity]);
  expect([f(NaN, 1), f(1, NaN), f(Infinity, Infinity)]).toEqual([NaN, NaN, NaN]);
  expect([f(1, 5e-324), f(0, 1e-300), f(2, 1e308), f(1e308, 1e-300)]).toEqual([Infinity, 5e-301, 1, Infinity]);
});
