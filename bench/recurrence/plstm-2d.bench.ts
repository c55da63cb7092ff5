/** pLSTM on square grids, 4 heads of 64, forward and backward: nodes a second must not fall as the grid grows. */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const heads = 4;
const d = 64;

const bench: Bench = ({ quick }) =>
  (quick ? [4] : [16, 32, 64]).flatMap((side) =>
    [false, true].map((backward) => ({
      shape: `${side}×${side}×${heads}×${d}${backward ? ' backward' : ''}`,
      dtype: 'f32',
      size: side * side,
      family: backward ? 'backward' : 'forward',
      setup() {
        const nodes = side * side;
        const matrix = (cols: number, seed: number, low = -1, high = 1) =>
          dense(nodes, cols, uniformF32(nodes * cols, seed, low, high));
        const [q, k, v] = [1, 2, 3].map((seed) => matrix(heads * d, seed)) as [M, M, M];
        const [orientation, source, transition, mark] = [4, 5, 6, 7].map((seed) => matrix(heads, seed, 0, 1)) as [M, M, M, M]; // prettier-ignore
        const gates = recurrence.plstmGates({ mode: 'P', orientation, source, transition, mark });
        return {
          ours: () =>
            backward
              ? recurrence.plstm2dBackward(v, q, k, v, gates, { height: side, width: side, heads }).dq
              : recurrence.plstm2d(q, k, v, gates, { height: side, width: side, heads }).out,
          // instructions an element of a state, as if each were a multiply-add; backward: 17, and the states once more
          flops: 2 * (backward ? 26 : 9) * nodes * heads * d * d,
          peak: 'f32' as const,
        };
      },
    })),
  );
export default bench;

type M = ReturnType<typeof dense<Float32Array>>;
