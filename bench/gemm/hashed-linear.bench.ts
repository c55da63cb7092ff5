/** Hashed weights in a shared array of 256 KiB against the same weights in full: few tokens are bound by the cache. */
import { dense, gemm } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [1024, 4096]).flatMap((side) =>
    (quick ? [1] : [1, 8, 64]).flatMap((tokens) =>
      (['tile', 'cyclic'] as const).map((mapper) => ({
        shape: `${tokens}×${side}×${side} ${mapper}`,
        dtype: 'f32',
        setup() {
          const w = { rows: side, cols: side, array: uniformF32(65536, 1), mapper };
          const x = dense(tokens, side, uniformF32(tokens * side, 2));
          const out = dense(tokens, side, new Float32Array(tokens * side));
          const whole = gemm.hashedExpand(w);
          const other = dense(tokens, side, new Float32Array(tokens * side));
          return {
            ours: () => gemm.hashedLinear(x, w, { out }),
            flops: 2 * tokens * side * side,
            peak: 'f32' as const,
            bytes: 4 * side * side,
            footprint: 4 * 65536,
            peers: [
              {
                ...plain('lapidary, weights in full', () => gemm.matmul(x, whole, { transposeB: true, out: other }), (y) => y.data, { tolerance: 1e-5 }), // prettier-ignore
                threads: 'same' as const,
              },
            ],
          };
        },
      })),
    ),
  );
export default bench;
