import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { localLinearAttention } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import {
  bytesOf,
  distance,
  headOf,
  published,
  random,
  ridgeIntercept,
  sameForAllThreads,
  softmaxAttention,
} from '../support/linear-attention.js';

const solvers = ['direct', 'cg'] as const;

describeEachIsa('localLinearAttention', (isa) => {
  const shapes = [
    [1, 1, 1, 3, 2, false],
    [9, 9, 2, 4, 3, true],
    [65, 65, 1, 8, 5, true],
    [5, 300, 2, 17, 7, false],
    [70, 30, 1, 5, 5, true],
    [3, 257, 1, 33, 4, false],
  ] as const;
  for (const [queries, keys, heads, d, e, causal] of shapes)
    for (const lambda of [10, 0.1])
      for (const solver of solvers)
        it(`is the intercept of ridge regression: ${queries} of ${keys}, d = ${d}, λ = ${lambda}, ${solver}`, () =>
          withIsa(isa, () => {
            const [q, k, v] = [
              random(queries, heads * d, 1, 2),
              random(keys, heads * d, 2, 2),
              random(keys, heads * e, 3),
            ];
            const scale = 1 / Math.sqrt(d);
            const expected = ridgeIntercept(q, k, v, { heads, lambda, scale, causal });
            const result = localLinearAttention(q, k, v, { heads, lambda, causal, solver, maxIterations: 100 });
            expect(result.converged).toBe(true);
            expect(distance(result.out.data, expected)).toBeLessThan(solver === 'direct' ? 1e-6 : 1e-5);
          }));

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      const [q, k, v] = [random(200, 24, 1), random(200, 24, 2), random(200, 24, 3)];
      for (const solver of solvers)
        sameForAllThreads(() => [localLinearAttention(q, k, v, { heads: 3, causal: true, solver }).out]);
    }));
});

