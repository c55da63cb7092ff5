/** Planning tiles: a few divisions. */
import { attention } from 'lapidary';
import type { Bench } from '../harness/row.js';

const bench: Bench = () => [
  {
    shape: '131072 words, heads of 64, 8192 tokens',
    dtype: 'f64',
    setup: () => ({
      ours: () => attention.planAttentionTiles({ fastMemory: 131072, d: 64, N: 8192 }),
      output: (result) => Object.values(result as attention.AttentionTiles) as number[],
    }),
  },
];
export default bench;
