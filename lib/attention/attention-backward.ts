import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import type { Attended } from './attention.js';
import { inputsOf, maskingKeys, promptBlocks, sequences, type AttentionMasking } from './inputs.js';
import { native } from './native.js';

/** Options of {@link attentionBackward}: those of the forward call, and its result. */
export interface AttentionBackwardOptions<A extends Real = Float32Array> extends AttentionMasking<A> {
  /** the blocks of `blockAttention`, in place of `causal`, `lengths` and `mask` */
  blocks?: ArrayLike<number>;
  /** result of the forward call with `returnLse`; computed anew if it was not kept */
  out?: Attended<A>;
}

/** Gradients with respect to q, k and v, each of its shape. */
export interface AttentionGradient<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
}

/**
 * Gradient of attention: with `L` a function of `out`, `dOut = ∂L/∂out` gives `∂L/∂q`, `∂L/∂k`, `∂L/∂v`.
 *
 * Probabilities are computed anew tile by tile from the kept `lse`, so memory is linear in the tokens:
 * dV = Pᵀ·dO, dS = P∘(dO·Vᵀ − rowsum(dO∘O)), dQ = scale·dS·K, dK = scale·dSᵀ·Q; with grouped heads, dk and dv are sums
 * over their group. A query that sees nothing contributes nothing. The bits do not depend on the number of threads: each
 * gradient has one owner, at the price of computing the logits twice, once for dq and once for dk and dv.
 *
 * 2 · (5·d + 2·dv) operations, where d = dv, for each query, head and key it sees; scratch: four copies of the operands.
 *
 * @param q queries × heads · d, as in {@link attention}
 * @param k keys × kvHeads · d
 * @param v keys × kvHeads · dv
 * @param dOut queries × heads · dv
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Dao, FlashAttention-2 (2023), algorithm 2. Deviation: two sweeps in place of one with atomic sums into dQ.
 * @example
 * const q = dense(1, 1, Float64Array.of(1));
 * const k = dense(2, 1, Float64Array.of(0, 0));
 * const v = dense(2, 1, Float64Array.of(0, 4));
 * attentionBackward(q, k, v, dense(1, 1, Float64Array.of(1))).dk.data // -1, 1
 */
export function attentionBackward<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  dOut: Dense<A>,
  options?: AttentionBackwardOptions<A>,
): AttentionGradient<A> {
  const at = where('attentionBackward');
  const opts = at.options(options, [...maskingKeys, 'blocks', 'out']);
  const { blocks } = opts;
  if (blocks !== undefined)
    for (const name of ['causal', 'lengths', 'kvLengths', 'mask'] as const)
      if (opts[name] !== undefined) at.fail('ERR_OPTION', `options.${name}`, 'nothing, since blocks say it', 'a value');
  const causal = at.boolean('options.causal', opts.causal ?? blocks !== undefined);
  const segments = blocks === undefined ? sequences(at, opts.lengths, opts.kvLengths) : promptBlocks(at, blocks);
  const x = inputsOf(at, [q, k, v], opts, { causal, mask: opts.mask, segments });
  const given = at.dense('dOut', dOut, [x.type]);
  const width = x.heads * x.dv;
  if (given.rows !== x.queries || given.cols !== width)
    at.fail('ERR_SHAPE', 'dOut', `${x.queries} × ${width}`, `${given.rows} × ${given.cols}`);
  const kept = opts.out !== undefined;
  if (kept && (opts.out as Attended<A> | null)?.lse === undefined)
    at.fail('ERR_OPTION', 'options.out', 'a result of attention with returnLse', 'one without lse');
  const out = at.outDense('options.out', opts.out, x.type, x.queries, width);
  const lse = at.outDense('options.out.lse', opts.out?.lse, x.type, x.queries, x.heads);
  const like = (m: Dense<Real>) => at.outDense('', undefined, x.type, m.rows, m.cols);
  const [dq, dk, dv] = [like(x.q), like(x.k), like(x.v)];
  if (!kept) native.attention(...x.native, out.data, lse.data);
  native.attentionBackward(...x.native, out.data, lse.data, given.data, dq.data, dk.data, dv.data);
  return { dq, dk, dv } as AttentionGradient<A>;
}
