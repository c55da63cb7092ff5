/** Pruning of groups: a pass over the weights and a sort of the groups. */
import { dense, gemm } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [1024, 2048]).flatMap((side) =>
    (['f32', 'int8', 'int4'] as const).map((storage) => ({
      shape: `${side}×${side} groups of 16, half kept`,
      dtype: storage,
      size: side * side,
      family: storage,
      setup() {
        const w = dense(side, side, uniformF32(side * side, 1));
        return { ours: () => gemm.groupPrune(w, { density: 0.5, storage }), bytes: 6 * side * side };
      },
    })),
  );
export default bench;
