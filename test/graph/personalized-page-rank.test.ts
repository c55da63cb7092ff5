import { expect, test } from 'vitest';
import { pageRank, personalizedPageRank } from 'lapidary/graph';
import { fromCoo } from 'lapidary/sparse';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { randomGraph, solved } from '../support/graphs.js';

const failure = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, name: 'LapidaryError', ...(message && { message: expect.stringMatching(message) }) });
const distance = (x: Float64Array, y: Float64Array): number => x.reduce((s, v, i) => s + Math.abs(v - y[i]!), 0);
const exact = { tolerance: 1e-14 };

const indicator = (n: number, nodes: number[]): Float64Array => {
  const r = new Float64Array(n);
  for (const node of nodes) r[node]! += 1 / nodes.length;
  return r;
};

describeEachIsa('against a dense solution', (isa) => {
  test.each([
    [1, 1],
    [2, 1],
    [17, 2],
    [100, 1],
    [200, 5],
  ])('%i nodes, %i edges each', (n, degree) => {
    for (const alpha of [0.05, 0.15, 0.5, 1]) {
      const a = randomGraph(n, degree, n + degree);
      const seeds = [0, n >> 1, n >> 1];
      const ppr = withIsa(isa, () => personalizedPageRank(a, seeds, { alpha, ...exact }));
      expect(distance(ppr.scores, solved(a, indicator(n, seeds), alpha))).toBeLessThan(1e-12);
      expect(Math.abs(ppr.scores.reduce((x, y) => x + y, 0) - 1)).toBeLessThan(1e-12);
      expect(ppr.converged).toBe(true);
    }
  });
});

test('undirected: p_u(v)·d_u = p_v(u)·d_v', () => {
  const n = 40;
  const a = randomGraph(n, 3, 5, { undirected: true });
  const degree = Array.from({ length: n }, (_, i) =>
    a.values.subarray(a.indptr[i], a.indptr[i + 1]).reduce((s, w) => s + w, 0),
  );
  const rows = degree.map((_, u) => personalizedPageRank(a, [u], exact).scores);
  for (let u = 0; u < n - 1; u++)
    for (let v = 0; v < n - 1; v++) expect(rows[u]![v]! * degree[u]!).toBeCloseTo(rows[v]![u]! * degree[v]!, 12);
});

test('linear in the seeds; the mean over all seeds is PageRank where no node dangles', () => {
  const n = 30;
  const base = randomGraph(n, 3, 9);
  const a = fromCoo<Float64Array>({
    // a loop for each node: none dangles
    rows: n,
    cols: n,
    row: Array.from({ length: n }, (_, i) => [
      ...new Array<number>(base.indptr[i + 1]! - base.indptr[i]!).fill(i),
      i,
    ]).flat(),
    col: Array.from({ length: n }, (_, i) => [...base.indices.subarray(base.indptr[i], base.indptr[i + 1]), i]).flat(),
    value: new Float64Array(base.indices.length + n).fill(1),
  });
  const mean = new Float64Array(n);
  for (let u = 0; u < n; u++) personalizedPageRank(a, [u], exact).scores.forEach((x, v) => (mean[v]! += x / n));
  expect(distance(mean, pageRank(a, exact).scores)).toBeLessThan(1e-12);
});

test('nodes that cannot be reached get 0, whatever dangles', () => {
  const path = fromCoo<Float64Array>({ rows: 4, cols: 4, row: [0, 1, 3], col: [1, 2, 2], value: [1, 1, 1] });
  const { scores } = personalizedPageRank(path, [1]);
  expect([scores[0], scores[3]]).toEqual([0, 0]);
  expect(scores[1]! + scores[2]!).toBeCloseTo(1, 12);
});

test('seeds: ids, repeated ids, weights', () => {
  const a = randomGraph(10, 2, 1);
  const run = (seeds: never): Float64Array => personalizedPageRank(a, seeds, exact).scores;
  expect(run([3, 3, 5] as never)).toEqual(run(Uint32Array.of(3, 5, 3) as never));
  const weights = new Float64Array(10);
  weights.set([1.7e308, 0.85e308], 3);
  weights[5] = weights[4]!;
  weights[4] = 0;
  expect(distance(run(weights as never), run([3, 3, 5] as never))).toBeLessThan(1e-13);
  for (const bad of [
    [],
    [10],
    [-1],
    [0.5],
    [NaN],
    ['0'],
    new Float64Array(10),
    new Float64Array(10).fill(-1),
    new Float64Array(10).fill(NaN),
  ])
    expect(() => run(bad as never)).toThrow(failure('ERR_RANGE', /^personalizedPageRank: seeds/));
  expect(() => run(new Float64Array(9) as never)).toThrow(failure('ERR_SHAPE'));
  expect(() => run(new Float32Array(10) as never)).toThrow(failure('ERR_DTYPE', /node ids, or a Float64Array/));
  expect(() => run(3 as never)).toThrow(failure('ERR_DTYPE'));
});
