import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { fromCoo, spgemm, spmv, transpose } from 'lapidary/sparse';
import { withCancelFlag, raiseAbort } from '../../dist/core/cancel.js';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, gridOf, malformed, randomCsr, randomGrid, sameBits, type Grid } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => setThreads(threads));
const accumulators = ['auto', 'hash', 'dense'] as const;

/** By the definition, entry by entry. An entry without a product is undefined. */
function oracle(a: Csr<Real>, b: Csr<Real>): Grid {
  const [x, y] = [gridOf(a), gridOf(b)];
  return x.map((row) =>
    Array.from({ length: b.cols }, (_, j) =>
      row.reduce<number | undefined>((sum, value, k) => {
        const other = y[k]![j];
        return value === undefined || other === undefined
          ? sum
          : sum === undefined
            ? value * other
            : sum + value * other;
      }, undefined),
    ),
  );
}

describeEachIsa('spgemm', (isa) => {
  test('against the definition: f64 and f32, every accumulator, zeros and cancellation kept', () => {
    const size = fc.integer({ min: 0, max: 60 });
    const density = fc.constantFrom(0, 0.02, 0.1, 0.4, 1);
    fc.assert(
      fc.property(size, size, size, density, density, fc.integer(), fc.boolean(), (m, k, n, da, db, seed, single) => {
        const type = (single ? Float32Array : Float64Array) as Float64ArrayConstructor;
        const a = csrOf(randomGrid(m, k, da, seed), k, type);
        const b = csrOf(randomGrid(k, n, db, seed + 1), n, type);
        const expected = csrOf(oracle(a, b), n, type);
        withIsa(isa, () => {
          for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), expected);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('C·1 = A·(B·1), every accumulator the same bits, sorted or not', () => {
    // sparse, crowded, and wide enough for hash tables by choice
    for (const [m, k, n, perA, perB] of [
      [300, 400, 500, 10, 12],
      [50, 300, 300, 120, 90],
      [200, 5000, 3000000, 20, 10],
    ] as const) {
      const a = randomCsr(m, k, perA, 1);
      const b = randomCsr(k, n, perB, 2);
      withIsa(isa, () => {
        const c = spgemm(a, b);
        for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), c);
        const left = spmv(c, new Float64Array(n).fill(1));
        const right = spmv(a, spmv(b, new Float64Array(n).fill(1)));
        expect(left.every((x, i) => Math.abs(x - right[i]!) < 1e-12 * perA * perB)).toBe(true);
        const unsorted = spgemm(a, b, { accumulator: 'hash', sorted: false });
        const row = Uint32Array.from(unsorted.indices);
        for (let i = 0; i < m; i++) row.fill(i, unsorted.indptr[i], unsorted.indptr[i + 1]);
        sameBits(fromCoo({ rows: m, cols: n, row, col: unsorted.indices, value: unsorted.values }), c);
      });
    }
  });

  test('a crowded row whose sums are negative zero keeps its entries', () => {
    const n = 70;
    const a = csrOf([[1, 2, 3]], 3);
    const b = csrOf(
      [0, 1, 2].map(() => Array.from({ length: n }, (_, j) => (j % 3 === 0 ? -0 : j % 3 === 1 ? 0 : j))),
      n,
    );
    withIsa(isa, () => {
      for (const accumulator of accumulators) {
        const c = spgemm(a, b, { accumulator });
        expect(c.indices.length).toBe(n);
        c.values.forEach((x, j) => expect(x).toBe(j % 3 === 0 ? -0 : j % 3 === 1 ? 0 : 6 * j));
      }
    });
  });
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(20000, 20000, 14, 5);
  setThreads(1);
  const one = spgemm(a, a);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    for (const accumulator of accumulators) sameBits(spgemm(a, a, { accumulator }), one);
  }
});

test('aliased factors, and the same in other memory', () => {
  const a = randomCsr(200, 200, 8, 9);
  const copy = { ...a, indptr: a.indptr.slice(), indices: a.indices.slice(), values: a.values.slice() };
  sameBits(spgemm(a, a), spgemm(a, copy));
});

test('one dense row, one dense column, rows without entries', () => {
  const n = 3000;
  const entries = Array.from({ length: n }, (_, j) => j);
  const row = fromCoo({ rows: n, cols: n, row: entries.map(() => 7), col: entries, value: entries });
  const column = transpose(row);
  const sum = entries.reduce((s, x) => s + x * x, 0);
  for (const accumulator of accumulators) {
    const inner = spgemm(row, column, { accumulator });
    expect([...inner.indices, ...inner.values]).toEqual([7, sum]);
    expect(inner.indptr[7]).toBe(0);
    expect(inner.indptr[8]).toBe(1);
    const outer = spgemm(column, row, { accumulator });
    expect(outer.indices.length).toBe(n * n);
    expect(outer.values[5 * n + 6]).toBe(30);
    expect(outer.values[n * n - 1]).toBe((n - 1) ** 2);
  }
});

test('NaN and infinity go where they belong', () => {
  const a = csrOf([[Infinity, 1, undefined]], 3);
  const b = csrOf(
    [
      [0, 1, undefined],
      [5, undefined, NaN],
      [1, 1, 1],
    ],
    3,
  );
  for (const accumulator of accumulators)
    expect(spgemm(a, b, { accumulator }).values).toEqual(Float64Array.of(NaN, Infinity, NaN));
});

test.each([256, 65536, 2 ** 20])('columns that are equal modulo %d do not slow the table down', (stride) => {
  const count = 4000;
  const cols = stride * count;
  const spread = (step: number): Csr =>
    fromCoo({
      rows: 1,
      cols,
      row: new Uint32Array(count),
      col: Uint32Array.from({ length: count }, (_, e) => (e * step) % cols),
      value: new Float64Array(count).fill(1),
    });
  const a = csrOf(
    Array.from({ length: 200 }, () => [1]),
    1,
  );
  const time = (b: Csr): number => {
    const start = performance.now();
    expect(spgemm(a, b, { accumulator: 'hash' }).indices.length).toBe(200 * count);
    return performance.now() - start;
  };
  time(spread(1));
  const fair = Math.min(time(spread(1)), time(spread(1)));
  // a table that took columns modulo its size would take thousands of probes for each
  expect(Math.min(time(spread(stride)), time(spread(stride)))).toBeLessThan(30 * fair + 20);
});

test('statistics', () => {
  const a = csrOf(
    [
      [1, 1, undefined],
      [undefined, undefined, undefined],
      [1, undefined, undefined],
    ],
    3,
  );
  const b = csrOf(
    [
      [1, 1, undefined, undefined],
      [1, undefined, undefined, 1],
      [1, 1, 1, 1],
    ],
    4,
  );
  expect(spgemm(a, b, { accumulator: 'hash' }).stats).toEqual({
    flops: 12,
    compressionRatio: 6 / 5,
    rowsPerAccumulator: { hash: 2, dense: 0, none: 1 },
  });
  expect(spgemm(a, b, { accumulator: 'dense' }).stats.rowsPerAccumulator).toEqual({ hash: 0, dense: 2, none: 1 });
  const wide = randomCsr(100, 10000000, 3, 1);
  const auto = spgemm(randomCsr(100, 100, 4, 2), wide).stats.rowsPerAccumulator;
  expect(auto.hash).toBeGreaterThan(0);
});

test('a result of 2^32 entries or more is refused with its size, before anything is allocated', () => {
  const n = 70000;
  const column = fromCoo({
    rows: n,
    cols: 1,
    row: Uint32Array.from({ length: n }, (_, i) => i),
    col: new Uint32Array(n),
    value: new Float64Array(n),
  });
  const before = process.memoryUsage().arrayBuffers;
  expect(() => spgemm(column, transpose(column), { accumulator: 'dense' })).toThrow(
    expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringContaining('got 4900000000') }),
  );
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
});

