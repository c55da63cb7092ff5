import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Csr } from 'lapidary';
import { triangleCount } from 'lapidary/graph';
import { randomGraph } from '../support/graphs.js';
import { pairsOf, refusesOtherGraphs, undirected } from '../support/simple-graphs.js';
import { gridOf } from '../support/sparse.js';

/** trace(A³)/6 of the pattern without loops, in plain loops. */
function byTrace(a: Csr): number {
  const x = gridOf(a).map((row, i) => row.map((v, j) => Number(v !== undefined && i !== j)));
  let trace = 0;
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.rows; j++) if (x[i]![j]) for (let k = 0; k < a.rows; k++) trace += x[j]![k]! * x[k]![i]!;
  return trace / 6;
}

test('a sixth of the trace of A³, loops and weights left out', () => {
  const [n, d, seed] = [fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1 })];
  fc.assert(
    fc.property(n, d, seed, (n, d, seed) => {
      const a = randomGraph(n, d, seed, { undirected: true });
      expect(triangleCount(a)).toBe(byTrace(a));
    }),
    { numRuns: 60 },
  );
});

test('complete, bipartite and empty graphs, and a wheel with a large hub', () => {
  expect(
    triangleCount(
      undirected(
        50,
        pairsOf(50, () => true),
      ),
    ),
  ).toBe((50 * 49 * 48) / 6);
  expect(
    triangleCount(
      undirected(
        50,
        pairsOf(50, (i, j) => (i + j) % 2 === 1),
      ),
    ),
  ).toBe(0);
  expect(triangleCount(undirected(9, []))).toBe(0);
  const n = 20000;
  const rim = Array.from({ length: n }, (_, i): [number, number] => [i + 1, ((i + 1) % n) + 1]);
  const spokes = Array.from({ length: n }, (_, i): [number, number] => [0, i + 1]);
  expect(triangleCount(undirected(n + 1, [...rim, ...spokes]))).toBe(n);
});

refusesOtherGraphs((graph) => triangleCount(graph));
