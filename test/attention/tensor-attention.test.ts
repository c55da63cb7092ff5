import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { tensorAttention } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { allPairs, distance, headOf, random, sameForAllThreads, type Matrix } from '../support/linear-attention.js';

type Five = [q: Matrix, k1: Matrix, k2: Matrix, v1: Matrix, v2: Matrix];
const inputs = (n: number, n1: number, n2: number, d: number, e: number, size = 1): Five => [
  random(n, d, 1, size),
  random(n1, d, 2, size),
  random(n2, d, 3, size),
  random(n1, e, 4),
  random(n2, e, 5),
];

describeEachIsa('tensorAttention', (isa) => {
  it.each([
    [1, 1, 1, 1, 1, 1],
    [3, 4, 5, 2, 3, 4],
    [24, 24, 24, 1, 8, 8],
    [4, 65, 9, 2, 5, 3],
    [2, 9, 257, 1, 17, 33],
    [2, 130, 300, 1, 4, 2],
  ])('%i queries, %i × %i pairs, %i heads equal the sum over all pairs', (n, n1, n2, heads, d, e) =>
    withIsa(isa, () => {
      // scores up to ±8·d: the maximum moves from tile to tile
      const five = inputs(n, n1, n2, heads * d, heads * e, 2);
      const { out, method } = tensorAttention(...five, { heads, scale: 0.9 });
      expect(method).toBe('exact');
      expect(distance(out.data, allPairs(...five, heads, 0.9))).toBeLessThan(3e-6);
      const small = inputs(n, n1, n2, heads * d, heads * e, 0.5);
      const polynomial = tensorAttention(...small, { heads, method: 'polynomial', tolerance: 1e-5, scale: 1 / d });
      expect(polynomial.method).toBe('polynomial');
      expect(distance(polynomial.out.data, allPairs(...small, heads, 1 / d))).toBeLessThan(1e-6);
    }),
  );

  it('moves sums to the maximum of each tile that has a larger one', () =>
    withIsa(isa, () => {
      const five = inputs(3, 70, 600, 4, 5);
      for (const key of [five[0], five[1], five[2]]) key.data.forEach((c, i) => (key.data[i] = Math.abs(c)));
      five[2].data.forEach((c, i) => (five[2].data[i] = c * (1 + i / 400)));
      expect(distance(tensorAttention(...five).out.data, allPairs(...five, 1, 1))).toBeLessThan(1e-5);
    }));

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      const five = inputs(70, 40, 300, 6, 6, 0.5);
      sameForAllThreads(() => [tensorAttention(...five).out, tensorAttention(...five, { method: 'polynomial', heads: 2 }).out]); // prettier-ignore
    }));
});

