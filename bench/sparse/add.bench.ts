/** A + Aᵀ: both are read twice, once to count, and the sum is written. */
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
        const b = sparse.transpose(a);
        const [left, right] = [csrTask(a), csrTask(b, 'b')];
        const both = {
          arrays: { ...left.arrays, ...right.arrays },
          parameters: { ...left.parameters, ...right.parameters },
        };
        const call = () => sparse.add(a, b);
        return {
          ours: call,
          bytes: 2 * bytesOf(a) + bytesOf(call()),
          peers: [scipy({ operation: 'add', ...both }, { tolerance: 1e-6 })],
        };
      },
    })),
  );
export default bench;
