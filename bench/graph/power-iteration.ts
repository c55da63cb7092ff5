/** What the benches of PageRank share. */
import type { Csr, graph } from 'lapidary';
import { csrTask, graphs } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

export const seeds = Uint32Array.of(1, 2, 3);

const options = { alpha: 0.15, tolerance: 1e-8 };

/** Rows of one of the two; the floor is the transposed matrix read once in each iteration: an index and a value an edge. */
export function pageRankRows(
  operation: 'pageRank' | 'personalizedPageRank',
  run: (a: Csr, given: typeof options) => graph.PageRankResult,
): Bench {
  return ({ quick }) =>
    graphs(quick).map(({ name, family, n, make }) => ({
      shape: name,
      dtype: 'f64',
      family,
      size: n,
      setup() {
        const a = make();
        const { iterations } = run(a, options);
        const { arrays, parameters } = csrTask(a);
        const edgeBytes = 12 * a.indices.length;
        return {
          ours: () => run(a, options),
          output: (result) => (result as graph.PageRankResult).scores,
          bytes: iterations * (edgeBytes + 32 * n),
          footprint: edgeBytes + 32 * n,
          flops: 2 * iterations * a.indices.length,
          peers: [
            scipy(
              { operation, parameters: { ...parameters, ...options }, arrays: { ...arrays, seeds } },
              { tolerance: 1e-6 },
            ),
          ],
        };
      },
    }));
}
