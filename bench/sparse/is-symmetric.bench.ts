/** A + Aᵀ tested for symmetry: each entry above the diagonal is searched below it. SciPy transposes and compares. */
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
        const sum = sparse.add(a, sparse.transpose(a));
        return {
          ours: () => Uint8Array.of(Number(sparse.isSymmetric(sum))),
          bytes: bytesOf(sum),
          peers: [scipy({ operation: 'isSymmetric', ...csrTask(sum) }, { tolerance: 0 })],
        };
      },
    })),
  );
export default bench;
