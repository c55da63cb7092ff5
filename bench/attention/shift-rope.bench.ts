/** Moving a key cache by one step: a read and a write of the values, one table of sines and cosines for all. */
import { attention, dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';
import { d, heads, layouts, loops } from './rotary.js';

const bench: Bench = ({ quick }) =>
  (quick ? [16] : [256, 4096, 65536]).flatMap((rows) =>
    layouts.map((layout) => ({
      shape: `${rows} rows, ${heads} × ${d}, ${layout}`,
      dtype: 'f32',
      size: rows,
      family: layout,
      setup() {
        const x = dense(rows, heads * d, uniformF32(rows * heads * d, 1));
        const out = dense(rows, heads * d, new Float32Array(x.data.length));
        return {
          ours: () => attention.shiftRope(x, { heads, layout, out, delta: 1 }),
          output: () => out.data,
          bytes: bytesOf(x.data, out.data),
          peers: [loops(x, layout, () => 1)],
        };
      },
    })),
  );
export default bench;
