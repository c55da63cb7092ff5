import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { toDense } from 'lapidary/sparse';
import { csrOf, grids, randomCsr, refusesBadMatrices } from '../support/sparse.js';

const size = fc.integer({ min: 0, max: 40 });
const threads = getThreads();
afterEach(() => setThreads(threads));

test('against the definition, f64 and f32', () => {
  fc.assert(
    fc.property(grids(size, size), fc.boolean(), ({ grid, cols }, single) => {
      const Type = single ? Float32Array : Float64Array;
      const flat = Type.from(grid.flatMap((row) => row.map((x) => x ?? 0)));
      expect(toDense(csrOf(grid, cols, Type as never))).toEqual(dense(grid.length, cols, flat));
    }),
  );
});

test('every thread count gives the same', () => {
  const a = randomCsr(700, 900, 40, 3);
  const full = Buffer.from(toDense(a).data.buffer);
  for (const count of [1, 2, 3, 7]) {
    setThreads(count);
    expect(Buffer.compare(Buffer.from(toDense(a).data.buffer), full)).toBe(0);
  }
});

test('a matrix without entries whose zeros nobody can hold', () => {
  const n = 2 ** 22;
  const a = {
    rows: n,
    cols: 2 ** 32 - 1,
    indptr: new Uint32Array(n + 1),
    indices: new Uint32Array(0),
    values: new Float64Array(0),
  };
  expect(() => toDense(a)).toThrow(expect.objectContaining({ name: 'LapidaryError' }));
});

describe('refusals', () => refusesBadMatrices(toDense));
