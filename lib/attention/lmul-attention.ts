import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import type { LmulNumberOptions } from '../quant/index.js';
import { lmulNumberOptions, lmulNumbers } from '../quant/lmul.js';
import { headKeys, inputsOf, sequences, type AttentionMasking } from './inputs.js';
import { native } from './native.js';

const values = ['lmul', 'exact'] as const;

/** Options of {@link lmulAttention}. */
export interface LmulAttentionOptions extends LmulNumberOptions, Omit<AttentionMasking<Float32Array>, 'mask'> {
  /** how probabilities meet `v`: by L-Mul (default, as in the paper) or exactly, so that only the scores are L-Mul's */
  values?: (typeof values)[number];
  /** queries × heads · dv, takes the result; shares no memory with the operands */
  out?: Dense<Float32Array>;
}

/**
 * Attention whose products multiply by L-Mul: `out = L(softmax(scale · L(q, kᵀ)), v)` for each head.
 *
 * For the study of accuracy, not for speed: {@link attention} is faster and exact. Sums, softmax and the factor `scale` are
 * ordinary f32; the operands of a product are rounded to `dtype` first, the normalised probabilities too. A query that sees
 * no key gives zeros, one with NaN or +∞ among its logits NaN. `v` must be finite: what `causal` hides is multiplied by 0.
 *
 * The same bits for any number of threads. O(queries · keys · (d + dv)) for each head; scratch: 64 rows of logits a
 * thread and one head's keys and values.
 *
 * @param q queries × heads · d, f32
 * @param k keys × kvHeads · d
 * @param v keys × kvHeads · dv
 * @returns queries × heads · dv; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Luo & Sun, Addition is All You Need for Energy-efficient Language Models (2024), section 2.3
 * @example
 * const q = dense(2, 1, Float32Array.of(0, 0));
 * const v = dense(2, 1, Float32Array.of(1, 3));
 * lmulAttention(q, q, v, { causal: true, values: 'exact' }).data // 1, 2
 */
export function lmulAttention(
  q: Dense<Float32Array>,
  k: Dense<Float32Array>,
  v: Dense<Float32Array>,
  options?: LmulAttentionOptions,
): Dense<Float32Array> {
  const at = where('lmulAttention');
  const known = [...lmulNumberOptions, ...headKeys, 'causal', 'lengths', 'kvLengths', 'values', 'out'] as const;
  const opts = at.options(options, known);
  const causal = at.boolean('options.causal', opts.causal ?? false);
  const numbers = lmulNumbers(at, opts);
  const exact = at.oneOf('options.values', opts.values ?? 'lmul', values) === 1;
  at.dense('q', q, [Float32Array]);
  const x = inputsOf(at, [q, k, v], opts, { causal, segments: sequences(at, opts.lengths, opts.kvLengths) });
  const out = at.outDense('options.out', opts.out, Float32Array, x.queries, x.heads * x.dv);
  native.lmulAttention(...x.native, out.data, ...numbers.native, exact);
  return out;
}
