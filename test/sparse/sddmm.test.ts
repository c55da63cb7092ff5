import { describe, expect, test } from 'vitest';
import { dense, type Csr, type Real } from 'lapidary';
import { sddmm } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { csrOf, integers, randomCsr, refusesBadMatrices, sameForAnyThreads } from '../support/sparse.js';

/** The values, and for each the sum of magnitudes that bounds its rounding. */
function expected(s: Csr<Real>, x: Real, y: Real, k: number) {
  const [values, scale]: [number[], number[]] = [[], []];
  for (let i = 0; i < s.rows; i++)
    for (let p = s.indptr[i]!; p < s.indptr[i + 1]!; p++) {
      let [sum, size] = [0, 0];
      for (let l = 0; l < k; l++) {
        const product = x[i * k + l]! * y[s.indices[p]! * k + l]!;
        sum += product;
        size += Math.abs(product);
      }
      values.push(s.values[p]! * sum);
      scale.push(Math.abs(s.values[p]!) * size);
    }
  return { values, scale };
}

describeEachIsa('sddmm', (isa) => {
  test('integers exact, every tail', () => {
    const s = randomCsr(20, 30, 5, 3);
    s.values.set(integers(s.values.length, 4));
    for (const Type of [Float64Array, Float32Array]) {
      const single = { ...s, values: Type.from(s.values) } as Csr<Real>;
      for (let k = 0; k <= 150; k += k < 70 ? 1 : 13) {
        const x = Type.from(integers(20 * k, k + 1)) as Real;
        const y = Type.from(integers(30 * k, k + 2)) as Real;
        const c = withIsa(isa, () => sddmm(single, dense(20, k, x), dense(30, k, y)));
        expect(Array.from(c.values, (v) => v + 0)).toEqual(expected(single, x, y, k).values.map((v) => v + 0));
        expect([c.indptr, c.indices]).toEqual([s.indptr, s.indices]);
      }
    }
  });

  test('rounding stays within its bound', () => {
    const s = randomCsr(50, 60, 8, 5);
    const [x, y] = [uniform(50 * 333, 1), uniform(60 * 333, 2)];
    const { values, scale } = expected(s, x, y, 333);
    const c = withIsa(isa, () => sddmm(s, dense(50, 333, x), dense(60, 333, y)));
    c.values.forEach((v, p) => expect(Math.abs(v - values[p]!)).toBeLessThanOrEqual(700 * 2 ** -53 * scale[p]!));
  });

  test('NaN and infinity only where they are met; zeros stay', () => {
    const s = csrOf([[1, 0, undefined]], 3);
    const y = dense(3, 1, Float64Array.of(NaN, 2, Infinity));
    expect(withIsa(isa, () => sddmm(s, dense(1, 1, Float64Array.of(1)), y)).values).toEqual(Float64Array.of(NaN, 0));
  });
});

test('any number of threads gives the same bits', () => {
  const s = randomCsr(20000, 10000, 10, 1);
  sameForAnyThreads(() => sddmm(s, dense(20000, 24, uniform(480000, 1)), dense(10000, 24, uniform(240000, 2))));
});

describe('refusals', () => {
  refusesBadMatrices((s) => sddmm(s, dense(4, 2), dense(8, 2)), 's');
  const s = randomCsr(4, 8, 2, 1);
  test.each([
    ['ERR_SHAPE', 'x', () => sddmm(s, dense(5, 2), dense(8, 2))],
    ['ERR_SHAPE', 'y', () => sddmm(s, dense(4, 2), dense(4, 2))],
    ['ERR_SHAPE', 'y', () => sddmm(s, dense(4, 2), dense(8, 3))],
    ['ERR_DTYPE', 'x.data', () => sddmm(s, dense(4, 2, new Float32Array(8)) as never, dense(8, 2))],
    ['ERR_DTYPE', 'y', () => sddmm(s, dense(4, 2), undefined as never)],
  ])('%s %s', (code, argument, call) => {
    expect(call).toThrow(expect.objectContaining({ code, argument }));
  });
});
