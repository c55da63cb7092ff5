import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compress, dense } from 'lapidary';
import { withCode } from '../support/errors.js';

const { percentileSmoothing } = compress;

test('is the share of each channel over the ⌊share·C + 1.5⌋-th largest (property)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (row, share) => {
        // prettier-ignore
        const factors = percentileSmoothing(dense(1, row.length, Float32Array.from(row)), { share });
        const sizes = row.map(Math.abs).sort((a, b) => b - a);
        const baseline = sizes[Math.min(row.length, Math.floor(share * row.length + 1.5)) - 1]!;
        row.forEach((x, j) => {
          const want = baseline > 0 && Math.abs(x) > baseline ? Math.fround(Math.abs(x) / baseline) : 1;
          expect(factors[j]).toBe(want);
        });
      },
    ),
  );
});

test('afterwards no channel passes the baseline', () => {
  const x = dense(3, 400, new Float32Array(1200).map((_, k) => Math.sin(k) * (k % 400 === 7 ? 100 : 1))); // prettier-ignore
  const factors = percentileSmoothing(x);
  expect(factors.filter((f) => f > 1).length).toBeLessThanOrEqual(3); // 0.005 · 400 + 1.5 = 3.5: the third is the baseline
  const top = (j: number) => Math.max(...[0, 1, 2].map((i) => Math.abs(x.data[i * 400 + j]!)));
  const after = Array.from({ length: 400 }, (_, j) => top(j) / factors[j]!);
  expect(Math.max(...after)).toBeLessThan(1.01);
});

test('zeros, empty and bad input', () => {
  expect(percentileSmoothing(dense(2, 3, Float32Array.of(0, 0, 9, 0, 0, 0)))).toEqual(Float32Array.of(1, 1, 1)); // baseline 9, or 0
  expect(percentileSmoothing(dense(2, 300, new Float32Array(600).fill(0).fill(5, 4, 5))).every((f) => f === 1)).toBe(true); // prettier-ignore
  expect(percentileSmoothing(dense(0, 3, new Float32Array(0)))).toEqual(Float32Array.of(1, 1, 1));
  expect(percentileSmoothing(dense(3, 0, new Float32Array(0)))).toHaveLength(0);
  expect(() => percentileSmoothing(dense(1, 1, Float32Array.of(NaN)))).toThrow(withCode('ERR_RANGE'));
  expect(() => percentileSmoothing(dense(1, 1, Float32Array.of(1)), { share: 2 })).toThrow(withCode('ERR_RANGE'));
});
