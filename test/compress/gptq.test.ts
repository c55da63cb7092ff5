import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compress, dense, gemm, getThreads, LapidaryError, quant, setThreads, type Dense } from 'lapidary';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { everyFormat, everyOptions, sameQuantized } from '../quant/support.js';
import {
  brainSurgeon,
  byDiagonal,
  correlated,
  damped,
  gptq,
  hessian,
  lossOf,
  naturalOrder,
  nearestOf,
  published,
  trace,
  weights,
} from './support.js';

const plain = ({ ...q }: Partial<compress.GptqResult>): quant.Quantized => {
  delete q.loss;
  delete q.damping;
  delete q.attempts;
  delete q.rotated;
  return q as quant.Quantized;
};

/** The share of values that differ: rounding in f64 may decide a tie otherwise. */
const differing = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).filter((x, k) => x !== b[k]).length / Math.max(1, a.length);

describeEachIsa('gptq', (isa) => {
  test.each([1, 2, 4, 6])('is optimal brain quantisation with explicit inverses, %i columns', (cols) =>
    withIsa(isa, () => {
      for (const format of everyFormat)
        for (const actOrder of [false, true]) {
          const w = weights(3, cols, cols);
          const h = hessian(correlated(12, cols, cols + 1));
          const q = gptq(w, h, { format, actOrder });
          const order = actOrder ? byDiagonal(h) : naturalOrder(cols);
          const want = brainSurgeon(w, damped(h, 0.01), order, nearestOf(q));
          expect(differing(quant.dequantize(q).data, want), `${format} ${actOrder}`).toBe(0);
        }
    }),
  );

  // below, at and beyond the blocks of 64 columns and 32 rows in which corrections are gathered
  test.each([
    [1, 31],
    [33, 64],
    [5, 65],
    [40, 130],
    [2, 200],
  ] as const)('has the codes of the published steps, one column at a time, %i × %i', (rows, cols) =>
    // prettier-ignore
    withIsa(isa, () => {
      const w = weights(rows, cols, cols);
      const h = hessian(correlated(2 * cols, cols));
      for (const actOrder of [false, true])
        for (const format of ['int4', 'nvfp4'] as const) {
          const q = gptq(w, h, { format, actOrder });
          const order = actOrder ? byDiagonal(h) : naturalOrder(cols);
          const want = published(w, damped(h, 0.01), order, nearestOf(q));
          expect(differing(quant.dequantize(q).data, want)).toBeLessThanOrEqual(1e-3);
        }
    }),
  );

  test('with a multiple of the identity it is rounding to nearest, in every format', () =>
    withIsa(isa, () => {
      const w = weights(5, 150);
      const h = dense(150, 150);
      for (let j = 0; j < 150; j++) h.data[j * 151] = 3;
      for (const options of everyOptions) {
        const q = gptq(w, h, options);
        expect(sameQuantized(plain(q), quant.quantize(w, options)), JSON.stringify(options)).toBe(true);
      }
    }));

  test('reports the loss that its codes have, and one below rounding to nearest', () =>
    withIsa(isa, () => {
      const w = weights(20, 150);
      const h = hessian(correlated(300, 150));
      for (const options of everyOptions) {
        const q = gptq(w, h, options);
        const loss = lossOf(w, q, h);
        expect(Math.abs(q.loss - loss), JSON.stringify(options)).toBeLessThanOrEqual(1e-6 * loss);
        expect(q.loss, JSON.stringify(options)).toBeLessThan(0.7 * lossOf(w, quant.quantize(w, options), h));
      }
    }));

  test('the same bits for any number of threads', () =>
    withIsa(isa, () => {
      const w = weights(300, 260);
      const h = hessian(correlated(300, 260));
      const threads = getThreads();
      try {
        const results = [1, 2, 5].map((n) => {
          setThreads(n);
          return gptq(w, h, { format: 'int3', actOrder: true });
        });
        for (const result of results) expect(result).toEqual(results[0]);
      } finally {
        setThreads(threads);
      }
    }));
});

