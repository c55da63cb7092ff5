/** One token over a long cache: keys and values are read once, so the bandwidth of memory is the limit. */
import { attention, dense, philox } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

interface Shape {
  batch: number;
  heads: number;
  kvHeads: number;
  d: number;
  tokens: number;
}

const shapes: Shape[] = [
  { batch: 1, heads: 32, kvHeads: 32, d: 128, tokens: 4096 },
  { batch: 1, heads: 32, kvHeads: 8, d: 128, tokens: 4096 },
  { batch: 8, heads: 32, kvHeads: 32, d: 128, tokens: 512 },
];
const small: Shape[] = [{ batch: 2, heads: 4, kvHeads: 2, d: 16, tokens: 64 }];

/** Softmax attention in JavaScript, one head after the other. */
function inJavaScript(q: Float32Array, k: Float32Array, v: Float32Array, shape: Shape): Float32Array {
  const { batch, heads, kvHeads, d, tokens } = shape;
  const out = new Float32Array(batch * heads * d);
  const logits = new Float64Array(tokens);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const query = (b * heads + h) * d;
      const row = (s: number) => ((b * tokens + s) * kvHeads + Math.floor((h * kvHeads) / heads)) * d;
      let max = -Infinity;
      for (let s = 0; s < tokens; s++) {
        let dot = 0;
        for (let j = 0, at = row(s); j < d; j++) dot += q[query + j]! * k[at + j]!;
        logits[s] = dot / Math.sqrt(d);
        max = Math.max(max, logits[s]!);
      }
      let sum = 0;
      for (let s = 0; s < tokens; s++) sum += logits[s] = Math.exp(logits[s]! - max);
      for (let s = 0; s < tokens; s++) {
        const weight = logits[s]! / sum;
        for (let j = 0, at = row(s); j < d; j++) out[query + j]! += weight * v[at + j]!;
      }
    }
  return out;
}

const bench: Bench = ({ quick }) =>
  (quick ? small : shapes).flatMap((shape) =>
    (['f32', 'bf16'] as const).map((dtype) => ({
      shape: `${shape.batch}×${shape.heads}/${shape.kvHeads}×${shape.d}, ${shape.tokens} keys`,
      dtype,
      setup() {
        const { batch, heads, kvHeads, d, tokens } = shape;
        const cols = kvHeads * d;
        const count = batch * tokens * cols;
        const q = dense(batch, heads * d, uniformF32(batch * heads * d, 1, -3, 3));
        const numbers = (seed: number) => {
          if (dtype === 'f32') return uniformF32(count, seed);
          // the upper halves of floats of both signs in [0.5, 2)
          return Uint16Array.from(philox(seed).fill(new Uint32Array(count)), (u) => (u & 0x80ff) | 0x3f00);
        };
        const cache = (seed: number) => ({ ...dense(batch * tokens, cols, numbers(seed)), dtype: 'bf16' as const });
        const [k, v] = [cache(2), cache(3)] as [attention.KvCache, attention.KvCache];
        const options = { heads, kvHeads };
        const bytes = 2 * k.data.byteLength;
        const out = dense(batch, heads * d, new Float32Array(batch * heads * d));
        const others = dense(batch, heads * d, new Float32Array(batch * heads * d));
        const check = { tolerance: 1e-4 };
        return {
          ours: () => attention.decodeAttention(q, k, v, { ...options, out }).out,
          bytes,
          flops: 4 * batch * heads * tokens * d,
          peak: 'f32' as const,
          peers: [
            ...(['unified-max', 'safe'] as const).map(
              (scheme) =>
              plain(`lapidary, ${scheme}`, () => attention.decodeAttention(q, k, v, { ...options, scheme, out: others }).out, (y) => y.data, check), // prettier-ignore
            ),
            ...(dtype === 'f32'
              ? [plain('JavaScript', () => inJavaScript(q.data, k.data as Float32Array, v.data as Float32Array, shape), (y) => y, check)] // prettier-ignore
              : []),
          ],
        };
      },
    })),
  );
export default bench;
