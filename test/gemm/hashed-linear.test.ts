import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, philox, setThreads } from 'lapidary';
import { hashedExpand, hashedGradient, hashedLinear, matmul, type HashedWeights } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { native as core } from '../../dist/core/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));
const f32 = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed)));
const array = (length: number) => Float32Array.from(uniform(length, 99));

const P = 2n ** 61n - 1n;

/** Where weight (i, j) stands and its sign, from the definition, in big integers. */
function place(w: HashedWeights): (i: number, j: number) => { at: number; sign: number } {
  const { seed = 0, chunk = 16, mapper = 'tile', array, cols } = w;
  const random = philox(seed);
  const constant = (l: number) => ((BigInt(random.uint32(4 * l)) << 32n) | BigInt(random.uint32(4 * l + 1))) % (P - 1n) + 1n; // prettier-ignore
  const hash = (l: number, i: number, j: number) =>
    (constant(l) + constant(l + 1) * BigInt(i) + constant(l + 2) * BigInt(j)) % P;
  const below = (h: bigint, q: number) => Number((h * BigInt(q)) >> 61n);
  return (row, col) => {
    const [i, j] = [Math.floor(row / 16), Math.floor(col / chunk)];
    let start: number;
    if (mapper === 'tile') {
      start = 16 * below(hash(0, i, j), Math.floor((array.length - 16 * chunk) / 16) + 1);
    } else {
      const q = Math.floor(array.length / (16 * chunk));
      const t = i * Math.ceil(cols / chunk) + j;
      start = 16 * chunk * ((below(hash(0, Math.floor(t / q), 0), q) + (t % q)) % q);
    }
    return { at: start + 16 * (col % chunk) + (row % 16), sign: hash(3, i, j) >= 2n ** 60n ? -1 : 1 };
  };
}

const layers: HashedWeights[] = [
  { rows: 1, cols: 1, array: array(256) },
  { rows: 16, cols: 16, array: array(256), scale: 0.5 },
  { rows: 50, cols: 70, array: array(1000), seed: 7, scale: 2 },
  { rows: 33, cols: 129, array: array(777), seed: 1, chunk: 5, mapper: 'cyclic' },
  { rows: 40, cols: 100, array: array(300), seed: 2 ** 40, chunk: 1 },
  { rows: 70, cols: 64, array: array(2048), seed: 3, chunk: 64, mapper: 'cyclic', scale: -1.5 },
  { rows: 31, cols: 48, array: array(5000), seed: 4, chunk: 17 },
];

describe('hashedExpand', () => {
  test.each(layers)('is the definition, weight by weight: %#', (w) => {
    const find = place(w);
    const { data } = hashedExpand(w);
    for (let i = 0; i < w.rows; i++)
      for (let j = 0; j < w.cols; j++) {
        const { at, sign } = find(i, j);
        expect(data[i * w.cols + j]).toBe(Math.fround((w.scale ?? 1) * sign * w.array[at]!));
      }
  });

  test('a cyclic array that is large enough gives every weight a value of its own; one half as large, to two', () => {
    const values = Float32Array.from({ length: 64 * 256 }, (_, k) => k + 1);
    const w = { rows: 128, cols: 128, array: values, mapper: 'cyclic' } as const;
    expect(new Set(hashedExpand(w).data.map(Math.abs)).size).toBe(128 * 128);
    const half = hashedExpand({ ...w, array: values.subarray(0, 32 * 256) }).data.map(Math.abs);
    const uses = new Map<number, number>();
    half.forEach((v) => uses.set(v, (uses.get(v) ?? 0) + 1));
    expect([...uses.values()].every((count) => count === 2)).toBe(true);
  });

  test('the starts of tiles are even over the array, and the signs are even', () => {
    const length = 16 * 16 + 16 * 63; // 64 starts
    const values = Float32Array.from({ length }, (_, k) => k + 1);
    const chis: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const { data } = hashedExpand({ rows: 16 * 64, cols: 16 * 64, array: values, seed });
      const counts = new Float64Array(64);
      let minus = 0;
      for (let i = 0; i < 64; i++)
        for (let j = 0; j < 64; j++) {
          const first = data[16 * i * 1024 + 16 * j]!;
          counts[(Math.abs(first) - 1) / 16]!++;
          if (first < 0) minus++;
        }
      const chi = counts.reduce((s, c) => s + (c - 64) ** 2 / 64, 0);
      chis.push(chi);
      expect(Math.abs(minus - 2048)).toBeLessThan(400);
    }
    // Affine hashes are even for most seeds, and a lattice with gaps for a few: only pairs are independent.
    expect(chis.sort((a, b) => a - b)[10]).toBeLessThan(63 + 5 * Math.sqrt(126));
  });
});

