import { afterAll, describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { matmul, sampledMatmul } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const norm = (x: number[]) => Math.hypot(...x);
const column = (a: Dense, i: number) => Array.from({ length: a.rows }, (_, r) => a.data[r * a.cols + i]!);
const row = (b: Dense, i: number) => [...b.data.subarray(i * b.cols, (i + 1) * b.cols)];

/** Everything about the terms that the estimator needs, in plain JavaScript. */
function terms(a: Dense, b: Dense) {
  const n = a.cols;
  const size = Array.from({ length: n }, (_, i) => norm(column(a, i)) * norm(row(b, i)));
  const total = size.reduce((s, x) => s + x, 0);
  const order = size.map((_, i) => i).sort((i, j) => size[j]! - size[i]! || i - j);
  return { n, size, total, order };
}

/** Every outcome of the draws: its probability, and how often each term was drawn. */
function* outcomes(p: number[], draws: number): Generator<{ probability: number; times: number[] }> {
  if (draws === 0) {
    yield { probability: 1, times: p.map(() => 0) };
    return;
  }
  for (const { probability, times } of outcomes(p, draws - 1))
    for (let j = 0; j < p.length; j++)
      if (p[j]! > 0) yield { probability: probability * p[j]!, times: times.map((t, i) => t + Number(i === j)) };
}

const key = (indices: Iterable<number>, weights: Iterable<number>) =>
  `${[...indices].join()}|${[...weights].map((w) => w.toPrecision(9)).join()}`;

describe('sampledMatmul: unbiased, by enumeration', () => {
  const n = 5;
  const signs = (x: number, k: number) => (k % 3 === 0 ? -x : x);
  const a = dense(3, n, uniform(3 * n, 1, 0.5, 1.5).map(signs));
  const b = dense(n, 2, uniform(2 * n, 2, 0.4, 1).map(signs));
  const exact = matmul(a, b).data;
  const { size, total, order } = terms(a, b);

  test.each([
    [1, 0],
    [2, 0],
    [2, 1],
    [3, 0],
    [3, 1],
    [3, 2],
  ])('k = %i, c = %i: every outcome occurs, as often as it should, and their mean is the product', (k, c) => {
    const largest = order.slice(0, c);
    const tail = size.reduce((s, x, i) => s + (largest.includes(i) ? 0 : x), 0);
    const p = size.map((x, i) => (largest.includes(i) ? 0 : x / tail));
    const expected = new Map<string, number>();
    for (const { probability, times } of outcomes(p, k - c)) {
      const used = size.map((_, i) => i).filter((i) => largest.includes(i) || times[i]! > 0);
      const weights = used.map((i) => (largest.includes(i) ? 1 : (times[i]! * tail) / ((k - c) * size[i]!)));
      const name = key(used, weights);
      expected.set(name, (expected.get(name) ?? 0) + probability);
    }

    const runs = 6000;
    const seen = new Map<string, { count: number; estimate: Float64Array }>();
    for (let seed = 0; seed < runs; seed++) {
      const made = sampledMatmul(a, b, { samples: k, deterministic: c, seed });
      expect(made.deterministic).toBe(c);
      expect(made.mass).toBeCloseTo(1 - tail / total, 12);
      expect(made.variance).toBeCloseTo(tail ** 2 / (k - c), 10);
      const name = key(made.indices, made.weights);
      const entry = seen.get(name);
      if (entry) entry.count++;
      else seen.set(name, { count: 1, estimate: made.data });
    }
    const mean = new Float64Array(exact.length);
    let squares = 0; // E‖estimate − exact‖²
    let chi = 0;
    for (const [name, probability] of expected) {
      const entry = seen.get(name);
      if (!entry) {
        expect(probability * runs).toBeLessThan(15); // too rare to be missed
        continue;
      }
      chi += (entry.count - runs * probability) ** 2 / (runs * probability);
      entry.estimate.forEach((v, e) => {
        mean[e]! += probability * v;
        squares += probability * (v - exact[e]!) ** 2;
      });
    }
    expect([...seen.keys()].filter((name) => !expected.has(name))).toEqual([]);
    if (seen.size === expected.size)
      mean.forEach((v, e) => expect(Math.abs(v - exact[e]!)).toBeLessThan(1e-12 * Math.max(1, total)));
    expect(seen.size).toBe(expected.size);
    expect(chi).toBeLessThan(expected.size + 6 * Math.sqrt(2 * expected.size) + 10);
    // The variance in closed form, and its planned bound.
    let closed = 0;
    const rest = new Float64Array(exact.length);
    for (let j = 0; j < n; j++) {
      if (p[j] === 0) continue;
      closed += size[j]! ** 2 / p[j]!;
      for (let r = 0; r < 3; r++)
        for (let q = 0; q < 2; q++) rest[2 * r + q]! += a.data[r * n + j]! * b.data[2 * j + q]!;
    }
    const variance = (closed - rest.reduce((s, x) => s + x * x, 0)) / (k - c);
    expect(squares).toBeCloseTo(variance, 9);
    expect(squares).toBeLessThanOrEqual(tail ** 2 / (k - c) + 1e-9);
  });
});

describe('sampledMatmul: the plan', () => {
  test('c minimises (1 − P_c)/(k − c) (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.nat(1000), (n, k, seed) => {
        const a = dense(
          1,
          n,
          uniform(n, seed, 0.01, 1).map((x) => x ** 4),
        );
        const b = dense(n, 1, new Float64Array(n).fill(1));
        const made = sampledMatmul(a, b, { samples: k, seed });
        if (k >= n) {
          expect(made.deterministic).toBe(n);
          expect(made.data).toEqual(matmul(a, b).data);
          return;
        }
        const { order, size } = terms(a, b);
        const left = (c: number) => order.slice(c).reduce((s, i) => s + size[i]!, 0);
        const best = Math.min(...Array.from({ length: k }, (_, c) => left(c) / (k - c)));
        expect(left(made.deterministic) / (k - made.deterministic)).toBeLessThanOrEqual(best * (1 + 1e-12));
        for (const i of order.slice(0, made.deterministic)) expect(made.weights[made.indices.indexOf(i)]).toBe(1);
        expect([...made.indices]).toEqual([...new Set(made.indices)].sort((x, y) => x - y));
        expect(made.indices.length).toBeLessThanOrEqual(k);
      }),
      { numRuns: 200 },
    );
  });

  test('zeros are never drawn, one term of all the mass is exact, equal terms are all possible', () => {
    const ones = (n: number) => dense(n, 1, new Float64Array(n).fill(1));
    const some = dense(1, 6, Float64Array.of(0, 1, 0, 2, 0, 3));
    for (let seed = 0; seed < 200; seed++)
      for (const i of sampledMatmul(some, ones(6), { samples: 3, deterministic: 0, seed }).indices)
        expect(i % 2).toBe(1);
    const one = sampledMatmul(dense(1, 4, Float64Array.of(0, 0, 5, 0)), ones(4), { samples: 2 });
    expect([...one.data, one.variance, one.mass]).toEqual([5, 0, 1]);
    expect([...one.indices]).toEqual([2]);
    const none = sampledMatmul(dense(2, 4, new Float64Array(8)), ones(4), { samples: 2 });
    expect([...none.data, ...none.indices]).toEqual([0, 0]);
    const equal = dense(1, 8, new Float64Array(8).fill(1));
    const hits = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const made = sampledMatmul(equal, ones(8), { samples: 3, seed });
      expect(made.deterministic).toBe(0); // sampling all is as good, and takes ties to fewer
      expect(made.data[0]).toBeCloseTo(8, 12);
      made.indices.forEach((i) => hits.add(i));
    }
    expect(hits.size).toBe(8);
  });

  test('it has a smaller error than plain sampling where few terms hold the mass, as the paper says', () => {
    const n = 200;
    const a = dense(
      4,
      n,
      uniform(4 * n, 5).map((x, k) => x / (1 + (k % n)) ** 1.5),
    );
    const b = dense(n, 3, uniform(3 * n, 6));
    const exact = matmul(a, b).data;
    const error = (deterministic?: number) => {
      let sum = 0;
      for (let seed = 0; seed < 300; seed++) {
        const made = sampledMatmul(a, b, { samples: 20, seed, ...(deterministic === 0 && { deterministic }) });
        sum += made.data.reduce((s, v, e) => s + (v - exact[e]!) ** 2, 0);
      }
      return sum / 300;
    };
    const [winner, plain] = [error(), error(0)];
    expect(winner).toBeLessThan(0.3 * plain);
    expect(winner).toBeLessThan(1.2 * sampledMatmul(a, b, { samples: 20 }).variance);
  });
});

