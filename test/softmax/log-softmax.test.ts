import { expect, it } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { logSoftmax } from 'lapidary/softmax';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

/** In f64, with the sum of all terms but the largest apart. */
function exact(x: ArrayLike<number>): number[] {
  const values = Array.from(x);
  const max = Math.max(...values);
  const rest = values.reduce((sum, v) => sum + Math.exp(v - max), 0) - 1;
  const top = values.indexOf(max);
  const others = values.reduce((sum, v, i) => sum + (i === top ? 0 : Math.exp(v - max)), 0);
  return values.map((v) => v - max - Math.log1p(Number.isFinite(rest) ? others : rest));
}

describeEachIsa('logSoftmax', (isa) => {
  it('is within a few ulp of f64, or of 2⁻⁵⁰ near zero, and never positive', () =>
    withIsa(isa, () => {
      for (const [type, unit] of [
        [Float32Array, 2 ** -24],
        [Float64Array, 2 ** -53],
      ] as const)
        for (const [low, high] of [
          [-3, 3],
          [-500, 0],
          [60000, 60010],
          [-1e30, 1e30],
        ] as const)
          for (const cols of [1, 2, 17, 64, 1000]) {
            const x = type.from(uniform(cols, cols, low, high));
            x[cols >> 1] = high; // the largest, by far or not
            const y = logSoftmax<Float32Array | Float64Array>(dense(1, cols, x)).data;
            exact(x).forEach((v, i) => {
              expect(y[i]).toBeLessThanOrEqual(0);
              expect(Math.abs(y[i]! - v)).toBeLessThanOrEqual(8 * unit * Math.abs(v) + 2 ** -50);
            });
          }
    }));

  it('adds up what is tiny beside the largest, wherever both stand', () =>
    withIsa(isa, () => {
      // the largest is 1 in the sum, where f32 would forget the others: −log(1 + e^−18 + e^−20)
      for (const [type, unit] of [
        [Float32Array, 2 ** -24],
        [Float64Array, 2 ** -53],
      ] as const)
        for (const cols of [3, 64, 150])
          for (let at = 0; at < cols; at++)
            for (const step of [1, 8, 16, 32]) {
              const x = new type(cols).fill(-Infinity);
              x[at] = 0;
              x[(at + step) % cols] = -18;
              x[(at + 2 * step + 1) % cols] = -20;
              if (x[at] !== 0) continue;
              const want = exact(x)[at]!;
              const y = logSoftmax<Float32Array | Float64Array>(dense(1, cols, x)).data[at]!;
              if (!(Math.abs(y - want) <= 8 * unit * Math.abs(want) + 2 ** -50)) expect([cols, at, step, y]).toBe(want);
            }
    }));

  it('masks by −∞, and gives a row of NaN for NaN and +∞', () =>
    withIsa(isa, () => {
      for (const type of [Float32Array, Float64Array]) {
        const of = (...x: number[]) => [...logSoftmax<Float32Array | Float64Array>(dense(1, x.length, type.from(x))).data]; // prettier-ignore
        expect(of(-Infinity, 5)).toEqual([-Infinity, 0]);
        expect(of(-Infinity, -Infinity)).toEqual([-Infinity, -Infinity]);
        expect(of(1, NaN, 2)).toEqual([NaN, NaN, NaN]);
        expect(of(1, Infinity, 2)).toEqual([NaN, NaN, NaN]);
      }
    }));

  it('works by columns, in place, and alike on any number of threads', () =>
    withIsa(isa, () => {
      const before = getThreads();
      const [rows, cols] = [300, 37];
      const x = dense(rows, cols, Float32Array.from(uniform(rows * cols, 1, -9, 9)));
      const turned = dense(cols, rows, x.data.map((_, i) => x.data[(i % rows) * cols + Math.floor(i / rows)]!)); // prettier-ignore
      const byRows = logSoftmax(turned).data;
      for (const threads of [1, 3]) {
        setThreads(threads);
        const y = logSoftmax(x, { axis: 0 }).data;
        expect(y.every((v, i) => v === byRows[(i % cols) * rows + Math.floor(i / cols)])).toBe(true);
      }
      setThreads(before);
      const apart = logSoftmax(x).data;
      expect(logSoftmax(x, { out: x })).toBe(x);
      expect(x.data).toEqual(apart);
    }));
});

it('logSoftmax refuses what it does not know', () => {
  const x = dense(1, 2, Float32Array.of(1, 2));
  expect(() => logSoftmax(x, { axis: 2 as never })).toThrow(expect.objectContaining({ argument: 'options.axis' }));
  expect(() => logSoftmax(x, { out: dense(1, 2) as never })).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
});
