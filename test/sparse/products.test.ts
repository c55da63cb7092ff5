import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { fromCoo, spmm, spmv, transpose } from 'lapidary/sparse';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, grids, malformed, randomCsr } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => setThreads(threads));

function sameBits(actual: Real, expected: Real): void {
  expect(Buffer.compare(Buffer.from(actual.buffer), Buffer.from(expected.buffer))).toBe(0);
}

const integers = (n: number, seed: number): Float64Array => uniform(n, seed, -9, 10).map(Math.floor);

/** Σ a·b in exact arithmetic for integers, and Σ |a·b|, the scale of the rounding error. */
function oracle(a: Csr<Real>, b: Real, cols: number): { sum: Float64Array; scale: Float64Array } {
  const sum = new Float64Array(a.rows * cols);
  const scale = new Float64Array(a.rows * cols);
  for (let i = 0; i < a.rows; i++)
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++)
      for (let j = 0; j < cols; j++) {
        const product = a.values[p]! * b[a.indices[p]! * cols + j]!;
        sum[i * cols + j]! += product;
        scale[i * cols + j]! += Math.abs(product);
      }
  return { sum, scale };
}

function within(actual: Real, { sum, scale }: ReturnType<typeof oracle>, terms: number): void {
  const epsilon = actual instanceof Float32Array ? 2 ** -24 : 2 ** -53;
  expect(actual.length).toBe(sum.length);
  for (let i = 0; i < sum.length; i++)
    if (!(Math.abs(actual[i]! - sum[i]!) <= (terms + 2) * epsilon * scale[i]!)) expect(actual[i]).toBe(sum[i]);
}

describeEachIsa('products', (isa) => {
  test('spmv and its transpose, integers exact', () => {
    const size = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(grids(size, size), fc.integer(), fc.boolean(), ({ grid, cols }, seed, single) => {
        const Type: typeof Float32Array | typeof Float64Array = single ? Float32Array : Float64Array;
        const a = csrOf(grid, cols, Type as never) as Csr<Real>;
        const x = Type.from(integers(cols, seed));
        const z = Type.from(integers(a.rows, seed + 1));
        withIsa(isa, () => {
          expect(spmv(a, x)).toEqual(Type.from(oracle(a, x, 1).sum));
          expect(spmv(a, z, { transpose: true })).toEqual(Type.from(oracle(transpose(a), z, 1).sum));
        });
      }),
    );
  });

  test('spmm, integers exact, every tail', () => {
    const a = randomCsr(40, 50, 6, 3);
    a.values.set(integers(a.values.length, 4));
    for (const Type of [Float64Array, Float32Array]) {
      const single = { ...a, values: Type.from(a.values) } as Csr<Real>;
      for (let cols = 0; cols <= 141; cols += cols < 20 ? 1 : 11) {
        const b = Type.from(integers(50 * cols, cols + 1));
        // exact length: a read beyond the end of b would show under a sanitizer, a write beyond c in the guard
        const guarded = new Type(40 * cols + 16).fill(77);
        const out = guarded.subarray(8, 8 + 40 * cols);
        withIsa(isa, () => spmm(single, dense(50, cols, b as Real), { out: dense(40, cols, out as Real) }));
        expect(out).toEqual(Type.from(oracle(single, b, cols).sum));
        expect([...guarded.subarray(0, 8), ...guarded.subarray(8 + 40 * cols)].every((x) => x === 77)).toBe(true);
      }
    }
  });

  test('rounding stays within its bound', () => {
    const a = randomCsr(200, 3000, 50, 9);
    const b = uniform(3000 * 37, 5);
    withIsa(isa, () => {
      within(spmv(a, b.subarray(0, 3000)), oracle(a, b, 1), 50);
      within(spmm(a, dense(3000, 37, b)).data, oracle(a, b, 37), 50);
      const single = { ...a, values: Float32Array.from(a.values) };
      const b32 = Float32Array.from(b);
      within(spmv(single, b32.subarray(0, 3000)), oracle(single, b32, 1), 50);
      within(spmm(single, dense(3000, 37, b32)).data, oracle(single, b32, 37), 50);
    });
  });

  test('NaN and infinity go where they belong', () => {
    const a = csrOf(
      [
        [1, undefined],
        [0, 2],
        [undefined, undefined],
      ],
      2,
    );
    withIsa(isa, () => {
      expect(spmv(a, Float64Array.of(Infinity, 1))).toEqual(Float64Array.of(Infinity, NaN, 0));
      expect(spmm(a, dense(2, 1, Float64Array.of(1, NaN))).data).toEqual(Float64Array.of(1, NaN, 0));
    });
  });

  test('a malformed matrix is found', () => {
    withIsa(isa, () => {
      for (const [text, a] of malformed()) {
        const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining(text) });
        expect(() => spmv(a, new Float64Array(8))).toThrow(refused);
        expect(() => spmv(a, new Float64Array(4), { transpose: true })).toThrow(refused);
        expect(() => spmm(a, dense(8, 3))).toThrow(refused);
      }
      // one offence at every distance from the ends of vectors and rows
      for (let n = 1; n < 70; n++)
        for (const bad of [0, n >> 1, n - 1]) {
          const indices = Uint32Array.from({ length: n }, (_, p) => 2 * p + 1);
          const row = { rows: 1, cols: 2 * n, indptr: Uint32Array.of(0, n), indices, values: new Float64Array(n) };
          expect(spmv(row, new Float64Array(2 * n))).toEqual(new Float64Array(1));
          indices[bad] = bad === n - 1 ? 2 * n : indices[bad + 1]!;
          expect(() => spmv(row, new Float64Array(2 * n))).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
        }
    });
  });
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 20000, 20, 21);
  const x = uniform(20000, 1);
  const z = uniform(30000, 2);
  const b = dense(20000, 12, uniform(20000 * 12, 3));
  setThreads(1);
  const one = [spmv(a, x), spmv(a, z, { transpose: true }), spmm(a, b).data];
  const { sum, scale } = oracle(transpose(a), z, 1);
  expect(one[1]!.every((y, j) => Math.abs(y - sum[j]!) <= 1e-14 * scale[j]!)).toBe(true);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    [spmv(a, x), spmv(a, z, { transpose: true }), spmm(a, b).data].forEach((y, i) => sameBits(y, one[i]!));
  }
});

