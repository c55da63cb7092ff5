import { describe, expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { fromCoo } from 'lapidary/sparse';
import { randomGraph } from './graphs.js';

/** The graph with these edges, each given once. */
export function undirected(n: number, edges: readonly (readonly [number, number])[]): Csr {
  return fromCoo<Float64Array>({
    rows: n,
    cols: n,
    row: edges.flatMap(([i, j]) => [i, j]),
    col: edges.flatMap(([i, j]) => [j, i]),
    value: edges.flatMap(() => [1, 1]),
  });
}

/** The pairs of different nodes for which `edge` holds. */
export const pairsOf = (n: number, edge: (i: number, j: number) => boolean): [number, number][] =>
  Array.from({ length: n * n }, (_, e): [number, number] => [Math.floor(e / n), e % n]).filter(
    ([i, j]) => i < j && edge(i, j),
  );

/** Neighbours without loops. */
export const neighbourSets = (a: Csr): Set<number>[] =>
  Array.from(
    { length: a.rows },
    (_, i) => new Set([...a.indices.subarray(a.indptr[i], a.indptr[i + 1])].filter((j) => j !== i)),
  );

/** Tests that a function of an undirected graph refuses what is none. */
export function refusesOtherGraphs(call: (graph: Csr) => unknown): void {
  describe('refusals', () => {
    const good = randomGraph(6, 2, 1, { undirected: true });
    const oneWay = fromCoo<Float64Array>({ rows: 3, cols: 3, row: [0, 1, 2], col: [1, 0, 1], value: [1, 1, 1] });
    const turned = fromCoo<Float64Array>({ rows: 3, cols: 3, row: [0, 1, 2], col: [1, 2, 0], value: [1, 1, 1] });
    test.each<[string, Csr]>([
      ['ERR_FORMAT', oneWay],
      ['ERR_FORMAT', turned],
      ['ERR_SHAPE', { ...good, cols: 7 }],
      ['ERR_RANGE', { ...good, values: good.values.map((x) => -x) }],
      ['ERR_DTYPE', 5 as never],
    ])('%s', (code, graph) => {
      expect(() => call(graph)).toThrow(
        expect.objectContaining({ code, name: 'LapidaryError', argument: expect.stringContaining('graph') }),
      );
    });
  });
}
