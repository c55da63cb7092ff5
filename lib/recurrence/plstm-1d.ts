import { typeOf, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, headsOf, real, sequenceLengths, shaped, shapedIf, type RealType } from './sequences.js';

/** The gates of a pLSTM on sequences, each tokens × heads. */
export interface Plstm1dGates<A extends Real = Float32Array> {
  /** S: how much of a token enters the state behind it */
  source: Dense<A>;
  /** T: how much of the state before a token passes it */
  transition: Dense<A>;
  /** M: how much of the state before a token its output sees */
  mark: Dense<A>;
  /** D: how much a token's output sees of itself; default 0 */
  direct?: Dense<A>;
}

/** Options of {@link plstm1d}. */
export interface Plstm1dOptions<A extends Real = Float32Array> {
  /** heads side by side in the columns of q, k, v; default 1 */
  heads?: number;
  /** (sequences · heads · dk) × dv, C before the first token of each sequence; default zeros */
  state?: Dense<A>;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** tokens of a chunk, 1 to 512; default 64 */
  chunk?: number;
  /** takes the result */
  out?: Dense<A>;
}

const keys = ['heads', 'state', 'lengths', 'chunk'] as const;

function prepare(
  at: Where,
  q: unknown,
  k: unknown,
  v: unknown,
  gates: Plstm1dGates<Real>,
  opts: Partial<Plstm1dOptions<Real>>,
) {
  const type = typeOf<Real>(at.dense('q', q, real).data) as RealType;
  const net = headsOf(at, type, q, k, v, opts.heads);
  const { tokens, heads, dk, dv } = net;
  if (typeof gates !== 'object' || gates === null) at.fail('ERR_DTYPE', 'gates', 'an object of gates');
  const lengths = sequenceLengths(at, opts.lengths, tokens);
  const stateRows = at.size('state', lengths.length * heads, dk);
  return {
    ...net,
    source: shaped(at, 'gates.source', gates.source, type, tokens, heads),
    transition: shaped(at, 'gates.transition', gates.transition, type, tokens, heads),
    mark: shaped(at, 'gates.mark', gates.mark, type, tokens, heads),
    direct: shapedIf(at, 'gates.direct', gates.direct, type, tokens, heads),
    chunk: at.integer('options.chunk', opts.chunk ?? 64, { min: 1, max: 512 }),
    before: shapedIf(at, 'options.state', opts.state, type, stateRows, dv),
    lengths,
    stateRows,
  };
}

/**
 * pLSTM on sequences: `C_t = T_t·C_{t−1} + S_t·k_t v_tᵀ`, `y_t = M_t·q_tᵀC_{t−1} + D_t·(q_t·k_t)·v_t`.
 *
 * The source, transition and mark of a token are scalars for each head. Runs in chunks as matrix products,
 * `(G ⊙ QKᵀ)·V` with `G_ij = M_i·T_{i−1}…T_{j+1}·S_j` below the diagonal and D_i on it. G's products come from the recursion
 * along its columns, not from quotients: transitions may be 0 or negative. A call that goes on from `state` at a
 * multiple of `chunk` has the bits of the whole, elsewhere it agrees to rounding. The same bits for any number of threads,
 * which share out heads and sequences. O(tokens · heads · (2·dk·dv + chunk·(dk + dv))).
 *
 * @param q tokens × (heads · dk), f32 or f64
 * @param k tokens × (heads · dk)
 * @param v tokens × (heads · dv)
 * @returns `out`: tokens × (heads · dv); `state`: (sequences · heads · dk) × dv
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel, Freinschlag, Schmied, Lin & Hochreiter, pLSTM: parallelizable Linear Source Transition Mark networks
 * (2025). Deviation: G by recursion instead of by doubling, which takes log₂ as many steps but log₂ times the work.
 * @example
 * const one = dense(3, 1, Float32Array.of(1, 1, 1));
 * const half = dense(3, 1, Float32Array.of(0.5, 0.5, 0.5));
 * plstm1d(one, one, one, { source: one, transition: half, mark: one }).out.data // 0, 1, 1.5
 */
