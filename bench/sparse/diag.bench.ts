/** The diagonal: a search for each row; the check of the matrix is the most of it. */
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
        const call = () => sparse.diag(a);
        return {
          ours: call,
          bytes: bytesOf(a.indptr, call()),
          peers: [scipy({ operation: 'diag', ...csrTask(a) }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