describe('localLinearAttention', () => {
  const [q, k, v] = [random(40, 6, 1, 2), random(50, 6, 2, 2), random(50, 4, 3)];

  it.each(solvers)('equals the published formula: %s', (solver) => {
    const grid = (m: typeof q) => Array.from({ length: m.rows }, (_, i) => headOf(m, i, 0, 1));
    for (const [lambda, causal] of [
      [10, false],
      [0.5, true],
    ] as const) {
      const expected = published(grid(q), grid(k), grid(v), { lambda, causal, scale: 0.3 }).flat();
      const { out } = localLinearAttention(q, k, v, { lambda, causal, scale: 0.3, solver });
      expect(distance(out.data, expected)).toBeLessThan(1e-5);
    }
  });

  it.each(solvers)('approaches softmax attention as λ grows: %s', (solver) => {
    const expected = softmaxAttention(q, k, v, 0.5);
    const at = (lambda: number) => distance(localLinearAttention(q, k, v, { lambda, scale: 0.5, solver }).out.data, expected); // prettier-ignore
    expect(at(1e9)).toBeLessThan(1e-6);
    // the difference falls like 1/λ
    expect(at(1e3) / at(1e4)).toBeGreaterThan(9);
    expect(at(1e3) / at(1e4)).toBeLessThan(11);
  });

  it.each(solvers)('reproduces a linear function of the keys where the mean does not: %s', (solver) => {
    const values = dense(50, 1, Float32Array.from({ length: 50 }, (_, j) => 2 + headOf(k, j, 0, 1).reduce((s, x, c) => s + (c - 2) * x, 0))); // prettier-ignore
    const expected = Array.from({ length: 40 }, (_, i) => 2 + headOf(q, i, 0, 1).reduce((s, x, c) => s + (c - 2) * x, 0)); // prettier-ignore
    const { out } = localLinearAttention(q, k, values, { lambda: 1e-8, solver, maxIterations: 200, tolerance: 1e-9 });
    expect(distance(out.data, expected)).toBeLessThan(solver === 'direct' ? 1e-6 : 1e-3);
    expect(distance(softmaxAttention(q, k, values, 1 / Math.sqrt(6)), expected)).toBeGreaterThan(0.05);
  });

  it.each(solvers)('gives the value of a single key exactly, however far it is: %s', (solver) => {
    for (const size of [1, 1e6, 1e18])
      for (const lambda of [10, 1e-20, 0]) {
        const [far, key, value] = [random(3, 8, 1, size), random(1, 8, 2), random(1, 5, 3)];
        const { out } = localLinearAttention(far, key, value, { lambda, solver });
        for (let i = 0; i < 3; i++) expect(headOf(out, i, 0, 1)).toEqual([...value.data]);
      }
    const causal = localLinearAttention(k, k, v, { causal: true, solver });
    expect(headOf(causal.out, 0, 0, 1)).toEqual(headOf(v, 0, 0, 1));
  });

  it.each(solvers)('takes duplicate keys for one with the mean value: %s', (solver) => {
    const keys = dense(
      9,
      6,
      Float32Array.from({ length: 54 }, (_, i) => k.data[i % 6]!),
    );
    const values = random(9, 2, 5);
    const mean = [0, 1].map((c) => values.data.reduce((sum, x, i) => sum + (i % 2 === c ? x / 9 : 0), 0));
    const { out } = localLinearAttention(q, keys, values, { solver, lambda: 1e-3 });
    for (let i = 0; i < q.rows; i++) expect(distance(headOf(out, i, 0, 1), mean)).toBeLessThan(1e-5);
  });

  it('is right far from the origin, where k·k would round', () => {
    const away = (m: typeof q) => ({ ...m, data: m.data.map((x) => x + 1000) });
    const options = { lambda: 0.01, scale: 1e-4 };
    const expected = ridgeIntercept(away(q), away(k), v, { heads: 1, ...options });
    expect(distance(localLinearAttention(away(q), away(k), v, options).out.data, expected)).toBeLessThan(1e-4);
  });

  it.each(solvers)('does not depend on the order of the keys: %s', (solver) => {
    const order = Array.from({ length: 50 }, (_, j) => (j * 17) % 50);
    const pick = (m: typeof k) => dense(50, m.cols, Float32Array.from(order.flatMap((j) => headOf(m, j, 0, 1))));
    const [a, b] = [localLinearAttention(q, k, v, { solver }), localLinearAttention(q, pick(k), pick(v), { solver })];
    expect(distance(a.out.data, b.out.data)).toBeLessThan(2e-6);
  });

  it('without a ridge refuses keys that do not span all directions, and says which query', () => {
    const call = (causal: boolean) => () => localLinearAttention(k, k, v, { lambda: 0, causal });
    expect(call(true)).toThrow(expect.objectContaining({ code: 'ERR_RANGE', argument: 'options.lambda' }));
    expect(call(true)).toThrow('query 1, head 0'); // query 0 sees one key
    expect(call(false)).not.toThrow();
    const flat = { ...k, data: k.data.map((x, i) => (i % 6 === 5 ? 0.7 : x)) };
    expect(() => localLinearAttention(q, flat, v, { lambda: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
    const cg = localLinearAttention(q, flat, v, { lambda: 0, solver: 'cg', maxIterations: 500 });
    expect(cg.converged).toBe(false);
  });

  it('without a ridge refuses d keys or fewer whatever rounding makes of the last pivots', () => {
    const found = [];
    for (let seed = 1; seed <= 40; seed++)
      for (const d of [3, 8, 17])
        for (const keys of [2, d - 1, d]) {
          const x = [random(1, d, seed), random(keys, d, seed + 100), random(keys, 2, seed + 200)] as const;
          const [q, k, v] = x.map((m) => ({ ...m, data: Float64Array.from(m.data) }));
          for (const call of [
            () => localLinearAttention(...x, { lambda: 0 }),
            () => localLinearAttention(q!, k!, v!, { lambda: 0 }),
          ])
            try {
              call();
              found.push({ seed, d, keys });
            } catch (error) {
              expect(error).toMatchObject({ code: 'ERR_RANGE', argument: 'options.lambda' });
            }
        }
    expect(found).toEqual([]);
  });

  it('without a ridge refuses many keys of which d or fewer are distinct, whatever their weights', () => {
    const found = [];
    for (let seed = 1; seed <= 30; seed++)
      for (const d of [3, 8, 17])
        for (const distinct of [2, d - 1, d])
          for (const scale of [0.1, 3]) {
            const few = random(distinct, d, seed);
            // two columns nearly the same: a small pivot, after which rounding errors are large
            for (let j = 0; j < distinct * d; j += d) few.data[j + 1] = few.data[j]! + few.data[j + 1]! / 1024;
            const pick = (j: number) => j % distinct;
            const k = dense(90, d, Float32Array.from({ length: 90 * d }, (_, i) => few.data[pick(Math.floor(i / d)) * d + (i % d)]!)); // prettier-ignore
            const [q, v] = [random(2, d, seed + 100), random(90, 2, seed + 200)];
            const wide = [q, k, v].map((m) => ({ ...m, data: Float64Array.from(m.data) }));
            for (const call of [
              () => localLinearAttention(q, k, v, { lambda: 0, scale }),
              () => localLinearAttention(wide[0]!, wide[1]!, wide[2]!, { lambda: 0, scale }),
            ])
              try {
                call();
                found.push({ seed, d, distinct, scale });
              } catch (error) {
                expect(error).toMatchObject({ code: 'ERR_RANGE', argument: 'options.lambda' });
              }
          }
    expect(found).toEqual([]);
  });

  it('says how far conjugate gradients came', () => {
    const one = localLinearAttention(q, k, v, { solver: 'cg', lambda: 0.01, maxIterations: 1 });
    expect(one).toMatchObject({ converged: false, iterations: 1 });
    const more = localLinearAttention(q, k, v, { solver: 'cg', lambda: 0.01, maxIterations: 64 });
    expect(more.converged).toBe(true);
    expect(more.iterations).toBeGreaterThan(1);
    expect(more.residual).toBeLessThanOrEqual(1e-6);
    expect(one.residual).toBeGreaterThan(more.residual);
    expect(localLinearAttention(q, k, v)).toMatchObject({ converged: true, iterations: 0, residual: 0 });
  });

  it.each(solvers)('gives zeros where no key is seen, NaN for NaN: %s', (solver) => {
    const none = localLinearAttention(q, dense(0, 6, new Float32Array(0)), dense(0, 4, new Float32Array(0)), {
      solver,
    });
    expect(none.out.data.every((x) => x === 0)).toBe(true);
    const few = localLinearAttention(q, dense(3, 6, k.data.slice(0, 18)), dense(3, 4, v.data.slice(0, 12)), { causal: true, solver }); // prettier-ignore
    expect(few.out.data.subarray(0, 37 * 4).every((x) => x === 0)).toBe(true);
    expect(headOf(few.out, 37, 0, 1)).toEqual(headOf(v, 0, 0, 1));
    const bad = { ...k, data: k.data.slice() };
    bad.data[7] = NaN;
    expect(localLinearAttention(q, bad, v, { solver }).out.data.every(Number.isNaN)).toBe(true);
  });

  it('reports progress, with the same bits, and can be stopped', () => {
    const [a, b] = [random(600, 4, 1), random(600, 4, 2)];
    const seen: number[] = [];
    const told = localLinearAttention(a, b, b, { causal: true, onProgress: ({ iteration }) => void seen.push(iteration) }); // prettier-ignore
    expect(seen).toEqual([256, 512, 600]);
    expect(bytesOf(told.out).equals(bytesOf(localLinearAttention(a, b, b, { causal: true }).out))).toBe(true);
    const stopped = () => localLinearAttention(a, b, b, { onProgress: () => false });
    expect(stopped).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    const aborted = () => withCancelFlag(flag, () => localLinearAttention(a, b, b));
    expect(aborted).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
  });

  it.each(solvers)('survives every failing allocation: %s', (solver) => {
    const [a, b] = [random(2, 300, 1), random(30000, 300, 2)]; // more scratch than a thread keeps from call to call
    let failures = 0;
    for (let n = 0; n < 100; n++) {
      native.failAllocation(n);
      try {
        localLinearAttention(a, b, b, { solver, maxIterations: 2 });
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        failures++;
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeGreaterThan(0);
  });

  it('refuses what does not fit', () => {
    const refused = (code: string, call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code }));
    refused('ERR_SHAPE', () => localLinearAttention(q, v, v));
    refused('ERR_SHAPE', () => localLinearAttention(q, k, q));
    refused('ERR_RANGE', () => localLinearAttention(q, k, v, { lambda: -1 }));
    refused('ERR_OPTION', () => localLinearAttention(q, k, v, { solver: 'chol' as never }));
    refused('ERR_ALIAS', () => localLinearAttention(q, k, k, { out: dense(40, 6, k.data.subarray(0, 240)) }));
  });
});

it('d keys, all but one of them close together and the last of little weight: singular without a ridge', () => {
  let seed = 0;
  for (const d of [3, 8, 17])
    for (const spread of [1e-9, 1e-10, 1e-11, 1e-12])
      for (let trial = 0; trial < 20; trial++) {
        const near = uniform(d, ++seed);
        const far = uniform(d, ++seed).map((u, c) => near[c]! + 2 * u + 2);
        const noise = uniform(d * d, ++seed);
        const keys = Float64Array.from({ length: d * d }, (_, i) =>
          i < d * (d - 1) ? near[i % d]! + spread * noise[i]! : far[i % d]!,
        );
        const query = near.map((a, c) => a - far[c]!);
        const scale = (10 + 2 * trial) / query.reduce((sum, a) => sum + a * a, 0);
        expect(() =>
          localLinearAttention(
            dense(1, d, Float64Array.from(query)),
            dense(d, d, keys),
            dense(d, 1, Float64Array.from(uniform(d, ++seed))),
            { lambda: 0, scale },
          ),
        ).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
      }
});
