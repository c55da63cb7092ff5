import fc from 'fast-check';
import { expect, test } from 'vitest';
import { getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { uniform } from './random.js';

/** A matrix as rows of numbers, undefined where there is no entry: the slow and obvious form that oracles work on. */
export type Grid = (number | undefined)[][];

export function gridOf(a: Csr<Real | Int32Array>): Grid {
  const grid: Grid = Array.from({ length: a.rows }, () => new Array<number | undefined>(a.cols).fill(undefined));
  for (let i = 0; i < a.rows; i++)
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) grid[i]![a.indices[p]!] = a.values[p]!;
  return grid;
}

export function csrOf<A extends Real | Int32Array = Float64Array>(
  grid: Grid,
  cols: number,
  type: { from(values: number[]): A } = Float64Array as never,
): Csr<A> {
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (const row of grid) {
    row.forEach((x, j) => {
      if (x === undefined) return;
      indices.push(j);
      values.push(x);
    });
    indptr.push(indices.length);
  }
  return {
    rows: grid.length,
    cols,
    indptr: Uint32Array.from(indptr),
    indices: Uint32Array.from(indices),
    values: type.from(values),
  };
}

/** Small matrices of small integers: some full, some empty, with explicit zeros and empty rows. */
export function grids(
  rows: fc.Arbitrary<number>,
  cols: fc.Arbitrary<number>,
): fc.Arbitrary<{ grid: Grid; cols: number }> {
  return fc.tuple(rows, cols, fc.constantFrom(0, 0.05, 0.3, 1), fc.integer()).map(([m, n, density, seed]) => ({
    grid: randomGrid(m, n, density, seed),
    cols: n,
  }));
}

export function randomGrid(rows: number, cols: number, density: number, seed: number): Grid {
  const next = generator(seed);
  return Array.from({ length: rows }, () => {
    const rowDensity = next() < 0.2 ? 0 : density;
    return Array.from({ length: cols }, () => (next() < rowDensity ? Math.floor(next() * 11) - 5 : undefined));
  });
}

/** A random matrix of about `perRow` entries a row at random columns, with values in [−1, 1). */
export function randomCsr(rows: number, cols: number, perRow: number, seed: number): Csr {
  const next = generator(seed);
  const grid: number[][] = Array.from({ length: rows }, () => {
    const chosen = new Set<number>();
    for (let e = 0; e < perRow; e++) chosen.add(Math.floor(next() * cols));
    return [...chosen].sort((a, b) => a - b);
  });
  const indices = Uint32Array.from(grid.flat());
  const indptr = new Uint32Array(rows + 1);
  grid.forEach((row, i) => (indptr[i + 1] = indptr[i]! + row.length));
  return { rows, cols, indptr, indices, values: Float64Array.from(indices, () => 2 * next() - 1) };
}

// xorshift32: enough for test data, and much faster than drawing each number through fast-check
function generator(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Equal to the last bit. */
export function sameVectorBits(actual: Real, expected: Real): void {
  const [x, y] = [actual, expected].map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength));
  expect(Buffer.compare(x!, y!)).toBe(0);
}

/** The types that operations entry by entry take; integers of grids() are exact in all. */
export const numberTypes = fc.constantFrom<{ from(values: number[]): Real | Int32Array }>(
  Float64Array,
  Float32Array,
  Int32Array,
);

/** Calls `make` with 1, 2, 3 and 7 threads and expects the bits of one; ends with what there was. */
export function sameForAnyThreads(make: () => Csr<Real | Int32Array>): void {
  const before = getThreads();
  try {
    setThreads(1);
    const one = make();
    for (const count of [2, 3, 7]) {
      setThreads(count);
      sameBits(make(), one);
    }
  } finally {
    setThreads(before);
  }
}

