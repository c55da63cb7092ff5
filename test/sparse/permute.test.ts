import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { permute } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import {
  csrOf,
  grids,
  numberTypes,
  randomCsr,
  refusesBadMatrices,
  sameBits,
  sameForAnyThreads,
} from '../support/sparse.js';

const orderOf = (n: number) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n, maxLength: n });

test('against the definition, and undone by the inverse', () => {
  const size = fc.integer({ min: 0, max: 25 });
  const cases = grids(size, size).chain((made) =>
    fc.tuple(fc.constant(made), orderOf(made.grid.length), orderOf(made.cols)),
  );
  fc.assert(
    fc.property(cases, fc.boolean(), fc.boolean(), numberTypes, ([{ grid, cols }, p, q], byRows, byCols, type) => {
      const expected = grid.map((_, i) =>
        grid[byRows ? p[i]! : i]!.map((_x, j) => grid[byRows ? p[i]! : i]![byCols ? q[j]! : j]),
      );
      const a = csrOf(grid, cols, type);
      const c = permute(a, { ...(byRows && { rows: p }), ...(byCols && { cols: Uint32Array.from(q) }) });
      expect(c).toEqual(csrOf(expected, cols, type));
      const inverse = (order: number[]) => order.map((_, i) => order.indexOf(i));
      expect(permute(permute(a, { rows: p, cols: q }), { rows: inverse(p), cols: inverse(q) })).toEqual(a);
    }),
  );
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(20000, 10000, 20, 1);
  const [rows, cols] = [20000, 10000].map((n) => Uint32Array.from({ length: n }, (_, j) => (j * 7919) % n)) as [
    Uint32Array,
    Uint32Array,
  ];
  sameForAnyThreads(() => permute(a, { rows, cols }));
  sameBits(permute(a, {}), a);
});

test('runs out of memory in an orderly way', () => {
  const n = 12_000_000; // more scratch than an arena keeps
  const a = randomCsr(10, n, 4, 8);
  const cols = Uint32Array.from({ length: n }, (_, j) => n - 1 - j);
  native.failAllocation(0);
  try {
    expect(() => permute(a, { cols })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
  } finally {
    native.failAllocation(-1);
  }
  sameBits(permute(permute(a, { cols }), { cols }), a);
});

describe('refusals', () => {
  refusesBadMatrices((a) => permute(a, {}));
  const a = randomCsr(3, 2, 2, 1);
  test.each([
    ['ERR_RANGE', 'options.rows', () => permute(a, { rows: [0, 1, 3] })],
    ['ERR_RANGE', 'options.rows', () => permute(a, { rows: [0, 1, 1] })],
    ['ERR_RANGE', 'options.cols', () => permute(a, { cols: Uint32Array.of(0, 4294967295) })],
    ['ERR_SHAPE', 'options.rows', () => permute(a, { rows: [0, 1] })],
    ['ERR_DTYPE', 'options.cols', () => permute(a, { cols: 'ab' } as never)],
    ['ERR_OPTION', 'options.row', () => permute(a, { row: [0] } as never)],
  ])('%s %s', (code, argument, call) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});
