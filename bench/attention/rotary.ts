/** What the benches of rotations share: heads of keys, and the plain loops that race. */
import type { Dense } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Peer } from '../harness/row.js';

export const [heads, d] = [8, 64];
export const layouts = ['half', 'interleaved'] as const;

/** Pair by pair in JavaScript; `position` of a row. */
export function loops(x: Dense<Float32Array>, layout: (typeof layouts)[number], position: (t: number) => number): Peer {
  const out = new Float32Array(x.data.length);
  const frequencies = Float64Array.from({ length: d / 2 }, (_, i) => 10000 ** ((-2 * i) / d));
  const run = () => {
    for (let t = 0; t < x.rows; t++)
      for (let i = 0; i < d / 2; i++) {
        const angle = position(t) * frequencies[i]!;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let h = 0; h < heads; h++) {
          const head = t * x.cols + h * d;
          const a = layout === 'half' ? head + i : head + 2 * i;
          const b = layout === 'half' ? a + d / 2 : a + 1;
          out[a] = x.data[a]! * c - x.data[b]! * s;
          out[b] = x.data[b]! * c + x.data[a]! * s;
        }
      }
  };
  return plain('JavaScript', run, () => out, { tolerance: 1e-6 });
}
