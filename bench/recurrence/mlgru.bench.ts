/** Gates and scan of the MLGRU: four exponentials' worth of work an element, five values moved in two passes. */
import { dense, recurrence } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const shapes = [
  [1, 2048],
  [1024, 256],
  [1024, 2048],
  [8192, 2048],
] as const;

/** The loop that a program without the package would write. */
function loop(f: Float32Array, x: Float32Array, out: Float32Array, channels: number): Float32Array {
  for (let i = 0; i < f.length; i++) {
    const open = 1 / (1 + Math.exp(-f[i]!));
    const before = i < channels ? 0 : out[i - channels]!;
    out[i] = open * before + (1 - open) * (x[i]! / (1 + Math.exp(-x[i]!)));
  }
  return out;
}

const bench: Bench = ({ quick }) =>
  (quick ? [[16, 20] as const] : shapes).map(([tokens, channels]) => ({
    shape: `${tokens}×${channels}`,
    dtype: 'f32',
    family: `${channels}`,
    size: tokens,
    setup() {
      const [f, x] = [1, 2].map((seed) => dense(tokens, channels, uniformF32(tokens * channels, seed, -4, 4)));
      const out = dense(tokens, channels, new Float32Array(tokens * channels));
      const other = new Float32Array(tokens * channels);
      return {
        ours: () => recurrence.mlgru(f!, x!, { out }).out,
        bytes: 3 * bytesOf(out.data),
        peers: [plain('JavaScript loop', () => loop(f!.data, x!.data, other, channels), (y) => y, { tolerance: 1e-5 })], // prettier-ignore
      };
    },
  }));
export default bench;
