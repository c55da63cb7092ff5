import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dense, getThreads, setThreads, type compress, type Dense } from 'lapidary';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { correlated, hessian, weights } from './support.js';

/** (2/n)·Σ x·xᵀ by definition. */
function byDefinition({ rows, cols, data }: Dense<Float32Array>): Float64Array {
  return Float64Array.from({ length: cols * cols }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += data[i * cols + Math.floor(at / cols)]! * data[i * cols + (at % cols)]!;
    return (2 / rows) * sum;
  });
}
const near = (a: Float64Array, b: Float64Array) => {
  const top = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
  const worst = a.reduce((most, x, k) => Math.max(most, Math.abs(x - b[k]!)), 0);
  expect(worst).toBeLessThanOrEqual(1e-13 * top);
};

describeEachIsa('hessian', (isa) => {
  // a single row, more columns than rows, and more columns than a panel has
  test.each([
    [1, 1],
    [1, 7],
    [20, 5],
    [3, 65],
    [30, 300],
  ] as const)('of %i × %i is (2/n)·Σ x·xᵀ, exactly symmetric', (rows, cols) =>
    // prettier-ignore
    withIsa(isa, () => {
      const x = correlated(rows, cols);
      const h = hessian(x);
      expect([h.rows, h.cols, h.samples]).toEqual([cols, cols, rows]);
      near(h.data, byDefinition(x));
      expect(h.data.every((v, k) => v === h.data[(k % cols) * cols + Math.floor(k / cols)])).toBe(true);
      near(hessian(dense(rows, cols, Float64Array.from(x.data))).data, h.data);
    }),
  );

  test('batches of any size give what one batch gives (property)', () =>
    withIsa(isa, () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), (sizes) => {
          const all = sizes.reduce((sum, n) => sum + n, 0);
          const x = weights(all, 12, all);
          const seen: compress.Hessian[] = [];
          let first = 0;
          for (const n of sizes) {
            const batch = dense(n, 12, x.data.slice(first * 12, (first + n) * 12));
            const h = seen.at(-1);
            seen.push(h ? hessian(batch, { previous: h, out: h }) : hessian(batch));
            first += n;
          }
          const last = seen.at(-1)!;
          expect(last.samples).toBe(all);
          near(last.data, hessian(x).data);
        }),
        { numRuns: 40 },
      );
    }));
});

test('previous is left alone unless it takes the result', () => {
  const h = hessian(weights(4, 6));
  const before = h.data.slice();
  const next = hessian(weights(5, 6, 3), { previous: h });
  expect(h.data).toEqual(before);
  expect(next.data).not.toEqual(before);
  const out = dense(6, 6, new Float64Array(36).fill(NaN));
  expect(hessian(weights(5, 6, 3), { previous: h, out }).data).toBe(out.data);
  expect(out.data).toEqual(next.data);
});

test('the same bits for any number of threads', () => {
  const x = correlated(600, 300);
  const threads = getThreads();
  try {
    const [one, ...others] = [1, 2, 5].map((n) => (setThreads(n), hessian(x)));
    for (const other of others) expect(other).toEqual(one);
  } finally {
    setThreads(threads);
  }
});

test('edges', () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const h = hessian(weights(4, 6));
    const before = h.data.slice();
    const x = weights(3, 6);
    x.data[17] = bad;
    expect(() => hessian(x, { previous: h, out: h })).toThrow(withCode('ERR_RANGE'));
    expect(h.data).toEqual(before); // untouched
  }
  expect(() => hessian(dense(0, 6, new Float32Array(0)))).toThrow(withCode('ERR_SHAPE'));
  expect(hessian(dense(3, 0, new Float32Array(0))).data).toHaveLength(0);
  expect(() => hessian(weights(3, 6), { previous: hessian(weights(3, 5)) })).toThrow(withCode('ERR_SHAPE'));
  expect(() => hessian(weights(3, 6), { previous: dense(6, 6) as never })).toThrow(withCode('ERR_DTYPE'));
  expect(hessian(dense(2, 1, Float32Array.of(3e38, 3e38))).data[0]! / 1.8e77).toBeCloseTo(1, 6); // sums are f64
});
