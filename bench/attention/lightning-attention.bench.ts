/**
 * Lightning attention, 8 heads of 64 columns: tokens a second stay the same as the sequence grows. Bound by the FMA peak;
 * the peer is the recurrence itself, a token at a time, by the same code.
 */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const [d, block] = [64, 64];

const bench: Bench = ({ quick }) =>
  (quick
    ? [[2, 128] as const]
    : ([
        ...[1024, 4096, 16384, 65536].map((n) => [8, n] as const), // prettier-ignore
        ...[4096, 65536].map((n) => [1, n] as const),
      ] as const)
  ).map(([heads, n]) => ({
    shape: `${n} tokens, ${heads} × ${d}`,
    dtype: 'f32',
    size: n,
    family: `${heads} heads`,
    setup() {
      const matrix = (seed: number) => dense(n, heads * d, uniformF32(n * heads * d, seed));
      const [q, k, v] = [matrix(1), matrix(2), matrix(3)];
      const out = dense(n, heads * d, new Float32Array(n * heads * d));
      const slow = dense(n, heads * d, new Float32Array(n * heads * d));
      return {
        ours: () => attention.lightningAttention(q, k, v, { heads, out }),
        output: () => out.data,
        flops: n * heads * (2 * block * d + 4 * d * d),
        peak: 'f32' as const,
        bytes: bytesOf(q.data, k.data, v.data, out.data),
        peers:
          n > 4096
            ? []
            : [
                plain(
                  'lapidary, block of 1',
                  () => attention.lightningAttention(q, k, v, { heads, out: slow, block: 1 }),
                  () => slow.data,
                  { tolerance: 1e-5 },
                ),
              ],
      };
    },
  }));
export default bench;
