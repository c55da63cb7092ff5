/** Scores of the pairs of a graph from factors of 32 columns: a row of y for each entry. NumPy gathers rows for einsum. */
import { dense, sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs, uniformOf } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const k = 32;

const bench: Bench = ({ quick }) =>
  graphs(quick).flatMap(({ name, family, n, make }) =>
    dtypes.map((dtype) => ({
      shape: `${name}, k = ${k}`,
      dtype,
      family,
      size: n,
      setup() {
        const s = csrOf(dtype, make());
        const [x, y] = [4, 5].map((seed) => dense(n, k, uniformOf(dtype, n * k, seed)));
        const { arrays, parameters } = csrTask(s);
        return {
          ours: () => sparse.sddmm(s, x!, y!),
          bytes: 2 * bytesOf(s) + bytesOf(x!.data, y!.data),
          flops: 2 * s.values.length * k,
          peak: dtype,
          peers: [
            scipy(
              { operation: 'sddmm', parameters, arrays: { ...arrays, x: x!.data, y: y!.data } },
              { tolerance: 1e-4 },
            ),
          ],
        };
      },
    })),
  );
export default bench;
