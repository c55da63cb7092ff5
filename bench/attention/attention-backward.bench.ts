/** The gradient of causal attention: seven products of all logits, two more than one sweep with atomic sums would need. */
import { attention } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { causalLogits, operands, type Heads } from './heads.js';

const shapes: Heads[] = [512, 1024, 2048, 4096].map((n) => ({ n, heads: 8, d: 64 }));

const bench: Bench = ({ quick }) =>
  (quick ? [{ n: 48, heads: 2, d: 16 }] : shapes).map((shape) => ({
    shape: `${shape.n}×${shape.n}, ${shape.heads} heads of ${shape.d}, causal`,
    dtype: 'f32',
    size: shape.n,
    setup() {
      const { heads, d } = shape;
      const { q, k, v } = operands(shape);
      const out = attention.attention(q, k, v, { heads, causal: true, returnLse: true });
      const options = { heads, causal: true };
      return {
        ours: () => attention.attentionBackward(q, k, v, v, { ...options, out }),
        output: (result) => (result as attention.AttentionGradient).dk.data,
        flops: 14 * d * causalLogits(shape),
        peak: 'f32',
        peers: [
          plain(
            'lapidary, with the forward call',
            () => attention.attentionBackward(q, k, v, v, options),
            (g) => g.dk.data,
            { tolerance: 1e-6 },
          ),
        ],
      };
    },
  }));
export default bench;
