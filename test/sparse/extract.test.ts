import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extract, type Selection } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, sameForAnyThreads } from '../support/sparse.js';

/** A choice of n indices: a range, an ascending list, one in any order with repetitions; typed or plain. */
const selection = (n: number): fc.Arbitrary<Selection> =>
  fc.oneof(
    fc.tuple(fc.nat(n), fc.nat(n)).map(([x, y]) => ({ from: Math.min(x, y), to: Math.max(x, y) })),
    fc.nat(n).map((from) => ({ from })),
    ...(n === 0
      ? [fc.constant([])]
      : [
          fc.array(fc.nat(n - 1), { maxLength: 40 }),
          fc.array(fc.nat(n - 1), { maxLength: 40 }).map((list) => Uint32Array.from(list)),
          fc.array(fc.nat(n - 1), { maxLength: 40 }).map((list) => list.sort((x, y) => x - y)),
        ]),
  );

function listOf(choice: Selection | undefined, n: number): number[] {
  if (choice !== undefined && 'length' in choice) return [...choice];
  const { from = 0, to = n } = choice ?? {};
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test('against the definition', () => {
  const size = fc.integer({ min: 0, max: 25 });
  const cases = grids(size, size).chain((made) =>
    fc.tuple(
      fc.constant(made),
      fc.option(selection(made.grid.length), { nil: undefined }),
      fc.option(selection(made.cols), { nil: undefined }),
    ),
  );
  fc.assert(
    fc.property(cases, numberTypes, ([{ grid, cols }, rowChoice, colChoice], type) => {
      const columns = listOf(colChoice, cols);
      const expected = listOf(rowChoice, grid.length).map((i) => columns.map((j) => grid[i]![j]));
      const options = { ...(rowChoice && { rows: rowChoice }), ...(colChoice && { cols: colChoice }) };
      expect(extract(csrOf(grid, cols, type), options)).toEqual(csrOf(expected, columns.length, type));
    }),
    { numRuns: 300 },
  );
});

test('all of it is a copy', () => {
  const a = randomCsr(30, 40, 4, 2);
  const copy = extract(a, {});
  expect(copy).toEqual(a);
  expect(copy.indices.buffer).not.toBe(a.indices.buffer);
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(20000, 10000, 20, 1);
  const cols = Uint32Array.from({ length: 10000 }, (_, j) => (j * 7) % 10000);
  sameForAnyThreads(() => extract(a, { rows: { from: 100 }, cols }));
  sameForAnyThreads(() => extract(a, { cols: { from: 100, to: 5000 } }));
});

test('runs out of memory in an orderly way', () => {
  const a = randomCsr(10, 12_000_000, 4, 8); // more scratch than an arena keeps
  native.failAllocation(0);
  try {
    expect(() => extract(a, { cols: [5] })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
  } finally {
    native.failAllocation(-1);
  }
  expect(extract(a, { cols: [5] }).rows).toBe(10);
});

describe('refusals', () => {
  refusesBadMatrices((a) => extract(a, { rows: [0] }));
  refusesBadMatrices((a) => extract(a, { cols: [1, 0] }));
  const a = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_RANGE', 'options.rows', () => extract(a, { rows: [0, 4] })],
    ['ERR_RANGE', 'options.cols', () => extract(a, { cols: Uint32Array.of(8) })],
    ['ERR_RANGE', 'options.rows', () => extract(a, { rows: [-1] })],
    ['ERR_RANGE', 'options.rows', () => extract(a, { rows: [0.5] })],
    ['ERR_RANGE', 'options.rows.to', () => extract(a, { rows: { to: 5 } })],
    ['ERR_RANGE', 'options.cols.from', () => extract(a, { cols: { from: 3, to: 2 } })],
    ['ERR_DTYPE', 'options.rows', () => extract(a, { rows: Float64Array.of(1) } as never)],
    ['ERR_DTYPE', 'options.rows', () => extract(a, { rows: 3 } as never)],
    ['ERR_OPTION', 'options.columns', () => extract(a, { columns: [1] } as never)],
  ])('%s %s', (code, argument, call) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});
