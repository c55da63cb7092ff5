import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { fromCoo, spmv, transpose } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import {
  csrOf,
  grids,
  integers,
  malformed,
  productOf,
  randomCsr,
  sameVectorBits,
  shared,
  within,
} from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

test('the transposed product runs out of memory in an orderly way', () => {
  // The first test, on a matrix made by hand: scratch that another call left behind would do.
  const rows = 20000;
  const inRow = 60;
  const a = {
    rows,
    cols: 30000,
    indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => i * inRow),
    indices: Uint32Array.from({ length: rows * inRow }, (_, e) => (e % inRow) * 500 + (Math.floor(e / inRow) % 500)),
    values: uniform(rows * inRow, 3),
  };
  const x = uniform(20000, 1);
  native.failAllocation(0);
  expect(() => spmv(a, x, { transpose: true })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
  native.failAllocation(-1);
  within(spmv(a, x, { transpose: true }), productOf(transpose(a), x, 1), 200);
});

describeEachIsa('spmv', (isa) => {
  test('and its transpose, integers exact', () => {
    const size = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(grids(size, size), fc.integer(), fc.boolean(), ({ grid, cols }, seed, single) => {
        const Type: typeof Float32Array | typeof Float64Array = single ? Float32Array : Float64Array;
        const a = csrOf<Float32Array | Float64Array>(grid, cols, Type);
        const x = Type.from(integers(cols, seed));
        const z = Type.from(integers(a.rows, seed + 1));
        withIsa(isa, () => {
          expect(spmv(a, x)).toEqual(Type.from(productOf(a, x, 1).sum));
          expect(spmv(a, z, { transpose: true })).toEqual(Type.from(productOf(transpose(a), z, 1).sum));
        });
      }),
    );
  });

  test('rounding stays within its bound', () => {
    const a = randomCsr(200, 3000, 50, 9);
    const x = uniform(3000, 5);
    withIsa(isa, () => {
      within(spmv(a, x), productOf(a, x, 1), 50);
      const single = { ...a, values: Float32Array.from(a.values) };
      const x32 = Float32Array.from(x);
      within(spmv(single, x32), productOf(single, x32, 1), 50);
    });
  });

  test('rows of every length, none longer than its memory', () => {
    for (let n = 0; n < 70; n++) {
      const row = {
        rows: 1,
        cols: 3 * n + 1,
        indptr: Uint32Array.of(0, n),
        indices: Uint32Array.from({ length: n }, (_, p) => 3 * p + 1),
        values: integers(n, n + 1),
      };
      const x = integers(3 * n + 1, n + 2);
      withIsa(isa, () => expect(spmv(row, x)).toEqual(productOf(row, x, 1).sum));
    }
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
    withIsa(isa, () => expect(spmv(a, Float64Array.of(Infinity, 1))).toEqual(Float64Array.of(Infinity, NaN, 0)));
  });

  test('NaN and infinity of x stay in the rows that have their columns', () => {
    // Rows of n entries are followed by rows of 12, which have the columns where x is no number.
    for (let n = 0; n < 12; n++) {
      const columns = (i: number) =>
        i % 2 === 0 ? Array.from({ length: n }, (_, p) => p) : Array.from({ length: 12 }, (_, p) => 12 + p);
      const indices = Uint32Array.from(Array.from({ length: 20 }, (_, i) => columns(i)).flat());
      const indptr = Uint32Array.from({ length: 21 }, (_, i) => (i >> 1) * (n + 12) + (i % 2) * n);
      for (const Type of [Float32Array, Float64Array]) {
        const a = { rows: 20, cols: 24, indptr, indices, values: new Type(indices.length).fill(1) };
        const x = Type.from(Array.from({ length: 24 }, (_, j) => (j < 12 ? 1 : j % 2 === 0 ? NaN : Infinity)));
        const expected = Type.from(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? n : NaN)));
        withIsa(isa, () => expect(spmv<typeof x>(a, x)).toEqual(expected));
      }
    }
  });

  test('without columns y is zero', () => {
    const a = { rows: 3, cols: 0, indptr: new Uint32Array(4), indices: new Uint32Array(0) };
    for (const Type of [Float32Array, Float64Array])
      withIsa(isa, () => {
        const out = new Type(3).fill(7);
        expect(spmv<typeof out>({ ...a, values: new Type(0) }, new Type(0), { out })).toEqual(new Type(3));
      });
    const full = { rows: 9, cols: 0, indptr: Uint32Array.from({ length: 10 }, (_, i) => i) };
    withIsa(isa, () =>
      expect(() =>
        spmv({ ...full, indices: new Uint32Array(9), values: new Float64Array(9) }, new Float64Array(0)),
      ).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' })),
    );
  });

  test('a malformed matrix is found', () => {
    withIsa(isa, () => {
      for (const [text, a] of malformed()) {
        const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining(text) });
        expect(() => spmv(a, new Float64Array(8))).toThrow(refused);
        expect(() => spmv(a, new Float64Array(4), { transpose: true })).toThrow(refused);
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

  test('an offence in a row of any length is found whatever rows follow, and named', () => {
    const after = [3, 5, 8, 13, 21, 22, 23, 24, 25, 26, 27, 28];
    for (let n = 0; n < 20; n++) {
      const a = {
        rows: 4,
        cols: 40,
        indptr: Uint32Array.of(0, 2, 2 + n, 14 + n, 14 + n),
        indices: Uint32Array.of(38, 39, ...Array.from({ length: n }, (_, p) => 2 * p + 1), ...after),
        values: integers(14 + n, n + 1),
      };
      const x = integers(40, n + 2);
      withIsa(isa, () => {
        expect(spmv(a, x)).toEqual(productOf(a, x, 1).sum);
        for (let p = 0; p < n; p++) {
          const indices = a.indices.slice();
          indices[2 + p] = p === n - 1 ? 40 : indices[3 + p]!;
          const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining('in row 1') });
          expect(() => spmv({ ...a, indices }, x)).toThrow(refused);
        }
      });
    }
  });
});

