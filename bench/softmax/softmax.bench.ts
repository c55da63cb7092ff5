/** Row softmax in cache and out of it. In cache the exponentials are the limit, out of it two reads and a write. */
import { dense, softmax } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { onnxRuntime, plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const shapes = [
  [1024, 128],
  [1024, 4096],
  [256, 2 ** 16], // from here on 64 MiB and 64 MiB: rows of 64 Ki to 4 Mi, out of cache
  [64, 2 ** 18],
  [16, 2 ** 20],
  [4, 2 ** 22],
] as const;

const bench: Bench = ({ quick }) =>
  (quick ? [[64, 128] as const] : shapes).map(([rows, cols]) => ({
    shape: `${rows}×${cols}`,
    dtype: 'f32',
    published: rows * cols >= 2 ** 22 ? ['two-pass-skylake-avx512'] : [],
    setup() {
      const x = dense(rows, cols, uniformF32(rows * cols, 1, -8, 8));
      const out = dense(rows, cols, new Float32Array(rows * cols));
      const passes = dense(rows, cols, new Float32Array(rows * cols));
      const size = x.data.byteLength;
      return {
        ours: () => softmax.softmax(x, { out }),
        bytes: 3 * size, // two reads and a write
        footprint: 2 * size,
        peers: [
          onnxRuntime(
            { operator: 'Softmax', output: { name: 'y', dims: [rows, cols] } },
            { name: 'x', dims: [rows, cols], data: x.data },
            { tolerance: 1e-5 },
          ),
          ...(['two-pass', 'three-pass-recompute', 'three-pass-reload', 'online'] as const).map(
            (algorithm) =>
            plain(`lapidary, ${algorithm}`, () => softmax.softmax(x, { out: passes, algorithm }), (y) => y.data, { tolerance: 1e-5 }), // prettier-ignore
          ),
        ],
      };
    },
  }));
export default bench;
