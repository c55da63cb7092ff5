import { typeOf, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, headsOf, real, sequenceLengths, shaped, shapedIf, type RealType } from './sequences.js';

/** Options of {@link deltaNet}. */
export interface DeltaNetOptions<A extends Real = Float32Array> {
  /** heads side by side in the columns of q, k, v; default 1 */
  heads?: number;
  /** tokens × heads, the gate α in [0, 1] of gated DeltaNet; default 1 throughout */
  alpha?: Dense<A>;
  /** tokens of a chunk, 1 to 512; default 64 */
  chunk?: number;
  /** (sequences · heads · dv) × dk, S before the first token of each sequence; default zeros */
  state?: Dense<A>;
  /** divide q and k of each head by their Euclidean norms, or by 1e-12 where those are smaller; default false */
  normalize?: boolean;
  /** lengths of the sequences that lie one after another; default: all tokens are one */
  lengths?: Uint32Array;
  /** takes the result */
  out?: Dense<A>;
}

/** The result of {@link deltaNet}. */
export interface DeltaNetResult<A extends Real = Float32Array> {
  /** tokens × (heads · dv) */
  out: Dense<A>;
  /** (sequences · heads · dv) × dk: S after the last token, the `state` of a call that goes on from here */
  state: Dense<A>;
}

const keys = ['heads', 'alpha', 'chunk', 'state', 'normalize', 'lengths'] as const;

function prepare(at: Where, q: unknown, k: unknown, v: unknown, beta: unknown, opts: Partial<DeltaNetOptions<Real>>) {
  const type = typeOf<Real>(at.dense('q', q, real).data) as RealType;
  const net = headsOf(at, type, q, k, v, opts.heads);
  const { tokens, heads, dk, dv } = net;
  const lengths = sequenceLengths(at, opts.lengths, tokens);
  const stateRows = at.size('state', lengths.length * heads, dv);
  return {
    ...net,
    beta: shaped(at, 'beta', beta, type, tokens, heads),
    alpha: shapedIf(at, 'options.alpha', opts.alpha, type, tokens, heads),
    chunk: at.integer('options.chunk', opts.chunk ?? 64, { min: 1, max: 512 }),
    normalize: at.boolean('options.normalize', opts.normalize ?? false),
    before: shapedIf(at, 'options.state', opts.state, type, stateRows, dk),
    lengths,
    stateRows,
  };
}

/**
 * The delta rule: `S_t = α_t·S_{t−1}(I − β_t k_t k_tᵀ) + β_t v_t k_tᵀ`, `o_t = S_t q_t`, a fast-weight memory that replaces what it
 * holds under a key.
 *
 * β in [0, 2]: with unit keys the eigenvalue 1 − β lies in [−1, 1], and those below zero (β = 2σ(·) instead of σ(·)) let a
 * layer follow parity and, by products of several steps, every regular language. A head's `S` is dv × dk. q is not
 * scaled: multiply it by 1/√dk for models that do so.
 *
 * Chunks of tokens run as matrix products with one triangular system each (forward substitution, no inverse); gates enter as
 * products of α between two tokens of a chunk, never as quotients, so α = 0 (forget everything) is exact. A call that
 * goes on from `state` at a multiple of `chunk` has the bits of the whole; elsewhere, and between chunk lengths, results agree
 * to rounding: about 10⁻⁶ of the largest output in f32 while ‖k‖²·β ≤ 2. Beyond that the recurrence itself can grow
 * without bound: set `normalize`. The same bits for any number of threads, which share out heads and sequences.
 * O(tokens · heads · (3·dk·dv + chunk·(dk + dv))).
 *
 * @param q tokens × (heads · dk), f32 or f64
 * @param k tokens × (heads · dk)
 * @param v tokens × (heads · dv)
 * @param beta tokens × heads
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Yang, Wang, Zhang, Shen & Kim, Parallelizing Linear Transformers with the Delta Rule over Sequence Length (2024),
 * section 3.2; the gate: Yang, Kautz & Hatamizadeh, Gated Delta Networks (2024), section 3.3; β up to 2: Grazzi et al.,
 * Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues (2024). Deviation: the triangular system is solved
 * for U with the state already in it, chunk after chunk, instead of for W and U of all chunks beforehand, which is less
 * work where heads, not chunks, are what runs in parallel.
 * @example
 * const k = dense(3, 2, Float32Array.of(1, 0, 1, 0, 1, 0)); // parity: each β = 2 flips the sign of what S holds under k
 * const state = dense(1, 2, Float32Array.of(1, 0));
 * const v = dense(3, 1, new Float32Array(3));
 * deltaNet(k, k, v, dense(3, 1, Float32Array.of(2, 0, 2)), { state }).out.data // -1, -1, 1
 */
