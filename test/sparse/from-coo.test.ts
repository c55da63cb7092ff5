import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { fromCoo, fromDense, toDense, transpose } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import { uniform } from '../support/random.js';
import { csrOf, randomCsr, sameBits, sameForAnyThreads, sameVectorBits } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

test('sums duplicates in the order in which they come, in any order of entries', () => {
  const entry = fc.tuple(fc.nat(9), fc.nat(12), fc.double({ noNaN: true, min: -1e3, max: 1e3 }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), fc.boolean(), (entries, typed) => {
      const row = entries.map((e) => e[0]);
      const col = entries.map((e) => e[1]);
      const value = entries.map((e) => e[2]);
      const expected = csrOf(
        entries.reduce(
          (grid, [i, j, x]) => {
            const before = grid[i]![j];
            grid[i]![j] = before === undefined ? x : before + x;
            return grid;
          },
          Array.from({ length: 10 }, () => new Array<number | undefined>(13).fill(undefined)),
        ),
        13,
      );
      const a = typed
        ? fromCoo({ rows: 10, cols: 13, row: Uint32Array.from(row), col: Uint32Array.from(col), value })
        : fromCoo({ rows: 10, cols: 13, row, col, value });
      expect(a).toEqual(expected);
    }),
  );
});

test('large, shuffled, on any number of threads', () => {
  const a = randomCsr(5000, 3000, 30, 7);
  const n = a.indices.length;
  const rowOf = Uint32Array.from({ length: n });
  for (let i = 0; i < a.rows; i++) rowOf.fill(i, a.indptr[i], a.indptr[i + 1]);
  const order = Uint32Array.from({ length: n }, (_, e) => (e * 7919) % n);
  const coo = {
    rows: a.rows,
    cols: a.cols,
    row: order.map((e) => rowOf[e]!),
    col: order.map((e) => a.indices[e]!),
    value: Float64Array.from(order, (e) => a.values[e]!),
  };
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    sameBits(fromCoo(coo), a);
  }
});

test('keeps the type of its values, zeros, and huge dimensions', () => {
  const a = fromCoo({
    rows: 1,
    cols: 2 ** 32 - 1,
    row: [0, 0],
    col: [2 ** 32 - 2, 5],
    value: Float32Array.of(0, -0),
  });
  expect(a.values).toEqual(Float32Array.of(-0, 0));
  expect(a.indices).toEqual(Uint32Array.of(5, 2 ** 32 - 2));
  expect(fromCoo({ rows: 0, cols: 0, row: [], col: [], value: [] }).indptr).toEqual(Uint32Array.of(0));
});

test.each([
  ['ERR_RANGE', 'row[1] = 2', { row: Uint32Array.of(0, 2) }],
  ['ERR_RANGE', 'col[0] = 3', { col: Uint32Array.of(3, 0) }],
  ['ERR_RANGE', 'row[1] = 2', { row: [0, 2] }],
  ['ERR_RANGE', 'row[0] = -1', { row: [-1, 0] }],
  ['ERR_RANGE', 'col[0] = 0.5', { col: [0.5, 0] }],
  ['ERR_SHAPE', 'col', { col: [0] }],
  ['ERR_SHAPE', 'value', { value: [1] }],
  ['ERR_DTYPE', 'value[1]', { value: [1, '2'] }],
  ['ERR_DTYPE', 'row', { row: Float64Array.of(0, 1) }],
  ['ERR_RANGE', 'rows', { rows: 2 ** 53 }],
  ['ERR_RANGE', 'cols', { cols: NaN }],
])('refuses with %s: %s', (code, text, change) => {
  const coo = { rows: 2, cols: 3, row: [0, 1], col: [0, 1], value: [1, 2], ...change };
  expect(() => fromCoo(coo as never)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(text) }),
  );
});

