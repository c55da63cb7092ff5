import { where } from '../core/validate.js';
import { native } from './native.js';

/** What {@link planAttentionTiles} plans for. */
export interface AttentionTilesProblem {
  /** words (numbers) that the fast memory holds, at least 1 */
  fastMemory: number;
  /** values of a head */
  d: number;
  /** tokens, as many queries as keys */
  N: number;
}

export interface AttentionTiles {
  /** queries of a tile */
  Br: number;
  /** keys of a tile */
  Bc: number;
  /** words that cross between fast and slow memory with these tiles, for one head without a mask */
  ioWords: number;
  /** words that any schedule moves, up to a constant factor */
  lowerBound: number;
}

/**
 * Tiles of exact attention for a fast memory of M words, and the words they move against the least that any schedule can.
 *
 * M ≥ d²: FlashAttention's tiles, `Bc = ⌈M/4d⌉` and `Br = min(⌈M/4d⌉, d)`, which keep a tile of keys and values while all
 * queries pass it: `2Nd + 3Nd·⌈N/Bc⌉` words, where `N²d²/M` is optimal, fast matrix multiplication included. M < d²: square
 * tiles of `⌊√M/2⌋` with d cut as well, about `10·N²d/√M` words, where `N²d/√M` is optimal. The model counts q, k, v and the
 * result, and leaves out the two numbers of softmax a row.
 *
 * {@link attention} takes `Bc` for half of the second-level cache, cut to what the first-level one holds of the logits.
 *
 * @throws LapidaryError ERR_RANGE, ERR_DTYPE, ERR_OPTION
 * @source Saha & Ye, The I/O Complexity of Attention, or How Optimal is FlashAttention? (2024), the bounds of both
 *   regimes; Dao et al., FlashAttention (2022), algorithm 1, line 1
 * @example planAttentionTiles({ fastMemory: 65536, d: 64, N: 4096 }).Bc // 256
 */
export function planAttentionTiles(problem: AttentionTilesProblem): AttentionTiles {
  const at = where('planAttentionTiles');
  const { fastMemory, d, N } = at.options(problem, ['fastMemory', 'd', 'N']);
  const words = at.number('problem.fastMemory', fastMemory, { min: 1, max: Number.MAX_SAFE_INTEGER });
  const depth = at.integer('problem.d', d, { min: 1 });
  const tokens = at.integer('problem.N', N, { min: 1 });
  const plan = new Float64Array(4);
  native.planAttentionTiles(words, depth, tokens, plan);
  const [Br, Bc, ioWords, lowerBound] = plan as unknown as [number, number, number, number];
  return { Br, Bc, ioWords, lowerBound };
}
