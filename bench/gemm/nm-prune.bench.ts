/** N:M pruning: bound by about m comparisons a weight. */
import { dense, gemm } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** The loop that a program without the package would write: a mask, by sorting each group. */
function masked(w: Float32Array, n: number, m: number): Float32Array {
  const out = new Float32Array(w.length);
  for (let first = 0; first < w.length; first += m) {
    const order = Array.from({ length: m }, (_, k) => first + k).sort((a, b) => Math.abs(w[b]!) - Math.abs(w[a]!));
    for (const j of order.slice(0, n)) out[j] = w[j]!;
  }
  return out;
}

const bench: Bench = ({ quick }) =>
  (
    [
      [2, 4],
      [2, 8],
      [1, 4],
    ] as const
  ).flatMap(([n, m]) =>
    (quick ? [64] : [1024, 2048]).map((side) => ({
      shape: `${side}×${side} ${n}:${m}`,
      dtype: 'f32',
      size: side * side,
      family: `${n}:${m}`,
      setup() {
        const w = dense(side, side, uniformF32(side * side, 1));
        return {
          ours: () => gemm.nmPrune(w, { n, m }),
          output: (pruned: unknown) => gemm.nmExpand(pruned as gemm.NmWeights).data,
          bytes: 6 * side * side,
          peers: [plain('JavaScript, sorting', () => masked(w.data, n, m), (y) => y, { tolerance: 0 })], // prettier-ignore
        };
      },
    })),
  );
export default bench;
