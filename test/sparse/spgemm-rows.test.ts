import { expect, test } from 'vitest';
import { fromCoo, semirings, spgemm, transpose } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { csrOf, sameBits, type Grid } from '../support/sparse.js';
import { accumulators, oracle, oracleOf } from '../support/spgemm.js';

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
