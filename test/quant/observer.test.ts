import { describe, expect, test } from 'vitest';
import { cpuInfo, dense, getThreads, quant, setThreads } from 'lapidary';
import { withCode } from '../support/errors.js';
import { withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { sameQuantized } from './support.js';

const { quantize, dequantize } = quant;
const f32 = Math.fround;

/** Bell-shaped weights with an outlier here and there, which clipping is for. */
const matrix = (rows: number, cols: number, seed = 1) =>
  dense(
    rows,
    cols,
    Float32Array.from(uniform(rows * cols, seed), (u, k) => u ** 3 * (k % 29 === 0 ? 4 : 1)),
  );

const options: quant.QuantizeOptions[] = [
  ...(['int8', 'int4', 'int3', 'int2'] as const).flatMap((format) => [
    { format, groupSize: 32 },
    { format, groupSize: 32, symmetric: false },
  ]),
  { format: 'fp8-e4m3' },
  { format: 'fp8-e5m2', groupSize: 64 },
  { format: 'fp4-e2m1', groupSize: 16 },
  { format: 'mxfp4' },
  { format: 'mxfp4-43' },
  { format: 'nvfp4' },
];

/** Σ|w − ŵ|^2.4 of each group. */
function losses(w: ReturnType<typeof matrix>, q: quant.Quantized): number[] {
  const back = dequantize(q).data;
  const groups = Math.ceil(w.cols / q.groupSize);
  const sums = new Array<number>(w.rows * groups).fill(0);
  w.data.forEach((x, k) => {
    const index = Math.floor(k / w.cols) * groups + Math.floor((k % w.cols) / q.groupSize);
    sums[index]! += Math.abs(x - back[k]!) ** 2.4;
  });
  return sums;
}

describe("quantize with observer 'mse'", () => {
  test('no group loses more than with the scale of its range, and most lose less', () => {
    const w = matrix(20, 100);
    for (const each of options) {
      const plain = losses(w, quantize(w, each));
      const searched = losses(w, quantize(w, { ...each, observer: 'mse' }));
      searched.forEach((loss, g) => expect(loss, `${each.format} ${g}`).toBeLessThanOrEqual(plain[g]! * (1 + 1e-5)));
      const better = searched.filter((loss, g) => loss < 0.99 * plain[g]!).length / searched.length;
      // at 8 bits there is little to gain, and powers of two leave half the scale or nothing: mxfp4's floor clips already
      if (!/8|^mxfp4/.test(each.format)) expect(better, each.format).toBeGreaterThan(0.2);
      if (each.format === 'mxfp4-43') expect(better).toBeGreaterThan(0);
    }
  });

  test('finds the best of the hundred shares', () => {
    const w = matrix(6, 32, 3);
    const q = quantize(w, { format: 'int4', observer: 'mse' });
    const found = losses(w, q);
    for (let i = 0; i < 6; i++) {
      const row = w.data.subarray(i * 32, (i + 1) * 32);
      const most = row.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
      let least = Infinity;
      for (let trial = 0; trial < 100; trial++) {
        const scale = f32(f32(most * f32(1 - f32(f32(0.8 * trial) / 100))) / 7.5);
        const one = { ...q, rows: 1, scales: Float32Array.of(scale), codes: new Uint8Array(16) };
        row.forEach((x, j) => {
          const floor = Math.floor(f32(x / scale));
          const away = f32(x / scale) - floor;
          const nearest = away > 0.5 || (away === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
          one.codes[j >> 1]! |= (Math.min(7, Math.max(-8, nearest)) + 8) << (4 * (j & 1));
        });
        least = Math.min(least, losses(dense(1, 32, row), one)[0]!);
      }
      expect(found[i]! / least).toBeCloseTo(1, 4);
    }
  });

  test('the same bits on every instruction set and for any number of threads', () => {
    const w = matrix(40, 259);
    const threads = getThreads();
    try {
      for (const each of options) {
        const all = cpuInfo().supported.flatMap((isa) =>
          [1, 3].map((n) => {
            setThreads(n);
            return withIsa(isa, () => quantize(w, { ...each, observer: 'mse' }));
          }),
        );
        for (const q of all) expect(sameQuantized(q, all[0]!), JSON.stringify(each)).toBe(true);
      }
    } finally {
      setThreads(threads);
    }
  });

  test('zeros, tiny and huge weights', () => {
    for (const size of [0, 1e-44, 1e-30, 1e30, 3e38])
      for (const each of options) {
        const w = dense(2, 64, matrix(2, 64).data.map((x) => x * size)); // prettier-ignore
        for (let k = 0; k < 32; k++) w.data[k] = 0;
        const back = dequantize(quantize(w, { ...each, observer: 'mse' })).data;
        expect(back.every(Number.isFinite), `${each.format} ${size}`).toBe(true);
      }
  });

  test('is refused where there is no scale to search', () => {
    const w = matrix(2, 32);
    for (const format of ['ternary', 'bipolar3', 'bfp', 'dgq'] as const)
      expect(() => quantize(w, { format, observer: 'mse' })).toThrow(withCode('ERR_OPTION'));
    expect(() => quantize(w, { format: 'fp4-e2m1', scaleConstraint: 'M1', observer: 'mse' })).toThrow(
      withCode('ERR_OPTION'),
    );
    expect(() => quantize(w, { format: 'int4', observer: 'best' as never })).toThrow(withCode('ERR_OPTION'));
    expect(quantize(w, { format: 'dgq', observer: 'absmax' }).format).toBe('dgq');
  });
});
