import { expect, test } from 'vitest';
import { besselKe } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { beyond, singles, table, ulp, type Row } from './table.js';

const eps = 2 ** -52;
const largest = { 53: Number.MAX_VALUE, 24: (2 - 2 ** -23) * 2 ** 127 } as const;
/** Below the smallest number, or beyond the largest, the digits of the table mean 0 or ∞. */
const ordinary = (rows: readonly Row[], bits: 53 | 24): Row[] =>
  rows.filter((r) => Number(r.scaledK) !== 0 && Math.abs(Number(r.scaledK)) <= largest[bits]);

describeEachIsa('against 25 digits', (isa) => {
  test('f64', () => {
    const rows = ordinary(table, 53);
    const got = withIsa(isa, () =>
      besselKe(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => {
      const exponent = r.x < 1e-99 ? Math.abs(Number(r.logK)) : 0;
      const small = r.v ** 2 + r.x ** 2 < 512 && r.x >= 1 ? r.v : 0;
      return (8 + small + exponent) * eps * Number(r.scaledK) + 2 ** -1074;
    };
    expect(beyond(got, (r) => r.scaledK, bound, rows)).toEqual([]);
  });

  test('f32', () => {
    const rows = ordinary(singles, 24);
    const got = withIsa(isa, () =>
      besselKe(
        Float32Array.from(rows, (r) => r.v),
        Float32Array.from(rows, (r) => r.x),
      ),
    );
    const bound = (r: Row): number => (16 + 2 * r.v * Number(r.v ** 2 + r.x ** 2 < 97)) * ulp(Number(r.scaledK), 24);
    expect(beyond(got, (r) => r.scaledK, bound, rows)).toEqual([]);
  });

  test('beyond the range of f64: 0 or ∞', () => {
    const rows = table.filter((r) => !Number.isFinite(Number(r.scaledK)) || Number(r.scaledK) === 0);
    const got = withIsa(isa, () =>
      besselKe(
        Float64Array.from(rows, (r) => r.v),
        Float64Array.from(rows, (r) => r.x),
      ),
    );
    expect(Array.from(got)).toEqual(rows.map((r) => Number(r.scaledK)));
  });
});

test('limits', () => {
  const f = besselKe;
  expect([f(0, 0), f(1, 0), f(0, Infinity), f(Infinity, 3)]).toEqual([Infinity, Infinity, 0, Infinity]);
  expect([f(NaN, 1), f(1, NaN), f(Infinity, Infinity)]).toEqual([NaN, NaN, NaN]);
  expect([f(1, 5e-324), f(1e15, 1)]).toEqual([Infinity, Infinity]);
  expect(Math.abs(f(0, 1e308) * Math.sqrt(2 / Math.PI) * 1e154 - 1)).toBeLessThan(1e-13);
});

test('order ½: √(π/2x)', () => {
  for (const x of [1e-9, 0.3, 0.999, 1, 5, 20, 25, 1e5])
    expect(Math.abs(besselKe(0.5, x) / Math.sqrt(Math.PI / (2 * x)) - 1)).toBeLessThan(3e-15);
});
