/**
 * Recurrent networks over whole sequences, the projection of the input included. One sequence: each step reads R once, from
 * the second-level cache while it fits (LSTM: 256 units are 1 MiB), else from the third. Many: the FMA peak.
 */
import { dense, recurrence } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { flopsOf, inOnnxRuntime, nameOf, network, turned, type Sizes } from './network.js';

const lengths = { 1: 256, 16: 128 } as const;
const all: Sizes[] = [
  ...(['lstm', 'gru'] as const).flatMap((cell) =>
    ([1, 16] as const).flatMap((batch) =>
      [64, 128, 256, 512].map((hidden) => ({ cell, hidden, heads: 1, batch, steps: lengths[batch] })),
    ),
  ),
  ...(['elman', 'slstm'] as const).map((cell) => ({ cell, hidden: 256, heads: 1, batch: 16, steps: 128 })),
  ...(['lstm', 'slstm'] as const).map((cell) => ({ cell, hidden: 512, heads: 8, batch: 16, steps: 128 })),
];
const few: Sizes[] = (['elman', 'gru', 'lstm', 'slstm'] as const).map((cell) => {
  return { cell, hidden: 16, heads: 1, batch: 2, steps: 8 };
});

const bench: Bench = ({ quick }) =>
  (quick ? few : all).map((sizes) => ({
    shape: nameOf(sizes),
    dtype: 'f32',
    size: sizes.hidden,
    family: `${sizes.cell} ${sizes.batch} ${sizes.heads}`,
    setup() {
      const made = network(sizes);
      const { batch, steps, hidden } = sizes;
      const out = dense(batch * steps, hidden, new Float32Array(batch * steps * hidden));
      return {
        ours: () => recurrence.rnnForward(made.x, { ...made.network, out }).h,
        output: () => turned(out.data, batch, steps),
        flops: flopsOf(sizes),
        peak: 'f32',
        peers: inOnnxRuntime(sizes, made),
      };
    },
  }));
export default bench;
