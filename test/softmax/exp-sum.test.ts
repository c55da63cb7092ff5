import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { expSum, logSumExp, mergeExpSum, type ExpSum } from 'lapidary/softmax';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const log = ({ m, n }: ExpSum, i = 0) => Math.log(m[i]!) + n[i]! * Math.LN2;

describeEachIsa('expSum', (isa) => {
  it('is the sum of exponentials, and parts of a row merge to the whole', () =>
    withIsa(isa, () => {
      for (const type of [Float32Array, Float64Array])
        for (const [low, high] of [
          [-3, 3],
          [-110, 0],
          [60000, 60010],
          [-70010, -70000],
          [-1e6, 1e6],
        ] as const)
          for (const cols of [1, 7, 64, 1000]) {
            const x = type.from(uniform(cols, cols, low, high));
            const values = Array.from<number>(x);
            const max = Math.max(...values);
            const want = max + Math.log(values.reduce((sum, v) => sum + Math.exp(v - max), 0));
            const tolerance = type === Float32Array ? 2 ** -23 : 2 ** -50;
            const whole = expSum(dense(1, cols, x));
            expect(Number.isInteger(whole.n[0])).toBe(true);
            expect(Math.abs(log(whole) - want)).toBeLessThanOrEqual(tolerance + 2 ** -50 * Math.abs(want));
            const cut = cols >> 1;
            const parts = [x.slice(0, cut), x.slice(cut)].map((part) => expSum(dense(1, part.length, part)));
            expect(Math.abs(log(mergeExpSum(parts[0]!, parts[1]!)) - want)).toBeLessThanOrEqual(2 * tolerance + 2 ** -50 * Math.abs(want)); // prettier-ignore
          }
    }));

  it('knows −∞, NaN, +∞ and nothing', () =>
    withIsa(isa, () => {
      const rows = [[-Infinity, -Infinity], [0, NaN], [Infinity, 0], [-Infinity, 0]] as const; // prettier-ignore
      for (const type of [Float32Array, Float64Array]) {
        const { m, n } = expSum(dense(4, 2, type.from(rows.flat())));
        expect([...m]).toEqual([0, NaN, NaN, 1]);
        expect([n[0], n[3]]).toEqual([-Infinity, 0]);
        expect([...expSum(dense(2, 0, new type(0))).m]).toEqual([0, 0]);
        expect([...logSumExp(dense(4, 2, type.from(rows.flat())))]).toEqual([-Infinity, NaN, NaN, 0]);
      }
    }));
});

describe('mergeExpSum', () => {
  const pair = fc
    .tuple(fc.double({ min: 0.5, max: 100, noNaN: true }), fc.integer({ min: -1e9, max: 1e9 }))
    .map(([m, n]) => ({ m: Float64Array.of(m), n: Float64Array.of(n) }));

  it('is commutative to the last bit, associative within rounding, and has a zero', () => {
    fc.assert(
      fc.property(pair, pair, pair, (a, b, c) => {
        expect(mergeExpSum(a, b)).toEqual(mergeExpSum(b, a));
        const left = mergeExpSum(mergeExpSum(a, b), c);
        const right = mergeExpSum(a, mergeExpSum(b, c));
        expect(left.n).toEqual(right.n);
        expect(Math.abs(left.m[0]! - right.m[0]!)).toBeLessThanOrEqual(4 * 2 ** -53 * left.m[0]!);
        const zero = { m: Float64Array.of(0), n: Float64Array.of(-Infinity) };
        expect(mergeExpSum(a, zero)).toEqual(a);
        expect(mergeExpSum(zero, zero)).toEqual(zero);
      }),
    );
  });

  it('refuses what is no pair', () => {
    const one = expSum(dense(1, 1, Float64Array.of(1)));
    const two = expSum(dense(2, 1, Float64Array.of(1, 2)));
    expect(() => mergeExpSum(one, two)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', argument: 'b.m' }));
    expect(() => mergeExpSum(null as never, two)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE', argument: 'a' }),
    );
  });
});
