/** One pass over the inputs. */
import { compress, dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) => [
  {
    shape: quick ? '64×64' : '512×4096',
    dtype: 'f32',
    threads: [1],
    setup() {
      const [rows, cols] = quick ? [64, 64] : [512, 4096];
      const x = dense(rows, cols, uniformF32(rows * cols, 1, -1, 1));
      return { ours: () => compress.percentileSmoothing(x), bytes: 4 * rows * cols };
    },
  },
];
export default bench;
