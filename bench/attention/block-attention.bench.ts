/** A ranking prompt of documents of 128 tokens: linear in their number, where causal attention over all is quadratic. */
import { attention } from 'lapidary';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';
import { operands } from './heads.js';

const bench: Bench = ({ quick }) =>
  (quick ? [3] : [16, 32, 64]).map((documents) => ({
    shape: `${documents} documents of 128, 8 heads of 64`,
    dtype: 'f32',
    size: documents,
    published: ['blockrank-mistral-100'],
    setup() {
      const [heads, d, length, ends] = [8, 64, 128, 64];
      const blocks = [ends, ...new Array<number>(documents).fill(length), ends];
      const n = 2 * ends + documents * length;
      const { q, k, v } = operands({ n, heads, d });
      const causal = (count: number) => (count * (count + 1)) / 2;
      const logits =
        causal(ends) + documents * (causal(length) + length * ends) + causal(ends) + ends * (n - ends) + 16 * n;
      return {
        ours: () => attention.blockAttention(q, k, v, { heads, blocks }),
        output: (result) => (result as attention.BlockAttended).out.data,
        flops: 4 * d * heads * logits,
        peak: 'f32',
        peers: [
          plain(
            'lapidary, attention to all before',
            () => attention.attention(q, k, v, { heads, causal: true }),
            (y) => y.data,
            { tolerance: Infinity }, // another result: the race is about its cost
          ),
        ],
      };
    },
  }));
export default bench;
