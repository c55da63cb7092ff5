import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { transpose } from 'lapidary/sparse';
import { csrOf, gridOf, grids, randomCsr, refusesBadMatrices, sameBits } from '../support/sparse.js';

const size = fc.integer({ min: 0, max: 40 });
const threads = getThreads();
afterEach(() => setThreads(threads));

test('against the definition', () => {
  fc.assert(
    fc.property(grids(size, size), ({ grid, cols }) => {
      const flipped = Array.from({ length: cols }, (_, j) => grid.map((row) => row[j]));
      expect(transpose(csrOf(grid, cols))).toEqual(csrOf(flipped, grid.length));
      const single = csrOf(grid, cols, Float32Array);
      expect(transpose(transpose(single))).toEqual(single);
    }),
  );
});

test('tall, wide, and a result that would have too many rows', () => {
  const a = randomCsr(3, 100000, 500, 5);
  expect(gridOf(transpose(transpose(a)))).toEqual(gridOf(a));
  const wide = {
    rows: 0,
    cols: 2 ** 32 - 1,
    indptr: new Uint32Array(1),
    indices: new Uint32Array(0),
    values: new Float64Array(0),
  };
  expect(() => transpose(wide)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
});

test('large, on any number of threads', () => {
  for (const [rows, cols, perRow] of [
    [30000, 20000, 20],
    [100, 200000, 2000],
    [200000, 7, 3],
  ] as const) {
    const a = randomCsr(rows, cols, perRow, 5);
    setThreads(1);
    const one = transpose(a);
    sameBits(transpose(one), a);
    for (const count of [2, 3, 7]) {
      setThreads(count);
      sameBits(transpose(a), one);
    }
  }
});

test('the first offence is named, wherever it is', () => {
  const a = randomCsr(20000, 5000, 30, 11);
  for (const row of [0, 7777, 19999]) {
    const bad = { ...a, indices: a.indices.slice() };
    const p = bad.indptr[row + 1]! - 1;
    bad.indices[p] = 5000;
    bad.indices[bad.indices.length - 1] = 4e9;
    const got = p === bad.indices.length - 1 ? 4e9 : 5000;
    expect(() => transpose(bad)).toThrow(`column ${got} in row ${row} (position ${p})`);
  }
});

describe('refusals', () => refusesBadMatrices(transpose));
