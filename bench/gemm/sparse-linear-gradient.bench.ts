/** Gradients of the sparse plus low-rank layer against those of a dense one. */
import { dense, gemm, type Dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const f32 = (rows: number, cols: number, seed: number) => dense(rows, cols, uniformF32(rows * cols, seed));

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [1024, 2048]).map((side) => ({
    shape: `64×${side}×${side} 2 % and rank ${side / 32}`,
    dtype: 'f32',
    size: side * side,
    setup() {
      const [x, dy, whole] = [f32(64, side, 1), f32(64, side, 2), f32(side, side, 3)];
      const { indptr, groups, values } = gemm.groupPrune(whole, { density: 0.02, groupSize: 1 });
      const w = { rows: side, cols: side, indptr, indices: groups, values: values as Float32Array };
      const lowRank = { down: f32(side / 32, side, 4), up: f32(side, side / 32, 5) };
      const ours = () => gemm.sparseLinearGradient(x, dy, w, { lowRank }).x;
      const answer = ours().data; // other values, so only the time is compared
      const all = () => [gemm.matmul(dy, x, { transposeA: true }), gemm.matmul(dy, whole)][1] as Dense<never>;
      return {
        ours,
        bytes: 4 * (4 * 64 * side + 3 * values.length + (side * side) / 8),
        peers: [{ ...plain('lapidary, dense weights', all, () => answer), threads: 'same' as const }],
      };
    },
  }));
export default bench;
