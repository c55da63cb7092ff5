import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { inputsOf, maskingKeys, sequences, type AttentionMasking } from './inputs.js';
import { native } from './native.js';

/** Options of {@link attention}. */
export interface AttentionOptions<A extends Real = Float32Array> extends AttentionMasking<A> {
  /** queries × heads · dv, takes the result; shares no memory with the operands */
  out?: Dense<A>;
  /** also give `lse`, which {@link attentionBackward} needs. Default false */
  returnLse?: boolean;
}

/** What queries read: queries × heads · dv. */
export interface Attended<A extends Real = Float32Array> extends Dense<A> {
  /** queries × heads: log Σ exp of a query's logits, −∞ if it sees nothing; with `returnLse` */
  lse?: Dense<A>;
}

/**
 * Exact attention: `out = softmax(scale · q · kᵀ + mask) · v` for each head, with online softmax over tiles, so that memory
 * is linear in the tokens.
 *
 * Float32Array or Float64Array throughout. A query that sees no key (all masked, an empty sequence, causal with fewer keys
 * than queries) gives zeros. NaN and +∞ among the logits a query sees give it NaN; what it does not see by `causal` or
 * `lengths` may hold anything, while a value masked by −∞ in `mask` must be finite (0 · ∞ is NaN). Error in f32: a few
 * 10⁻⁷ of the largest |v| where logits are near 1, growing with them (a logit of size s is off by about s · 6·10⁻⁸).
 * The bits depend neither on the number of threads nor on the other queries.
 *
 * 2 · (d + dv) operations for each query, head and key it sees; scratch: a copy of k and v.
 *
 * @param q queries × heads · d
 * @param k keys × kvHeads · d
 * @param v keys × kvHeads · dv; dv may differ from d
 * @returns queries × heads · dv; the memory of `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED,
 *   ERR_OUT_OF_MEMORY
 * @source Dao, Fu, Ermon, Rudra & Ré, FlashAttention (2022), algorithm 1; Dao, FlashAttention-2 (2023), algorithm 1.
 *   Deviation: exponentials wait for the maximum of a stripe of a tile, not of the whole tile.
 * @example
 * const q = dense(2, 1, Float32Array.of(0, 0));
 * const v = dense(2, 1, Float32Array.of(1, 3));
 * attention(q, q, v, { causal: true }).data // 1, 2
 */
export function attention<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options?: AttentionOptions<A>,
): Attended<A> {
  const at = where('attention');
  const opts = at.options(options, [...maskingKeys, 'out', 'returnLse']);
  const causal = at.boolean('options.causal', opts.causal ?? false);
  const returnLse = at.boolean('options.returnLse', opts.returnLse ?? false);
  const segments = sequences(at, opts.lengths, opts.kvLengths);
  const x = inputsOf(at, [q, k, v], opts, { causal, mask: opts.mask, segments });
  const out = at.outDense('options.out', opts.out, x.type, x.queries, x.heads * x.dv);
  const lse = returnLse ? at.outDense('lse', undefined, x.type, x.queries, x.heads) : undefined;
  native.attention(...x.native, out.data, lse?.data);
  return (lse ? { ...out, lse } : out) as Attended<A>;
}
