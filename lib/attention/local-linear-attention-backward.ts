import type { Iterated } from '../core/iterate.js';
import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { fitting } from './linear-heads.js';
import {
  localLinearArguments,
  localLinearKeys,
  refuseSingular,
  type LocalLinearAttentionSharedOptions,
} from './local-linear-attention.js';
import { native } from './native-linear.js';

/** Gradients, each of the shape of what it belongs to. */
export interface LocalLinearAttentionGradients<A extends Real = Float32Array> extends Iterated {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
}

/**
 * Gradients of {@link localLinearAttention}: ∂L/∂q, ∂L/∂k and ∂L/∂v of a loss L with `dOut = ∂L/∂out`. They are those of
 * the exact solution: conjugate gradients must have converged.
 *
 * Weights and solutions are computed anew; a second system with the same matrix is solved for each query. About twice the
 * work of the forward call for 'direct', three times for 'cg'. Threads share out the heads. Memory: (128 + d)·keys numbers
 * a thread.
 *
 * @param q queries × heads · d, f32 or f64, as the other arguments those of the forward call
 * @param dOut queries × heads · e
 * @throws LapidaryError ERR_RANGE (also a singular system, as for the forward call), ERR_SHAPE, ERR_DTYPE, ERR_OPTION,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source from the chain rule; native/attention/local_linear_panel.cc has the formulas
 * @example
 * const k = dense(2, 1, Float32Array.of(1, 1));
 * localLinearAttentionBackward(k, k, k, k).dv.data // 1, 1
 */
export function localLinearAttentionBackward<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  dOut: Dense<A>,
  options?: LocalLinearAttentionSharedOptions,
): LocalLinearAttentionGradients<A> {
  const at = where('localLinearAttentionBackward');
  const given = at.options(options, localLinearKeys);
  const { query, key, value, type, heads, sizes } = localLinearArguments(at, q, k, v, given);
  const gradient = fitting(at, 'dOut', dOut, type, { rows: query.rows, cols: value.cols });
  const like = ({ rows, cols }: Dense<A>) => at.outDense('', undefined, type, rows, cols);
  const [dq, dk, dv] = [like(query), like(key), like(value)];
  const report = new Float64Array(4);
  native.localLinearAttentionBackward(
    query.data,
    key.data,
    value.data,
    gradient.data,
    dq.data,
    dk.data,
    dv.data,
    report,
    ...sizes,
  );
  refuseSingular(at, report[3]!, heads);
  return { dq, dk, dv, iterations: report[0]!, converged: report[1] === 1, residual: report[2]! };
}
