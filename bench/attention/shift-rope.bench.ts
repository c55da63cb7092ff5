/** Moving a key cache by one step: a read and a write of the values, one table of sines and cosines for all. */
import { attention, dense, quant, type Dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Row } from '../harness/row.js';
import { d, heads, layouts, loops } from './rotary.js';

/** bf16 keys, against the way through an f32 copy. */
const narrow = (quick: boolean): Row[] =>
  (quick ? [16] : [4096, 65536]).map((rows) => ({
    shape: `${rows} rows, ${heads} × ${d}, half`,
    dtype: 'bf16',
    size: rows,
    family: 'bf16',
    setup() {
      const x: Dense<Uint16Array> = quant.toBfloat16(dense(rows, heads * d, uniformF32(rows * heads * d, 1)));
      const out = { ...x, data: new Uint16Array(x.data.length) };
      const wide = dense(rows, heads * d, new Float32Array(x.data.length));
      const back = { ...out, data: new Uint16Array(x.data.length) };
      const through = () => {
        quant.fromBfloat16(x, { out: wide });
        attention.shiftRope(wide, { heads, out: wide, delta: 1 });
        quant.toBfloat16(wide, { out: back });
      };
      return {
        ours: () => attention.shiftRope(x, { heads, out, delta: 1 }),
        output: () => out.data,
        bytes: bytesOf(x.data, out.data),
        peers: [plain('lapidary, through f32', through, () => back.data, { tolerance: 1e-9 })],
      };
    },
  }));

const wide = (quick: boolean): Row[] =>
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

const bench: Bench = ({ quick }) => [...wide(quick), ...narrow(quick)];
export default bench;
