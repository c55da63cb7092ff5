/** Mamba's scan, 16 states a channel: bound by one exponential (some 25 operations with all around it) a token and state. */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const states = 16;

const bench: Bench = ({ quick }) =>
  (quick
    ? [[16, 8] as const]
    : ([
        [1024, 1024],
        [4096, 1024],
      ] as const)
  ).map(([tokens, channels]) => ({
    shape: `${tokens}×${channels}×${states}`,
    dtype: 'f32',
    size: tokens,
    setup() {
      const x = dense(tokens, channels, uniformF32(tokens * channels, 1));
      const delta = dense(tokens, channels, uniformF32(tokens * channels, 2, 0.001, 0.1));
      const a = dense(channels, states, uniformF32(channels * states, 3, -16, -1));
      const b = dense(tokens, states, uniformF32(tokens * states, 4));
      const c = dense(tokens, states, uniformF32(tokens * states, 5));
      /** The coefficients made first, then linearScan, then the sum over states. */
      const expanded = () => {
        const n = channels * states;
        const [gates, terms] = [new Float32Array(tokens * n), new Float32Array(tokens * n)];
        for (let i = 0; i < tokens * channels; i++)
          for (let s = 0; s < states; s++) {
            const t = Math.floor(i / channels);
            gates[i * states + s] = Math.exp(delta.data[i]! * a.data[(i % channels) * states + s]!);
            terms[i * states + s] = delta.data[i]! * x.data[i]! * b.data[t * states + s]!;
          }
        const h = recurrence.linearScan(dense(tokens, n, gates), dense(tokens, n, terms)).out.data;
        return x.data.map((_, i) => {
          let y = 0;
          for (let s = 0; s < states; s++) y += c.data[Math.floor(i / channels) * states + s]! * h[i * states + s]!;
          return y;
        });
      };
      return {
        ours: () => recurrence.selectiveScan(x, delta, a, b, c).out,
        flops: 2 * 20 * tokens * channels * states, // 20 instructions a state, as if each were a multiply-add
        peak: 'f32' as const,
        peers: tokens > 1024 ? [] : [plain('linearScan over expanded coefficients', expanded, (y) => y, { tolerance: 1e-4 })], // prettier-ignore
      };
    },
  }));
export default bench;
