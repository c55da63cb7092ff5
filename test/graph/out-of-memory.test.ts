import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import {
  fastRP,
  jaccardSimilarity,
  kTruss,
  pageRank,
  personalizedPageRank,
  triangleCount,
  type Graph,
} from 'lapidary/graph';
import { native } from '../../dist/core/native.js';
import { graphologyOf } from '../support/graphs.js';
import { shared } from '../support/sparse.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

/** Nodes in a ring, each with 20 neighbours on either side. */
function ring(n: number): Csr {
  const near = (i: number) => Array.from({ length: 40 }, (_, k) => (i + n + (k < 20 ? k - 20 : k - 19)) % n);
  const indices = Array.from({ length: n }, (_, i) => near(i).sort((a, b) => a - b)).flat();
  return {
    rows: n,
    cols: n,
    indptr: Uint32Array.from({ length: n + 1 }, (_, i) => 40 * i),
    indices: Uint32Array.from(indices),
    values: new Float64Array(40 * n).fill(1),
  };
}

const inShared = (a: Csr): Csr => ({ ...a, indptr: shared(a.indptr), indices: shared(a.indices) });
const asGraphology = (a: Csr): Graph => graphologyOf(a, { undirected: true });

// Each graph needs more than those before: scratch that another call left behind would do.
test.each<[name: string, nodes: number, form: (a: Csr) => Graph, call: (graph: Graph) => unknown]>([
  ['pageRank', 2500, inShared, (graph) => pageRank(graph)],
  ['fastRP', 6000, inShared, (graph) => fastRP(graph, { dimension: 8 })],
  ['kTruss', 3000, asGraphology, (graph) => kTruss(graph, 4)],
  ['triangleCount', 4000, asGraphology, (graph) => triangleCount(graph)],
  ['jaccardSimilarity', 5000, asGraphology, (graph) => jaccardSimilarity(graph)],
  ['personalizedPageRank', 6000, asGraphology, (graph) => personalizedPageRank(graph, [0])],
])('memory that is not there is missed in the name of %s', (name, nodes, form, call) => {
  const graph = form(ring(nodes));
  setThreads(1);
  const refused: unknown[] = [];
  for (let nth = 0; nth < 20; nth++) {
    native.failAllocation(nth);
    try {
      call(graph);
      break;
    } catch (error) {
      refused.push(error);
    }
  }
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused)
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', function: name, argument: 'graph' });
});
