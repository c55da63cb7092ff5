/** A gradient of weights, dyᵀ·x, from 30 % of its tokens against all of them. */
import { dense, gemm } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [48] : [256, 512, 1024, 2048]).map((n) => ({
    shape: `${n}×${n}×${n}, 30 % of the terms`,
    dtype: 'f32',
    size: n,
    setup() {
      const [dy, x] = [dense(n, n, uniformF32(n * n, 1)), dense(n, n, uniformF32(n * n, 2))];
      const out = dense(n, n, new Float32Array(n * n));
      const samples = Math.round(0.3 * n);
      const own = dense(n, n, new Float32Array(n * n));
      const estimate = () => gemm.sampledMatmul(dy, x, { samples, transposeA: true, out: own });
      const answer = estimate().data.slice(); // the exact product is another: only the time is compared
      return {
        ours: estimate,
        flops: 2 * n * n * samples,
        peak: 'f32' as const,
        peers: [
          {
            ...plain(
              'lapidary, all terms',
              () => gemm.matmul(dy, x, { transposeA: true, out }),
              () => answer,
            ),
            threads: 'same' as const,
          },
        ],
      };
    },
  }));
export default bench;