test('one dense row among empty ones, one dense column', () => {
  const n = 100000;
  const row = fromCoo({
    rows: 5,
    cols: n,
    row: new Uint32Array(n).fill(3),
    col: Uint32Array.from({ length: n }, (_, j) => j),
    value: new Float64Array(n).fill(1),
  });
  expect(spmv(row, integers(n, 1))[3]).toBe(integers(n, 1).reduce((sum, x) => sum + x, 0));
  expect(spmv(transpose(row), Float64Array.of(0, 0, 0, 2, 0))).toEqual(new Float64Array(n).fill(2));
  expect(spmv(row, Float64Array.of(9, 9, 9, 2, 9), { transpose: true })).toEqual(new Float64Array(n).fill(2));
});

test('shared memory and views that begin anywhere', () => {
  const a = randomCsr(50, 60, 5, 2);
  const share = <T extends Uint32Array | Float64Array>(x: T): T => {
    const Type = x.constructor as {
      new (buffer: SharedArrayBuffer, offset: number, length: number): T;
      BYTES_PER_ELEMENT: number;
    };
    const bytes = Type.BYTES_PER_ELEMENT;
    const out = new Type(new SharedArrayBuffer((x.length + 1) * bytes), bytes, x.length);
    out.set(x);
    return out;
  };
  const shared = { ...a, indptr: share(a.indptr), indices: share(a.indices), values: share(a.values) };
  const x = uniform(60, 1);
  const out = share(new Float64Array(50));
  expect(spmv(shared, share(x), { out })).toBe(out);
  expect([...out]).toEqual([...spmv(a, x)]);
  expect(spmm(shared, dense(60, 1, share(x))).data).toEqual(spmm(a, dense(60, 1, x)).data);
});

describe('refusals', () => {
  const a = randomCsr(4, 5, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spmv(a, new Float64Array(4))],
    ['ERR_SHAPE', () => spmv(a, new Float64Array(5), { transpose: true })],
    ['ERR_DTYPE', () => spmv(a, new Float32Array(5) as never)],
    ['ERR_SHAPE', () => spmv(a, new Float64Array(5), { out: new Float64Array(5) })],
    ['ERR_OPTION', () => spmv(a, new Float64Array(5), { transposed: true } as never)],
    ['ERR_DTYPE', () => spmv(a, new Float64Array(5), { transpose: 1 } as never)],
    ['ERR_SHAPE', () => spmm(a, dense(4, 4))],
    ['ERR_DTYPE', () => spmm(a, dense(5, 1, new Float32Array(5)) as never)],
    ['ERR_SHAPE', () => spmm(a, dense(5, 2), { out: dense(4, 3) })],
    ['ERR_DTYPE', () => spmv(undefined as never, new Float64Array(5))],
    ['ERR_RANGE', () => spmv({ ...a, rows: 2 ** 53 }, new Float64Array(5))],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('an output that overlaps an input', () => {
    const both = new Float64Array(12);
    const alias = expect.objectContaining({ code: 'ERR_ALIAS' });
    expect(() => spmv(a, both.subarray(0, 5), { out: both.subarray(4, 8) })).toThrow(alias);
    const square = { ...randomCsr(4, 4, 1, 1), values: both.subarray(0, 4) };
    expect(() => spmv(square, new Float64Array(4), { out: both.subarray(0, 4) })).toThrow(alias);
  });

  test('the native side holds when TypeScript is bypassed', () => {
    const args = [4, 5, a.indptr, a.indices, a.values] as const;
    const x = new Float64Array(5);
    const y = new Float64Array(4);
    for (const bad of [
      () => sparse.spmv(2 ** 40, 5, a.indptr, a.indices, a.values, x, y, false),
      () => sparse.spmv(4, 2 ** 52, a.indptr, a.indices, a.values, x, y, false),
      () => sparse.spmv(...args, x, x, false),
      () => sparse.spmv(...args, x.subarray(1), y, false),
      () => sparse.spmv(4, 5, a.indptr, a.indices.subarray(1), a.values, x, y, false),
      () => sparse.spmv(4, 5, a.indptr, a.indices.subarray(1), a.values.subarray(1), x, y, false),
      () => sparse.spmv(4, 5, a.indptr, a.indices, a.values, new Float32Array(5), y, false),
      () => sparse.spmm(...args, x, y, 2 ** 52),
      () => sparse.spmm(...args, x, y, NaN),
    ])
      expect(bad).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});
