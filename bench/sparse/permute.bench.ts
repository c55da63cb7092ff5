/** Nodes of a graph renumbered at random: rows are read from anywhere and sorted. */
import { philox, sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  graphs(quick).flatMap(({ name, family, n, make }) =>
    dtypes.map((dtype) => ({
      shape: name,
      dtype,
      family,
      size: n,
      setup() {
        const a = csrOf(dtype, make());
        const keys = philox(5).fill(new Float64Array(n));
        const order = Uint32Array.from({ length: n }, (_, i) => i).sort((i, j) => keys[i]! - keys[j]!);
        const { arrays, parameters } = csrTask(a);
        const call = () => sparse.permute(a, { rows: order, cols: order });
        return {
          ours: call,
          bytes: bytesOf(a) + bytesOf(call()),
          peers: [scipy({ operation: 'permute', parameters, arrays: { ...arrays, order } }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
