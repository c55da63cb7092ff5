import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { linear, packWeights, quantizeActivations } from 'lapidary/gemm';
import { quantize } from 'lapidary/quant';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const f = Math.fround;
const even = (v: number) => {
  const low = Math.floor(v);
  return v - low === 0.5 ? (low % 2 === 0 ? low : low + 1) : Math.round(v);
};
const clamp = (v: number) => Math.min(127, Math.max(-128, v));
const row = (values: ArrayLike<number>) => dense(1, values.length, Float32Array.from(values));

describeEachIsa('quantizeActivations', (isa) => {
  const rounded: typeof quantizeActivations = (x, options) => withIsa(isa, () => quantizeActivations(x, options));

  test('follows BitLinear: the largest magnitude is 127, ties go to even', () => {
    const q = rounded(row([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -127, 63.5, 64.5]));
    expect([...q.data]).toEqual([127, 0, 2, 2, 0, -2, -2, -127, 64, 64]);
    expect(q.scales).toEqual(Float32Array.of(1));
  });

  test('random rows, with and without RMSNorm', () => {
    const cols = 301;
    const x = dense(3, cols, Float32Array.from(uniform(3 * cols, 1, -3, 3)));
    const gain = Float32Array.from(uniform(cols, 2, 0, 2));
    for (const norm of [undefined, true, { gain, epsilon: 1e-3 }] as const) {
      const q = rounded(x, norm === undefined ? {} : { rmsNorm: norm });
      for (let i = 0; i < 3; i++) {
        let values = x.data.subarray(i * cols, (i + 1) * cols);
        if (norm !== undefined) {
          const epsilon = norm === true ? 1e-8 : norm.epsilon;
          const squares = values.reduce((s, v) => s + v * v, 0);
          const inverse = f(1 / Math.sqrt(squares / cols + epsilon));
          values = values.map((v, j) => (norm === true ? v * inverse : f(v * inverse) * gain[j]!));
        }
        const largest = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
        expect(q.scales[i]).toBe(f(largest / 127));
        const factor = f(127 / largest);
        expect(q.data.subarray(i * cols, (i + 1) * cols)).toEqual(
          Int8Array.from(values, (v) => clamp(even(f(v * factor)))),
        );
      }
    }
  });

  test('zeros, the floor, denormals, huge values, and rows that are not finite', () => {
    expect(rounded(row([0, -0, 0])).data).toEqual(new Int8Array(3));
    expect([...rounded(row([1e-6, -5e-6])).data]).toEqual([13, -64]); // against 1e-5, not their own largest
    expect([...rounded(row([1e-6, -5e-6]), { floor: 0 }).data]).toEqual([25, -127]);
    expect(rounded(row([0, 0]), { floor: 0 }).scales).toEqual(Float32Array.of(0));
    for (const tiny of [1e-45, 1e-40, 1e-38, 3e38]) {
      const q = rounded(row([tiny, 0, -tiny]), { floor: 0 });
      expect(Math.abs(q.scales[0]! * q.data[0]! - f(tiny))).toBeLessThanOrEqual(q.scales[0]! * 0.50002 + 1e-45);
      expect(q.data[2]).toBe(-q.data[0]! || 0);
    }
    for (const bad of [NaN, Infinity, -Infinity]) {
      const q = rounded(dense(2, 2, Float32Array.of(1, bad, 1, 2)));
      expect([...q.data]).toEqual([0, 0, 64, 127]);
      expect(Number.isNaN(q.scales[0]!)).toBe(true);
    }
    expect(rounded(dense(2, 0, new Float32Array(0))).scales.length).toBe(2);
    expect(rounded(dense(0, 2, new Float32Array(0)), { rmsNorm: true }).data.length).toBe(0);
  });
});

test('rounding costs at most half a step, whatever the threads', () => {
  const threads = getThreads();
  const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), (values) => {
      const x = dense(2, values.length, Float32Array.from([...values, ...values]));
      const q = quantizeActivations(x, { floor: 0 });
      for (const [j, v] of x.data.entries())
        expect(Math.abs(q.data[j]! * q.scales[0]! - v)).toBeLessThanOrEqual(q.scales[0]! * 0.50002);
    }),
    { numRuns: 60, seed: 1 },
  );
  const x = dense(64, 4096, Float32Array.from(uniform(64 * 4096, 5, -1, 1)));
  const results = [1, 2, 7].map((n) => (setThreads(n), quantizeActivations(x, { rmsNorm: true })));
  for (const result of results) expect(result).toEqual(results[0]);
  setThreads(threads);
});

test('linear takes what it would have made itself', () => {
  const x = dense(3, 70, Float32Array.from(uniform(210, 1, -1, 1)));
  const w = packWeights(quantize(dense(40, 70, Float32Array.from(uniform(2800, 2, -1, 1))), { format: 'ternary' }));
  expect(linear(quantizeActivations(x), w)).toEqual(linear(x, w));
});

test.each([
  ['f64', () => quantizeActivations(dense(1, 1, new Float64Array(1)) as never), 'ERR_DTYPE'],
  ['a negative floor', () => quantizeActivations(row([1]), { floor: -1 }), 'ERR_RANGE'],
  ['another norm', () => quantizeActivations(row([1]), { rmsNorm: 'rms' as never }), 'ERR_DTYPE'],
  ['a misspelt part', () => quantizeActivations(row([1]), { rmsNorm: { gains: 1 } as never }), 'ERR_OPTION'],
  ['a short gain', () => quantizeActivations(row([1, 2]), { rmsNorm: { gain: new Float32Array(1) } }), 'ERR_SHAPE'],
] as const)('%s: refused', (_, run, code) => expect(run).toThrow(expect.objectContaining({ code })));
