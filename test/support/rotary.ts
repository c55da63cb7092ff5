/** Rotary position embedding in f64, pair by pair, and the distance from it. */
import type { Matrix } from './linear-attention.js';

interface Rotary {
  heads: number;
  dims: number;
  layout: 'half' | 'interleaved';
  base?: number;
}

function eachPair(
  { rows, cols }: Matrix,
  { heads, dims, layout }: Rotary,
  body: (row: number, i: number, a: number, b: number) => void,
): void {
  const d = cols / heads;
  for (let t = 0; t < rows; t++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < dims / 2; i++) {
        const at = t * cols + h * d;
        if (layout === 'half') body(t, i, at + i, at + dims / 2 + i);
        else body(t, i, at + 2 * i, at + 2 * i + 1);
      }
}

export function rotated(x: Matrix, positions: ArrayLike<number>, rotary: Rotary): Float64Array {
  const out = Float64Array.from(x.data);
  eachPair(x, rotary, (t, i, a, b) => {
    const angle = positions[t]! * (rotary.base ?? 10000) ** ((-2 * i) / rotary.dims);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    out[a] = x.data[a]! * c - x.data[b]! * s;
    out[b] = x.data[b]! * c + x.data[a]! * s;
  });
  return out;
}

/** The largest difference in units of the last place of the length of its pair; infinite where values beside the pairs differ. */
export function worstUlps(
  actual: Matrix,
  expected: ArrayLike<number>,
  heads: number,
  dims: number,
  layout: 'half' | 'interleaved',
): number {
  let worst = 0;
  const turned = new Uint8Array(actual.data.length);
  eachPair(actual, { heads, dims, layout }, (_, __, a, b) => {
    const ulp = 2 ** (Math.floor(Math.log2(Math.hypot(expected[a]!, expected[b]!))) - 23);
    for (const c of [a, b]) {
      worst = Math.max(worst, Math.abs(actual.data[c]! - expected[c]!) / ulp);
      turned[c] = 1;
    }
  });
  actual.data.forEach((x, c) => {
    if (!turned[c] && !Object.is(x, expected[c])) worst = Infinity;
  });
  return worst;
}
