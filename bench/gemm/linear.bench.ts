/** A layer of a network: few rows are bound by reading the weights, many by the FMA peak. */
import { dense, gemm } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Row } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (['f32', 'bf16'] as const).flatMap((dtype) =>
    (quick
      ? [[2, 48] as const]
      : ([
          [1, 4096],
          [8, 4096],
          [128, 4096],
        ] as const)
    ).map(([m, n]): Row => ({
      shape: `${m}×${n}×${n} gelu`,
      dtype,
      setup() {
        const x = dense(m, n, uniformF32(m * n, 1));
        const weights = uniformF32(n * n, 2);
        // bf16 is the upper half of an f32
        const halves = Uint16Array.from(new Uint32Array(weights.buffer), (word) => word >>> 16);
        const w = dtype === 'f32' ? dense(n, n, weights) : { ...dense(n, n, halves), dtype };
        const wide = dense(
          n,
          n,
          dtype === 'f32' ? weights : new Float32Array(Uint32Array.from(halves, (h) => h * 65536).buffer),
        );
        const bias = uniformF32(n, 3);
        const out = dense(m, n, new Float32Array(m * n));
        return {
          ours: () => gemm.linear(x, w, { bias, activation: 'gelu', out }),
          flops: 2 * m * n * n,
          peak: 'f32',
          bytes: bytesOf(x.data, w.data, out.data),
          peers: [
            plain(
              'matmul of f32 alone',
              () => gemm.matmul(x, wide, { transposeB: true }),
              () => out.data,
              { tolerance: 1 },
            ),
          ],
        };
      },
    })),
  );
export default bench;
