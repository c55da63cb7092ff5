import { afterAll, describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { matmul, nmExpand, nmPrune, sparseLinear, type NmValues } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));
const i8 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Int8Array.from(uniform(rows * cols, seed, -128, 128)));
const shapes = [
  [2, 4],
  [2, 8],
  [1, 4],
  [4, 8],
  [1, 1],
  [3, 5],
  [1, 3],
  [1, 16],
  [7, 16],
  [9, 9],
  [2, 7],
] as const;

/** The mask by sorting each group: larger first, then lower index; NaN largest. */
function masked(w: Dense<NmValues>, n: number, m: number): Float64Array {
  const out = new Float64Array(w.rows * w.cols);
  for (let i = 0; i < w.rows; i++)
    for (let first = 0; first < w.cols; first += m) {
      const size = (j: number) => (Number.isNaN(w.data[j]!) ? Infinity : Math.abs(w.data[j]!));
      const nan = (j: number) => Number(Number.isNaN(w.data[j]!));
      const group = Array.from({ length: Math.min(m, w.cols - first) }, (_, k) => i * w.cols + first + k);
      group.sort((a, b) => nan(b) - nan(a) || (size(a) === size(b) ? a - b : size(b) - size(a)));
      for (const j of group.slice(0, n)) out[j] = w.data[j]!;
    }
  return out;
}

/** x·wᵀ and Σ|x||w| in doubles. */
function product(x: Dense<Float32Array>, w: Float64Array, rows: number) {
  const [y, size] = [new Float64Array(x.rows * rows), new Float64Array(x.rows * rows)];
  for (let t = 0; t < x.rows; t++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < x.cols; j++) {
        const term = x.data[t * x.cols + j]! * w[i * x.cols + j]!;
        y[t * rows + i]! += term;
        size[t * rows + i]! += Math.abs(term);
      }
  return { y, size };
}

describe('nmPrune', () => {
  test.each(shapes)('%i:%i keeps what sorting keeps, ties and NaN included', (n, m) => {
    for (const [rows, cols] of [
      [1, 1],
      [17, 33],
      [16, 16],
      [3, 100],
      [40, 7],
    ] as const) {
      const w = f32(rows, cols, 1);
      w.data.forEach((x, k) => (w.data[k] = k % 11 === 3 ? NaN : k % 7 === 2 ? -Infinity : Math.round(4 * x) / 4)); // prettier-ignore
      expect(Float64Array.from(nmExpand(nmPrune(w, { n, m })).data)).toEqual(masked(w, n, m).map((x) => x + 0));
      const b = i8(rows, cols, 2);
      expect(Float64Array.from(nmExpand(nmPrune(b, { n, m })).data)).toEqual(masked(b, n, m));
    }
  });

  test('any group and shape (property)', () => {
    const group = fc
      .integer({ min: 1, max: 16 })
      .chain((m) => fc.tuple(fc.integer({ min: 1, max: m }), fc.constant(m)));
    const side = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(group, side, side, fc.integer(), ([n, m], rows, cols, seed) => {
        const w = f32(rows, cols, Math.abs(seed));
        const pruned = nmPrune(w, { n, m });
        expect(Float64Array.from(nmExpand(pruned).data)).toEqual(masked(w, n, m));
        expect(nmPrune(nmExpand(pruned), { n, m })).toEqual(pruned); // once is enough
      }),
      { numRuns: 100 },
    );
  });

  test("BDWP: axis 'out' is the pruned transpose, and dX uses its own mask", () => {
    const w = f32(24, 40, 3);
    const turned = dense(40, 24, new Float32Array(960));
    for (let i = 0; i < 24; i++) for (let j = 0; j < 40; j++) turned.data[j * 24 + i] = w.data[i * 40 + j]!;
    const backward = nmPrune(w, { n: 2, m: 8, axis: 'out' });
    expect(backward).toEqual(nmPrune(turned, { n: 2, m: 8 }));
    const dy = f32(5, 24, 4);
    const dx = sparseLinear(dy, backward);
    const { y, size } = product(dy, Float64Array.from(nmExpand(backward).data), 40);
    dx.data.forEach((v, k) => expect(Math.abs(v - y[k]!)).toBeLessThanOrEqual(30 * 2 ** -24 * size[k]!));
    const forward = matmul(dy, nmExpand(nmPrune(w, { n: 2, m: 8 })));
    expect(dx.data.some((v, k) => Math.abs(v - forward.data[k]!) > 0.01)).toBe(true);
  });

  test('a stored example: the layout does not change', () => {
    const w = dense(1, 8, Float32Array.of(1, -3, 2, 0, 5, 4, -6, 7));
    const { values, offsets } = nmPrune(w, { n: 2, m: 4 });
    expect([values.length, offsets.length]).toEqual([8 * 16, 64]);
    expect([0, 16, 32, 48].map((k) => values[k])).toEqual([-3, 2, -6, 7]);
    expect([offsets[0], offsets[16]]).toEqual([1 | (2 << 4), 6 | (7 << 4)]);
    const bytes = nmPrune(dense(1, 8, Int8Array.from(w.data)), { n: 2, m: 4 });
    expect([...bytes.values.subarray(0, 4)]).toEqual([-3, 2, -6, 7]);
    expect([...bytes.offsets.subarray(0, 2)]).toEqual([1 | (2 << 4), 6 | (7 << 4)]);
  });
});

