/**
 * Backpropagation through time: as much arithmetic as the forward pass for the recurrence, and as much for each of the
 * gradients of R, W and x. No JavaScript library has it.
 */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';
import { flopsOf, nameOf, network, type Sizes } from './network.js';

const all: Sizes[] = (['lstm', 'gru', 'slstm', 'elman'] as const).flatMap((cell) =>
  [64, 256].map((hidden) => ({ cell, hidden, heads: 1, batch: 16, steps: 128 })),
);
const few: Sizes[] = (['elman', 'gru', 'lstm', 'slstm'] as const).map((cell) => {
  return { cell, hidden: 16, heads: 1, batch: 2, steps: 8 };
});

const bench: Bench = ({ quick }) =>
  (quick ? few : all).map((sizes) => ({
    shape: nameOf(sizes),
    dtype: 'f32',
    size: sizes.hidden,
    family: sizes.cell,
    setup() {
      const { x, network: net } = network(sizes);
      const forward = recurrence.rnnForward(x, { ...net, save: true });
      const dh = dense(x.rows, sizes.hidden, uniformF32(x.rows * sizes.hidden, 6));
      return {
        ours: () => recurrence.rnnBackward(x, forward, dh, net).dx,
        flops: 2 * flopsOf(sizes),
        peak: 'f32',
      };
    },
  }));
export default bench;
