/** Entries above one half: values are read twice, what stays is written. */
import { sparse } from 'lapidary';
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
        const call = () => sparse.prune(a, 0.5);
        return {
          ours: call,
          bytes: bytesOf(a) + bytesOf(call()),
          peers: [scipy({ operation: 'prune', ...csrTask(a) }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
