import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, real, sequenceLengths, shaped, shapedIf } from './sequences.js';

/** Options of {@link linearScan}. */
export interface LinearScanOptions<A extends Real = Float32Array> {
  /** sequences × channels, h before the first token of each sequence; default zeros */
  state?: Dense<A>;
  /** run from the last token to the first: `h_t = a_t ⊙ h_{t+1} + b_t` */
  reverse?: boolean;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** takes h; may be `b` itself */
  out?: Dense<A>;
}

/** The result of {@link linearScan}. */
export interface LinearScanResult<A extends Real = Float32Array> {
  /** tokens × channels: h_t */
  out: Dense<A>;
  /** sequences × channels: h after the last token of each sequence, the `state` of a call that goes on from here */
  state: Dense<A>;
}

/**
 * Diagonal linear recurrence: `h_t = a_t ⊙ h_{t−1} + b_t`, the scan under gated linear RNNs.
 *
 * RG-LRU and MLGRU are this with their own a and b (docs/recurrence.md, {@link mlgru}); for Mamba take {@link selectiveScan}, which
 * does not expand its coefficients. All arrays have one type. Each step is one fused multiply-add, in the order of
 * time: no products of gates are formed, so zeros, negative gates and decays that underflow are exact, and a stream
 * that is cut anywhere and goes on from `state` has the bits of the whole. The bits do not depend on the number of threads.
 * Threads share out channels and sequences, never time; the time is that of moving three values an element, and with
 * fewer than about 32 channels that of the additions' latency. O(tokens · channels).
 *
 * @param a tokens × channels, f32 or f64
 * @param b tokens × channels
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Martin & Cundy, Parallelizing Linear Recurrent Neural Nets Over Sequence Length (2018), equation 1. Deviation:
 * no parallel prefix over time, whose bits would depend on where it is cut; channels are parallel enough.
 * @example
 * const gates = dense(3, 1, Float32Array.of(0.5, 0.5, 0.5));
 * linearScan(gates, dense(3, 1, Float32Array.of(1, 1, 1))).out.data // 1, 1.5, 1.75
 */
export function linearScan<A extends Real>(
  a: Dense<A>,
  b: Dense<A>,
  options?: LinearScanOptions<A>,
): LinearScanResult<A> {
  const at = where('linearScan');
  const gates = at.dense('a', a, real);
  const { rows, cols } = gates;
  const type = typeOf<Real>(gates.data) as (typeof real)[number];
  const inputs = shaped(at, 'b', b, type, rows, cols);
  const opts = at.options(options, ['state', 'reverse', 'lengths', 'out']);
  const reverse = at.boolean('options.reverse', opts.reverse ?? false);
  const lengths = sequenceLengths(at, opts.lengths, rows);
  const before = shapedIf(at, 'options.state', opts.state, type, lengths.length, cols);
  const out = at.outDense<Real>('options.out', opts.out, type, rows, cols);
  const state = fresh(at, type, lengths.length, cols);
  native.linearScan(gates.data, inputs, before, out.data, state.data, lengths, rows, cols, reverse);
  return { out, state } as LinearScanResult<A>;
}

/** Options of {@link linearScanBackward}: those of the forward call, and the gradient of its last states. */
export interface LinearScanBackwardOptions<A extends Real = Float32Array> extends Omit<LinearScanOptions<A>, 'out'> {
  /** sequences × channels: ∂L/∂state of the result; default zeros */
  dstate?: Dense<A>;
}

/** The result of {@link linearScanBackward}. */
export interface LinearScanGradient<A extends Real = Float32Array> {
  /** tokens × channels */
  da: Dense<A>;
  db: Dense<A>;
  /** sequences × channels: the gradient of the state before the first token */
  dstate: Dense<A>;
}

/**
 * Gradient of {@link linearScan}: with `G_t = ∂L/∂h_t + a_{t+1} ⊙ G_{t+1}`, `db_t = G_t`, `da_t = G_t ⊙ h_{t−1}` and
 * `dstate = a_1 ⊙ G_1`.
 *
 * Itself a scan, against time, in one pass over the data: five values moved an element. The same bits for any number of
 * threads, and for a sequence cut into calls whose `dstate` is handed backwards.
 *
 * @param dout tokens × channels: ∂L/∂out
 * @param a tokens × channels, as given to linearScan
 * @param h tokens × channels: its result `out`
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Martin & Cundy (2018), section 2.2
 * @example
 * const gates = dense(2, 1, Float32Array.of(0.5, 0.25));
 * const { out } = linearScan(gates, dense(2, 1, Float32Array.of(2, 3)));
 * const { da } = linearScanBackward(dense(2, 1, Float32Array.of(0, 1)), gates, out);
 * da.data // 0, 2
 */
export function linearScanBackward<A extends Real>(
  dout: Dense<A>,
  a: Dense<A>,
  h: Dense<A>,
  options?: LinearScanBackwardOptions<A>,
): LinearScanGradient<A> {
  const at = where('linearScanBackward');
  const gates = at.dense('a', a, real);
  const { rows, cols } = gates;
  const type = typeOf<Real>(gates.data) as (typeof real)[number];
  const upstream = shaped(at, 'dout', dout, type, rows, cols);
  const states = shaped(at, 'h', h, type, rows, cols);
  const opts = at.options(options, ['state', 'dstate', 'reverse', 'lengths']);
  const reverse = at.boolean('options.reverse', opts.reverse ?? false);
  const lengths = sequenceLengths(at, opts.lengths, rows);
  const before = shapedIf(at, 'options.state', opts.state, type, lengths.length, cols);
  const dafter = shapedIf(at, 'options.dstate', opts.dstate, type, lengths.length, cols);
  const [da, db] = [fresh(at, type, rows, cols), fresh(at, type, rows, cols)];
  const dstate = fresh(at, type, lengths.length, cols);
  // prettier-ignore
  native.linearScanBackward(
    upstream, gates.data, states, before, dafter, da.data, db.data, dstate.data, lengths, rows, cols, reverse,
  );
  return { da, db, dstate } as LinearScanGradient<A>;
}
