import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Csr, LapidaryError } from 'lapidary';
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

    test('the first edge in one direction is named', () => {
      const size = fc.integer({ min: 2, max: 8 });
      const ends = fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 20 });
      fc.assert(
        fc.property(size, ends, (n, list) => {
          const has = Array.from({ length: n }, () => new Set<number>());
          for (const [i, j] of list) has[i % n]!.add(j % n);
          const edges = has.flatMap((to, i) => [...to].sort((a, b) => a - b).map((j) => [i, j] as const));
          const [row, col] = [edges.map(([i]) => i), edges.map(([, j]) => j)];
          const graph = fromCoo<Float64Array>({ rows: n, cols: n, row, col, value: edges.map(() => 1) });
          const first = edges.findIndex(([i, j]) => !has[j]!.has(i));
          if (first < 0) call(graph);
          else expect(() => call(graph)).toThrow(`one at position ${first} that has no counterpart`);
        }),
      );
    });

    test('an edge that is there at one look and not at the next has no position', () => {
      const { indices, ...rest } = good;
      const other = indices.slice();
      other[0] = [...indices.subarray(0, good.indptr[1])].includes(0) ? other[0]! + 1 : 0;
      for (let look = 0; look < 30; look++) {
        let looks = 0;
        const graph = { ...rest, get indices() { return looks++ === look ? other : indices; } }; // prettier-ignore
        try {
          call(graph);
        } catch (error) {
          expect((error as LapidaryError).argument).toBe('graph');
          expect((error as LapidaryError).message).not.toMatch(/position (-|undefined)/);
        }
      }
    });
  });
}
