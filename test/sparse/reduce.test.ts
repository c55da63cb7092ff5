import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { reduce, transpose } from 'lapidary/sparse';
import { native } from '../../dist/core/native.js';
import { csrOf, grids, numberTypes, randomCsr, refusesBadMatrices, sameVectorBits } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

const operators = ['sum', 'product', 'min', 'max', 'count'] as const;
const fold = {
  sum: (xs: number[]) => xs.reduce((a, b) => a + b, 0),
  product: (xs: number[]) => xs.reduce((a, b) => Math.imul(a, b), 1),
  min: (xs: number[], whole: boolean) => Math.min(...xs, whole ? 2 ** 31 - 1 : Infinity),
  max: (xs: number[], whole: boolean) => Math.max(...xs, whole ? -(2 ** 31) : -Infinity),
  count: (xs: number[]) => xs.length,
};

test('against the definition, in both directions and every type', () => {
  const size = fc.integer({ min: 0, max: 12 }); // products stay exact in f32 and i32
  fc.assert(
    fc.property(grids(size, size), fc.constantFrom(...operators), numberTypes, ({ grid, cols }, operator, type) => {
      const small = grid.map((row) => row.map((x) => x && (x > 2 ? 2 : x < -2 ? -2 : x)));
      const a = csrOf(small, cols, type);
      const whole = a.values instanceof Int32Array;
      const present = (xs: (number | undefined)[]) =>
        fold[operator](
          xs.filter((x) => x !== undefined),
          whole,
        ) + 0;
      expect(Array.from(reduce(a, { operator }), (x) => x + 0)).toEqual(small.map(present));
      expect(Array.from(reduce(a, { operator, over: 'cols' }), (x) => x + 0)).toEqual(
        Array.from({ length: cols }, (_, j) => present(small.map((row) => row[j]))),
      );
    }),
  );
});

test('rows of every length', () => {
  for (let n = 0; n < 40; n++) {
    const a = csrOf([Array.from({ length: n }, (_, j) => j + 1)], n);
    expect(reduce(a)).toEqual(Float64Array.of((n * (n + 1)) / 2));
    expect(reduce(a, { operator: 'max' })).toEqual(Float64Array.of(n || -Infinity));
  }
});

test('NaN wins, wherever it stands', () => {
  for (let n = 1; n < 20; n++)
    for (let at = 0; at < n; at++) {
      const a = csrOf([Array.from({ length: n }, (_, j) => (j === at ? NaN : j))], n);
      for (const operator of ['sum', 'product', 'min', 'max'] as const) {
        expect(reduce(a, { operator })).toEqual(Float64Array.of(NaN));
        expect(reduce(transpose(a), { operator, over: 'cols' })).toEqual(Float64Array.of(NaN));
      }
    }
});

test('i32 wraps', () => {
  const a = csrOf([[2 ** 31 - 1, 2]], 2, Int32Array);
  expect(reduce(a)).toEqual(Int32Array.of(-(2 ** 31) + 1));
  expect(reduce(a, { operator: 'product' })).toEqual(Int32Array.of(-2));
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(60000, 2000, 20, 1);
  for (const over of ['rows', 'cols'] as const) {
    setThreads(1);
    const one = reduce(a, { over });
    for (const count of [2, 3, 7]) {
      setThreads(count);
      sameVectorBits(reduce(a, { over }), one);
    }
  }
  const signs = { ...a, values: a.values.map(Math.sign) };
  expect(reduce(signs, { over: 'cols' })).toEqual(reduce(transpose(signs)));
});

test('runs out of memory in an orderly way', () => {
  setThreads(1);
  const a = randomCsr(40000, 60000, 50, 8);
  native.failAllocation(0);
  expect(() => reduce(a, { over: 'cols' })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }));
});

describe('refusals', () => {
  refusesBadMatrices((a) => reduce(a));
  const a: Csr = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_OPTION', () => reduce(a, { operator: 'mean' } as never)],
    ['ERR_OPTION', () => reduce(a, { over: 1 } as never)],
    ['ERR_OPTION', () => reduce(a, { axis: 1 } as never)],
    ['ERR_SHAPE', () => reduce(a, { out: new Float64Array(8) })],
    ['ERR_DTYPE', () => reduce(a, { out: new Float32Array(4) } as never)],
    ['ERR_ALIAS', () => reduce(a, { out: a.values.subarray(0, 4) })],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