test('runs out of memory in an orderly way', () => {
  const a = {
    rows: 100,
    cols: 100,
    row: new Uint32Array(1e6),
    col: new Uint32Array(1e6),
    value: new Float64Array(1e6),
  };
  const live = native.liveAllocations();
  let failures = 0;
  for (let nth = 0; ; nth++) {
    native.failAllocation(nth);
    try {
      fromCoo(a);
      break;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      failures++;
    } finally {
      native.failAllocation(-1);
    }
  }
  expect(failures).toBeGreaterThan(0);
  expect(native.liveAllocations()).toBeLessThanOrEqual(live + 2); // what the arena keeps
});

test('the type of the result is the type of the values, and doubles for plain numbers', () => {
  const place = { rows: 1, cols: 1, row: [0], col: [0] };
  const plain: Csr = fromCoo({ ...place, value: [1] });
  const double: Csr = fromCoo({ ...place, value: Float64Array.of(1) });
  const single: Csr<Float32Array> = fromCoo({ ...place, value: Float32Array.of(1) });
  expect([plain, double, single].map((a) => a.values.constructor)).toEqual([Float64Array, Float64Array, Float32Array]);
});

test('i32 wraps, and goes through dense and back', () => {
  const a = fromCoo({ rows: 2, cols: 2, row: [0, 1, 0], col: [1, 0, 1], value: Int32Array.of(2 ** 31 - 1, -7, 1) });
  expect(a.values).toEqual(Int32Array.of(-(2 ** 31), -7));
  expect(toDense(a).data).toEqual(Int32Array.of(0, -(2 ** 31), -7, 0));
  expect(fromDense(toDense(a))).toEqual(a);
  expect(transpose(a).values).toEqual(Int32Array.of(-7, -(2 ** 31)));
});

test('every size of problem: rows in one bucket and in many, wide and narrow columns, many duplicates', () => {
  for (const [rows, cols, n, seed] of [
    [1, 1, 200000, 1],
    [3, 2 ** 32 - 1, 100000, 2],
    [300000, 2, 100000, 3],
    [2 ** 20, 2 ** 20, 70000, 4],
    [50, 40, 70000, 5],
    [17, 5000, 49, 6],
    [17, 5000, 48, 7],
  ] as const) {
    const u = uniform(2 * n, seed, 0, 1);
    const row = Uint32Array.from({ length: n }, (_, e) => Math.floor(u[2 * e]! ** 3 * rows));
    const col = Uint32Array.from({ length: n }, (_, e) => Math.floor(u[2 * e + 1]! * cols));
    const value = Float64Array.from({ length: n }, (_, e) => Math.sin(e));
    const sums = new Map<number, number>();
    const keys: number[] = [];
    for (let e = 0; e < n; e++) {
      const key = row[e]! * cols + col[e]!;
      const before = sums.get(key);
      if (before === undefined) keys.push(key);
      sums.set(key, before === undefined ? value[e]! : before + value[e]!);
    }
    keys.sort((x, y) => x - y);
    sameForAnyThreads(() => fromCoo({ rows, cols, row, col, value }));
    const a = fromCoo({ rows, cols, row, col, value });
    sameVectorBits(
      a.values,
      Float64Array.from(keys, (key) => sums.get(key)!),
    );
    expect(
      Buffer.compare(
        Buffer.from(Uint32Array.from(keys, (key) => key % cols).buffer),
        Buffer.from(a.indices.slice().buffer),
      ),
    ).toBe(0);
    expect(a.indptr[rows]).toBe(keys.length);
  }
});

test('the first index out of range is named, wherever it is', () => {
  const n = 300000;
  const coo = { rows: 9, cols: 9, row: new Uint32Array(n), col: new Uint32Array(n), value: new Float64Array(n) };
  coo.row[299999] = 10;
  expect(() => fromCoo(coo)).toThrow('row[299999] = 10');
  coo.col[150000] = 11;
  expect(() => fromCoo(coo)).toThrow('col[150000] = 11');
});
