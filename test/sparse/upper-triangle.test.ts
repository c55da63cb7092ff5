import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { upperTriangle } from 'lapidary/sparse';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, sameForAnyThreads } from '../support/sparse.js';

test('against the definition, with every offset and type', () => {
  const size = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(grids(size, size), fc.integer({ min: -35, max: 35 }), numberTypes, ({ grid, cols }, offset, type) => {
      const expected = grid.map((row, i) => row.map((x, j) => (j - i >= offset ? x : undefined)));
      expect(upperTriangle(csrOf(grid, cols, type), offset)).toEqual(csrOf(expected, cols, type));
      if (offset === 0) expect(upperTriangle(csrOf(grid, cols))).toEqual(csrOf(expected, cols));
    }),
  );
});

test('offsets beyond the matrix keep all or nothing', () => {
  const a = randomCsr(50, 60, 5, 3);
  expect(upperTriangle(a, -(2 ** 32))).toEqual(a);
  expect(upperTriangle(a, 2 ** 32).indices).toEqual(new Uint32Array(0));
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 30000, 20, 1);
  sameForAnyThreads(() => upperTriangle(a, 5));
});

describe('refusals', () => {
  refusesBadMatrices((a) => upperTriangle(a));
  const a = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_RANGE', () => upperTriangle(a, 0.5)],
    ['ERR_RANGE', () => upperTriangle(a, 2 ** 33)],
    ['ERR_DTYPE', () => upperTriangle(a, '1' as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
