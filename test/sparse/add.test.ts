import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dense } from 'lapidary';
import { add, fromDense } from 'lapidary/sparse';
import { native as sparse } from '../../dist/sparse/native.js';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import {
  csrOf,
  malformed,
  numberTypes,
  randomCsr,
  randomGrid,
  refusesBadMatrices,
  sameForAnyThreads,
} from '../support/sparse.js';

test('against the definition, on every pattern and type', () => {
  const size = fc.integer({ min: 0, max: 30 });
  const factor = fc.integer({ min: -3, max: 3 });
  const density = fc.constantFrom(0, 0.05, 0.5, 1);
  fc.assert(
    fc.property(
      size,
      size,
      density,
      density,
      fc.integer(),
      factor,
      factor,
      numberTypes,
      (rows, cols, d, e, seed, alpha, beta, type) => {
        const [x, y] = [randomGrid(rows, cols, d, seed), randomGrid(rows, cols, e, seed + 1)];
        const sum = x.map((row, i) =>
          row.map((a, j) => {
            const b = y[i]![j];
            if (a === undefined) return b === undefined ? undefined : beta * b;
            return b === undefined ? alpha * a : alpha * a + beta * b;
          }),
        );
        const c = add(csrOf(x, cols, type), csrOf(y, cols, type), { alpha, beta });
        expect(c.indptr).toEqual(csrOf(sum, cols).indptr);
        expect(c.indices).toEqual(csrOf(sum, cols).indices);
        expect(Array.from(c.values)).toEqual(Array.from(csrOf(sum, cols, type).values));
      },
    ),
  );
});

test('a matrix and itself, and what cancels stays', () => {
  const a = randomCsr(50, 60, 5, 3);
  const zero = add(a, a, { beta: -1 });
  expect(zero.indices).toEqual(a.indices);
  expect(zero.values.every((x) => x === 0)).toBe(true);
});

test('NaN and infinity go only where an entry is', () => {
  const a = csrOf([[1, undefined, Infinity, -0]], 4);
  const b = csrOf([[undefined, NaN, -Infinity, undefined]], 4);
  expect(add(a, b).values).toEqual(Float64Array.of(1, NaN, NaN, -0));
  expect(add(a, b, { alpha: Infinity }).values).toEqual(Float64Array.of(Infinity, NaN, NaN, NaN));
});

test('i32 wraps, and takes whole factors only', () => {
  const a = csrOf([[2 ** 31 - 1, -(2 ** 31)]], 2, Int32Array);
  expect(add(a, a).values).toEqual(Int32Array.of(-2, 0));
  expect(() => add(a, a, { alpha: 0.5 })).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  const args = [a.rows, a.cols, a.indptr, a.indices, a.values] as const;
  const out = [a.indptr, new Uint32Array(2), new Int32Array(2)] as const;
  expect(() => sparse.add(...args, ...args, ...out, NaN, 1)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
});

test('any number of threads gives the same bits', () => {
  const [a, b] = [randomCsr(30000, 20000, 20, 1), randomCsr(30000, 20000, 7, 2)];
  sameForAnyThreads(() => add(a, b, { alpha: 0.3, beta: -1.7 }));
});

test('an abort is heard', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  const a = randomCsr(50, 50, 5, 2);
  expect(() => withCancelFlag(flag, () => add(a, a))).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
});

describe('refusals', () => {
  refusesBadMatrices((a) => add(a, randomCsr(4, 8, 2, 1)));
  test.each(malformed())('a second matrix that should %s', (text, b) => {
    const message = expect.stringContaining(text);
    expect(() => add(randomCsr(4, 8, 2, 1), b)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b', message }),
    );
  });
  const a = fromDense(dense(2, 2, Float64Array.of(1, 2, 3, 4)));
  test.each([
    ['ERR_SHAPE', () => add(a, { ...a, cols: 3 })],
    ['ERR_DTYPE', () => add(a, { ...a, values: Float32Array.from(a.values) } as never)],
    ['ERR_OPTION', () => add(a, a, { gamma: 1 } as never)],
    ['ERR_DTYPE', () => add(a, a, { alpha: '1' } as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('a second phase that was not preceded by the first', () => {
    const args = [a.rows, a.cols, a.indptr, a.indices, a.values] as const;
    for (const pointers of [
      [0, 1, 4],
      [0, 3, 4],
      [0, 0, 4],
      [0, 4, 4],
      [1, 2, 4],
      [0, 5, 4],
    ]) {
      const out = [Uint32Array.from(pointers), new Uint32Array(4), new Float64Array(4)] as const;
      expect(() => sparse.add(...args, ...args, ...out, 1, 1)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      expect(() => sparse.hadamardProduct(...args, ...args, ...out)).toThrow(
        expect.objectContaining({ code: 'ERR_FORMAT' }),
      );
      expect(() => sparse.prune(...args, ...out, 0)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      expect(() => sparse.topK(...args, ...out, 2, false)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
      expect(() => sparse.lowerTriangle(...args, ...out, 0, 5)).toThrow(
        expect.objectContaining({ code: 'ERR_FORMAT' }),
      );
      for (const cols of [undefined, Uint32Array.of(0, 1), Uint32Array.of(1, 0)])
        expect(() => sparse.extract(...args, undefined, 0, 2, cols, 0, 2, ...out)).toThrow(
          expect.objectContaining({ code: 'ERR_FORMAT' }),
        );
    }
  });
});
