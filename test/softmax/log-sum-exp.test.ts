import { expect, it } from 'vitest';
import { dense } from 'lapidary';
import { logSumExp } from 'lapidary/softmax';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

describeEachIsa('logSumExp', (isa) => {
  it('is within an ulp or two of f64, one row like another', () =>
    withIsa(isa, () => {
      for (const [type, unit] of [
        [Float32Array, 2 ** -24],
        [Float64Array, 2 ** -53],
      ] as const)
        for (const offset of [0, 1000, -70000, 1e30])
          for (const cols of [1, 9, 64, 333, 200_000]) {
            const x = type.from(uniform(2 * cols, cols, -4, 4).map((v) => v + offset));
            const sums = logSumExp<Float32Array | Float64Array>(dense(2, cols, x));
            expect(sums.length).toBe(2);
            sums.forEach((value, i) => {
              const row = x.subarray(i * cols, (i + 1) * cols) as Float64Array;
              const max = row.reduce((a, b) => Math.max(a, b));
              const want = max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
              expect(Math.abs(value - want)).toBeLessThanOrEqual(8 * unit * Math.max(1, Math.abs(want)));
            });
          }
    }));
});

it('logSumExp fills what it is given, and refuses another type', () => {
  const x = dense(2, 1, Float32Array.of(3, 4));
  const out = new Float32Array(2);
  expect(logSumExp(x, out)).toBe(out);
  expect([...out]).toEqual([3, 4]);
  expect(() => logSumExp(x, new Float64Array(2) as never)).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
  expect(() => logSumExp(x, new Float32Array(3))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
});
