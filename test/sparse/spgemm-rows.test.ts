import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { fromCoo, semirings, spgemm, spmv, transpose } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, randomCsr, sameBits, type Grid } from '../support/sparse.js';
import { accumulators, oracle, oracleOf } from '../support/spgemm.js';

const threads = getThreads();
afterEach(() => setThreads(threads));

describeEachIsa('spgemm', (isa) => {
  test('rows that repeat the row before: grids, bands and blocks of equal rows', () => {
    const line = (n: number, reach: number): Grid =>
      Array.from({ length: n }, (_, i) =>
        Array.from({ length: n }, (_, j) => (Math.abs(i - j) <= reach ? ((i * 7 + j * 3) % 5) - 2 : undefined)),
      );
    const blocks: Grid = Array.from({ length: 60 }, (_, i) =>
      Array.from({ length: 60 }, (_, j) => ((i - (i % 3) + 2 * (j - (j % 3))) % 7 === 0 ? i - j : undefined)),
    );
    const five = kron(line(9, 1), 11);
    for (const grid of [line(70, 2), line(90, 12), blocks, five]) {
      const a = csrOf(grid, grid.length);
      const expected = csrOf(oracle(a, a), grid.length);
      withIsa(isa, () => {
        for (const accumulator of accumulators) sameBits(spgemm(a, a, { accumulator }), expected);
        const least = csrOf(oracleOf(a, a, semirings['min-plus']), grid.length);
        sameBits(spgemm(a, a, { semiring: 'min-plus' }), least);
      });
    }
  });

  test('repeated rows in blocks of four sums: every offset, NaN, infinities and zeros of both signs', () => {
    // a line of points crossed with itself: runs of 3, 5, 7 … that begin anywhere, from the first row of B on
    for (const [side, reach, axes] of [
      [40, 1, 1],
      [50, 6, 1],
      [9, 1, 2],
      [6, 2, 2],
    ] as const) {
      const n = side ** axes;
      const near = (i: number, j: number) => Math.abs(i - j) <= reach;
      const grid: Grid = Array.from({ length: n }, (_, i) =>
        Array.from({ length: n }, (_, j) =>
          near(i % side, j % side) && near(Math.floor(i / side), Math.floor(j / side))
            ? ((5 * i + 3 * j) % 9) - 4
            : undefined,
        ),
      );
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const a = csrOf<Float64Array>(grid, n, type as never);
        if (type !== Int32Array) [NaN, Infinity, -Infinity, -0].forEach((x, e) => (a.values[7 * e * (e + 2)] = x));
        withIsa(isa, () => {
          const c = spgemm(a, a);
          const other = spgemm(a, a, { accumulator: 'hash' });
          expect(c.indices).toEqual(other.indices);
          expect(c.values).toEqual(other.values); // zeros by their sign, NaN by being one
          if (type === Int32Array) sameBits(c, csrOf(oracle(a as never, a as never), n, type));
        });
      }
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

/** The five-point stencil of a grid: neighbours along the line of the given pattern, and across lines of `width`. */
function kron(line: Grid, width: number): Grid {
  const n = line.length * width;
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) =>
      i === j
        ? 4
        : Math.abs(i - j) === width || (Math.abs(i - j) === 1 && i - (i % width) === j - (j % width))
          ? -1
          : undefined,
    ),
  );
}

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
