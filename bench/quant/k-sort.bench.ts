/** Norms and order of the channels of a key projection: the projection read once. */
import { dense, quant } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 4096]).map((n) => ({
    shape: `${n}×${n}`,
    dtype: 'f32',
    size: n * n,
    setup() {
      const wk = dense(n, n, uniformF32(n * n, 1));
      const options = { heads: 8, rope: 'half' } as const;
      return { ours: () => quant.kSort(wk, options), bytes: 4 * n * n };
    },
  }));
export default bench;