test('a batch is one product after another, with one set of values or with its own', () => {
  for (const [rows, cols, perRow, batch] of [
    [300, 200, 7, 5], // several products to a task
    [9000, 8000, 9, 3], // several tasks to a product
    [0, 4, 0, 3],
    [5, 0, 0, 2],
  ] as const) {
    const a = randomCsr(rows, cols, perRow, 4);
    const nnz = a.values.length;
    const sets = uniform(batch * nnz, 8);
    for (const transpose of [false, true]) {
      const [from, to] = transpose ? [rows, cols] : [cols, rows];
      const x = uniform(batch * from, 5);
      for (const values of [a.values, sets]) {
        const together = spmv({ ...a, values }, x, { batch, transpose });
        expect(together.length).toBe(batch * to);
        for (let b = 0; b < batch; b++) {
          const own = values === sets ? sets.subarray(b * nnz, (b + 1) * nnz) : values;
          const alone = spmv({ ...a, values: own }, x.subarray(b * from, (b + 1) * from), { transpose });
          sameVectorBits(together.subarray(b * to, (b + 1) * to), alone);
        }
      }
    }
  }
});

test('a batch of nothing ends at once', () => {
  const none = {
    rows: 0,
    cols: 0,
    indptr: new Uint32Array(1),
    indices: new Uint32Array(0),
    values: new Float64Array(0),
  };
  for (const transpose of [false, true])
    expect(spmv(none, new Float64Array(0), { batch: 2 ** 50, transpose })).toEqual(new Float64Array(0));
});

