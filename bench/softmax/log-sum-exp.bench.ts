/** logSumExp in cache and out of it, against plain JavaScript. */
import { dense, softmax } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const shapes = [
  [1024, 128],
  [1, 2 ** 22],
] as const;

/** Row by row in JavaScript. */
function inJavaScript(x: Float32Array, cols: number): Float32Array {
  return Float32Array.from({ length: x.length / cols }, (_, i) => {
    const row = x.subarray(i * cols, (i + 1) * cols);
    let max = -Infinity;
    for (const v of row) max = Math.max(max, v);
    let sum = 0;
    for (const v of row) sum += Math.exp(v - max);
    return max + Math.log(sum);
  });
}

const bench: Bench = ({ quick }) =>
  (quick ? [[64, 128] as const] : shapes).map(([rows, cols]) => ({
    shape: `${rows}×${cols}`,
    dtype: 'f32',
    setup() {
      const x = dense(rows, cols, uniformF32(rows * cols, 1, -8, 8));
      return {
        ours: () => softmax.logSumExp(x),
        bytes: x.data.byteLength,
        peers: [
          plain(
            'JavaScript',
            () => inJavaScript(x.data, cols),
            (y) => y,
            { tolerance: 1e-5 },
          ),
        ],
      };
    },
  }));
export default bench;