describe('tensorAttention', () => {
  it('has the closed form of d = 1 with two keys each', () => {
    // scores q·a·b for a, b ∈ {1, −1}: e^q twice, e^−q twice, and values 1 and −1: out = tanh q
    const signs = dense(2, 1, Float32Array.of(1, -1));
    const q = dense(5, 1, Float32Array.of(-3, -0.5, 0, 0.25, 2));
    const expected = Array.from(q.data, Math.tanh);
    expect(distance(tensorAttention(q, signs, signs, signs, signs).out.data, expected)).toBeLessThan(1e-6);
    const polynomial = tensorAttention(q, signs, signs, signs, signs, { method: 'polynomial', tolerance: 1e-7 });
    expect(polynomial.method).toBe('polynomial');
    expect(distance(polynomial.out.data, expected)).toBeLessThan(1e-6);
  });

  it('keeps the error of the polynomial within its bound, at every degree', () => {
    const five = inputs(8, 20, 20, 4, 3, 0.8);
    const exact = allPairs(...five, 1, 1);
    const largest = Math.max(...five[3].data.map(Math.abs)) * Math.max(...five[4].data.map(Math.abs));
    let previous = Infinity;
    for (let degree = 0; degree <= 10; degree++) {
      const r = tensorAttention(...five, { method: 'polynomial', degree, tolerance: 0.9 });
      if (r.method === 'exact') continue;
      const worst = Math.max(...r.out.data.map((x, i) => Math.abs(x - exact[i]!)));
      expect(worst).toBeLessThanOrEqual(((2 * r.errorBound!) / (1 - r.errorBound!)) * largest + 1e-6);
      expect(r.errorBound!).toBeLessThan(previous);
      previous = r.errorBound!;
    }
    expect(previous).toBeLessThan(1e-3);
  });

  it('counts monomials: C(d + g, g)', () => {
    const of = (d: number, degree: number) =>
      tensorAttention(...inputs(1, 2, 2, d, 1, 0.01), { method: 'polynomial', degree, tolerance: Infinity });
    expect(of(16, 4)).toMatchObject({ features: 4845, degree: 4, method: 'polynomial' });
    expect(of(64, 2)).toMatchObject({ features: 2145, method: 'polynomial' });
    expect(of(64, 4)).toMatchObject({ fallback: 'features', method: 'exact' });
  });

  it('falls back to the exact method, bit for bit, and says why', () => {
    const five = inputs(6, 9, 9, 3, 3, 2);
    const exact = tensorAttention(...five).out.data;
    const bound = tensorAttention(...five, { method: 'polynomial', degree: 3 });
    expect(bound).toMatchObject({ method: 'exact', fallback: 'bound', degree: 3 });
    expect(bound.errorBound).toBeGreaterThan(1);
    expect(bound.out.data).toEqual(exact);
    // 1 + s < 0 for all s ≈ −6: the denominator of degree 1
    const row = (x: number) => dense(1, 1, Float32Array.of(x));
    const negative = tensorAttention(row(-6), row(1), row(1), row(2), row(3), { method: 'polynomial', degree: 1, tolerance: Infinity }); // prettier-ignore
    expect(negative).toMatchObject({ method: 'exact', fallback: 'denominator' });
    expect([...negative.out.data]).toEqual([6]);
  });

  it('does not depend on the order of either set of keys, and swaps them', () => {
    const [q, k1, k2, v1, v2] = inputs(5, 70, 11, 4, 4);
    const turned = (m: Matrix) => dense(m.rows, m.cols, Float32Array.from(Array.from({ length: m.rows }, (_, i) => headOf(m, m.rows - 1 - i, 0, 1)).flat())); // prettier-ignore
    const { out } = tensorAttention(q, k1, k2, v1, v2);
    expect(distance(tensorAttention(q, turned(k1), k2, turned(v1), v2).out.data, out.data)).toBeLessThan(1e-6);
    expect(distance(tensorAttention(q, k2, k1, v2, v1).out.data, out.data)).toBeLessThan(1e-6);
  });

  it('does not overflow, gives zeros of no keys and NaN of NaN', () => {
    const large = inputs(3, 5, 5, 2, 2, 40);
    expect(distance(tensorAttention(...large).out.data, allPairs(...large, 1, 1))).toBeLessThan(1e-2);
    expect(tensorAttention(...large).out.data.every(Number.isFinite)).toBe(true);
    for (const method of ['exact', 'polynomial'] as const) {
      const none = tensorAttention(...inputs(2, 0, 3, 2, 2), { method });
      expect([...none.out.data]).toEqual([0, 0, 0, 0]);
      const five = inputs(2, 3, 3, 2, 2);
      five[1].data[0] = NaN;
      expect(tensorAttention(...five, { method }).out.data.every(Number.isNaN)).toBe(true);
    }
  });

  it('survives every failing allocation, hears an abort, refuses what does not fit', () => {
    const wide = inputs(1, 2, 2, 60000, 60000, 0.01); // more scratch than a thread keeps from call to call
    let failures = 0;
    for (let n = 0; n < 100; n++) {
      native.failAllocation(n);
      try {
        tensorAttention(...wide);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        failures++;
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeGreaterThan(0);
    const [q, k1, k2, v1, v2] = inputs(3, 4, 5, 6, 6);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => tensorAttention(q, k1, k2, v1, v2))).toThrow(withCode('ERR_ABORTED'));
    expect(() => tensorAttention(q, k1, k2, v2, v1)).toThrow(withCode('ERR_SHAPE'));
    expect(() => tensorAttention(q, k1, k2, v1, v2, { heads: 4 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => tensorAttention(q, k1, k2, v1, v2, { degree: 65 })).toThrow(withCode('ERR_RANGE'));
    expect(() => tensorAttention(q, k1, k2, v1, v2, { method: 'poly' as never })).toThrow(withCode('ERR_OPTION'));
  });
});
