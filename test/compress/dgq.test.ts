import { describe, expect, test } from 'vitest';
import { compress, dense, getThreads, quant, setThreads, type Dense } from 'lapidary';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { codesOf } from '../quant/support.js';
import { correlated, lossOf, weights, hessian } from './support.js';

const { dgq } = compress;
const f32 = Math.fround;
const rint = (x: number) => {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(x);
};
const clamp = (x: number, lo: number, hi: number) => Math.min(hi, Math.max(lo, x));

/** All |scale·(code − zero)| fit a signed byte, and scales, codes and zeros their places. */
function expectFits(q: quant.Quantized): void {
  const groups = Math.ceil(q.cols / q.groupSize);
  codesOf(q).forEach((c, at) => {
    const index = Math.floor(at / q.cols) * groups + Math.floor((at % q.cols) / q.groupSize);
    const [scale, zero] = [q.scales[index]!, q.zeros![index]!];
    expect(scale).toBeGreaterThanOrEqual(1);
    expect(zero).toBeLessThanOrEqual(15);
    expect(Math.abs(scale * (c - zero))).toBeLessThanOrEqual(127);
  });
}

/** Both searches as described, one candidate after another, errors of outputs in f64; `first`: that of the first alone. */
function searched(w: Dense<Float32Array>, x: Dense<Float32Array>, size: number) {
  const { rows, cols, data } = w;
  const error = (delta: number[], first: number) => {
    let sum = 0;
    for (let a = 0; a < x.rows; a++) sum += delta.reduce((y, d, j) => y + d * x.data[a * cols + first + j]!, 0) ** 2;
    return sum;
  };
  const groups = Math.ceil(cols / size);
  let [loss, first] = [0, 0];
  const scales: number[] = [];
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const chosen = Array.from({ length: groups }, (_, g) => {
      const group = [...row.subarray(g * size, Math.min(cols, (g + 1) * size))];
      const [low, high] = [Math.min(0, ...group), Math.max(0, ...group)];
      let best = { error: Infinity, step: 0, zero: 0 };
      for (let trial = 1; trial <= 20; trial++) {
        const share = f32(1.02 - (0.22 * trial) / 20);
        const step = f32(share * f32(f32(high / 15) - f32(low / 15)));
        const zero = step > 0 ? clamp(rint((-share * low) / step), 0, 15) : 0;
        const delta = group.map((v) => v - step * (step > 0 ? clamp(rint(f32(v / step)), -zero, 15 - zero) : 0));
        const e = error(delta, g * size);
        if (e < best.error) best = { error: e, step, zero };
      }
      return best;
    });
    // What the first search has chosen, with its scales in f32.
    const inGroups = chosen.flatMap(
      ({ step, zero }, g) =>
      Array.from(row.subarray(g * size, Math.min(cols, (g + 1) * size)), (v) => v - step * (step > 0 ? clamp(rint(f32(v / step)), -zero, 15 - zero) : 0)), // prettier-ignore
    );
    first += (2 / x.rows) * error(inGroups, 0);
    const top = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    let best = { error: Infinity, scale: 0 };
    for (let trial = 1; trial <= 80; trial++) {
      const scale = f32(f32(1.02 - (0.82 * trial) / 80) * f32(top / 127));
      const delta: number[] = [];
      chosen.forEach(({ step, zero }, g) => {
        const whole = scale > 0 ? clamp(rint(step / scale), 1, 127) : 1;
        const limit = Math.floor(127 / whole);
        for (const v of row.subarray(g * size, Math.min(cols, (g + 1) * size))) {
          const c = scale > 0 ? clamp(rint(f32(v / f32(scale * whole))), -Math.min(zero, limit), Math.min(15 - zero, limit)) : 0; // prettier-ignore
          delta.push(v - scale * (whole * c));
        }
      });
      const e = error(delta, 0);
      if (e < best.error) best = { error: e, scale };
    }
    scales.push(best.scale);
    loss += (2 / x.rows) * best.error;
  }
  return { loss, scales, first };
}

describeEachIsa('dgq', (isa) => {
  // more inputs than columns, where XᵀX takes the place of X, and fewer; odd tails of groups
  test.each([
    [3, 40, 16, 60],
    [4, 100, 32, 20],
    [2, 5, 128, 8],
    [70, 48, 16, 30],
  ] as const)(
    'finds what trying one after another finds, %i × %i, groups of %i, %i inputs',
    (rows, cols, groupSize, inputs) =>
      // prettier-ignore
      withIsa(isa, () => {
      const w = weights(rows, cols, cols);
      const x = correlated(inputs, cols);
      const q = dgq(w, x, { groupSize });
      const want = searched(w, x, groupSize);
      expect(Math.abs(q.loss / want.loss - 1)).toBeLessThan(1e-3); // errors in f32 may prefer a neighbour
      const equal = q.rowScales!.filter((s, i) => Math.abs(s / want.scales[i]! - 1) < 1e-5).length;
      expect(equal / rows).toBeGreaterThan(0.6);
      expectFits(q);
      expect(Math.abs(q.loss / lossOf(w, q, hessian(x)) - 1)).toBeLessThan(1e-3);
    }),
  );

  test('the same bits for any number of threads', () =>
    withIsa(isa, () => {
      const w = weights(200, 64);
      const x = correlated(40, 64);
      const threads = getThreads();
      try {
        const [one, ...others] = [1, 2, 5].map((n) => (setThreads(n), dgq(w, x)));
        for (const other of others) expect(other).toEqual(one);
      } finally {
        setThreads(threads);
      }
    }));
});

