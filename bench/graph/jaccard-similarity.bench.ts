/** Similarity along the edges of a graph: one product masked by the graph itself. The floor is to read and write it once. */
import { graph } from 'lapidary';
import { bytesOf, graphs, undirected } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  graphs(quick).map(({ name, family, n, make }) => ({
    shape: name,
    dtype: 'f64',
    family,
    size: n,
    setup() {
      const a = undirected(make());
      return { ours: () => graph.jaccardSimilarity(a, { pairs: a }), bytes: 2 * bytesOf(a), peers: [] };
    },
  }));
export default bench;
