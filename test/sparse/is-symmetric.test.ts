import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add, isSymmetric, permute, transpose } from 'lapidary/sparse';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, type Grid } from '../support/sparse.js';

const mirrored = (grid: Grid): Grid => grid.map((row, i) => row.map((x, j) => (j < i ? grid[j]![i] : x)));

test('against the definition: symmetric ones, and ones with one change', () => {
  const n = fc.integer({ min: 1, max: 25 });
  fc.assert(
    fc.property(
      n.chain((size) => fc.tuple(grids(fc.constant(size), fc.constant(size)), fc.nat(size - 1), fc.nat(size - 1))),
      fc.boolean(),
      numberTypes,
      ([{ grid, cols }, i, j], remove, type) => {
        const good = mirrored(grid);
        expect(isSymmetric(csrOf(good, cols, type))).toBe(true);
        const bad = good.map((row) => row.slice());
        bad[i]![j] = remove ? undefined : (bad[i]![j] ?? 0) + 1;
        const same = (by: (x: number | undefined, y: number | undefined) => boolean) =>
          bad.every((row, r) => row.every((x, c) => by(x, bad[c]![r])));
        expect(isSymmetric(csrOf(bad, cols, type))).toBe(same((x, y) => x === y));
        expect(isSymmetric(csrOf(bad, cols, type), { tolerance: 1 })).toBe(
          same((x, y) => x === y || Math.abs(x! - y!) <= 1),
        );
        expect(isSymmetric(csrOf(bad, cols, type), { compare: 'pattern' })).toBe(
          same((x, y) => (x === undefined) === (y === undefined)),
        );
      },
    ),
  );
});

test('large: a matrix plus its transpose, renumbered; one entry changed', () => {
  const a = randomCsr(20000, 20000, 8, 3);
  const order = Uint32Array.from({ length: 20000 }, (_, i) => (i * 7919) % 20000);
  const sum = permute(add(a, transpose(a)), { rows: order, cols: order });
  expect(isSymmetric(sum)).toBe(true);
  for (const p of [0, 12345, sum.values.length - 1]) {
    const values = sum.values.slice();
    values[p]! += 1e-9;
    const onDiagonal = sum.indptr.findIndex((end) => end > p) - 1 === sum.indices[p];
    expect(isSymmetric({ ...sum, values })).toBe(onDiagonal);
    expect(isSymmetric({ ...sum, values }, { tolerance: 1e-8 })).toBe(true);
  }
});

test('odd values and shapes', () => {
  const two = (x: number, y: number, d = 0) => csrOf([[d, x], [y, 0]], 2); // prettier-ignore
  expect(isSymmetric(two(Infinity, Infinity))).toBe(true);
  expect(isSymmetric(two(Infinity, -Infinity), { tolerance: Infinity })).toBe(true);
  expect(isSymmetric(two(NaN, NaN))).toBe(false);
  expect(isSymmetric(two(NaN, NaN), { compare: 'pattern' })).toBe(true);
  expect(isSymmetric(two(1, 1, NaN))).toBe(false);
  expect(isSymmetric(two(0, -0))).toBe(true);
  expect(isSymmetric(csrOf([[1, 2]], 2))).toBe(false);
  expect(isSymmetric(csrOf([], 0))).toBe(true);
  expect(isSymmetric(csrOf([[undefined, undefined], [1, undefined]], 2))).toBe(false); // prettier-ignore
  expect(isSymmetric(csrOf([[-(2 ** 31), 2 ** 31 - 1], [-(2 ** 31), 0]], 2, Int32Array), { tolerance: 1 })).toBe(false); // prettier-ignore
});

describe('refusals', () => {
  refusesBadMatrices((a) => isSymmetric({ ...a, rows: a.rows, ...(a.rows === 4 && a.cols === 8 && square(a)) }));
  const a = randomCsr(4, 4, 2, 1);
  test.each([
    ['ERR_RANGE', () => isSymmetric(a, { tolerance: -1 })],
    ['ERR_RANGE', () => isSymmetric(a, { tolerance: NaN })],
    ['ERR_OPTION', () => isSymmetric(a, { compare: 'all' } as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});

/** Four more rows without entries make the malformed matrices of 4 × 8 square. */
const square = (a: { indptr: Uint32Array }) => ({
  rows: 8,
  indptr: Uint32Array.of(...a.indptr, ...new Array<number>(4).fill(a.indptr[4]!)),
});
