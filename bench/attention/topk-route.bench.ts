/** The 12.5 % of tokens that mixture of depths takes: selection on the bits of the scores, against sorting them. */
import { attention, dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const shapes = [
  [8, 2048],
  [1, 2 ** 17],
] as const;

const bench: Bench = ({ quick }) =>
  (quick ? [[2, 64] as const] : shapes).map(([batch, tokens]) => ({
    shape: `${batch}×${tokens}`,
    dtype: 'f32',
    size: batch * tokens,
    setup() {
      const k = tokens / 8;
      const scores = dense(batch, tokens, uniformF32(batch * tokens, 1));
      const bySorting = () => {
        const indices = new Uint32Array(batch * k);
        for (let b = 0; b < batch; b++) {
          const row = scores.data.subarray(b * tokens, (b + 1) * tokens);
          const order = Uint32Array.from(row.keys()).sort((i, j) => row[j]! - row[i]! || i - j);
          indices.set(order.subarray(0, k).sort(), b * k);
        }
        return indices;
      };
      return {
        ours: () => attention.topkRoute(scores, { k }).indices,
        bytes: scores.data.byteLength,
        peers: [plain('JavaScript, sorting', bySorting, (indices) => indices, { tolerance: 0 })],
      };
    },
  }));
export default bench;