export function plstm1d<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: Plstm1dGates<A>,
  options?: Plstm1dOptions<A>,
): { out: Dense<A>; state: Dense<A> } {
  const at = where('plstm1d');
  const opts = at.options<Plstm1dOptions<Real>>(options, [...keys, 'out']);
  const net = prepare(at, q, k, v, gates, opts);
  const { type, tokens, heads, dk, dv } = net;
  const out = at.outDense<Real>('options.out', opts.out, type, tokens, heads * dv);
  const state = fresh(at, type, net.stateRows, dv);
  // prettier-ignore
  native.plstm1d(
    net.q, net.k, net.v, net.source, net.transition, net.mark, net.direct, net.before, out.data, state.data,
    net.lengths, tokens, heads, dk, dv, net.chunk,
  );
  return { out, state } as { out: Dense<A>; state: Dense<A> };
}

/** Options of {@link plstm1dBackward}: those of the forward call, and the gradient of its last states. */
export interface Plstm1dBackwardOptions<A extends Real = Float32Array> extends Omit<Plstm1dOptions<A>, 'out'> {
  /** (sequences · heads · dk) × dv: ∂L/∂state of the result; default zeros */
  dstate?: Dense<A>;
}

/** The result of {@link plstm1dBackward}, each in the shape of what it is the gradient of. */
export interface Plstm1dGradient<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
  dsource: Dense<A>;
  dtransition: Dense<A>;
  dmark: Dense<A>;
  /** only if `direct` was given */
  ddirect?: Dense<A>;
  /** the gradient of the state before the first token */
  dstate: Dense<A>;
}

/**
 * Gradient of {@link plstm1d}, exact: chunks in reverse, from the state before each, which is kept
 * (tokens · dk · dv / chunk values of scratch a thread).
 *
 * @param dout tokens × (heads · dv): ∂L/∂out
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel et al. (2025), whose chunks are differentiated here
 * @example
 * const one = dense(2, 1, Float32Array.of(1, 1));
 * const gates = { source: one, transition: one, mark: one };
 * plstm1dBackward(one, one, one, one, gates).dv.data // 1, 0
 */
export function plstm1dBackward<A extends Real>(
  dout: Dense<A>,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: Plstm1dGates<A>,
  options?: Plstm1dBackwardOptions<A>,
): Plstm1dGradient<A> {
  const at = where('plstm1dBackward');
  const opts = at.options<Plstm1dBackwardOptions<Real>>(options, [...keys, 'dstate']);
  const net = prepare(at, q, k, v, gates, opts);
  const { type, tokens, heads, dk, dv, stateRows } = net;
  const upstream = shaped(at, 'dout', dout, type, tokens, heads * dv);
  const dafter = shapedIf(at, 'options.dstate', opts.dstate, type, stateRows, dv);
  const gradient = {
    dq: fresh(at, type, tokens, heads * dk),
    dk: fresh(at, type, tokens, heads * dk),
    dv: fresh(at, type, tokens, heads * dv),
    dsource: fresh(at, type, tokens, heads),
    dtransition: fresh(at, type, tokens, heads),
    dmark: fresh(at, type, tokens, heads),
    ...(net.direct && { ddirect: fresh(at, type, tokens, heads) }),
    dstate: fresh(at, type, stateRows, dv),
  };
  // prettier-ignore
  native.plstm1dBackward(
    net.q, net.k, net.v, net.source, net.transition, net.mark, net.direct, net.before, upstream, dafter,
    gradient.dq.data, gradient.dk.data, gradient.dv.data, gradient.dsource.data, gradient.dtransition.data,
    gradient.dmark.data, gradient.ddirect?.data, gradient.dstate.data, net.lengths, tokens, heads, dk, dv, net.chunk,
  );
  return gradient as Plstm1dGradient<A>;
}
