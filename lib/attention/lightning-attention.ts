import { where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { fitting, headColumns, realMatrix } from './linear-heads.js';
import { native } from './native-linear.js';

/** Options that {@link lightningAttention} and its backward pass share. */
export interface LightningAttentionSharedOptions {
  /** default 1 */
  heads?: number;
  /** λ of each head (one number: of all), 0 to 1 */
  decay?: number | ArrayLike<number>;
  /** s of each head with λ = e^−s, s ≥ 0, in place of `decay`; default {@link alibiSlopes} */
  slopes?: number | ArrayLike<number>;
  /** tokens worked on at a time, 1 to 1024; default 64, or 128 for heads of 128 columns and more */
  block?: number;
  /** tokens of each sequence, where several lie one after another; default one sequence */
  lengths?: ArrayLike<number>;
}

/** Options of {@link lightningAttention}. */
export interface LightningAttentionOptions<A extends Real = Float32Array> extends LightningAttentionSharedOptions {
  /** S before the first token, sequences · heads · d rows of e columns; default zeros */
  state?: Dense<A>;
  /** takes the result */
  out?: Dense<A>;
}

/** What {@link lightningAttention} returns. */
export interface LightningAttentionResult<A extends Real = Float32Array> {
  /** tokens × heads · e */
  out: Dense<A>;
  /** S after the last token, sequences · heads · d rows of e columns: the `state` for the tokens that follow */
  state: Dense<A>;
}

/**
 * Slopes of ALiBi, one for each head: 2^(−8(h+1)/H) where H is a power of two, else those of the largest power of two
 * below and then every second one of the next.
 *
 * @param heads 1 to 65536
 * @throws LapidaryError ERR_RANGE, ERR_DTYPE
 * @source Press, Smith & Lewis, Train Short, Test Long (2022), section 3, and the authors' code for other numbers of heads
 * @example alibiSlopes(3) // 0.0625, 0.00390625, 0.25
 */
export function alibiSlopes(heads: number): Float64Array {
  const at = where('alibiSlopes');
  at.integer('heads', heads, { min: 1, max: 65536 });
  const power = 2 ** Math.floor(Math.log2(heads));
  return Float64Array.from({ length: heads }, (_, h) =>
    h < power ? 2 ** ((-8 * (h + 1)) / power) : 2 ** ((-8 * (2 * (h - power) + 1)) / (2 * power)),
  );
}

/** The numbers of an option that is one for all heads or one for each. */
function perHead(at: Where, argument: string, value: unknown, heads: number, max: number): Float64Array {
  const list = typeof value === 'number' ? new Float64Array(heads).fill(value) : numbers(at, argument, value);
  if (list.length !== heads) at.fail('ERR_SHAPE', argument, `a number for each of ${heads} heads`, `${list.length}`);
  list.forEach((x, h) => at.number(`${argument}[${h}]`, x, { min: 0, max }));
  return list;
}

function numbers(at: Where, argument: string, value: unknown): Float64Array {
  if (!(Array.isArray(value) || ArrayBuffer.isView(value)) || value instanceof DataView)
    at.fail('ERR_DTYPE', argument, 'a number or an array of numbers');
  const list = Array.from(value as ArrayLike<unknown>, (x, i) => {
    if (typeof x !== 'number') at.fail('ERR_DTYPE', `${argument}[${i}]`, 'a number', typeof x);
    return x;
  });
  return Float64Array.from(list);
}

/** The arguments of both directions, checked. */
export function lightningArguments<A extends Real>(
  at: Where,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options: Partial<LightningAttentionSharedOptions>,
) {
  const [query, type] = realMatrix<A>(at, 'q', q);
  const tokens = query.rows;
  const heads = at.integer('options.heads', options.heads ?? 1, { min: 1, max: 65536 });
  const d = headColumns(at, 'q', query, heads);
  const key = fitting(at, 'k', k, type, { rows: tokens, cols: query.cols });
  const value = fitting(at, 'v', v, type, { rows: tokens });
  const e = headColumns(at, 'v', value, heads);
  if (options.decay !== undefined && options.slopes !== undefined)
    at.fail('ERR_OPTION', 'options.slopes', 'either decay or slopes', 'both');
  const decay =
    options.decay !== undefined
      ? perHead(at, 'options.decay', options.decay, heads, 1)
      : perHead(at, 'options.slopes', options.slopes ?? alibiSlopes(heads), heads, Infinity).map((s) => Math.exp(-s));
  const list = numbers(at, 'options.lengths', options.lengths ?? [tokens]);
  list.forEach((length, s) => at.integer(`options.lengths[${s}]`, length, { max: Math.min(tokens, 2 ** 32 - 1) }));
  const sum = list.reduce((total, length) => total + length, 0);
  if (sum !== tokens) at.fail('ERR_SHAPE', 'options.lengths', `lengths that add up to ${tokens}`, String(sum));
  const block = at.integer('options.block', options.block ?? (d < 128 ? 64 : 128), { min: 1, max: 1024 });
  const stateRows = at.size('options.state.rows', list.length * heads, d);
  at.size('options.state', stateRows, e);
  const sizes = [Uint32Array.from(list), decay, tokens, heads, d, e, block] as const;
  return { query, key, value, type, sizes, stateRows, e };
}

/**
 * Linear attention with exponential decay: `out_t = q_tᵀ·S_t` with `S_t = λ·S_{t−1} + k_t·v_tᵀ`, one S of d × e for each
 * head. Unlike softmax attention there are no denominators: normalise the result (by an RMS norm, say) where the model
 * wants it.
 *
 * Time is linear in the number of tokens and memory beside the result constant: in blocks of B tokens, B·(d + e) + 4·d·e
 * operations a token and head. Results of other blocks, or of a sequence cut into calls that hand `state` on, differ by
 * roundings, which grow with the number of blocks that the state remembers, at most tokens / B.
 *
 * Float32Array or Float64Array throughout: sums are formed in that type and powers of λ exact to it (those below its least
 * normal number, 2^−126 in f32, count as 0). A NaN or infinity reaches no token
 * before its own, but for one in v: products are taken in squares of 32 tokens, so it may reach up to 31 earlier ones.
 *
 * The same bits for any number of threads. With fewer than 4 heads and sequences together, those of more than 2048 tokens
 * are cut along time, too, for 2·d·e operations a token more.
 *
 * @param q tokens × heads · d
 * @param k tokens × heads · d
 * @param v tokens × heads · e
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED,
 *   ERR_OUT_OF_MEMORY
 * @source Qin, Sun, Li, Shen, Sun & Zhong, Lightning Attention-2 (2024), algorithm 1. Deviations: the state is returned,
 * moved by λ^L after a last block of L tokens; the half of a block above its diagonal is skipped.
 * @example
 * const ones = dense(3, 1, new Float32Array(3).fill(1));
 * lightningAttention(ones, ones, ones, { decay: 0.5 }).out.data // 1, 1.5, 1.75
 */
export function lightningAttention<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  options?: LightningAttentionOptions<A>,
): LightningAttentionResult<A> {
  const at = where('lightningAttention');
  const given = at.options(options, ['heads', 'decay', 'slopes', 'block', 'lengths', 'state', 'out']);
  const { query, key, value, type, sizes, stateRows, e } = lightningArguments(at, q, k, v, given);
  const before =
    given.state === undefined
      ? undefined
      : fitting(at, 'options.state', given.state, type, { rows: stateRows, cols: e });
  const out = at.outDense('options.out', given.out, type, value.rows, value.cols);
  const state = at.outDense('options.state', undefined, type, stateRows, e);
  native.lightningAttention(query.data, key.data, value.data, before?.data, out.data, state.data, ...sizes);
  return { out, state };
}
