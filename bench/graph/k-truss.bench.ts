/** The 5-truss: a masked product each round. The floor is to read the graph once. */
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
      return { ours: () => graph.kTruss(a, 5), bytes: bytesOf(a), peers: [] };
    },
  }));
export default bench;
