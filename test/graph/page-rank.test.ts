import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { pageRank, personalizedPageRank } from 'lapidary/graph';
import { fromCoo } from 'lapidary/sparse';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/graph/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { malformed } from '../support/sparse.js';
import { graphologyOf, randomGraph, renumbered, transitions } from '../support/graphs.js';

const failure = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, name: 'LapidaryError', ...(message && { message: expect.stringMatching(message) }) });
const sum = (x: Float64Array): number => x.reduce((a, b) => a + b, 0);
const distance = (x: Float64Array, y: Float64Array): number => x.reduce((s, v, i) => s + Math.abs(v - y[i]!), 0);
const exact = { tolerance: 1e-14 };
const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  core.failAllocation(-1);
});

/** p = α·(I − (1 − α)·(P + d·rᵀ)ᵀ)⁻¹·r by Gaussian elimination; d marks the rows without edges. */
function solved(a: Csr, restart: Float64Array, alpha: number): Float64Array {
  const n = a.rows;
  const p = transitions(a);
  const m = Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n + 1 }, (_, j) => {
      if (j === n) return alpha * restart[i]!;
      const step = p[j]!.some((x) => x > 0) ? p[j]![i]! : restart[i]!;
      return (i === j ? 1 : 0) - (1 - alpha) * step;
    }),
  );
  for (let k = 0; k < n; k++) {
    const pivot = m.reduce((best, row, i) => (i >= k && Math.abs(row[k]!) > Math.abs(m[best]![k]!) ? i : best), k);
    [m[k], m[pivot]] = [m[pivot]!, m[k]!];
    for (let i = 0; i < n; i++) {
      if (i === k || m[i]![k] === 0) continue;
      const factor = m[i]![k]! / m[k]![k]!;
      for (let j = k; j <= n; j++) m[i]![j]! -= factor * m[k]![j]!;
    }
  }
  return Float64Array.from(m, (row, i) => row[n]! / row[i]!);
}

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
      const uniform = new Float64Array(n).fill(1 / n);
      const seeds = [0, n >> 1, n >> 1];
      withIsa(isa, () => {
        expect(distance(pageRank(a, { alpha, ...exact }).scores, solved(a, uniform, alpha))).toBeLessThan(1e-12);
        const ppr = personalizedPageRank(a, seeds, { alpha, ...exact });
        expect(distance(ppr.scores, solved(a, indicator(n, seeds), alpha))).toBeLessThan(1e-12);
        expect(ppr.converged).toBe(true);
      });
    }
  });
});

describe('what PageRank is', () => {
  const graph = fc.record({
    n: fc.integer({ min: 1, max: 60 }),
    degree: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(),
  });

  test('a distribution, and the error stays within its bound', () => {
    fc.assert(
      fc.property(graph, fc.double({ min: 0.05, max: 1, noNaN: true }), ({ n, degree, seed }, alpha) => {
        const a = randomGraph(n, degree, seed);
        const rough = pageRank(a, { alpha, tolerance: 1e-3 });
        expect(Math.abs(sum(rough.scores) - 1)).toBeLessThan(1e-12);
        expect(rough.scores.every((x) => x >= 0)).toBe(true);
        const error = distance(rough.scores, pageRank(a, { alpha, ...exact }).scores);
        expect(error).toBeLessThanOrEqual((rough.residual * (1 - alpha)) / alpha + 1e-11);
      }),
      { numRuns: 40 },
    );
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
    const a = fromCoo({
      // a loop for each node: none dangles
      rows: n,
      cols: n,
      row: Array.from({ length: n }, (_, i) => [
        ...new Array<number>(base.indptr[i + 1]! - base.indptr[i]!).fill(i),
        i,
      ]).flat(),
      col: Array.from({ length: n }, (_, i) => [
        ...base.indices.subarray(base.indptr[i], base.indptr[i + 1]),
        i,
      ]).flat(),
      value: new Float64Array(base.indices.length + n).fill(1),
    });
    const mean = new Float64Array(n);
    for (let u = 0; u < n; u++) personalizedPageRank(a, [u], exact).scores.forEach((x, v) => (mean[v]! += x / n));
    expect(distance(mean, pageRank(a, exact).scores)).toBeLessThan(1e-12);
  });

  test('renumbered nodes have the same scores; weights count only by their ratio; unreachable nodes get 0', () => {
    const a = randomGraph(50, 2, 3);
    const order = Array.from({ length: 50 }, (_, i) => (i * 7 + 3) % 50);
    const { scores } = pageRank(a, exact);
    const moved = pageRank(renumbered(a, order), exact).scores;
    scores.forEach((x, i) => expect(moved[order[i]!]).toBeCloseTo(x, 13));
    for (const factor of [1e-300, 1e300])
      expect(distance(pageRank({ ...a, values: a.values.map((w) => w * factor) }, exact).scores, scores)).toBeLessThan(
        1e-12,
      );
    const path = fromCoo({ rows: 4, cols: 4, row: [0, 1, 3], col: [1, 2, 2], value: [1, 1, 1] });
    expect(personalizedPageRank(path, [1]).scores[3]).toBe(0);
    expect(personalizedPageRank(path, [1]).scores[0]).toBe(0);
  });

  test('a star, by hand', () => {
    // Leaves point at the centre, which dangles: c = α/n + (1 − α)(l·k + c/n), leaf = α/n + (1 − α)c/n.
    const n = 5;
    const star = fromCoo({ rows: n, cols: n, row: [1, 2, 3, 4], col: [0, 0, 0, 0], value: [1, 1, 1, 1] });
    const { scores } = pageRank(star, exact);
    expect(scores[1]!).toBeCloseTo(0.15 / n + (0.85 * scores[0]!) / n, 13);
    expect(scores[0]!).toBeCloseTo(0.15 / n + 0.85 * (4 * scores[1]! + scores[0]! / n), 13);
  });

  test('f32 weights, zero weights, graphology', () => {
    const a = randomGraph(40, 3, 11, { undirected: true });
    const f32 = { ...a, values: Float32Array.from(a.values) };
    const { scores } = pageRank(f32, exact);
    expect(scores).toEqual(pageRank({ ...a, values: Float64Array.from(f32.values) }, exact).scores);
    expect(pageRank(graphologyOf(a, { undirected: true }), exact).scores).toEqual(pageRank(a, exact).scores);
    const directed = randomGraph(40, 3, 12);
    expect(pageRank(graphologyOf(directed), exact).scores).toEqual(pageRank(directed, exact).scores);
    const zero = fromCoo({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 0], value: [0, 0, 5e-324] });
    expect(pageRank(zero, exact).scores.every(Number.isFinite)).toBe(true);
  });

  test('the same bits with any number of threads', () => {
    const a = randomGraph(70_000, 4, 1);
    const runs = [1, 2, 3, 7].map((n) => {
      setThreads(n);
      return pageRank(a, { maxIterations: 5, record: true });
    });
    for (const run of runs) expect(run).toEqual(runs[0]);
    expect(runs[0]!.converged).toBe(false);
    expect(runs[0]!.history).toHaveLength(5);
  });
});