describeEachIsa('hashedLinear', (isa) => {
  test.each(layers)('is the product with the expanded weights: %#', (w) => {
    const whole = hashedExpand(w);
    for (const tokens of [1, 2, 3, 4, 5, 9, 16, 17, 40]) {
      const x = f32(tokens, w.cols, tokens);
      const y = withIsa(isa, () => hashedLinear(x, w));
      for (let t = 0; t < tokens; t++)
        for (let i = 0; i < w.rows; i++) {
          let [sum, size] = [0, 0];
          for (let j = 0; j < w.cols; j++) {
            const term = x.data[t * w.cols + j]! * whole.data[i * w.cols + j]!;
            sum += term;
            size += Math.abs(term);
          }
          expect(Math.abs(y.data[t * w.rows + i]! - sum)).toBeLessThanOrEqual((w.cols + 5) * 2 ** -24 * size * 1.001);
        }
    }
  });

  test('product and gradient have the same bits for 1, 2, 3 and 7 threads', () => {
    const w: HashedWeights = { rows: 1000, cols: 1100, array: array(10_000), seed: 5 };
    for (const tokens of [1, 40]) {
      const [x, dy] = [f32(tokens, 1100, 6), f32(tokens, 1000, 7)];
      const runs = [1, 2, 3, 7].map((count) => {
        setThreads(count);
        return withIsa(isa, () => [hashedLinear(x, w).data, hashedGradient(x, dy, w)]);
      });
      setThreads(threads);
      for (const run of runs) expect(run).toEqual(runs[0]);
    }
  });

  test.each(layers)('the gradient is the scattered sum: %#', (w) => {
    const find = place(w);
    for (const tokens of [1, 6]) {
      const [x, dy] = [f32(tokens, w.cols, 8), f32(tokens, w.rows, 9)];
      const [sum, size] = [new Float64Array(w.array.length), new Float64Array(w.array.length)];
      const uses = new Uint32Array(w.array.length);
      for (let i = 0; i < w.rows; i++)
        for (let j = 0; j < w.cols; j++) {
          const { at, sign } = find(i, j);
          uses[at]!++;
          for (let t = 0; t < tokens; t++) {
            const term = (w.scale ?? 1) * sign * dy.data[t * w.rows + i]! * x.data[t * w.cols + j]!;
            sum[at]! += term;
            size[at]! += Math.abs(term);
          }
        }
      const bound = (a: number) => (tokens + 3 + uses[a]!) * 2 ** -24 * size[a]! * 1.001;
      const plain = withIsa(isa, () => hashedGradient(x, dy, w));
      plain.forEach((v, a) => expect(Math.abs(v - sum[a]!)).toBeLessThanOrEqual(bound(a)));
      const mean = withIsa(isa, () => hashedGradient(x, dy, w, { gradScale: 'mean' }));
      mean.forEach((v, a) => expect(v).toBe(Math.fround(plain[a]! / Math.max(1, uses[a]!))));
      const squared = (w.scale ?? 1) ** 2;
      const rescaled = withIsa(isa, () => hashedGradient(x, dy, w, { gradScale: 'lambda2' }));
      rescaled.forEach((v, a) => expect(Math.abs(v * squared - sum[a]!)).toBeLessThanOrEqual(2 * bound(a)));
    }
  });
});

