import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { headKeys, inputsOf, lengthsOf, promptBlocks, type HeadOptions } from './inputs.js';
import { native } from './native.js';

/** Options of {@link blockAttention}. */
export interface BlockAttentionOptions<A extends Real = Float32Array> extends HeadOptions {
  /** tokens of each block: the instruction, the documents, the query */
  blocks: ArrayLike<number>;
  /** queries at the end of the last block for which scores are wanted; the block's length if that is less. Default 16 */
  lastQueries?: number;
  /** tokens × heads · dv, takes the result; shares no memory with the operands */
  out?: Dense<A>;
}

export interface BlockAttended<A extends Real = Float32Array> {
  /** tokens × heads · dv */
  out: Dense<A>;
  /** last queries × documents: the share of each document in the attention paid to all documents, averaged over heads */
  scores: Dense<A>;
}

/**
 * Attention over a ranking prompt of blocks (BlockRank): block 0, the instruction, sees itself causally; each document sees
 * block 0 and itself causally; the last block, the query, sees everything before it and itself causally. Documents do not
 * see each other, so the cost is linear in their number.
 *
 * `scores` ranks the documents without decoding: row i is a query token (one of the last `lastQueries`), column b document
 * b, and a row adds up to 1: softmax of the token's logits over all document tokens, summed over the tokens of each
 * document and averaged over heads. Average the rows of the signal tokens (a delimiter before the answer) to rank.
 *
 * Blocks may have any length, 0 too; an empty document scores 0. Memory is linear in the tokens. Otherwise as
 * {@link attention}.
 *
 * @param q tokens × heads · d
 * @param k tokens × kvHeads · d
 * @param v tokens × kvHeads · dv
 * @throws LapidaryError ERR_SHAPE (lengths that do not add up), ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED,
 *   ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Gupta, You, Bhojanapalli, Kumar, Dhillon & Yu, Scalable In-context Ranking with Generative Models (2025):
 *   block mask and scores of BlockRank. Deviations: ragged blocks instead of padded ones; scores are given for each signal token.
 * @example
 * const x = dense(4, 1, Float32Array.of(1, 0, 1, 1));
 * blockAttention(x, x, x, { blocks: [1, 1, 1, 1], lastQueries: 1 }).scores.data // 1/(1+Math.E), Math.E/(1+Math.E)
 */
export function blockAttention<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options: BlockAttentionOptions<A>,
): BlockAttended<A> {
  const at = where('blockAttention');
  const opts = at.options(options, [...headKeys, 'blocks', 'lastQueries', 'out']);
  const segments = promptBlocks(at, opts.blocks);
  const x = inputsOf(at, [q, k, v], opts, { causal: true, segments });
  const blocks = lengthsOf(at, 'options.blocks', opts.blocks, x.queries);
  const last = blocks.length > 1 ? blocks.at(-1)! : 0;
  const count = Math.min(last, at.integer('options.lastQueries', opts.lastQueries ?? 16));
  const documents = blocks.slice(1, -1);
  const starts = at.allocate(Uint32Array, documents.length + 1);
  starts[0] = blocks[0] ?? 0;
  documents.forEach((length, b) => (starts[b + 1] = starts[b]! + length));
  const out = at.outDense('options.out', opts.out, x.type, x.queries, x.heads * x.dv);
  const scores = at.outDense('scores', undefined, x.type, count, documents.length);
  native.attention(...x.native, out.data, undefined);
  native.blockScores(...x.native, starts, documents.length, count, scores.data);
  return { out, scores } as BlockAttended<A>;
}
