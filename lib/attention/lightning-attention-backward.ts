import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { lightningArguments, type LightningAttentionSharedOptions } from './lightning-attention.js';
import { fitting } from './linear-heads.js';
import { native } from './native-linear.js';

/** Options of {@link lightningAttentionBackward}: those of the forward call, and the gradient of its last state. */
export interface LightningAttentionBackwardOptions<
  A extends Real = Float32Array,
> extends LightningAttentionSharedOptions {
  /** the state that the forward call began with */
  state?: Dense<A>;
  /** gradient of the state that it returned; default zeros */
  dState?: Dense<A>;
}

/** Gradients, each of the shape of what it belongs to; `dState` is that of the state before the first token. */
export interface LightningAttentionGradients<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
  dState: Dense<A>;
}

/**
 * Gradients of {@link lightningAttention}: for a loss L with `dOut = ∂L/∂out` (and `dState = ∂L/∂state`), ∂L/∂q, ∂L/∂k,
 * ∂L/∂v and the gradient of the first state. For a sequence in pieces go through them from the last to the first and
 * hand `dState` on, each with the `state` that its forward call began with.
 *
 * Each is lightning attention over other operands: `dq` is that of (dOut, v, k), and against time `dk` that of
 * (v, dOut, q) and `dv` that of (k, q, dOut). So it takes about three times as long as the forward call and needs nothing
 * kept from it.
 *
 * @param q tokens × heads · d, f32 or f64, as the other arguments those of the forward call
 * @param dOut tokens × heads · e
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Qin, Sun, Li, Shen, Sun & Zhong, Lightning Attention-2 (2024), algorithm 2
 * @example
 * const ones = dense(3, 1, new Float32Array(3).fill(1));
 * lightningAttentionBackward(ones, ones, ones, ones, { decay: 0.5 }).dk.data // 1.75, 1.5, 1
 */
export function lightningAttentionBackward<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  dOut: Dense<A>,
  options?: LightningAttentionBackwardOptions<A>,
): LightningAttentionGradients<A> {
  const at = where('lightningAttentionBackward');
  const given = at.options(options, ['heads', 'decay', 'slopes', 'block', 'lengths', 'state', 'dState']);
  const { query, key, value, type, sizes, stateRows, e } = lightningArguments(at, q, k, v, given);
  const gradient = fitting(at, 'dOut', dOut, type, value);
  const optional = (argument: 'state' | 'dState') =>
    given[argument] === undefined
      ? undefined
      : fitting(at, `options.${argument}`, given[argument], type, { rows: stateRows, cols: e }).data;
  const [state, dLast] = [optional('state'), optional('dState')];
  const like = ({ rows, cols }: Dense<A>) => at.outDense('', undefined, type, rows, cols);
  const [dq, dk, dv] = [like(query), like(key), like(value)];
  const dState = at.outDense('', undefined, type, stateRows, e);
  native.lightningAttentionBackward(
    query.data,
    key.data,
    value.data,
    gradient.data,
    state,
    dLast,
    dq.data,
    dk.data,
    dv.data,
    dState.data,
    ...sizes,
  );
  return { dq, dk, dv, dState };
}