describeEachIsa('sampledMatmul', (isa) => {
  test.each([Float64Array, Float32Array])(
    '%o: the weighted sum of its terms, transposed or not, for any threads',
    (type) => {
      for (const [m, n, q, k] of [
        [1, 1, 1, 1],
        [3, 50, 7, 20],
        [65, 130, 33, 40],
        [300, 500, 200, 150],
      ] as const) {
        const a = dense(m, n, type.from(uniform(m * n, 7))) as Dense<Real>;
        const b = dense(n, q, type.from(uniform(n * q, 8))) as Dense<Real>;
        const turned = dense(n, m, new type(m * n)) as Dense<Real>;
        for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) turned.data[j * m + i] = a.data[i * n + j]!;
        const runs = [1, 2, 3, 7].map((count) => {
          setThreads(count);
          return withIsa(isa, () => sampledMatmul(a, b, { samples: k, seed: 3 }));
        });
        setThreads(threads);
        const made = runs[0]!;
        for (const other of runs) expect(other).toEqual(made);
        const other = withIsa(isa, () => sampledMatmul(turned, b, { samples: k, seed: 3, transposeA: true }));
        expect(other.indices).toEqual(made.indices);
        const tolerance = (type === Float64Array ? 2 ** -53 : 2 ** -24) * (k + 4);
        for (let i = 0; i < m; i += 7)
          for (let j = 0; j < q; j += 5) {
            let [sum, size] = [0, 0];
            made.indices.forEach((t, s) => {
              const term = made.weights[s]! * a.data[i * n + t]! * b.data[t * q + j]!;
              sum += term;
              size += Math.abs(term);
            });
            for (const c of [made, other])
              expect(Math.abs(c.data[i * q + j]! - sum)).toBeLessThanOrEqual(tolerance * size);
          }
      }
    },
  );
});

