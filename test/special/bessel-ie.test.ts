import { expect, test } from 'vitest';
import { besselIe } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { beyond, singles, table, ulp, type Row } from './table.js';

const eps = 2 ** -52;
const largest = { 53: Number.MAX_VALUE, 24: (2 - 2 ** -23) * 2 ** 127 } as const;
/** Below the smallest number, or beyond the largest, the digits of the table mean 0 or ∞. */
const ordinary = (rows: readonly Row[], bits: 53 | 24): Row[] =>
  rows.filter((r) => Number(r.scaledI) !== 0 && Math.abs(Number(r.scaledI)) <= largest[bits]);

describeEachIsa('against 25 digits', (isa) => {
  test('f64', () => {
    const rows = ordinary(table, 53);
    const got = withIsa(isa, () =>
      besselIe(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => {
      const exponent = r.x < 1e-99 ? Math.abs(Number(r.logI)) : 0;
      return (8 + exponent) * eps * Number(r.scaledI) + 2 ** -1074;
    };
    expect(beyond(got, (r) => r.scaledI, bound, rows)).toEqual([]);
  });

  test('f32', () => {
    const rows = ordinary(singles, 24);
    const got = withIsa(isa, () =>
      besselIe(
        Float32Array.from(rows, (r) => r.v),
        Float32Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => 8 * ulp(Number(r.scaledI), 24);
    expect(beyond(got, (r) => r.scaledI, bound, rows)).toEqual([]);
  });

  test('beyond the range of f64: 0 or ∞', () => {
    const rows = table.filter((r) => !Number.isFinite(Number(r.scaledI)) || Number(r.scaledI) === 0);
    const got = withIsa(isa, () =>
      besselIe(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    expect(Array.from(got)).toEqual(rows.map((r) => Number(r.scaledI)));
  });
});

test('limits', () => {
  const f = besselIe;
  expect([f(0, 0), f(1, 0), f(0, Infinity), f(Infinity, 3)]).toEqual([1, 0, 0, 0]);
  expect([f(NaN, 1), f(1, NaN), f(Infinity, Infinity)]).toEqual([NaN, NaN, NaN]);
  expect([f(3, 5e-324), f(0, 5e-324), f(1e15, 1)]).toEqual([0, 1, 0]);
  expect(Math.abs(f(0, 1e308) * Math.sqrt(2 * Math.PI) * 1e154 - 1)).toBeLessThan(1e-13);
});
