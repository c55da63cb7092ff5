import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { diag } from 'lapidary/sparse';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, sameVectorBits } from '../support/sparse.js';

test('against the definition, of every shape and type', () => {
  const size = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(grids(size, size), numberTypes, ({ grid, cols }, type) => {
      const expected = grid.slice(0, cols).map((row, i) => row[i] ?? 0);
      expect(diag(csrOf(grid, cols, type))).toEqual(type.from(expected));
    }),
  );
});

test('large, on any number of threads', () => {
  const a = randomCsr(40000, 50000, 20, 1);
  const before = getThreads();
  setThreads(1);
  const one = diag(a);
  for (const count of [2, 7]) {
    setThreads(count);
    sameVectorBits(diag(a), one);
  }
  setThreads(before);
});

describe('refusals', () => refusesBadMatrices(diag));