describe('dgq', () => {
  test('loses more than f32 group scales of the first search and less than 4-bit rows', () => {
    for (const seed of [1, 2, 3]) {
      const w = weights(12, 128, seed);
      const x = correlated(100, 128);
      const [q, { first }] = [dgq(w, x, { groupSize: 32 }), searched(w, x, 32)];
      expect(q.loss / first).toBeGreaterThan(1);
      expect(q.loss / first).toBeLessThan(1.4); // the clamp to a byte costs the groups with the row's range an end of it
      const byRows = quant.quantize(w, { format: 'int4', groupSize: 'row', symmetric: false });
      expect(q.loss).toBeLessThan(lossOf(w, byRows, hessian(x)));
    }
  });

  test('loses less than its plain rounding and than 4-bit rows, hardly more than rounding to f32 group scales', () => {
    const w = weights(32, 256);
    const x = correlated(200, 256);
    const h = hessian(x);
    const q = dgq(w, x, { groupSize: 32 });
    expect(q.loss).toBeLessThan(lossOf(w, quant.quantize(w, { format: 'dgq', groupSize: 32 }), h));
    expect(q.loss).toBeLessThan(lossOf(w, quant.quantize(w, { format: 'int4', groupSize: 'row', symmetric: false }), h)); // prettier-ignore
    expect(q.loss).toBeLessThan(1.1 * lossOf(w, quant.quantize(w, { format: 'int4', groupSize: 32, symmetric: false }), h)); // prettier-ignore
  });

  test('codes fit a byte even where one group has all the range', () => {
    const w = weights(8, 64);
    for (let i = 0; i < 8; i++) for (let j = 0; j < 16; j++) w.data[i * 64 + j]! *= 200;
    for (let i = 0; i < 8; i++) for (let j = 16; j < 32; j++) w.data[i * 64 + j] = Math.abs(w.data[i * 64 + j]!); // positive
    for (let i = 0; i < 8; i++) for (let j = 32; j < 48; j++) w.data[i * 64 + j] = -0.25; // constant
    expectFits(dgq(w, correlated(100, 64), { groupSize: 16 }));
  });

  test('smoothing divides the inputs that stand out, and its weights are for such inputs', () => {
    const w = weights(16, 256);
    const x = correlated(100, 256);
    for (let i = 0; i < 100; i++) x.data[i * 256 + 17]! *= 50;
    const q = dgq(w, x, { smooth: true });
    expect(q.smoothing![17]).toBeGreaterThan(20);
    expect(q.smoothing).toEqual(compress.percentileSmoothing(x));
    // the weights are those of w with column j times smoothing[j]
    const back = quant.dequantize(q);
    const undone = dense(16, 256, back.data.map((v, k) => v / q.smoothing![k % 256]!)); // prettier-ignore
    let sum = 0;
    for (let i = 0; i < 16; i++)
      for (let a = 0; a < 100; a++) {
        let y = 0;
        for (let j = 0; j < 256; j++) y += (w.data[i * 256 + j]! - undone.data[i * 256 + j]!) * x.data[a * 256 + j]!;
        sum += (2 * y * y) / 100;
      }
    expect(q.loss / sum).toBeCloseTo(1, 2);
    expect(dgq(w, x).smoothing).toBeUndefined();
  });

  test('zeros, empty and bad input', () => {
    const x = correlated(10, 32);
    const zeros = dgq(dense(2, 32, new Float32Array(64)), x);
    expect(quant.dequantize(zeros).data.every((v) => v === 0)).toBe(true);
    expect(zeros.loss).toBe(0);
    expect(dgq(weights(2, 32), dense(3, 32, new Float32Array(96))).loss).toBe(0); // no error can be seen
    expect(dgq(dense(0, 32, new Float32Array(0)), x).codes).toHaveLength(0);
    for (const size of [1e-42, 1e30, 3e38])
      expect(quant.dequantize(dgq(dense(2, 32, weights(2, 32).data.map((v) => v * size)), x)).data.every(Number.isFinite)).toBe(true); // prettier-ignore
    expect(() => dgq(weights(2, 32), correlated(10, 31))).toThrow(withCode('ERR_SHAPE'));
    expect(() => dgq(weights(2, 32), dense(0, 32, new Float32Array(0)))).toThrow(withCode('ERR_SHAPE'));
    for (const bad of [NaN, Infinity]) {
      const broken = weights(2, 32);
      broken.data[5] = bad;
      expect(() => dgq(broken, x)).toThrow(withCode('ERR_RANGE'));
      expect(() => dgq(weights(2, 32), broken)).toThrow(withCode('ERR_RANGE'));
    }
    expect(() => dgq(weights(2, 32), x, { groupSize: 20 })).toThrow(withCode('ERR_RANGE'));
    expect(() => dgq(weights(2, 32), x, { groupSize: 'tensor' as never })).toThrow(withCode('ERR_OPTION'));
  });
});
