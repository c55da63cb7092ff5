import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { getThreads, setThreads, type Csr } from 'lapidary';
import { kTruss } from 'lapidary/graph';
import { native } from '../../dist/core/native.js';
import { randomGraph } from '../support/graphs.js';
import { neighbourSets, pairsOf, refusesOtherGraphs, undirected } from '../support/simple-graphs.js';

const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  native.failAllocation(-1);
});

test('memory that is not there is missed in the name of kTruss', () => {
  // The first call, on a graph made by hand: scratch that another call left behind would do.
  const n = 300;
  const graph = {
    rows: n,
    cols: n,
    indptr: Uint32Array.from({ length: n + 1 }, (_, i) => i * (n - 1)),
    indices: Uint32Array.from({ length: n * (n - 1) }, (_, e) => {
      const [i, j] = [Math.floor(e / (n - 1)), e % (n - 1)];
      return j < i ? j : j + 1;
    }),
  };
  setThreads(1);
  const refused: unknown[] = [];
  for (let nth = 0; nth < 20; nth++) {
    native.failAllocation(nth);
    try {
      expect(kTruss(graph, 4).indices.length).toBe(n * (n - 1));
      break;
    } catch (error) {
      refused.push(error);
    }
  }
  expect(refused.length).toBeGreaterThan(1);
  for (const error of refused)
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', function: 'kTruss', argument: 'graph' });
});

/** Drops weak edges one at a time until there is none. */
function oracle(a: Csr, k: number): string[] {
  const near = neighbourSets(a);
  const support = (i: number, j: number) => [...near[i]!].filter((v) => near[j]!.has(v)).length;
  for (let changed = true; changed;) {
    changed = false;
    near.forEach((set, i) => {
      for (const j of set)
        if (support(i, j) < k - 2) {
          set.delete(j);
          near[j]!.delete(i);
          changed = true;
        }
    });
  }
  return near.flatMap((set, i) => [...set].sort((x, y) => x - y).map((j) => `${i} ${j}: ${support(i, j)}`));
}

function listed(a: Csr<Int32Array>): string[] {
  const lines: string[] = [];
  for (let i = 0; i < a.rows; i++)
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) lines.push(`${i} ${a.indices[p]}: ${a.values[p]}`);
  return lines;
}

test('what is left when weak edges are dropped one by one', () => {
  const [n, d, seed] = [fc.integer({ min: 2, max: 30 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1 })];
  fc.assert(
    fc.property(n, d, seed, fc.integer({ min: 3, max: 6 }), (n, d, seed, k) => {
      const a = randomGraph(n, d, seed, { undirected: true });
      expect(listed(kTruss(a, k))).toEqual(oracle(a, k));
    }),
    { numRuns: 100 },
  );
});

test('a complete graph of seven is a 7-truss and no 8-truss, whatever hangs on it', () => {
  const a = undirected(30, [...pairsOf(7, () => true), ...pairsOf(30, (i, j) => j === i + 1)]);
  expect(kTruss(a, 7).indices.length).toBe(42);
  expect(kTruss(a, 8).indices.length).toBe(0);
});

test('k is at least 3', () => {
  const a = undirected(3, []);
  for (const k of [2, 3.5, NaN]) expect(() => kTruss(a, k)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
});

refusesOtherGraphs((graph) => kTruss(graph, 3));
