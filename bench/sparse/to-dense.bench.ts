/** Sparse to dense: bound by writing the dense matrix. */
import { sparse, type Csr } from 'lapidary';
import { bytesOf, dtypes, type Dtype } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { thinned } from './from-dense.bench.js';

function inJavaScript(a: Csr<Float64Array | Float32Array>, dtype: Dtype): Float64Array | Float32Array {
  const out = dtype === 'f64' ? new Float64Array(a.rows * a.cols) : new Float32Array(a.rows * a.cols);
  for (let i = 0; i < a.rows; i++)
    for (let e = a.indptr[i]!; e < a.indptr[i + 1]!; e++) out[i * a.cols + a.indices[e]!] = a.values[e]!;
  return out;
}

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 2048]).flatMap((n) =>
    dtypes.map((dtype) => ({
      shape: `${n}×${n}, 10 % full`,
      dtype,
      size: n,
      setup() {
        const full = thinned(n, dtype);
        const a = sparse.fromDense(full);
        return {
          ours: () => sparse.toDense(a),
          bytes: bytesOf(full.data, a),
          peers: [plain('plain JavaScript', () => inJavaScript(a, dtype), (data) => data, { tolerance: 0 })], // prettier-ignore
        };
      },
    })),
  );
export default bench;
