import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prune } from 'lapidary/sparse';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, sameForAnyThreads } from '../support/sparse.js';

test('against the definition, with every tolerance and type', () => {
  const size = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(
      grids(size, size),
      fc.constantFrom(0, 0.5, 1, 3, 99, Infinity),
      numberTypes,
      ({ grid, cols }, tolerance, type) => {
        const expected = grid.map((row) =>
          row.map((x) => (x !== undefined && Math.abs(x) > tolerance ? x : undefined)),
        );
        expect(prune(csrOf(grid, cols, type), tolerance)).toEqual(csrOf(expected, cols, type));
      },
    ),
  );
});

test('both zeros go, NaN and what is tiny stay', () => {
  const a = csrOf([[0, -0, NaN, 5e-324, -Infinity]], 5);
  expect(prune(a).indices).toEqual(Uint32Array.of(2, 3, 4));
  expect(prune(a, Infinity).indices).toEqual(Uint32Array.of(2));
  expect(prune(csrOf([[-(2 ** 31), 1]], 2, Int32Array), 2 ** 31 - 1).indices).toEqual(Uint32Array.of(0));
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 30000, 20, 1);
  sameForAnyThreads(() => prune(a, 0.3));
});

describe('refusals', () => {
  refusesBadMatrices((a) => prune(a));
  const a = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_RANGE', () => prune(a, -1)],
    ['ERR_RANGE', () => prune(a, NaN)],
    ['ERR_DTYPE', () => prune(a, null as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
