import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr, type Real } from 'lapidary';
import { fromCoo, spgemm, spgemmPlan, transpose } from 'lapidary/sparse';
import { native as sparse } from '../../dist/sparse/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { csrOf, randomCsr, sameBits } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => setThreads(threads));

describeEachIsa('spgemm', (isa) => {
  test('products that hardly compress, counted and filled at once: as in two phases, to the last bit', () => {
    const holes = (a: Csr): Csr => {
      const keep = Array.from(a.indices, (_, p) => p).filter((p) => a.indices[p]! % 5 > 0);
      const row = new Uint32Array(a.indices.length);
      for (let i = 0; i < a.rows; i++) row.fill(i, a.indptr[i], a.indptr[i + 1]);
      const some = keep.filter((p) => row[p]! % 7 > 0);
      return fromCoo({ rows: a.rows, cols: a.cols, row: some.map((p) => row[p]!), col: some.map((p) => a.indices[p]!), value: some.map((p) => a.values[p]!) }); // prettier-ignore
    };
    const column = csrOf(Array.from({ length: 300 }, (_, i) => [i % 9]), 1); // prettier-ignore
    for (const [a, b] of [
      [randomCsr(3000, 3000, 12, 1), randomCsr(3000, 3000, 12, 2)], // many rows to a group, many groups
      [holes(randomCsr(3000, 3000, 14, 3)), holes(randomCsr(3000, 4000, 14, 4))], // rows without products
      [randomCsr(200, 300, 100, 5), randomCsr(300, 400000, 60, 6)], // too many products for a list of columns
      [column, transpose(column)], // crowded rows
      [randomCsr(900, 40, 1, 7), randomCsr(40, 3000, 70, 8)], // rows of B of more than 64 entries
    ] as const) {
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array }));
        for (const semiring of ['plus-times', 'min-plus'] as const)
          withIsa(isa, () => {
            const c = spgemm(x!, y!, { semiring });
            const other = spgemm(x!, y!, { semiring, accumulator: 'hash' });
            sameBits(c, other);
            expect(c.stats.flops).toBe(other.stats.flops);
            expect(c.stats.compressionRatio).toBe(other.stats.compressionRatio);
            expect(spgemmPlan(x!, y!).indptr).toEqual(c.indptr);
          });
      }
    }
  });
});

test('at once where seven entries for eight products are expected, else there is no room left over', () => {
  const roomOf = (perRow: number) => {
    const a = randomCsr(1000, 1000, perRow, 11);
    const { indices, stats } = spgemm(a, a);
    return { ratio: stats.compressionRatio, idle: indices.buffer.byteLength - indices.byteLength };
  };
  const [few, many] = [roomOf(17), roomOf(20)];
  expect(few.ratio).toBeGreaterThan(9 / 8);
  expect(few.ratio).toBeLessThan(8 / 7);
  expect(few.idle).toBeGreaterThan(0);
  expect(many.ratio).toBeGreaterThan(8 / 7);
  expect(many.idle).toBe(0);
});

test('a large result is not copied for the sake of what its buffer has beside it', () => {
  const { indices, stats } = spgemm(randomCsr(3000, 3000, 33, 12), randomCsr(3000, 4000, 30, 13));
  expect(stats.compressionRatio).toBeGreaterThan(10 / 9);
  expect(stats.compressionRatio).toBeLessThan(8 / 7);
  expect(indices.byteLength).toBeGreaterThan(2 ** 23); // in huge pages
  expect(indices.buffer.byteLength).toBeGreaterThanOrEqual(2 * stats.flops + 2 ** 21); // room for all products
});

test('at once and in two phases, any number of threads gives the same bits', () => {
  const [a, b] = [randomCsr(20000, 30000, 9, 5), randomCsr(30000, 25000, 9, 6)];
  setThreads(1);
  const one = spgemm(a, b);
  expect(one.indices.length).toBeLessThan(one.stats.flops / 2); // room for the products that met was left over
  expect(one.indices.buffer.byteLength).toBeGreaterThan(one.indices.byteLength);
  sameBits(spgemm(a, b, { plan: spgemmPlan(a, b) }), one);
  for (const count of [2, 3, 7]) {
    setThreads(count);
    sameBits(spgemm(a, b), one);
  }
});

test('a product that compresses where no sample looks is right, and keeps no room for all its products', () => {
  // Each row of a takes two rows of b: where the sample looks, two without a common column, elsewhere the same one twice.
  const rows = 50_000;
  const half = rows + 16;
  const step = Math.floor((16 * rows) / 64);
  const looked = new Uint8Array(rows);
  for (let i = 0, next = Math.floor(step / 2); i < rows; i++)
    if (16 * (i + 1) > next) [looked[i], next] = [1, 16 * (i + 1) + step];
  const a = {
    rows,
    cols: 2 * half,
    indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => 2 * i),
    indices: Uint32Array.from(
      { length: 2 * rows },
      (_, p) => (p >> 1) + (p % 2 === 0 ? 0 : looked[p >> 1]! ? 7 : half),
    ),
    values: Float64Array.from({ length: 2 * rows }, (_, p) => (p % 13) - 6),
  };
  const b = {
    rows: 2 * half,
    cols: 8 * half,
    indptr: Uint32Array.from({ length: 2 * half + 1 }, (_, k) => 8 * k),
    indices: Uint32Array.from({ length: 16 * half }, (_, p) => p % (8 * half)),
    values: Float64Array.from({ length: 16 * half }, (_, p) => (p % 7) - 3),
  };
  const allocated: number[] = [];
  const original = sparse.spgemm.bind(sparse);
  sparse.spgemm = (...args) => {
    const [indptr, stats, allocate] = args.slice(-3) as [
      Uint32Array,
      Float64Array,
      (() => [Uint32Array, Real]) | undefined,
    ];
    const counted = () => {
      if (indptr.at(-1) === 0) allocated.push(stats[0]!); // room for all products: nothing has been counted
      return allocate!();
    };
    original(...([...args.slice(0, -1), allocate && counted] as typeof args));
  };
  try {
    const c = spgemm(a, b);
    expect(allocated).toEqual([16 * rows]);
    sameBits(c, spgemm(a, b, { accumulator: 'hash' }));
    expect(c.values.length).toBeLessThan(8.2 * rows);
    expect(c.values.buffer.byteLength).toBeLessThan(1.3 * c.values.byteLength + 64);
  } finally {
    sparse.spgemm = original;
  }
});
