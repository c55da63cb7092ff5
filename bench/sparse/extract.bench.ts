/** Every other row and column, by lists. */
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
        const half = Uint32Array.from({ length: n / 2 }, (_, i) => 2 * i);
        const { arrays, parameters } = csrTask(a);
        const call = () => sparse.extract(a, { rows: half, cols: half });
        return {
          ours: call,
          bytes: bytesOf(a) + bytesOf(call()),
          peers: [scipy({ operation: 'extract', parameters, arrays: { ...arrays, half } }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
