/** The diagonal scan and its gradient: bound by moving 3 and 5 values an element. `size` is tokens: the cost must grow with it. */
import { dense, recurrence } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const shapes = [
  [1024, 64],
  [1024, 1024],
  [4096, 1024],
  [16384, 1024],
  [65536, 64],
] as const;

/** The loop that a program without the package would write. */
function loop(a: Float32Array, b: Float32Array, out: Float32Array, channels: number): Float32Array {
  for (let c = 0; c < channels; c++) out[c] = b[c]!;
  for (let i = channels; i < a.length; i++) out[i] = a[i]! * out[i - channels]! + b[i]!;
  return out;
}

const bench: Bench = ({ quick }) =>
  (quick ? [[32, 16] as const] : shapes).flatMap(([tokens, channels]) => [
    {
      shape: `${tokens}×${channels}`,
      dtype: 'f32',
      family: `forward ${channels}`,
      size: tokens,
      setup() {
        const a = dense(tokens, channels, uniformF32(tokens * channels, 1, 0, 1));
        const b = dense(tokens, channels, uniformF32(tokens * channels, 2));
        const out = dense(tokens, channels, new Float32Array(tokens * channels));
        const other = new Float32Array(tokens * channels);
        return {
          ours: () => recurrence.linearScan(a, b, { out }).out,
          bytes: 3 * bytesOf(a.data),
          peers: [plain('JavaScript loop', () => loop(a.data, b.data, other, channels), (y) => y, { tolerance: 1e-5 })], // prettier-ignore
        };
      },
    },
    {
      shape: `${tokens}×${channels} backward`,
      dtype: 'f32',
      family: `backward ${channels}`,
      size: tokens,
      setup() {
        const a = dense(tokens, channels, uniformF32(tokens * channels, 1, 0, 1));
        const dout = dense(tokens, channels, uniformF32(tokens * channels, 2));
        const { out } = recurrence.linearScan(a, dout);
        return {
          ours: () => recurrence.linearScanBackward(dout, a, out),
          output: ({ da }: { da: { data: Float32Array } }) => da.data,
          bytes: 5 * bytesOf(a.data),
        };
      },
    },
  ]);
export default bench;
