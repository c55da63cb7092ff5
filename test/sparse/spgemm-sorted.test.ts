import { test } from 'vitest';
import type { Csr } from 'lapidary';
import { fromCoo, spgemm, spgemmPlan } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { csrOf, sameBits, type Grid } from '../support/sparse.js';
import { oracle } from '../support/spgemm.js';

/** Row i of the product has i products, of rows of b with one entry: `columns(k)` is where that of row k is. */
function growing(rows: number, cols: number, columns: (k: number) => number): [Csr, Csr] {
  const entries = Array.from({ length: rows }, (_, i) => Array.from({ length: i }, (_, k) => [i, k] as const)).flat();
  const a = fromCoo({ rows, cols: rows, row: entries.map(([i]) => i), col: entries.map(([, k]) => k), value: entries.map(([i, k]) => ((i * 7 + k * 3) % 11) - 5) }); // prettier-ignore
  const each = Array.from({ length: rows }, (_, k) => k);
  const b = fromCoo({ rows, cols, row: each, col: each.map(columns), value: each.map((k) => (k % 3 ? k / 7 : -0)) });
  return [a, b];
}

/** With one NaN for all. */
const oneNaN = (c: Csr): Csr => ({ ...c, values: c.values.map((x) => (Number.isNaN(x) ? NaN : x)) });

describeEachIsa('spgemm', (isa) => {
  test('rows of every number of products that is sorted in registers, and of more', () => {
    for (const columns of [
      (k: number) => (k * 7919) % 50021, // none meet: at once
      (k: number) => ((k * 7919) % 50021) & ~(k % 97 === 0 ? 4095 : 0), // some do
      (k: number) => 400 * ((k * k) % 89), // many do: two phases
      () => 31, // all do
    ]) {
      const [a, b] = growing(560, 50021, columns);
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array }));
        if (type !== Int32Array) [NaN, Infinity, -Infinity].forEach((v, e) => (y!.values[40 * e + 9] = v));
        withIsa(isa, () => {
          for (const semiring of ['plus-times', 'min-plus'] as const) {
            const c = spgemm(x!, y!, { semiring });
            const other = spgemm(x!, y!, { semiring, accumulator: 'hash' });
            sameBits(oneNaN(c), oneNaN(other));
          }
        });
      }
    }
  });

  test('products that meet in runs of any length, across the ends of registers', () => {
    for (const [first, run] of [
      [15, 2],
      [14, 3],
      [16, 5],
      [1, 17],
      [31, 40],
    ] as const) {
      // row i: `first` columns of their own, then runs; b's row k has its entry where product k shall fall
      const column = (k: number) => 401 * (k < first ? k : first + Math.floor((k - first) / run));
      const [a, b] = growing(200, 401 * 200, column);
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array }));
        withIsa(isa, () => sameBits(spgemm(x!, y!), spgemm(x!, y!, { accumulator: 'hash' })));
      }
    }
  });

  test('columns as far apart as the keys of a sort can tell, and further', () => {
    const reach = 2 ** 23;
    for (const width of [reach - 128, reach - 64, reach - 1, reach + 64, 3 * reach]) {
      const rows = 513; // all of them can be sorted: with longer ones there would be two phases
      const at = (k: number) => (k === 0 ? 0 : k >= 507 ? width - 1 : Math.floor((k * width) / 512));
      const [a, b] = growing(rows, width, at);
      withIsa(isa, () => {
        const expected = spgemm(a, b, { accumulator: 'hash' });
        sameBits(spgemm(a, b), expected);
        sameBits(spgemm(a, b, { plan: spgemmPlan(a, b) }), expected);
      });
    }
  });

  test('rows that repeat a row with few products over many columns', () => {
    const side = 16;
    const n = side ** 3;
    const [row, col]: number[][] = [[], []] as never;
    for (let i = 0; i < n; i++)
      for (const [axis, stride] of [1, side, side * side].entries())
        for (const step of axis === 0 ? [-1, 0, 1] : [-1, 1]) {
          const place = (Math.floor(i / stride) % side) + step;
          if (place < 0 || place >= side) continue;
          row!.push(i);
          col!.push(i + step * stride);
        }
    const a = fromCoo({ rows: n, cols: n, row: row!, col: col!, value: row!.map((_, p) => ((p * 5) % 9) - 4) });
    for (const type of [Float64Array, Float32Array, Int32Array]) {
      const x = { ...a, values: type.from(a.values) as Float64Array };
      withIsa(isa, () => {
        for (const semiring of ['plus-times', 'min-plus'] as const)
          sameBits(spgemm(x, x, { semiring }), spgemm(x, x, { semiring, accumulator: 'hash' }));
      });
    }
  });
});

test('bands with one row that is not like the others, wherever it is: in a, in b, in both', () => {
  const n = 75;
  const line = (odd: number, offset = 0): Csr => {
    const grid: Grid = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) =>
        Math.abs(i + offset - j) <= 2 && !(i === odd && j === i + offset + 1) ? ((i * 7 + j * 3) % 5) - 2 : undefined,
      ),
    );
    if (odd >= 0) grid[odd]![((odd + n / 3) % n) | 0] = 3; // as many entries as its neighbours have
    return csrOf(grid, n);
  };
  const even = line(-1);
  for (let odd = 0; odd < n; odd++) {
    const other = line(odd);
    const beside = line(odd, 20);
    for (const [a, b] of [
      [beside, beside], // rows of a use other rows of b than their own
      [other, other],
      [even, other],
      [other, even],
      [{ ...other, indices: other.indices.slice() }, other],
    ] as const)
      sameBits(spgemm(a, b), csrOf(oracle(a, b), n));
  }
});