test('shared memory', () => {
  const a = randomCsr(40, 40, 5, 2);
  const values = new Float64Array(new SharedArrayBuffer(a.values.byteLength));
  values.set(a.values);
  sameBits(spgemm({ ...a, values }, a), spgemm(a, a));
});

test('an abort is heard', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  const a = randomCsr(2000, 2000, 8, 2);
  expect(() => withCancelFlag(flag, () => spgemm(a, a))).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
});

describe('refusals', () => {
  const good = csrOf(randomGrid(8, 4, 1, 3), 4);
  test.each(malformed())('a factor that should %s', (text, bad) => {
    const message = expect.stringContaining(text);
    expect(() => spgemm(bad, good)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', function: 'spgemm', argument: 'a', message }),
    );
    expect(() => spgemm(transpose(good), transpose(good).rows === 4 ? { ...bad, rows: 4 } : bad)).toThrow(
      expect.objectContaining({ name: 'LapidaryError' }),
    );
    const four = csrOf(randomGrid(3, 4, 1, 5), 4);
    expect(() => spgemm(four, bad)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b', message }));
  });

  const a = randomCsr(4, 5, 2, 1);
  const b = randomCsr(5, 3, 2, 1);
  test.each([
    ['ERR_SHAPE', () => spgemm(a, a)],
    ['ERR_DTYPE', () => spgemm(a, { ...b, values: Float32Array.from(b.values) } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { accumulator: 'heap' } as never)],
    ['ERR_OPTION', () => spgemm(a, b, { acumulator: 'hash' } as never)],
    ['ERR_DTYPE', () => spgemm(a, b, { sorted: 1 } as never)],
    ['ERR_DTYPE', () => spgemm(a, 5 as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('a second phase that was not preceded by the first is refused', () => {
    const factors = [
      a.rows,
      a.cols,
      a.indptr,
      a.indices,
      a.values,
      b.rows,
      b.cols,
      b.indptr,
      b.indices,
      b.values,
    ] as const;
    const { indptr, indices } = spgemm(a, b);
    const nnz = indices.length;
    for (const accumulator of [0, 1, 2])
      for (const change of [1, -1, nnz]) {
        // one row longer or shorter than it should be, another made up for it
        const wrong = indptr.map((p, i) => (i === 0 || i === a.rows ? p : Math.min(nnz, Math.max(0, p + change))));
        expect(() =>
          sparse.spgemmFill(...factors, accumulator, true, wrong, new Uint32Array(nnz), new Float64Array(nnz)),
        ).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      }
    expect(() => sparse.spgemmFill(...factors, 7, true, indptr, new Uint32Array(nnz), new Float64Array(nnz))).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
    expect(() => sparse.spgemmFill(...factors, 0, true, indptr, b.indices, new Float64Array(nnz))).toThrow(
      expect.objectContaining({ name: 'LapidaryError' }),
    );
  });
});

test('rounding within its bound of a sum in any order', () => {
  const a = randomCsr(100, 3000, 40, 7);
  const b = randomCsr(3000, 80, 20, 8);
  const abs = (x: Csr): Csr => ({ ...x, values: x.values.map(Math.abs) });
  const scale = spgemm(abs(a), abs(b));
  const ones = uniform(80, 3);
  const left = spmv(spgemm(a, b), ones);
  const right = spmv(a, spmv(b, ones));
  const bound = spmv(scale, ones.map(Math.abs));
  left.forEach((x, i) => expect(Math.abs(x - right[i]!)).toBeLessThanOrEqual(200 * 2 ** -53 * bound[i]!));
});
