import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topK } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import {
  csrOf,
  grids,
  numberTypes,
  randomCsr,
  refusesBadMatrices,
  sameForAnyThreads,
  type Grid,
} from '../support/sparse.js';

/** By sorting all entries of a row, the first column first among equals. */
const best = (grid: Grid, k: number, key: (x: number) => number): Grid =>
  grid.map((row) => {
    const order = [...row.keys()]
      .filter((j) => row[j] !== undefined)
      .sort((i, j) => key(row[j]!) - key(row[i]!) || i - j);
    const kept = new Set(order.slice(0, k));
    return row.map((x, j) => (kept.has(j) ? x : undefined));
  });

test('against sorting, by value and by magnitude, with many equals', () => {
  const size = fc.integer({ min: 0, max: 40 });
  fc.assert(
    fc.property(grids(size, size), fc.integer({ min: 0, max: 45 }), numberTypes, ({ grid, cols }, k, type) => {
      const a = csrOf(grid, cols, type);
      expect(topK(a, k)).toEqual(
        csrOf(
          best(grid, k, (x) => x),
          cols,
          type,
        ),
      );
      expect(topK(a, k, { by: 'magnitude' })).toEqual(csrOf(best(grid, k, Math.abs), cols, type));
    }),
  );
});

test('NaN is below everything, both zeros are equal, infinities are the ends', () => {
  const a = csrOf([[NaN, -Infinity, -0, 0, 5e-324, Infinity, NaN]], 7);
  const columns = (k: number, by: 'value' | 'magnitude') => [...topK(a, k, { by }).indices];
  expect(columns(1, 'value')).toEqual([5]);
  expect(columns(3, 'value')).toEqual([2, 4, 5]);
  expect(columns(5, 'value')).toEqual([1, 2, 3, 4, 5]);
  expect(columns(6, 'value')).toEqual([0, 1, 2, 3, 4, 5]);
  expect(columns(1, 'magnitude')).toEqual([1]);
  expect(columns(2, 'magnitude')).toEqual([1, 5]);
  expect(columns(4, 'magnitude')).toEqual([1, 2, 4, 5]);
  const whole = csrOf([[-(2 ** 31), 2 ** 31 - 1, -1]], 3, Int32Array);
  expect(topK(whole, 1).indices).toEqual(Uint32Array.of(1));
  expect(topK(whole, 1, { by: 'magnitude' }).indices).toEqual(Uint32Array.of(0));
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(20000, 30000, 30, 1);
  sameForAnyThreads(() => topK(a, 7));
});

test('runs out of memory in an orderly way', () => {
  const a = randomCsr(1, 6_000_000, 5_000_000, 8); // more scratch than an arena keeps
  native.failAllocation(0);
  try {
    expect(() => topK(a, 3)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
  } finally {
    native.failAllocation(-1);
  }
  expect(topK(a, 3).indices.length).toBe(3);
});

describe('refusals', () => {
  refusesBadMatrices((a) => topK(a, 2));
  const a = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_RANGE', () => topK(a, -1)],
    ['ERR_RANGE', () => topK(a, 0.5)],
    ['ERR_OPTION', () => topK(a, 1, { by: 'size' } as never)],
    ['ERR_DTYPE', () => topK(a, undefined as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
