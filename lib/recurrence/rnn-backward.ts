import { where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { matmul } from '../gemm/index.js';
import { native } from './native.js';
import { checkNetwork, networkOptions, shaped, type RnnNetwork } from './rnn.js';
import type { RnnForwardResult } from './rnn-forward.js';

/** Options of {@link rnnBackward}: those that the forward pass was called with, and these. */
export interface RnnBackwardOptions<A extends Real = Float32Array> extends RnnNetwork<A> {
  /** gradient of the final state, batch × states·heads·d; default zeros */
  dstate?: Dense<A>;
  /** bounds each element of what a step sends back through R to ±clip; default Infinity */
  clip?: number;
}

/** What {@link rnnBackward} gives: each has the shape of what it is the gradient of. */
export interface RnnGradients<A extends Real = Float32Array> {
  dx: Dense<A>;
  /** undefined without `w` */
  dw: Dense<A> | undefined;
  dr: Dense<A>;
  dbias: A;
  drecurrentBias: A;
  /** of the initial state: the `dstate` of the chunk before */
  dstate: Dense<A>;
}

const options = [...networkOptions, 'dstate', 'clip'] as const;

/**
 * Gradients of {@link rnnForward} by backpropagation through time: from `dh`, the gradient of h, and `dstate`, that of the
 * final state, to those of x, of all weights and of the initial state.
 *
 * They are those of the function that rnnForward computes, the sLSTM's stabiliser m and its clamp n = max(·, 1) included: the
 * published backward pass takes m for a constant and ignores the clamp, which differs only where the clamp is active
 * (initial states with 0 < n < 1) and in the gradients of m. A sequence cut into chunks, their `dstate` handed back from
 * the last to the first, has the same gradients of states and pre-activations bit for bit; those of weights and biases
 * add up.
 *
 * With `clip` the result is no gradient any more where the bound is met.
 *
 * The recurrence costs what that of the forward pass does, and the weights' gradients as much again. Memory: R once more in
 * panels, and tokens × hidden values (GRU: twice). The bits do not depend on the number of threads.
 *
 * @param x the x of the forward pass
 * @param forward the result of rnnForward with `save: true`
 * @param dh tokens × heads·d
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_RANGE, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel, Beck & Hochreiter, FlashRNN: I/O-Aware Optimization of Traditional RNNs on modern hardware (2024);
 * Werbos, Backpropagation Through Time: What It Does and How to Do It (1990)
 * @example
 * const network = { cell: 'elman', r: dense(1, 1, Float32Array.of(0.5)) };
 * const x = dense(1, 1, Float32Array.of(1));
 * const forward = rnnForward(x, { ...network, save: true });
 * rnnBackward(x, forward, dense(1, 1, Float32Array.of(1)), network).dx.data // 1 - Math.tanh(1) ** 2
 */
export function rnnBackward<A extends Real>(
  x: Dense<A>,
  forward: Pick<RnnForwardResult<A>, 'h' | 'saved'>,
  dh: Dense<A>,
  given: RnnBackwardOptions<A>,
): RnnGradients<A> {
  const at = where('rnnBackward');
  const opts = at.options(given, options);
  const net = checkNetwork(at, x, opts);
  const { type, tokens, batch, hidden, gates } = net;
  if (typeof forward !== 'object' || forward === null)
    at.fail('ERR_DTYPE', 'forward', 'the result of rnnForward', String(forward));
  if (forward.saved === undefined)
    at.fail('ERR_OPTION', 'forward.saved', 'what rnnForward keeps with save: true', 'none');
  const h = shaped(at, 'forward.h', forward.h, type, tokens, hidden);
  const saved = shaped(at, 'forward.saved', forward.saved, type, tokens, net.saved);
  const gradient = shaped(at, 'dh', dh, type, tokens, hidden);
  const dstate =
    opts.dstate === undefined ? undefined : shaped(at, 'options.dstate', opts.dstate, type, batch, net.states);
  const clip = at.number('options.clip', opts.clip ?? Infinity, { min: 0 });

  const matrix = (rows: number, cols: number): Dense<A> => {
    return { rows, cols, data: at.allocate(type, at.size('rows × cols', rows, cols)) };
  };
  const projection = matrix(tokens, gates);
  const dr = matrix(gates, net.d);
  const dbias = at.allocate(type, gates);
  const drecurrentBias = at.allocate(type, gates);
  const initial = matrix(batch, net.states);
  native.rnnBackward(
    net.code,
    net.heads,
    net.d,
    net.input,
    net.w === undefined,
    net.lengths,
    tokens,
    net.r.data,
    net.state?.data,
    h.data,
    saved.data,
    gradient.data,
    dstate?.data,
    clip,
    projection.data,
    dr.data,
    dbias,
    drecurrentBias,
    initial.data,
  );
  return {
    dx: net.w ? matmul(projection, net.w) : projection,
    dw: net.w && matmul(projection, net.x, { transposeA: true }),
    dr,
    dbias,
    drecurrentBias,
    dstate: initial,
  };
}
