import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jaccardSimilarity } from 'lapidary/graph';
import { randomGraph } from '../support/graphs.js';
import { neighbourSets, refusesOtherGraphs } from '../support/simple-graphs.js';
import { csrOf, randomGrid, sameBits } from '../support/sparse.js';

test('common neighbours over all neighbours, for all pairs or for some', () => {
  const [n, d, seed] = [fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1 })];
  fc.assert(
    fc.property(n, d, seed, (n, d, seed) => {
      const a = randomGraph(n, d, seed, { undirected: true });
      const near = neighbourSets(a);
      const similarity = near.map((x) =>
        near.map((y) => {
          const both = [...x].filter((v) => y.has(v)).length;
          return both === 0 ? undefined : both / (x.size + y.size - both);
        }),
      );
      const different = similarity.map((row, i) => row.map((s, j) => (i === j ? undefined : s)));
      sameBits(jaccardSimilarity(a), csrOf(different, n));
      const pairs = randomGrid(n, n, 0.4, seed);
      const some = pairs.map((row, i) => row.map((x, j) => (x === undefined ? undefined : similarity[i]![j])));
      sameBits(jaccardSimilarity(a, { pairs: csrOf(pairs, n) }), csrOf(some, n));
    }),
    { numRuns: 80 },
  );
});

test('options are checked', () => {
  const a = randomGraph(6, 2, 1, { undirected: true });
  for (const [code, options] of [
    ['ERR_SHAPE', { pairs: randomGraph(5, 2, 1) }],
    ['ERR_DTYPE', { pairs: 3 }],
    ['ERR_OPTION', { pair: a }],
  ] as const)
    expect(() => jaccardSimilarity(a, options as never)).toThrow(expect.objectContaining({ code }));
});

refusesOtherGraphs((graph) => jaccardSimilarity(graph));

test('malformed pairs are refused in its own name', () => {
  const a = randomGraph(4, 2, 1, { undirected: true });
  const pairs = { rows: 4, cols: 4, indptr: Uint32Array.of(0, 1, 1, 1, 1), indices: Uint32Array.of(4) };
  expect(() => jaccardSimilarity(a, { pairs })).toThrow(
    expect.objectContaining({ code: 'ERR_FORMAT', function: 'jaccardSimilarity', argument: 'options.pairs' }),
  );
});
