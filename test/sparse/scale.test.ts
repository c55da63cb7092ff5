import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scale } from 'lapidary/sparse';
import { csrOf, grids, integers, randomCsr, refusesBadMatrices, sameForAnyThreads } from '../support/sparse.js';

test('against the definition, with every choice of factors', () => {
  const size = fc.integer({ min: 0, max: 30 });
  const maybe = fc.boolean();
  fc.assert(
    fc.property(
      grids(size, size),
      fc.integer(),
      maybe,
      maybe,
      maybe,
      maybe,
      ({ grid, cols }, seed, single, one, left, right) => {
        const Type = single ? Float32Array : Float64Array;
        const [u, v] = [Type.from(integers(grid.length, seed)), Type.from(integers(cols, seed + 1))];
        const expected = grid.map((row, i) =>
          row.map((x, j) => x && (one ? 3 : 1) * (left ? u[i]! : 1) * x * (right ? v[j]! : 1)),
        );
        const options = { ...(one && { factor: 3 }), ...(left && { rows: u }), ...(right && { cols: v }) };
        const a = csrOf<Float32Array | Float64Array>(grid, cols, Type);
        const c = scale(a, options);
        const want = csrOf<Float32Array | Float64Array>(expected, cols, Type);
        expect([c.indptr, c.indices]).toEqual([want.indptr, want.indices]);
        expect(Array.from(c.values, (x) => x + 0)).toEqual(Array.from(want.values, (x) => x + 0));
        expect(c.indices.buffer).not.toBe(a.indices.buffer);
      },
    ),
  );
});

test('zeros stay, NaN and infinity spread', () => {
  const a = csrOf([[0, 1, Infinity]], 3);
  expect(scale(a, { factor: 0 }).values).toEqual(Float64Array.of(0, 0, NaN));
  expect(scale(a, { factor: NaN }).values).toEqual(Float64Array.of(NaN, NaN, NaN));
});

test('any number of threads gives the same bits', () => {
  const a = randomCsr(30000, 20000, 20, 1);
  sameForAnyThreads(() => scale(a, { factor: 0.1, cols: integers(20000, 3) }));
});

describe('refusals', () => {
  refusesBadMatrices((a) => scale(a, { factor: 2 }));
  const a = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_SHAPE', () => scale(a, { rows: new Float64Array(5) })],
    ['ERR_SHAPE', () => scale(a, { cols: new Float64Array(4) })],
    ['ERR_DTYPE', () => scale(a, { cols: new Float32Array(8) } as never)],
    ['ERR_DTYPE', () => scale(a, { factor: null } as never)],
    ['ERR_OPTION', () => scale(a, { columns: new Float64Array(8) } as never)],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});
