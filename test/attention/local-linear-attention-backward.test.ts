import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { localLinearAttentionBackward } from 'lapidary/attention';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { distance, headOf, published, random, sameForAllThreads, type Matrix } from '../support/linear-attention.js';

const gridOf = (m: Matrix, head: number, heads: number) =>
  Array.from({ length: m.rows }, (_, i) => headOf(m, i, head, heads));

describeEachIsa('localLinearAttentionBackward', (isa) => {
  // Central differences, in f64, of the formula as it is published: another text than the one differentiated.
  for (const [queries, keys, heads, d, e, causal, lambda] of [
    [1, 1, 1, 2, 3, false, 10],
    [6, 9, 1, 4, 3, false, 10],
    [5, 7, 2, 3, 2, false, 0.3],
    [12, 12, 1, 3, 2, true, 1],
    [7, 4, 1, 2, 2, true, 0.5],
  ] as const)
    for (const solver of ['direct', 'cg'] as const)
      it(`${queries} of ${keys}, ${heads} heads, λ = ${lambda}, ${solver}: equals central differences`, () =>
        withIsa(isa, () => {
          const scale = 0.7;
          const inputs = [random(queries, heads * d, 1, 1.5), random(keys, heads * d, 2, 1.5), random(keys, heads * e, 3)] as const; // prettier-ignore
          const dOut = random(queries, heads * e, 4);
          const result = localLinearAttentionBackward(...inputs, dOut, { heads, lambda, scale, causal, solver, maxIterations: 100, tolerance: 1e-8 }); // prettier-ignore
          expect(result.converged).toBe(true);
          for (let h = 0; h < heads; h++) {
            const grids = inputs.map((m) => gridOf(m, h, heads)) as [number[][], number[][], number[][]];
            const unseen = causal ? Math.max(0, queries - keys) : 0;
            const loss = () =>
              published(...grids, { lambda, scale, causal }).reduce(
                (sum, row, i) =>
                  i < unseen ? sum : sum + row.reduce((s, x, c) => s + x * headOf(dOut, i, h, heads)[c]!, 0),
                0,
              );
            (['dq', 'dk', 'dv'] as const).forEach((name, which) => {
              const step = 1e-4;
              const expected = grids[which]!.flatMap((row) =>
                row.map((x, c) => {
                  row[c] = x + step;
                  const up = loss();
                  row[c] = x - step;
                  const down = loss();
                  row[c] = x;
                  return (up - down) / (2 * step);
                }),
              );
              const actual = gridOf(result[name], h, heads).flat();
              const scaleOf = Math.max(...expected.map(Math.abs), 1e-3);
              actual.forEach((x, i) => expect(Math.abs(x - expected[i]!) / scaleOf).toBeLessThan(2e-5));
            });
          }
        }));

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      const [q, k, v] = [random(150, 12, 1), random(150, 12, 2), random(150, 12, 3)];
      sameForAllThreads(() => {
        const { dq, dk, dv } = localLinearAttentionBackward(q, k, v, v, { heads: 3, causal: true, solver: 'cg' });
        return [dq, dk, dv];
      });
    }));
});

describe('localLinearAttentionBackward', () => {
  it('has the two solvers agree over several panels and tiles', () => {
    const [q, k, v, dOut] = [random(130, 16, 1, 2), random(600, 16, 2, 2), random(600, 6, 3), random(130, 6, 4)];
    const direct = localLinearAttentionBackward(q, k, v, dOut, { lambda: 1 });
    const cg = localLinearAttentionBackward(q, k, v, dOut, { lambda: 1, solver: 'cg' });
    for (const name of ['dq', 'dk', 'dv'] as const)
      expect(distance(cg[name].data, direct[name].data)).toBeLessThan(1e-5);
  });

  it('hands the gradient of a single key on unchanged', () => {
    const one = localLinearAttentionBackward(random(1, 4, 1), random(1, 4, 2), random(1, 3, 3), random(1, 3, 4));
    expect([...one.dv.data]).toEqual([...random(1, 3, 4).data]);
    expect([...one.dq.data, ...one.dk.data].every((x) => x === 0)).toBe(true);
  });

  it('refuses a singular system and wrong shapes', () => {
    const m = random(4, 8, 1);
    expect(() => localLinearAttentionBackward(m, m, m, m, { lambda: 0 })).toThrow(withCode('ERR_RANGE'));
    expect(() => localLinearAttentionBackward(m, m, m, random(4, 4, 1))).toThrow(withCode('ERR_SHAPE'));
    const none = localLinearAttentionBackward(m, dense(0, 8, new Float32Array(0)), dense(0, 8, new Float32Array(0)), m);
    expect(none.dq.data.every((x) => x === 0)).toBe(true);
  });
});
