/** Rows scaled by a vector: bound by reading and writing the matrix. */
import { sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs, uniformOf } from '../harness/data.js';
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
        const rows = uniformOf(dtype, n, 4);
        const { arrays, parameters } = csrTask(a);
        const call = () => sparse.scale(a, { rows });
        return {
          ours: call,
          bytes: bytesOf(a) + bytesOf(call()),
          peers: [scipy({ operation: 'scale', parameters, arrays: { ...arrays, x: rows } }, { tolerance: 1e-6 })],
        };
      },
    })),
  );
export default bench;
