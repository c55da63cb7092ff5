/** Rotary position embedding of new tokens: a read and a write of the values, and d/2 sines and cosines a row. */
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
          ours: () => attention.rope(x, { heads, layout, out, position: 1000 }),
          output: () => out.data,
          bytes: bytesOf(x.data, out.data),
          peers: [loops(x, layout, (t) => 1000 + t)],
        };
      },
    })),
  );
export default bench;