describe('the objective', () => {
  test('on a hundred random problems the mean loss is far below that of rounding, and rarely above', () => {
    for (const format of ['int4', 'int2', 'mxfp4'] as const) {
      let [mean, worse] = [0, 0];
      for (let seed = 0; seed < 100; seed++) {
        const w = weights(4, 32, seed);
        const h = hessian(correlated(64, 32, seed + 1000, 0.5));
        const ratio = gptq(w, h, { format, groupSize: format === 'mxfp4' ? 32 : 16 }).loss / lossOf(w, quant.quantize(w, { format, groupSize: format === 'mxfp4' ? 32 : 16 }), h); // prettier-ignore
        mean += ratio / 100;
        if (ratio > 1) worse++;
      }
      expect(mean, format).toBeLessThan(0.75);
      expect(worse, format).toBeLessThan(5);
    }
  });

  test('the best of all codes is at most a little better, on four columns', () => {
    let [ours, best, rounded] = [0, 0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const w = weights(1, 4, seed);
      const h = hessian(correlated(8, 4, seed + 50));
      const q = gptq(w, h, { format: 'int2', damping: 0 });
      const grid = quant.dequantize({ ...plain(q), cols: 4, codes: Uint8Array.of(0b11100100) }).data;
      let least = Infinity;
      for (let pick = 0; pick < 256; pick++) {
        const delta = Float64Array.from(w.data, (x, j) => x - grid[(pick >> (2 * j)) & 3]!);
        least = Math.min(least, trace(delta, 1, h));
      }
      expect(q.loss).toBeGreaterThanOrEqual(least * (1 - 1e-6));
      ours += q.loss;
      best += least;
      rounded += lossOf(w, quant.quantize(w, { format: 'int2' }), h);
    }
    expect(ours).toBeLessThan(rounded);
    expect(ours).toBeLessThan(2 * best);
  });

  test('scaling H changes no code and scales the loss (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: -60, max: 60 }), fc.integer({ min: 1, max: 40 }), (exponent, cols) => {
        const w = weights(3, cols, cols);
        const h = hessian(correlated(50, cols));
        const scaled = dense(cols, cols, h.data.map((x) => x * 2 ** exponent)); // prettier-ignore
        const [a, b] = [gptq(w, h, { format: 'int3' }), gptq(w, scaled, { format: 'int3' })];
        expect(b.codes).toEqual(a.codes);
        expect(b.loss).toBeCloseTo(a.loss * 2 ** exponent, 12);
      }),
      { numRuns: 30 },
    );
  });

  test('an f32 Hessian is taken as it is', () => {
    const w = weights(4, 40);
    const h = hessian(correlated(80, 40));
    const narrow = dense(40, 40, Float32Array.from(h.data));
    const q = gptq(w, narrow, { format: 'int4' });
    expect(q.loss).toBeCloseTo(lossOf(w, q, dense(40, 40, Float64Array.from(narrow.data))), 6);
  });
});

describe('rotation (MR-GPTQ)', () => {
  test.each([16, 32, 64, 128])('by %i is GPTQ of rotated weights on rotated inputs', (rotate) => {
    const w = weights(6, 256);
    const x = correlated(300, 256);
    const q = gptq(w, hessian(x), { format: 'mxfp4', rotate });
    const rotated = gemm.hadamard(w, { block: rotate });
    const other = gptq(rotated, hessian(gemm.hadamard(x, { block: rotate })), { format: 'mxfp4' });
    expect(q.rotated).toBe(rotate);
    expect(differing(q.codes, other.codes)).toBeLessThan(0.01); // the Hessians differ in their last places
    expect(q.scales).toEqual(other.scales);
    expect(q.loss / other.loss).toBeCloseTo(1, 2);
  });

  test('the product of rotated inputs and its weights approximates the product', () => {
    const w = weights(32, 128);
    for (let i = 0; i < 32; i++) w.data[i * 128 + 7]! *= 30; // a column of outliers
    const x = correlated(200, 128);
    const h = hessian(x);
    const want = gemm.matmul(x, w, { transposeB: true }).data;
    const error = (q: compress.GptqResult) => {
      const inputs = q.rotated === undefined ? x : gemm.hadamard(x, { block: q.rotated });
      const y = gemm.matmul(inputs, quant.dequantize(plain(q)), { transposeB: true }).data;
      return y.reduce((sum, v, k) => sum + (v - want[k]!) ** 2, 0);
    };
    const [flat, rotated] = [gptq(w, h, { format: 'int4', groupSize: 'row' }), gptq(w, h, { format: 'int4', groupSize: 'row', rotate: 128 })]; // prettier-ignore
    expect(error(rotated)).toBeLessThan(0.3 * error(flat));
    // the loss is that of the outputs: the mean over inputs of twice their squared error
    expect(rotated.loss).toBeCloseTo((2 * error(rotated)) / 200, 2);
  });
});

