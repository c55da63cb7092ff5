/** From triplets in random order, with duplicates: a sort; each entry is read once and written once. */
import { philox, sparse } from 'lapidary';
import { bytesOf, dtypes, uniformOf } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [8] : [14, 16]).flatMap((scale) =>
    dtypes.map((dtype) => ({
      shape: `2^${scale} rows, 2^${scale + 4} entries`,
      dtype,
      size: 2 ** scale,
      setup() {
        const n = 2 ** scale;
        const [row, col] = [1, 2].map((seed) => philox(seed).fill(new Uint32Array(16 * n)).map((word) => word % n)); // prettier-ignore
        const value = uniformOf(dtype, 16 * n, 3, 0, 1);
        const coo = { rows: n, cols: n, row: row!, col: col!, value };
        return {
          ours: () => sparse.fromCoo(coo),
          bytes: bytesOf(row!, col!, value) + bytesOf(sparse.fromCoo(coo)),
          peers: [
            scipy(
              { operation: 'fromCoo', parameters: { rows: n, cols: n }, arrays: { row: row!, col: col!, value } },
              { tolerance: 1e-6 },
            ),
          ],
        };
      },
    })),
  );
export default bench;