/** Equal to the last bit; much faster than toEqual on large matrices. */
export function sameBits(actual: Csr<Real | Int32Array>, expected: Csr<Real | Int32Array>): void {
  expect([actual.rows, actual.cols]).toEqual([expected.rows, expected.cols]);
  for (const part of ['indptr', 'indices', 'values'] as const) {
    const [x, y] = [actual[part], expected[part]].map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength));
    expect(Buffer.compare(x!, y!), part).toBe(0);
  }
}

/** What is wrong with a matrix, and a valid matrix made wrong in that way. Row 2 of the base has columns 1, 4 and 7. */
export function malformed(): [string, Csr][] {
  const base = (): Csr => ({
    rows: 4,
    cols: 8,
    indptr: Uint32Array.of(0, 2, 2, 5, 6),
    indices: Uint32Array.of(0, 7, 1, 4, 7, 3),
    values: Float64Array.of(1, 2, 3, 4, 5, 6),
  });
  const broken = (change: (a: Csr) => void): Csr => {
    const a = base();
    change(a);
    return a;
  };
  return [
    ['begin with 0', broken((a) => (a.indptr[0] = 1))],
    ['not to fall', broken((a) => (a.indptr[1] = 3))],
    ['number of entries', broken((a) => (a.indptr[2] = 4000000000))],
    ['number of entries', broken((a) => (a.indptr[3] = 7))],
    ['columns below 8', broken((a) => (a.indices[5] = 8))],
    ['columns below 8', broken((a) => (a.indices[4] = 4294967295))],
    ['ascending', broken((a) => (a.indices[3] = 0))],
    ['ascending', broken((a) => a.indices.set([7, 0]))],
    ['once', broken((a) => (a.indices[3] = 7))],
    ['once', broken((a) => (a.indices[3] = 1))],
  ];
}

/** Small whole numbers, whose sums are exact. */
export const integers = (n: number, seed: number): Float64Array => uniform(n, seed, -9, 10).map(Math.floor);

/** Σ a·b in exact arithmetic for integers, and Σ |a·b|, the scale of the rounding error. */
export function productOf(a: Csr<Real>, b: Real, cols: number): { sum: Float64Array; scale: Float64Array } {
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

/** Off the exact product by no more than sums of `terms` products may be. */
export function within(actual: Real, { sum, scale }: ReturnType<typeof productOf>, terms: number): void {
  const epsilon = actual instanceof Float32Array ? 2 ** -24 : 2 ** -53;
  expect(actual.length).toBe(sum.length);
  for (let i = 0; i < sum.length; i++)
    if (!(Math.abs(actual[i]! - sum[i]!) <= (terms + 2) * epsilon * scale[i]!)) expect(actual[i]).toBe(sum[i]);
}

/** Tests that a function of one matrix refuses a bad one. */
export function refusesBadMatrices(call: (a: Csr) => unknown, argument = 'a'): void {
  test.each(malformed())('refuses a matrix that should %s', (text, a) => {
    expect(() => call(a)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', argument, message: expect.stringContaining(text) }),
    );
  });

  test('refuses wrong shapes and types', () => {
    const a = randomCsr(3, 3, 2, 1);
    expect(() => call({ ...a, values: new Float64Array(1) })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => call({ ...a, indptr: new Uint32Array(9) })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => call({ ...a, values: new Uint16Array(a.values.length) } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE' }),
    );
    structuredClone(a.indices.buffer, { transfer: [a.indices.buffer as ArrayBuffer] });
    expect(() => call(a)).toThrow(expect.objectContaining({ code: 'ERR_DETACHED' }));
  });
}

/** A copy in shared memory that does not begin at its begin. */
export function shared<T extends Uint32Array | Float64Array>(x: T): T {
  const Type = x.constructor as {
    new (buffer: SharedArrayBuffer, offset: number, length: number): T;
    BYTES_PER_ELEMENT: number;
  };
  const bytes = Type.BYTES_PER_ELEMENT;
  const out = new Type(new SharedArrayBuffer((x.length + 1) * bytes), bytes, x.length);
  out.set(x);
  return out;
}
