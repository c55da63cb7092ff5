import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hadamardProduct } from 'lapidary/sparse';
import {
  csrOf,
  malformed,
  numberTypes,
  randomCsr,
  randomGrid,
  refusesBadMatrices,
  sameForAnyThreads,
  type Grid,
} from '../support/sparse.js';

const product = (x: Grid, y: Grid): Grid =>
  x.map((row, i) => row.map((a, j) => (a === undefined || y[i]![j] === undefined ? undefined : a * y[i]![j])));

test('against the definition, on every pattern and type', () => {
  const size = fc.integer({ min: 0, max: 30 });
  const density = fc.constantFrom(0, 0.05, 0.5, 1);
  fc.assert(
    fc.property(size, size, density, density, fc.integer(), numberTypes, (rows, cols, d, e, seed, type) => {
      const [x, y] = [randomGrid(rows, cols, d, seed), randomGrid(rows, cols, e, seed + 1)];
      const c = hadamardProduct(csrOf(x, cols, type), csrOf(y, cols, type));
      const expected = csrOf(product(x, y), cols, type);
      expect(c.indptr).toEqual(expected.indptr);
      expect(c.indices).toEqual(expected.indices);
      expect(Array.from(c.values)).toEqual(Array.from(expected.values));
    }),
  );
});

test('rows of very different lengths, either way', () => {
  const cols = 3000;
  for (const few of [0, 1, 3, 40]) {
    const x: Grid = [Array.from({ length: cols }, (_, j) => (j % 3 ? j : undefined))];
    const y: Grid = [
      Array.from({ length: cols }, (_, j) => (few > 0 && j % Math.floor(cols / few) === 1 ? 2 : undefined)),
    ];
    const expected = csrOf(product(x, y), cols);
    expect(hadamardProduct(csrOf(x, cols), csrOf(y, cols))).toEqual(expected);
    expect(hadamardProduct(csrOf(y, cols), csrOf(x, cols))).toEqual(expected);
  }
});

test('entries whose product is zero stay; NaN and infinity', () => {
  const a = csrOf([[0, 0, 1, Infinity]], 4);
  const b = csrOf([[5, Infinity, NaN, 2]], 4);
  expect(hadamardProduct(a, b).values).toEqual(Float64Array.of(0, NaN, NaN, Infinity));
});

test('i32 wraps', () => {
  const a = csrOf([[65536, -3]], 2, Int32Array);
  expect(hadamardProduct(a, a).values).toEqual(Int32Array.of(0, 9));
});

test('any number of threads gives the same bits', () => {
  const [a, b] = [randomCsr(20000, 300, 60, 1), randomCsr(20000, 300, 30, 2)];
  sameForAnyThreads(() => hadamardProduct(a, b));
});

describe('refusals', () => {
  refusesBadMatrices((a) => hadamardProduct(a, randomCsr(4, 8, 2, 1)));
  test.each(malformed())('a second matrix that should %s', (_, b) => {
    expect(() => hadamardProduct(randomCsr(4, 8, 2, 1), b)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b' }),
    );
  });
  test('shapes and types that differ', () => {
    const a = randomCsr(4, 8, 2, 1);
    expect(() => hadamardProduct(a, { ...a, cols: 9 })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => hadamardProduct(a, { ...a, values: Float32Array.from(a.values) } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE' }),
    );
  });
});