describe('arguments', () => {
  const a = dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));
  const b = dense(3, 2, Float64Array.of(1, 2, 3, 4, 5, 6));
  test('what does not fit is refused', () => {
    expect(() => sampledMatmul(a, a, { samples: 1 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => sampledMatmul(a, b, { samples: 0 })).toThrow(withCode('ERR_RANGE'));
    expect(() => sampledMatmul(a, b, {} as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => sampledMatmul(a, b, { samples: 2, deterministic: 2 })).toThrow(withCode('ERR_RANGE')); // k − c = 0
    expect(() => sampledMatmul(a, b, { samples: 2, k: 1 } as never)).toThrow(withCode('ERR_OPTION'));
    for (const bad of [NaN, Infinity, 1e200])
      expect(() => sampledMatmul(dense(2, 3, new Float64Array(6).fill(bad)), b, { samples: 2 })).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(() => sampledMatmul(a, b, { samples: 2, out: dense(2, 2, a.data.subarray(0, 4)) })).toThrow(
      withCode('ERR_ALIAS'),
    );
    expect(sampledMatmul(dense(2, 0), dense(0, 3), { samples: 4 }).data).toEqual(new Float64Array(6));
    expect(sampledMatmul(dense(0, 5), dense(5, 3), { samples: 2 }).data).toEqual(new Float64Array(0));
  });
  test('native functions check for themselves', () => {
    const c = new Float64Array(4);
    expect(() => native.sampledProduct(a.data, b.data, Uint32Array.of(3), Float64Array.of(1), c, 2, 3, 2, false)).toThrow(withCode('ERR_FORMAT')); // prettier-ignore
    expect(() => native.planTerms(Float64Array.of(-1, 1), new Uint32Array(1), new Float64Array(1), new Float64Array(4), 1, 1, 0, 0)).toThrow(withCode('ERR_RANGE')); // prettier-ignore
    expect(() => native.planTerms(Float64Array.of(1, 1), new Uint32Array(2), new Float64Array(1), new Float64Array(4), 1, 1, 0, 0)).toThrow(withCode('ERR_SHAPE')); // prettier-ignore
  });
});
