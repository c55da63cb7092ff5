/** Transposition: a counting sort of the entries by column; every entry is read once and written once. */
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
        return {
          ours: () => sparse.transpose(a),
          bytes: 2 * bytesOf(a),
          peers: [scipy({ operation: 'transpose', ...csrTask(a) }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
