/** Sums of columns: scattered additions; and of rows, bound by reading the values. */
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
        const call = () => sparse.reduce(a, { over: 'cols' });
        return {
          ours: call,
          bytes: bytesOf(a, call()),
          peers: [scipy({ operation: 'columnSums', ...csrTask(a) }, { tolerance: 1e-4 })],
        };
      },
    })),
  );
export default bench;
