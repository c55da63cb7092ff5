import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { diag, fromCoo, semirings, spgemm, spmv, transpose, type Semiring, type SpgemmValues } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, gridOf, randomCsr, randomGrid, sameBits } from '../support/sparse.js';
import { accumulators, adders, multipliers, oracle, oracleOf } from '../support/spgemm.js';

const threads = getThreads();
afterEach(() => setThreads(threads));

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

  test('every semiring, every value type, masks and complements, every accumulator', () => {
    const size = fc.integer({ min: 0, max: 40 });
    const density = fc.constantFrom(0, 0.05, 0.3, 1);
    const types = fc.constantFrom(Float64Array, Float32Array, Int32Array);
    const pairs = fc.record({
      add: fc.constantFrom(...(Object.keys(adders) as Semiring['add'][])),
      multiply: fc.constantFrom(...(Object.keys(multipliers) as Semiring['multiply'][])),
    });
    const semiring = fc.oneof(fc.constantFrom(...Object.values(semirings)), pairs);
    const masks = fc.constantFrom<boolean | undefined>(undefined, true, false);
    fc.assert(
      fc.property(size, size, size, density, density, fc.integer(), types, semiring, masks, (...drawn) => {
        const [m, k, n, da, db, seed, type, ring, complement] = drawn;
        const a = csrOf(randomGrid(m, k, da, seed), k, type as never);
        const b = csrOf(randomGrid(k, n, db, seed + 1), n, type as never);
        const allowed = randomGrid(m, n, 0.5, seed + 2);
        const grid = oracleOf(a, b, ring).map((row, i) =>
          row.map((x, j) =>
            complement === undefined || (allowed[i]![j] !== undefined) !== complement ? x : undefined,
          ),
        );
        const expected = csrOf(grid, n, type as never);
        const mask = complement === undefined ? {} : { mask: csrOf(allowed, n), complement };
        withIsa(isa, () => {
          for (const accumulator of accumulators) {
            const c = spgemm(a, b, { accumulator, semiring: ring, ...mask });
            sameStructure(c, expected);
            // −0 and 0 are the same here: Math.min and the sums of the oracle choose otherwise among them
            expect([...c.values].map((v) => v + 0)).toEqual([...expected.values].map((v) => v + 0));
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  test('masked products are the entries of whole ones: long rows, wide matrices, any operators', () => {
    for (const [m, k, n, perA, perB] of [
      [20, 300, 5000, 60, 400], // rows of b in chunks
      [30, 50, 130, 40, 100],
      [60, 200, 3_000_000, 3, 4], // too wide for a bitmap
    ] as const) {
      const whole = (x: Csr) => ({ ...x, values: x.values.map((v) => Math.round(8 * v)) });
      const [a, b] = [whole(randomCsr(m, k, perA, 1)), whole(randomCsr(k, n, perB, 2))];
      // a third of the entries, and others that no product meets
      const all = spgemm(a, b);
      const row = Array.from({ length: m }, (_, i) =>
        Array<number>(all.indptr[i + 1]! - all.indptr[i]!).fill(i),
      ).flat();
      const met = row.map((i, p) => [i, all.indices[p]!] as const).filter((_, p) => p % 3 === 0);
      const other = Array.from({ length: n }, (_, j) => [j % m, j] as const).filter(([, j]) => j % 7 === 0 && j < 9000);
      const places = [...met, ...other];
      const [from, to] = [places.map(([i]) => i), places.map(([, j]) => j)];
      const mask = fromCoo({ rows: m, cols: n, row: from, col: to, value: from.map(() => 1) });
      const masked = new Set(places.map(([i, j]) => i * n + j));
      withIsa(isa, () => {
        for (const semiring of ['plus-times', 'plus-pair', 'min-plus'] as const) {
          const c = spgemm(a, b, { semiring });
          for (const complement of [false, true]) {
            const kept = (p: number) => masked.has(row[p]! * n + c.indices[p]!) !== complement;
            const some = spgemm(a, b, { semiring, mask, complement });
            expect([...some.indices]).toEqual([...c.indices].filter((_, p) => kept(p)));
            expect([...some.values]).toEqual([...c.values].filter((_, p) => kept(p)));
            const ends = [0];
            row.forEach((i, p) => (ends[i + 1] = (ends[i + 1] ?? 0) + Number(kept(p))));
            for (let i = 1; i <= m; i++) ends[i] = ends[i - 1]! + (ends[i] ?? 0);
            expect([...some.indptr]).toEqual(ends);
          }
        }
      });
    }
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
});

function sameStructure(c: Csr<SpgemmValues>, expected: Csr<SpgemmValues>): void {
  expect([...c.indptr]).toEqual([...expected.indptr]);
  expect([...c.indices]).toEqual([...expected.indices]);
}

test('against the definition at 200 × 200', () => {
  for (const density of [0.01, 0.1, 0.5]) {
    const [a, b] = [1, 2].map((seed) => csrOf(randomGrid(200, 200, density, seed), 200)) as [Csr, Csr];
    sameBits(spgemm(a, b), csrOf(oracle(a, b), 200));
  }
});

test('min-plus is a step of Floyd and Warshall', () => {
  const n = 60;
  const grid = randomGrid(n, n, 0.08, 5).map((row, i) => row.map((x, j) => (i === j ? 0 : x && Math.abs(x) + 1)));
  const far = grid.map((row) => row.map((x) => x ?? Infinity));
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) far[i]![j] = Math.min(far[i]![j]!, far[i]![k]! + far[k]![j]!);
  let d = csrOf(grid, n);
  for (let length = 1; length < n; length *= 2) d = spgemm(d, d, { semiring: 'min-plus' });
  expect(gridOf(d).map((row) => row.map((x) => x ?? Infinity))).toEqual(far);
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

test('one row too long for a thread is cut by columns: the same bits for every number of threads and accumulator', () => {
  const [k, n] = [700, 60000];
  const a = randomCsr(3, k, 2 * k, 3);
  const b = randomCsr(k, n, 4000, 4);
  setThreads(1);
  const one = spgemm(a, b);
  expect(one.stats.flops).toBeGreaterThan(6 * 2 ** 21);
  const x = uniform(n, 1);
  const [left, right] = [spmv(one, x), spmv(a, spmv(b, x))];
  left.forEach((v, i) => expect(Math.abs(v - right[i]!)).toBeLessThan(1e-9));
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), one);
  }
  for (const accumulator of accumulators) sameBits(spgemm(a, b, { accumulator }), one);
  const mask = randomCsr(3, n, 1000, 9);
  const some = spgemm(a, b, { mask });
  const rest = spgemm(a, b, { mask, complement: true });
  expect(some.indices.length + rest.indices.length).toBe(one.indices.length);
  for (const accumulator of accumulators) sameBits(spgemm(a, b, { mask, accumulator }), some);
});

test('a long row with most of its products in few columns', () => {
  const [k, n] = [1500, 200000];
  const next = uniform(k * 3000, 6, 0, 1);
  // half of the products fall on a hundredth of the columns
  const rows = Array.from({ length: k }, (_, i) => {
    const columns = new Set<number>();
    for (let e = 0; e < 3000; e++) columns.add(Math.floor(next[i * 3000 + e]! ** 6 * n));
    return [...columns].sort((x, y) => x - y);
  });
  const indices = Uint32Array.from(rows.flat());
  const indptr = new Uint32Array(k + 1);
  rows.forEach((row, i) => (indptr[i + 1] = indptr[i]! + row.length));
  const b = { rows: k, cols: n, indptr, indices, values: Float64Array.from(indices, (j, e) => ((j + e) % 7) - 3) };
  const a = { rows: 2, cols: k, indptr: Uint32Array.of(0, k, k), indices: Uint32Array.from(rows, (_, i) => i), values: new Float64Array(k).fill(2) }; // prettier-ignore
  expect(indices.length).toBeGreaterThan(2 ** 21);
  const sums = new Map<number, number>();
  indices.forEach((j, e) => sums.set(j, (sums.get(j) ?? 0) + 2 * b.values[e]!));
  const expected = [...sums].sort(([x], [y]) => x - y);
  setThreads(1);
  const c = spgemm(a, b);
  expect(c.indices).toEqual(Uint32Array.from(expected, ([j]) => j));
  expect(c.values).toEqual(Float64Array.from(expected, ([, x]) => x));
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), c);
  }
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
    rowsPerAccumulator: { hash: 2, dense: 0, heap: 0, sort: 0, none: 1 },
  });
  for (const accumulator of ['dense', 'heap', 'sort'] as const)
    expect(spgemm(a, b, { accumulator }).stats.rowsPerAccumulator).toEqual({
      ...{ hash: 0, dense: 0, heap: 0, sort: 0, none: 1 },
      [accumulator]: 2,
    });
  // windows of few products over very many columns, by their number of rows to merge and of products
  const wide = randomCsr(100, 10000000, 3, 1);
  const chosen = (perRow: number, from: Csr) => spgemm(randomCsr(100, 100, perRow, 2), from).stats.rowsPerAccumulator;
  expect(chosen(2, wide).heap).toBe(100);
  expect(chosen(9, wide).sort).toBe(100);
  expect(chosen(200, randomCsr(100, 50000000, 9, 1)).hash).toBe(100);
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

test('the check of a matrix costs less than a tenth of its product with itself', () => {
  const a = randomCsr(10_000, 10_000, 16, 1);
  const least = (call: () => unknown) => {
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      call();
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  // diag looks at each row once beside its check
  expect(least(() => diag(a))).toBeLessThan(0.1 * least(() => spgemm(a, a)));
});
