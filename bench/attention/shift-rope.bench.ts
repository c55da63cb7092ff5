/** Moving a key cache by one step, in place: a read and a write of the values. */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const [heads, d] = [8, 64];

const bench: Bench = ({ quick }) =>
  (quick ? [16] : [256, 4096, 65536]).flatMap((rows) =>
    (['half', 'interleaved'] as const).map((layout) => ({
      shape: `${rows} rows, ${heads} × ${d}, ${layout}`,
      dtype: 'f32',
      size: rows,
      family: layout,
      setup() {
        const x = dense(rows, heads * d, uniformF32(rows * heads * d, 1));
        return {
          ours: () => attention.shiftRope(x, { heads, layout, out: x, delta: 1 }),
          output: () => x.data.subarray(0, 0), // in place, each call turns further
          bytes: 2 * bytesOf(x.data),
          footprint: bytesOf(x.data),
        };
      },
    })),
  );
export default bench;
