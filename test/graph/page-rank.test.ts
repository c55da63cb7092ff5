import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { getThreads, setThreads } from 'lapidary';
import { pageRank } from 'lapidary/graph';
import { fromCoo } from 'lapidary/sparse';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/graph/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { malformed } from '../support/sparse.js';
import { graphologyOf, randomGraph, renumbered, solved } from '../support/graphs.js';

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
      withIsa(isa, () => {
        expect(distance(pageRank(a, { alpha, ...exact }).scores, solved(a, uniform, alpha))).toBeLessThan(1e-12);
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

  test('renumbered nodes have the same scores; weights count only by their ratio', () => {
    const a = randomGraph(50, 2, 3);
    const order = Array.from({ length: 50 }, (_, i) => (i * 7 + 3) % 50);
    const { scores } = pageRank(a, exact);
    const moved = pageRank(renumbered(a, order), exact).scores;
    scores.forEach((x, i) => expect(moved[order[i]!]).toBeCloseTo(x, 13));
    for (const factor of [1e-300, 1e300])
      expect(distance(pageRank({ ...a, values: a.values.map((w) => w * factor) }, exact).scores, scores)).toBeLessThan(
        1e-12,
      );
  });

  test('a star, by hand', () => {
    // Leaves point at the centre, which dangles: c = α/n + (1 − α)(l·k + c/n), leaf = α/n + (1 − α)c/n.
    const n = 5;
    const star = fromCoo<Float64Array>({ rows: n, cols: n, row: [1, 2, 3, 4], col: [0, 0, 0, 0], value: [1, 1, 1, 1] });
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
    const zero = fromCoo<Float64Array>({ rows: 2, cols: 2, row: [0, 0, 1], col: [0, 1, 0], value: [0, 0, 5e-324] });
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

  test('graphs', () => {
    expect(pageRank(fromCoo<Float64Array>({ rows: 0, cols: 0, row: [], col: [], value: [] })).scores).toEqual(
      new Float64Array(),
    );
    expect(() => pageRank(fromCoo<Float64Array>({ rows: 2, cols: 3, row: [], col: [], value: [] }))).toThrow(
      failure('ERR_SHAPE'),
    );
    for (const bad of [-1, NaN, Infinity, -Infinity, -5e-324])
      expect(() => pageRank({ ...a, values: a.values.with(4, bad) })).toThrow(failure('ERR_RANGE', /values\[4\]/));
    const huge = fromCoo<Float64Array>({ rows: 2, cols: 2, row: [1, 1], col: [0, 1], value: [1e308, 1e308] });
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