describeEachIsa('sparseLinear with N:M weights', (isa) => {
  test.each(shapes)('%i:%i f32 is within the bound for every number of tokens', (n, m) => {
    for (const [tokens, rows, cols] of [
      [1, 1, 1],
      [1, 33, 70],
      [2, 16, 16],
      [3, 5, 129],
      [5, 31, 64],
      [8, 17, 40],
      [9, 35, 50],
      [30, 70, 131],
    ] as const) {
      const w = nmPrune(f32(rows, cols, 5), { n, m });
      const x = f32(tokens, cols, 6);
      const got = withIsa(isa, () => sparseLinear(x, w));
      const { y, size } = product(x, Float64Array.from(nmExpand(w).data), rows);
      got.data.forEach((v, k) =>
        expect(Math.abs(v - y[k]!)).toBeLessThanOrEqual((cols + 2) * 2 ** -24 * size[k]! * 1.0001),
      );
    }
  });

  test.each(shapes)('%i:%i bytes are exact', (n, m) => {
    for (const [tokens, rows, cols] of [
      [1, 1, 1],
      [1, 33, 70],
      [2, 16, 16],
      [3, 20, 50],
      [5, 31, 129],
      [7, 19, 70],
      [9, 17, 40],
    ] as const) {
      const w = nmPrune(i8(rows, cols, 7), { n, m });
      const whole = nmExpand(w);
      for (const x of [i8(tokens, cols, 8), dense(tokens, cols, Uint8Array.from(uniform(tokens * cols, 9, 0, 256)))])
        expect(withIsa(isa, () => sparseLinear(x, w))).toEqual(matmul(x, whole, { transposeB: true }));
    }
    const extreme = nmPrune(dense(1, 64, new Int8Array(64).fill(-128)), { n, m });
    const x = dense(1, 64, new Uint8Array(64).fill(255));
    expect(withIsa(isa, () => sparseLinear(x, extreme)).data[0]).toBe(-128 * 255 * nmExpand(extreme).data.filter((v) => v !== 0).length); // prettier-ignore
  });

  test('the same bits for 1, 2, 3 and 7 threads', () => {
    for (const tokens of [1, 3, 40]) {
      const w = nmPrune(f32(700, 1030, 10), { n: 2, m: 4 });
      const x = f32(tokens, 1030, 11);
      const results = [1, 2, 3, 7].map((count) => {
        setThreads(count);
        return withIsa(isa, () => sparseLinear(x, w));
      });
      setThreads(threads);
      for (const y of results) expect(Buffer.compare(Buffer.from(y.data.buffer), Buffer.from(results[0]!.data.buffer))).toBe(0); // prettier-ignore
    }
  });

  test('infinity in x reaches only what was kept there; NaN weights reach their row', () => {
    const w = dense(2, 4, Float32Array.of(3, 2, 1, 0, 0, 1, NaN, 3));
    const pruned = nmPrune(w, { n: 2, m: 4 });
    const y = withIsa(isa, () => sparseLinear(dense(1, 4, Float32Array.of(1, 1, Infinity, 1)), pruned));
    expect([...y.data]).toEqual([5, NaN]);
  });
});

