/** The 8 largest entries of each row: a selection for each row. The peer sorts in JavaScript; SciPy has no such function. */
import { sparse, type Csr, type Real } from 'lapidary';
import { bytesOf, csrOf, dtypes, graphs } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

function inJavaScript(a: Csr<Real>, k: number): number[] {
  const values: number[] = [];
  for (let i = 0; i < a.rows; i++) {
    const order: number[] = [];
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) order.push(p);
    order.sort((p, q) => a.values[q]! - a.values[p]! || p - q);
    for (const p of order.slice(0, k).sort((p, q) => p - q)) values.push(a.values[p]!);
  }
  return values;
}

const bench: Bench = ({ quick }) =>
  graphs(quick).flatMap(({ name, family, n, make }) =>
    dtypes.map((dtype) => ({
      shape: name,
      dtype,
      family,
      size: n,
      setup() {
        const a = csrOf(dtype, make());
        const call = () => sparse.topK(a, 8);
        return {
          ours: call,
          bytes: bytesOf(a) + bytesOf(call()),
          peers: [plain('plain JavaScript', () => inJavaScript(a, 8), (values) => values, { tolerance: 0 })], // prettier-ignore
        };
      },
    })),
  );
export default bench;