test('one step against the gradient lowers a squared error as the gradient says (finite differences)', () => {
  const w: HashedWeights = { rows: 20, cols: 30, array: array(600), seed: 6, scale: 0.7 };
  const x = f32(3, 30, 1);
  const target = f32(3, 20, 2);
  const loss = (values: Float32Array) => {
    const exact = hashedExpand({ ...w, array: values });
    const y = matmul(x, exact, { transposeB: true });
    return y.data.reduce((s, v, k) => s + 0.5 * (v - target.data[k]!) ** 2, 0);
  };
  const dy = dense(
    3,
    20,
    hashedLinear(x, w).data.map((v, k) => v - target.data[k]!),
  );
  const gradient = hashedGradient(x, dy, w);
  for (const a of [0, 100, 255, 300, 431]) {
    const moved = (by: number) => w.array.map((v, k) => (k === a ? v + by : v));
    expect((loss(moved(0.01)) - loss(moved(-0.01))) / 0.02).toBeCloseTo(gradient[a]!, 2);
  }
});

describe('arguments', () => {
  const w = layers[2]!;
  const x = f32(2, 70, 1);
  test('what does not fit is refused', () => {
    expect(() => hashedLinear(x, { ...w, array: array(255) })).toThrow(withCode('ERR_RANGE'));
    expect(() => hashedLinear(x, { ...w, chunk: 63 })).toThrow(withCode('ERR_RANGE'));
    expect(() => hashedLinear(x, { ...w, mapper: 'random' as never })).toThrow(withCode('ERR_OPTION'));
    expect(() => hashedLinear(f32(2, 71, 1), w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => hashedGradient(x, f32(3, 50, 1), w)).toThrow(withCode('ERR_SHAPE'));
    expect(() => hashedGradient(x, f32(2, 50, 1), { ...w, scale: 0 }, { gradScale: 'lambda2' })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(() => hashedLinear(x, w, { out: dense(2, 50, w.array.subarray(0, 100)) })).toThrow(withCode('ERR_ALIAS'));
    expect(() => hashedLinear(x, w, { into: 1 } as never)).toThrow(withCode('ERR_OPTION'));
    expect(hashedLinear(f32(0, 70, 1), w).data.length).toBe(0);
    expect(hashedLinear(f32(2, 0, 1), { ...w, cols: 0 }).data).toEqual(new Float32Array(100));
    expect(hashedGradient(f32(0, 70, 1), f32(0, 50, 1), w)).toEqual(new Float32Array(1000));
  });

  test('native functions check for themselves, and say when memory runs out', () => {
    const y = new Float32Array(100);
    expect(() => native.hashedLinear(x.data, w.array, y, 2, 50, 70, 63, 0, 1, 0, 0)).toThrow(withCode('ERR_RANGE'));
    expect(() => native.hashedLinear(x.data, w.array, y, 2, 50, 70, 0, 0, 1, 0, 0)).toThrow(withCode('ERR_RANGE'));
    expect(() => native.hashedLinear(x.data, w.array, y, 2, 51, 70, 16, 0, 1, 0, 0)).toThrow(withCode('ERR_SHAPE'));
    expect(() => native.hashedLinear(x.data, w.array, y, 2, 50, 70, 16, 2, 1, 0, 0)).toThrow(withCode('ERR_RANGE'));
    const wide: HashedWeights = { rows: 16, cols: 9_000_000, array: array(256) };
    const long = dense(1, wide.cols, new Float32Array(wide.cols).fill(1e-3));
    let failures = 0;
    for (let nth = 0; ; nth++) {
      core.failAllocation(nth);
      try {
        hashedLinear(long, wide);
        break;
      } catch (error) {
        expect(error).toEqual(withCode('ERR_OUT_OF_MEMORY'));
        failures++;
      } finally {
        core.failAllocation(-1);
      }
    }
    expect(failures).toBeGreaterThan(0);
  });
});