export function deltaNet<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  beta: Dense<A>,
  options?: DeltaNetOptions<A>,
): DeltaNetResult<A> {
  const at = where('deltaNet');
  const opts = at.options<DeltaNetOptions<Real>>(options, [...keys, 'out']);
  const net = prepare(at, q, k, v, beta, opts);
  const { type, tokens, heads, dk, dv, chunk, normalize, lengths } = net;
  const out = at.outDense<Real>('options.out', opts.out, type, tokens, heads * dv);
  const state = fresh(at, type, net.stateRows, dk);
  // prettier-ignore
  native.deltaNet(
    net.q, net.k, net.v, net.beta, net.alpha, net.before, out.data, state.data, lengths, tokens, heads, dk, dv, chunk,
    normalize,
  );
  return { out, state } as DeltaNetResult<A>;
}

/** Options of {@link deltaNetBackward}: those of the forward call, and the gradient of its last states. */
export interface DeltaNetBackwardOptions<A extends Real = Float32Array> extends Omit<DeltaNetOptions<A>, 'out'> {
  /** (sequences · heads · dv) × dk: ∂L/∂state of the result; default zeros */
  dstate?: Dense<A>;
}

/** The result of {@link deltaNetBackward}, each in the shape of what it is the gradient of. */
export interface DeltaNetGradient<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
  dbeta: Dense<A>;
  /** only if `alpha` was given */
  dalpha?: Dense<A>;
  /** the gradient of the state before the first token */
  dstate: Dense<A>;
}

/**
 * Gradient of {@link deltaNet}, exact, also through `normalize`.
 *
 * Runs the chunks forward once more and keeps the state before each and the solutions of the triangular systems, then goes
 * through them in reverse: about three times the operations of the forward call, and (tokens · dv)·(1 + dk / chunk) values of
 * scratch a thread. The same bits for any number of threads.
 *
 * @param dout tokens × (heads · dv): ∂L/∂out
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Yang et al. (2024), appendix B, carried through to β and α here
 * @example
 * const k = dense(1, 2, Float32Array.of(1, 0));
 * const one = dense(1, 1, Float32Array.of(1));
 * deltaNetBackward(one, k, k, one, one).dv.data // 1
 */
export function deltaNetBackward<A extends Real>(
  dout: Dense<A>,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  beta: Dense<A>,
  options?: DeltaNetBackwardOptions<A>,
): DeltaNetGradient<A> {
  const at = where('deltaNetBackward');
  const opts = at.options<DeltaNetBackwardOptions<Real>>(options, [...keys, 'dstate']);
  const net = prepare(at, q, k, v, beta, opts);
  const { type, tokens, heads, dk, dv, chunk, normalize, lengths, stateRows } = net;
  const upstream = shaped(at, 'dout', dout, type, tokens, heads * dv);
  const dafter = shapedIf(at, 'options.dstate', opts.dstate, type, stateRows, dk);
  const gradient = {
    dq: fresh(at, type, tokens, heads * dk),
    dk: fresh(at, type, tokens, heads * dk),
    dv: fresh(at, type, tokens, heads * dv),
    dbeta: fresh(at, type, tokens, heads),
    ...(net.alpha && { dalpha: fresh(at, type, tokens, heads) }),
    dstate: fresh(at, type, stateRows, dk),
  };
  // prettier-ignore
  native.deltaNetBackward(
    net.q, net.k, net.v, net.beta, net.alpha, net.before, upstream, dafter, gradient.dq.data, gradient.dk.data,
    gradient.dv.data, gradient.dbeta.data, gradient.dalpha?.data, gradient.dstate.data, lengths, tokens, heads, dk, dv,
    chunk, normalize,
  );
  return gradient as DeltaNetGradient<A>;
}
