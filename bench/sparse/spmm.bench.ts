/** Sparse times dense with few and with many columns. */
import { dense, sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs, uniformOf, zerosOf } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  graphs(quick).flatMap(({ name, family, n, make }) =>
    dtypes.flatMap((dtype) =>
      (quick ? [8] : [8, 32, 128]).map((cols) => ({
        shape: `${name} × ${cols}`,
        dtype,
        family: `${family} × ${cols}`,
        size: n,
        setup() {
          const a = csrOf(dtype, make());
          const b = dense(n, cols, uniformOf(dtype, n * cols, 4));
          const out = dense(n, cols, zerosOf(dtype, n * cols));
          const { arrays, parameters } = csrTask(a);
          return {
            ours: () => sparse.spmm(a, b, { out }),
            bytes: bytesOf(a, b.data, out.data),
            flops: 2 * a.values.length * cols,
            peak: dtype,
            peers: [scipy({ operation: 'spmm', parameters, arrays: { ...arrays, b: b.data } }, { tolerance: 1e-5 })],
          };
        },
      })),
    ),
  );
export default bench;
