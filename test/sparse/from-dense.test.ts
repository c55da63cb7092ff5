import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { fromDense, toDense } from 'lapidary/sparse';
import { native as sparse } from '../../dist/sparse/native.js';
import { csrOf, grids, randomCsr, sameBits } from '../support/sparse.js';

const size = fc.integer({ min: 0, max: 40 });
const threads = getThreads();
afterEach(() => setThreads(threads));

test('undoes toDense, zeros left out', () => {
  fc.assert(
    fc.property(grids(size, size), fc.boolean(), ({ grid, cols }, single) => {
      const Type = single ? Float32Array : Float64Array;
      const flat = Type.from(grid.flatMap((row) => row.map((x) => x ?? 0)));
      const a = fromDense(dense(grid.length, cols, flat));
      expect(a).toEqual(
        csrOf(
          grid.map((row) => row.map((x) => (x === 0 ? undefined : x))),
          cols,
          Type as never,
        ),
      );
      expect(toDense(a)).toEqual(dense(grid.length, cols, flat));
    }),
  );
});

test('keeps NaN and infinity, drops both zeros', () => {
  const a = fromDense(dense(1, 5, Float64Array.of(NaN, -0, Infinity, 0, -Infinity)));
  expect(a.values).toEqual(Float64Array.of(NaN, Infinity, -Infinity));
});

test('every thread count gives the same', () => {
  const a = randomCsr(700, 900, 40, 3);
  const full = toDense(a);
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    sameBits(fromDense(full), a);
  }
});

test.each([
  ['ERR_SHAPE', () => fromDense({ rows: 2, cols: 2, data: new Float64Array(3) })],
  ['ERR_DTYPE', () => fromDense({ rows: 1, cols: 1, data: new Uint16Array(1) } as never)],
  ['ERR_DTYPE', () => fromDense(null as never)],
  ['ERR_RANGE', () => fromDense({ rows: 2 ** 53, cols: 0, data: new Float64Array(0) })],
  ['ERR_RANGE', () => fromDense({ rows: 0, cols: 2 ** 32, data: new Float64Array(0) })],
])('refuses with %s', (code, call) => {
  expect(call).toThrow(expect.objectContaining({ code }));
});

test('the native side refuses pointers that do not count what is there', () => {
  const data = Float64Array.of(1, 0, 2, 3);
  for (const indptr of [
    [0, 2, 3],
    [0, 0, 3],
    [1, 1, 3],
    [0, 3, 3],
    [0, 4, 3],
    [0, 1, 2],
  ]) {
    const out = [new Uint32Array(3), new Float64Array(3)] as const;
    expect(() => sparse.fromDense(2, 2, data, Uint32Array.from(indptr), ...out)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT' }),
    );
  }
});