test('an entry out of range is not followed, wherever it stands in its row', () => {
  const n = 50; // several steps, and rows behind it
  for (let at = 0; at < n; at++) {
    const indices = Uint32Array.from({ length: 2 * n }, (_, p) => p % n);
    indices[at] = 2 ** 32 - 1;
    const a = { rows: 2, cols: n, indptr: Uint32Array.of(0, n, 2 * n), indices, values: new Float64Array(2 * n) };
    const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining('in row 0') });
    expect(() => spmv(a, new Float64Array(n))).toThrow(refused);
  }
});

test('entries behind a row that are out of range are never followed', () => {
  // the last step of row 0 reaches into row 1, whose columns are not there
  for (const beyond of [8, 2 ** 31, 2 ** 32 - 1]) {
    const a = {
      rows: 2,
      cols: 8,
      indptr: Uint32Array.of(0, 2, 9),
      indices: Uint32Array.of(1, 7, 0, 1, 2, 3, 4, 5, beyond),
      values: new Float64Array(9),
    };
    for (const at of [2, 3, 4, 7, 8]) {
      const indices = a.indices.slice();
      indices[8] = 6;
      indices[at] = beyond;
      const refused = expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining('in row 1') });
      expect(() => spmv({ ...a, indices }, new Float64Array(8))).toThrow(refused);
    }
  }
});

test('any instruction set and any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 20000, 20, 21);
  const x = uniform(20000, 1);
  const z = uniform(30000, 2);
  setThreads(1);
  const one = withIsa('portable', () => [spmv(a, x), spmv(a, z, { transpose: true })]);
  within(one[1]!, productOf(transpose(a), z, 1), 30);
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    [spmv(a, x), spmv(a, z, { transpose: true })].forEach((y, i) => sameVectorBits(y, one[i]!));
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
  const x = uniform(60, 1);
  const out = shared(new Float64Array(50));
  const b = { ...a, indptr: shared(a.indptr), indices: shared(a.indices), values: shared(a.values) };
  expect(spmv(b, shared(x), { out })).toBe(out);
  expect([...out]).toEqual([...spmv(a, x)]);
});

describe('refusals', () => {
  const a = randomCsr(4, 5, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spmv(a, new Float64Array(4))],
    ['ERR_SHAPE', () => spmv(a, new Float64Array(5), { transpose: true })],
    ['ERR_DTYPE', () => spmv(a, new Float32Array(5) as never)],
    ['ERR_SHAPE', () => spmv(a, new Float64Array(5), { out: new Float64Array(5) })],
    ['ERR_RANGE', () => spmv(a, new Float64Array(5), { batch: 0 })],
    ['ERR_SHAPE', () => spmv(a, new Float64Array(5), { batch: 2 })],
    [
      'ERR_SHAPE',
      () => spmv({ ...a, values: new Float64Array(3 * a.values.length) }, new Float64Array(10), { batch: 2 }),
    ],
    ['ERR_OPTION', () => spmv(a, new Float64Array(5), { transposed: true } as never)],
    ['ERR_DTYPE', () => spmv(a, new Float64Array(5), { transpose: 1 } as never)],
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
      () => sparse.spmv(2 ** 40, 5, a.indptr, a.indices, a.values, x, y, false, 1),
      () => sparse.spmv(4, 2 ** 52, a.indptr, a.indices, a.values, x, y, false, 1),
      () => sparse.spmv(...args, x, x, false, 1),
      () => sparse.spmv(...args, x.subarray(1), y, false, 1),
      () => sparse.spmv(4, 5, a.indptr, a.indices.subarray(1), a.values, x, y, false, 1),
      () => sparse.spmv(4, 5, a.indptr, a.indices.subarray(1), a.values.subarray(1), x, y, false, 1),
      () => sparse.spmv(4, 5, a.indptr, a.indices, a.values, new Float32Array(5), y, false, 1),
      () => sparse.spmv(...args, x, y, false, 2),
      () => sparse.spmv(...args, x, y, false, 2 ** 52),
    ])
      expect(bad).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
  });
});
