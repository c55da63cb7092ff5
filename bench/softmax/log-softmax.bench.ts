/** logSoftmax in cache and out of it, against plain JavaScript. */
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
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i += cols) {
    let max = -Infinity;
    for (let j = i; j < i + cols; j++) max = Math.max(max, x[j]!);
    let sum = 0;
    for (let j = i; j < i + cols; j++) sum += Math.exp(x[j]! - max);
    for (let j = i; j < i + cols; j++) y[j] = x[j]! - max - Math.log(sum);
  }
  return y;
}

const bench: Bench = ({ quick }) =>
  (quick ? [[64, 128] as const] : shapes).map(([rows, cols]) => ({
    shape: `${rows}×${cols}`,
    dtype: 'f32',
    setup() {
      const x = dense(rows, cols, uniformF32(rows * cols, 1, -8, 8));
      const out = dense(rows, cols, new Float32Array(rows * cols));
      return {
        ours: () => softmax.logSoftmax(x, { out }),
        bytes: 2 * x.data.byteLength,
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
