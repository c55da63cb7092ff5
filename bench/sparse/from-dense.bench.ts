/** Dense to sparse: bound by reading the dense matrix. */
import { dense, sparse, type Dense } from 'lapidary';
import { bytesOf, dtypes, uniformOf } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** n × n of which one entry in ten is not zero. */
export function thinned(n: number, dtype: 'f64' | 'f32') {
  return dense(n, n, uniformOf(dtype, n * n, 1, 0, 1).map((u) => (u < 0.1 ? u : 0))); // prettier-ignore
}

function inJavaScript({ rows, cols, data }: Dense<Float64Array | Float32Array>): number[] {
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const value = data[i * cols + j]!;
      if (value !== 0) {
        indices.push(j);
        values.push(value);
      }
    }
    indptr.push(values.length);
  }
  return values;
}

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 2048]).flatMap((n) =>
    dtypes.map((dtype) => ({
      shape: `${n}×${n}, 10 % full`,
      dtype,
      size: n,
      setup() {
        const a = thinned(n, dtype);
        return {
          ours: () => sparse.fromDense(a),
          bytes: bytesOf(a.data, sparse.fromDense(a)),
          peers: [plain('plain JavaScript', () => inJavaScript(a), (values) => values, { tolerance: 0 })], // prettier-ignore
        };
      },
    })),
  );
export default bench;
