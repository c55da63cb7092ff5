/** Block transforms: bound by reading and writing the values once. */
import { dense, gemm } from 'lapidary';
import { bytesOf, dtypes, uniformOf, zerosOf } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  dtypes.flatMap((dtype) =>
    (quick ? [16] : [16, 128, 1024]).map((block) => ({
      shape: `${quick ? 64 : 4096}×1024 blocks of ${block}`,
      dtype,
      setup() {
        const rows = quick ? 64 : 4096;
        const x = dense(rows, 1024, uniformOf(dtype, rows * 1024, 1));
        const out = dense(rows, 1024, zerosOf(dtype, rows * 1024));
        return { ours: () => gemm.hadamard(x, { block, out }), bytes: bytesOf(x.data, out.data) };
      },
    })),
  );
export default bench;