describe('arguments', () => {
  const a = randomGraph(10, 2, 1);

  test('seeds: ids, repeated ids, weights', () => {
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
    expect(() => run(new Float32Array(10) as never)).toThrow(failure('ERR_DTYPE'));
    expect(() => run(3 as never)).toThrow(failure('ERR_DTYPE'));
  });

  test('graphs', () => {
    expect(pageRank(fromCoo({ rows: 0, cols: 0, row: [], col: [], value: [] })).scores).toEqual(new Float64Array());
    expect(() => pageRank(fromCoo({ rows: 2, cols: 3, row: [], col: [], value: [] }))).toThrow(failure('ERR_SHAPE'));
    for (const bad of [-1, NaN, Infinity, -Infinity, -5e-324])
      expect(() => pageRank({ ...a, values: a.values.with(4, bad) })).toThrow(failure('ERR_RANGE', /values\[4\]/));
    const huge = fromCoo({ rows: 2, cols: 2, row: [1, 1], col: [0, 1], value: [1e308, 1e308] });
    expect(() => pageRank(huge)).toThrow(failure('ERR_RANGE', /row 1/));
    for (const [, matrix] of malformed()) {
      const square = {
        ...matrix,
        rows: 8,
        indptr: Uint32Array.from({ length: 9 }, (_, i) => matrix.indptr[Math.min(i, 4)]!),
      };
      expect(() => pageRank(square)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/ERR_(FORMAT|SHAPE)/) }),
      );
    }
    expect(() => pageRank({ nodes: 1 } as never)).toThrow(failure('ERR_DTYPE'));
    const broken = { ...graphologyOf(a), nodes: () => ['n0'] };
    expect(() => pageRank(broken)).toThrow(failure('ERR_FORMAT'));
  });

  test('options', () => {
    for (const alpha of [0, -1, 1.01, NaN]) expect(() => pageRank(a, { alpha })).toThrow(failure('ERR_RANGE'));
    expect(() => pageRank(a, { damping: 0.85 } as never)).toThrow(failure('ERR_OPTION'));
    expect(() => pageRank(a, { maxIterations: NaN })).toThrow(failure('ERR_RANGE'));
    const seen: number[] = [];
    const stopped = pageRank(a, { onProgress: ({ iteration }) => seen.push(iteration) < 3 });
    expect(seen).toEqual([1, 2, 3]);
    expect(stopped).toMatchObject({ iterations: 3, converged: false });
  });

  test('failing allocations are errors, until there is memory', () => {
    let failed = 0;
    for (let nth = 0; ; nth++) {
      core.failAllocation(nth);
      try {
        pageRank(a);
        break;
      } catch (error) {
        failed++;
        expect(error).toEqual(failure('ERR_OUT_OF_MEMORY'));
      }
    }
    expect(failed).toBeLessThan(50);
  });

  test('the binding refuses what lib never passes', () => {
    const n = new Float64Array(2);
    expect(() => native.transitionColumns(Uint32Array.of(2), n, new Float64Array(1))).toThrow(failure('ERR_FORMAT'));
    expect(() =>
      native.transitionRows(
        1,
        Uint32Array.of(0, 9),
        Uint32Array.of(0),
        new Float64Array(1),
        new Float64Array(1),
        new Float32Array(1),
      ),
    ).toThrow(failure('ERR_FORMAT'));
    expect(() => native.pageRankStep(0.1, 0, n, n, n, n, new Float64Array(2))).toThrow(failure('ERR_ALIAS'));
    expect(() => native.pageRankStep(0.1, 0, n, n, n, new Float64Array(3), new Float64Array(2))).toThrow(
      failure('ERR_SHAPE'),
    );
  });
});
