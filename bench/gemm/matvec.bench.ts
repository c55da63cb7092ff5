/** Matrix times vector: bound by reading the matrix. */
import { dense, gemm } from 'lapidary';
import { bytesOf, dtypes, uniformOf } from '../harness/data.js';
import { openblas } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  dtypes.flatMap((dtype) =>
    (quick ? [48] : [128, 512, 2048]).map((n) => ({
      shape: `${n}×${n}`,
      dtype,
      size: n,
      setup() {
        const a = dense(n, n, uniformOf(dtype, n * n, 1));
        const x = uniformOf(dtype, n, 2);
        return {
          ours: () => gemm.matvec(a, x),
          flops: 2 * n * n,
          peak: dtype,
          bytes: bytesOf(a.data, x, x),
          peers: [
            openblas(
              { operation: 'matvec', parameters: { dtype, m: n, k: n }, arrays: { a: a.data, b: x } },
              { tolerance: dtype === 'f64' ? 1e-12 : 1e-4 },
            ),
          ],
        };
      },
    })),
  );
export default bench;
