import { expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { fromCoo, spgemm } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { randomCsr, sameBits, sameForAnyThreads } from '../support/sparse.js';

/** Rows in order of their columns. */
function inOrder(c: Csr): Csr {
  const [indices, values] = [c.indices.slice(), c.values.slice()];
  for (let i = 0; i < c.rows; i++) {
    const places = Array.from({ length: c.indptr[i + 1]! - c.indptr[i]! }, (_, e) => c.indptr[i]! + e);
    places.sort((p, q) => c.indices[p]! - c.indices[q]!);
    places.forEach((p, e) => {
      indices[c.indptr[i]! + e] = c.indices[p]!;
      values[c.indptr[i]! + e] = c.values[p]!;
    });
  }
  return { ...c, indices, values };
}

const descents = ({ rows, indptr, indices }: Csr) => {
  let count = 0;
  for (let i = 0; i < rows; i++)
    for (let p = indptr[i]! + 1; p < indptr[i + 1]!; p++) count += Number(indices[p]! < indices[p - 1]!);
  return count;
};

/** a with the first `entries` columns in its last row. */
function withLongRow(a: Csr, entries: number): Csr {
  const before = a.indptr[a.rows - 1]!;
  const row = Uint32Array.from({ length: entries }, (_, e) => e);
  return {
    ...a,
    indptr: a.indptr.map((p, i) => (i === a.rows ? before + entries : p)),
    indices: Uint32Array.from([...a.indices.subarray(0, before), ...row]),
    values: Float64Array.from([...a.values.subarray(0, before), ...row]),
  };
}

describeEachIsa('spgemm, unsorted', (isa) => {
  test('the entries of the sorted product, to the last bit, in another order', () => {
    // Half of the rows of a name two rows of b that share a third column with each other: few products meet.
    const meeting = fromCoo({
      rows: 4000,
      cols: 8000,
      row: Array.from({ length: 12000 }, (_, e) => Math.floor(e / 3)),
      col: Array.from({ length: 12000 }, (_, e) => Math.floor(e / 3) + [0, 1, 4000][e % 3]!),
      value: Array.from({ length: 12000 }, (_, e) => (e % 17) - 8),
    });
    const chain = fromCoo({
      rows: 8000,
      cols: 120000,
      row: Array.from({ length: 8000 * 12 }, (_, e) => Math.floor(e / 12)),
      col: Array.from({ length: 8000 * 12 }, (_, e) => {
        const k = Math.floor(e / 12);
        return e % 12 === 0 ? 5 * (k + (k % 2)) : 5 * k + 1 + 4999 * (e % 12); // the first is shared by neighbours
      }),
      value: Array.from({ length: 8000 * 12 }, (_, e) => (e % 29) / 7 - 2),
    });
    for (const [a, b] of [
      [randomCsr(3000, 3000, 12, 1), randomCsr(3000, 9000, 12, 2)], // more rows than there are stamps
      [randomCsr(700, 300, 40, 3), randomCsr(300, 200000, 20, 4)], // 800 products
      [randomCsr(100, 300, 80, 3), randomCsr(300, 200000, 20, 4)], // 1,600: too many, sorted
      [randomCsr(3000, 3000, 3, 5), randomCsr(3000, 500000, 8, 6)], // too wide, sorted
      [withLongRow(randomCsr(3000, 3000, 12, 1), 500), randomCsr(3000, 9000, 12, 2)], // one of 6,000, many that meet
      [meeting, chain],
    ] as const)
      for (const type of [Float64Array, Float32Array, Int32Array]) {
        const [x, y] = [a, b].map((m) => ({ ...m, values: type.from(m.values.map((v) => 4 * v)) as Float64Array }));
        withIsa(isa, () => {
          const sorted = spgemm(x!, y!);
          const c = spgemm(x!, y!, { sorted: false });
          sameBits(inOrder(c), sorted);
          expect(c.stats).toEqual(sorted.stats);
        });
      }
  });
});

test('rows with many products that meet are sorted, which is faster', () => {
  const unsorted = (n: number) => spgemm(randomCsr(n, n, 16, 7), randomCsr(n, n, 16, 8), { sorted: false });
  const [many, few] = [unsorted(1024), unsorted(8192)];
  expect(many.indices.buffer.byteLength).toBeGreaterThan(many.indices.byteLength); // at once
  expect(descents(many)).toBe(0);
  expect(descents(few)).toBeGreaterThan(few.rows);
});

test('rows are really left as they come, the same for any number of threads', () => {
  const [a, b] = [randomCsr(20000, 30000, 9, 5), randomCsr(30000, 25000, 9, 6)];
  const c = spgemm(a, b, { sorted: false });
  expect(c.indices.length).toBeLessThan(c.stats.flops / 2); // some products met
  expect(descents(c)).toBeGreaterThan(a.rows);
  expect(descents(spgemm(a, b))).toBe(0);
  sameForAnyThreads(() => spgemm(a, b, { sorted: false }));
});
