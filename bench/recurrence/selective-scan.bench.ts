/**
 * Mamba's scan, 16 states a channel, and its gradient: bound by exponentials (some 25 operations with all around it), one and
 * two a token, channel and state.
 */
import { dense, recurrence } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const states = 16;

/** Inputs of both, and the coefficients of the linearScan that computes the same. */
function inputsOf(tokens: number, channels: number) {
  const x = dense(tokens, channels, uniformF32(tokens * channels, 1));
  const delta = dense(tokens, channels, uniformF32(tokens * channels, 2, 0.001, 0.1));
  const a = dense(channels, states, uniformF32(channels * states, 3, -16, -1));
  const b = dense(tokens, states, uniformF32(tokens * states, 4));
  const c = dense(tokens, states, uniformF32(tokens * states, 5));
  const n = channels * states;
  const expand = () => {
    const [gates, terms] = [new Float32Array(tokens * n), new Float32Array(tokens * n)];
    for (let i = 0; i < tokens * channels; i++)
      for (let s = 0; s < states; s++) {
        const t = Math.floor(i / channels);
        gates[i * states + s] = Math.exp(delta.data[i]! * a.data[(i % channels) * states + s]!);
        terms[i * states + s] = delta.data[i]! * x.data[i]! * b.data[t * states + s]!;
      }
    return { gates: dense(tokens, n, gates), terms: dense(tokens, n, terms) };
  };
  return { x, delta, a, b, c, expand };
}

const bench: Bench = ({ quick }) =>
  (quick
    ? [[16, 8] as const]
    : ([
        [1024, 1024],
        [4096, 1024],
      ] as const)
  ).flatMap(([tokens, channels]) => [
    {
      shape: `${tokens}×${channels}×${states}`,
      dtype: 'f32',
      family: 'forward',
      size: tokens,
      setup() {
        const { x, delta, a, b, c, expand } = inputsOf(tokens, channels);
        /** The coefficients made first, then linearScan, then the sum over states. */
        const expanded = () => {
          const { gates, terms } = expand();
          const h = recurrence.linearScan(gates, terms).out.data;
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
    },
    {
      shape: `${tokens}×${channels}×${states} backward`,
      dtype: 'f32',
      family: 'backward',
      size: tokens,
      setup() {
        const { x, delta, a, b, c, expand } = inputsOf(tokens, channels);
        const dout = dense(tokens, channels, uniformF32(tokens * channels, 6));
        /** Through linearScan and its gradient over expanded coefficients: dx. */
        const expanded = () => {
          const { gates, terms } = expand();
          const h = recurrence.linearScan(gates, terms).out;
          const upstream = terms.data.map((_, i) => {
            const [row, s] = [Math.floor(i / states), i % states];
            return dout.data[row]! * c.data[Math.floor(row / channels) * states + s]!;
          });
          const { db } = recurrence.linearScanBackward(dense(tokens, channels * states, upstream), gates, h);
          return x.data.map((_, i) => {
            let sum = 0;
            for (let s = 0; s < states; s++)
              sum += db.data[i * states + s]! * b.data[Math.floor(i / channels) * states + s]!;
            return sum * delta.data[i]!;
          });
        };
        return {
          ours: () => recurrence.selectiveScanBackward(dout, x, delta, a, b, c),
          output: ({ dx }: { dx: { data: Float32Array } }) => dx.data,
          flops: 2 * 50 * tokens * channels * states, // twice the states, and ten more instructions
          peak: 'f32' as const,
          peers: tokens > 1024 ? [] : [plain('linearScanBackward over expanded coefficients', expanded, (y) => y, { tolerance: 1e-4 })], // prettier-ignore
        };
      },
    },
  ]);
export default bench;
