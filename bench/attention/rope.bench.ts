/** Rotary position embedding of new tokens, in place: a read and a write of the values, and d/2 sines and cosines a row. */
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
          ours: () => attention.rope(x, { heads, layout, out: x, position: 1000 }),
          output: () => x.data.subarray(0, 0), // in place, each call turns further
          bytes: 2 * bytesOf(x.data),
          footprint: bytesOf(x.data),
        };
      },
    })),
  );
export default bench;
