import { expect, test } from 'vitest';
import { besselIRatio } from 'lapidary/special';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { arguments_, beyond, orders } from './table.js';

describeEachIsa('against 40 digits', (isa) => {
  test('ratio: relative error within 2e-15', () => {
    const got = withIsa(isa, () => besselIRatio(orders, arguments_));
    expect(
      beyond(
        got,
        (r) => r.ratio,
        (r) => 2e-15 * Number(r.ratio) + 2 ** -1074,
      ),
    ).toEqual([]);
  });
});

test('limits: zero, denormal, huge, infinite, NaN', () => {
  expect([besselIRatio(0, 0), besselIRatio(2, Infinity), besselIRatio(Infinity, 2)]).toEqual([0, 1, 0]);
  expect(besselIRatio(1, 5e-324)).toBe(5e-324 / 4);
  expect(besselIRatio(3, 1e-300)).toBeCloseTo(1.25e-301, 310);
  expect(besselIRatio(0, 1e308)).toBe(1);
  expect(besselIRatio(1e308, 1e308)).toBeCloseTo(Math.SQRT2 - 1, 14);
  expect(besselIRatio(NaN, 1)).toBeNaN();
});

test('half-integer order: coth x − 1/x', () => {
  for (const x of [0.5, 3, 18, 20, 40, 500, 1e5])
    expect(Math.abs(besselIRatio(0.5, x) / (1 / Math.tanh(x) - 1 / x) - 1)).toBeLessThan(1e-14);
});