describe('edges', () => {
  const h = hessian(correlated(64, 32));
  const w = weights(4, 32);

  test('inputs that never came are rounded to nearest and change nothing', () => {
    const x = correlated(64, 32);
    for (const dead of [0, 5, 31]) for (let i = 0; i < 64; i++) x.data[i * 32 + dead] = 0;
    const holed = hessian(x);
    const q = gptq(w, holed, { format: 'int4' });
    const rounded = quant.dequantize(quant.quantize(w, { format: 'int4' })).data;
    const back = quant.dequantize(q).data;
    for (let i = 0; i < 4; i++) for (const j of [0, 5, 31]) expect(back[i * 32 + j]).toBe(rounded[i * 32 + j]);
    expect(q.loss).toBeCloseTo(lossOf(w, q, holed), 8);
    // the same codes elsewhere whatever the weights of dead inputs are, scales being the same
    const other = dense(4, 32, w.data.slice());
    for (let i = 0; i < 4; i++) other.data[i * 32 + 5]! *= -1;
    const again = quant.dequantize(gptq(other, holed, { format: 'int4' })).data;
    expect(back.filter((_, k) => k % 32 !== 5)).toEqual(again.filter((_, k) => k % 32 !== 5));
  });

  test('the damping is a share of the diagonal of inputs that came', () => {
    const half = (x: Dense<Float32Array>) =>
      dense(x.rows, 16, x.data.filter((_, k) => k % 32 < 16)); // prettier-ignore
    const x = correlated(64, 32);
    const holed = dense(64, 32, x.data.map((v, k) => (k % 32 < 16 ? v : 0))); // prettier-ignore
    const [all, some] = [w, half(w)].map((weights, i) =>
      gptq(weights, hessian(i === 0 ? holed : half(x)), { format: 'int3', groupSize: 16, damping: 0.5 }),
    );
    const codes = half(quant.dequantize(all!));
    expect(codes).toEqual(quant.dequantize(some!));
    expect(all!.loss / some!.loss).toBeCloseTo(1, 12);
  });

  test('columns of zeros stay zeros', () => {
    const holed = dense(4, 32, w.data.slice());
    for (let i = 0; i < 4; i++) holed.data[i * 32 + 9] = 0;
    for (const options of everyOptions.filter(({ format }) => !format.startsWith('bipolar'))) {
      const q = gptq(holed, h, options);
      const back = quant.dequantize(q).data;
      for (let i = 0; i < 4; i++) expect(Math.abs(back[i * 32 + 9]!), JSON.stringify(options)).toBe(0);
      expect(q.loss).toBeCloseTo(lossOf(holed, q, h), 6);
    }
  });

  test('groups and matrices of zeros', () => {
    const half = dense(4, 32, w.data.map((x, k) => (k % 32 < 16 ? 0 : x))); // prettier-ignore
    for (const options of everyOptions) {
      const q = gptq(half, h, options);
      expect(quant.dequantize(q).data.every(Number.isFinite), JSON.stringify(options)).toBe(true);
      expect(gptq(dense(4, 32, new Float32Array(128)), h, options).loss, JSON.stringify(options)).toBe(0);
    }
    const none = gptq(w, dense(32, 32), { format: 'int4' }); // no input ever came
    expect(sameQuantized(plain(none), quant.quantize(w, { format: 'int4' }))).toBe(true);
    expect([none.loss, none.attempts]).toEqual([0, 1]);
  });

  test('fewer inputs than columns: damping carries it; without, it is raised and reported', () => {
    const few = hessian(correlated(5, 32));
    const q = gptq(w, few, { format: 'int4' });
    expect([q.attempts, q.damping]).toEqual([1, 0.01]);
    expect(q.loss).toBeLessThan(lossOf(w, quant.quantize(w, { format: 'int4' }), few));
    const raised = gptq(w, few, { format: 'int4', damping: 0 });
    expect(raised.attempts).toBeGreaterThan(1);
    expect(raised.damping).toBeGreaterThan(0);
    expect(raised.loss).toBeCloseTo(lossOf(w, raised, few), 5);
  });

  test('one that is not quite positive definite is given ten times the damping until it is', () => {
    const bent = dense(2, 2, Float64Array.of(1, 1.05, 1.05, 1));
    const q = gptq(weights(1, 2), bent, { format: 'int4' });
    expect([q.attempts, q.damping]).toEqual([2, 0.1]);
    const from0 = gptq(weights(1, 2), bent, { format: 'int4', damping: 0 }); // 1e-8 comes next, then ten times that
    expect([from0.attempts, from0.damping]).toEqual([9, expect.closeTo(0.1, 12)]);
    const unit = dense(2, 2, Float64Array.of(1, 1.99, 1.99, 1)); // the last damping is 1, the one beyond it an error
    const last = gptq(weights(1, 2), unit, { format: 'int4' });
    expect([last.attempts, last.damping]).toEqual([3, 1]);
    expect(() => gptq(weights(1, 2), unit, { format: 'int4', damping: 0.3 })).toThrow(withCode('ERR_RANGE'));
    // far from it: an error, never rounding in silence
    expect(() => gptq(weights(1, 2), dense(2, 2, Float64Array.of(1, 3, 3, 1)), { format: 'int4' })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
  });

  test('refuses what no Hessian can be', () => {
    const with_ = (k: number, value: number) => dense(32, 32, h.data.map((x, at) => (at === k ? value : x))); // prettier-ignore
    for (const value of [NaN, Infinity, -Infinity])
      for (const k of [0, 5, 32 * 31]) expect(() => gptq(w, with_(k, value), { format: 'int4' })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(() => gptq(w, with_(33, -1), { format: 'int4' })).toThrow(/diagonal/);
    expect(() => gptq(w, with_(5, h.data[5]! + 1), { format: 'int4' })).toThrow(/symmetric/);
    expect(() => gptq(w, with_(33, 0), { format: 'int4' })).toThrow(/positive semidefinite/); // beside numbers that are not 0
    expect(() => gptq(w, dense(31, 31), { format: 'int4' })).toThrow(withCode('ERR_SHAPE'));
    const broken = dense(4, 32, w.data.map((x, k) => (k === 40 ? NaN : x))); // prettier-ignore
    expect(() => gptq(broken, h, { format: 'int4' })).toThrow(withCode('ERR_RANGE'));
    for (const damping of [-1, 2, NaN])
      expect(() => gptq(w, h, { format: 'int4', damping })).toThrow(withCode('ERR_RANGE'));
    expect(() => gptq(w, h, { format: 'int4', rotate: 24 })).toThrow(withCode('ERR_RANGE'));
    expect(() => gptq(w, h, { format: 'int4', rotate: 64 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => gptq(w, h, { format: 'int4', dampening: 1 } as never)).toThrow(LapidaryError);
  });

  test('empty matrices', () => {
    expect(gptq(dense(0, 32, new Float32Array(0)), h, { format: 'int4' }).loss).toBe(0);
    expect(gptq(dense(3, 0, new Float32Array(0)), dense(0, 0), { format: 'int4' }).codes).toHaveLength(0);
  });

  test('huge and tiny weights', () => {
    for (const size of [1e-42, 1e-30, 1e30, 3e38]) {
      const scaled = dense(4, 32, w.data.map((x) => x * size)); // prettier-ignore
      for (const format of everyFormat)
        expect(quant.dequantize(gptq(scaled, h, { format })).data.every(Number.isFinite), `${format} ${size}`).toBe(
          true,
        );
    }
  });

  test('static groups: the scales are those of the weights as they came, whatever the order', () => {
    const spread = correlated(64, 32);
    for (let i = 0; i < 64; i++) for (let j = 0; j < 32; j++) spread.data[i * 32 + j]! *= 1 + (j % 7);
    const uneven = hessian(spread);
    const q = gptq(w, uneven, { format: 'int4', groupSize: 16, actOrder: true });
    expect(q.scales).toEqual(quant.quantize(w, { format: 'int4', groupSize: 16 }).scales);
    expect(q.permutation).toBeUndefined();
    const searched = gptq(w, uneven, { format: 'int4', groupSize: 16, observer: 'mse' });
    expect(searched.scales).toEqual(quant.quantize(w, { format: 'int4', groupSize: 16, observer: 'mse' }).scales);
  });

  test('the order of the diagonal pays where few inputs dominate', () => {
    let [natural, ordered] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      const x = correlated(128, 64, seed, 0.6);
      const size = uniform(64, seed + 99, 0, 1).map((u) => u ** 6 * 20);
      for (let k = 0; k < x.data.length; k++) x.data[k]! *= size[k % 64]!;
      const uneven = hessian(x);
      const many = weights(8, 64, seed);
      natural += gptq(many, uneven, { format: 'int3' }).loss;
      ordered += gptq(many, uneven, { format: 'int3', actOrder: true }).loss;
    }
    expect(ordered).toBeLessThan(0.9 * natural);
  });
});
