/** Half of XᵀX in f64. */
import { compress, dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 1024, 2048]).map((cols) => {
    const rows = quick ? 100 : 2048;
    return {
      shape: `${rows}×${cols}`,
      dtype: 'f32',
      size: cols,
      setup() {
        const x = dense(rows, cols, uniformF32(rows * cols, 1, -1, 1));
        const out = dense(cols, cols);
        return {
          ours: () => compress.hessian(x, { out }),
          flops: rows * cols * cols,
          peak: 'f64' as const,
          peers: [scipy({ operation: 'hessian', parameters: { rows }, arrays: { x: x.data } })],
        };
      },
    };
  });
export default bench;
