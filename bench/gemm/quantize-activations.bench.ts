/** Rounding tokens to 8 bits, with RMSNorm and without: reading x twice, from the cache the second time. */
import { dense, gemm } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** The same in plain JavaScript. */
function rounded(x: Float32Array, cols: number, normal: boolean, q: Int8Array): Int8Array {
  for (let first = 0; first < x.length; first += cols) {
    let squares = 0;
    let largest = 0;
    for (let j = 0; j < cols; j++) squares += x[first + j]! ** 2;
    const inverse = normal ? Math.fround(1 / Math.sqrt(squares / cols + 1e-8)) : 1;
    for (let j = 0; j < cols; j++) largest = Math.max(largest, Math.abs(Math.fround(x[first + j]! * inverse)));
    const factor = Math.fround(127 / largest);
    for (let j = 0; j < cols; j++)
      q[first + j] = Math.round(Math.fround(Math.fround(x[first + j]! * inverse) * factor));
  }
  return q;
}

const bench: Bench = ({ quick }) =>
  (quick ? [[3, 64] as const] : [[1, 4096] as const, [128, 4096] as const]).flatMap(([rows, cols]) =>
    [false, true].map((normal) => ({
      shape: `${rows}×${cols}${normal ? ' RMSNorm' : ''}`,
      dtype: 'f32',
      setup() {
        const x = dense(rows, cols, uniformF32(rows * cols, 1));
        const q = new Int8Array(rows * cols);
        return {
          ours: () => gemm.quantizeActivations(x, normal ? { rmsNorm: true } : {}),
          output: (result) => (result as gemm.QuantizedActivations).data,
          bytes: bytesOf(x.data, q),
          peers: [plain('JavaScript', () => rounded(x.data, cols, normal, q), () => q, { tolerance: 0.01 })], // prettier-ignore
        };
      },
    })),
  );
export default bench;