describe('arguments', () => {
  const w = nmPrune(f32(20, 30, 1), { n: 2, m: 4 });
  const x = f32(2, 30, 2);

  test('out, empty sizes, shared memory', () => {
    const out = dense(2, 20, new Float32Array(40).fill(NaN));
    expect(sparseLinear(x, w, { out })).toBe(out);
    expect(out.data).toEqual(sparseLinear(x, w).data);
    expect(sparseLinear(f32(0, 30, 1), w).data.length).toBe(0);
    expect(sparseLinear(f32(3, 0, 1), nmPrune(f32(2, 0, 1), { n: 1, m: 2 })).data).toEqual(new Float32Array(6));
    expect(sparseLinear(f32(3, 5, 1), nmPrune(f32(0, 5, 1), { n: 1, m: 2 })).data).toEqual(new Float32Array(0));
    const shared: Float32Array = new Float32Array(new SharedArrayBuffer(240));
    shared.set(x.data);
    expect(sparseLinear(dense(2, 30, shared), w).data).toEqual(out.data);
  });

  test('what does not fit is refused', () => {
    expect(() => nmPrune(x, { n: 3, m: 2 })).toThrow(withCode('ERR_RANGE'));
    expect(() => nmPrune(x, { n: 1, m: 17 })).toThrow(withCode('ERR_RANGE'));
    expect(() => nmPrune(x, { n: 1, m: 2, axis: 'rows' as never })).toThrow(withCode('ERR_OPTION'));
    expect(() => nmPrune(dense(1, 1, new Float64Array(1)) as never, { n: 1, m: 2 })).toThrow(withCode('ERR_DTYPE'));
    expect(() => sparseLinear(f32(2, 29, 1), w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinear(x, { ...w, values: w.values.subarray(1) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => sparseLinear(x, { ...w, layout: 2 as never })).toThrow(withCode('ERR_FORMAT'));
    expect(() => sparseLinear(i8(2, 30, 1) as never, w)).toThrow(withCode('ERR_DTYPE'));
    expect(() => sparseLinear(x, w, { out: dense(2, 20, w.values.subarray(0, 40)) })).toThrow(withCode('ERR_ALIAS'));
    const gone = new Float32Array(60);
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(() => sparseLinear({ rows: 2, cols: 30, data: gone }, w)).toThrow(withCode('ERR_DETACHED'));
  });

  test('native functions check for themselves, and say when memory runs out', async () => {
    const call =
      (...args: unknown[]) =>
      () =>
        (native.nmLinear as (...args: unknown[]) => void)(...args);
    const y = new Float32Array(40);
    expect(call(x.data, w.values, w.offsets, y, 2, 20, 30, 2, 17)).toThrow(withCode('ERR_RANGE'));
    expect(call(x.data, w.values, w.offsets, y, 2, 20, 30, 3, 4)).toThrow(withCode('ERR_SHAPE'));
    expect(call(x.data, w.values, w.offsets, y, 2, 2 ** 53, 30, 2, 4)).toThrow(withCode('ERR_RANGE'));
    expect(call(x.data, w.values, w.offsets.subarray(1), y, 2, 20, 30, 2, 4)).toThrow(withCode('ERR_SHAPE'));
    expect(call(x.data, w.values, w.offsets, w.values, 2, 20, 30, 2, 4)).toThrow(withCode('ERR_SHAPE'));
    const core = (await import('../../dist/core/native.js')).native;
    const big = f32(40, 3_000_000 / 40, 3);
    const wide = nmPrune(f32(1, big.cols, 4), { n: 1, m: 16 });
    let failures = 0;
    for (let nth = 0; ; nth++) {
      core.failAllocation(nth);
      try {
        sparseLinear(dense(8, big.cols, big.data.subarray(0, 8 * big.cols)), wide);
        break;
      } catch (error) {
        expect(error).toEqual(withCode('ERR_OUT_OF_MEMORY'));
        failures++;
      } finally {
        core.failAllocation(-1);
      }
    }
    expect(failures).toBeLessThan(20);
  });
});
