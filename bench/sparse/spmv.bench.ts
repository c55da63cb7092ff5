/** Sparse matrix times vector: bound by reading the matrix. */
import { sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs, meshes, uniformOf, zerosOf } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  [...graphs(quick), ...meshes(quick)].flatMap(({ name, family, n, make }) =>
    dtypes.map((dtype) => ({
      shape: name,
      dtype,
      family,
      size: n,
      setup() {
        const a = csrOf(dtype, make());
        const x = uniformOf(dtype, n, 4);
        const out = zerosOf(dtype, n);
        const { arrays, parameters } = csrTask(a);
        return {
          ours: () => sparse.spmv(a, x, { out }),
          bytes: bytesOf(a, x, out),
          flops: 2 * a.values.length,
          peak: dtype,
          peers: [scipy({ operation: 'spmv', parameters, arrays: { ...arrays, x } }, { tolerance: 1e-5 })],
        };
      },
    })),
  );
export default bench;
