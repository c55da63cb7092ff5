import { typeOf, where, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './decode-native.js';
import { fitting, realMatrix } from './linear-heads.js';

/** Which tokens of each sequence take part in a block: positions `indices[indptr[b]] … indices[indptr[b+1] − 1]` of b. */
export interface Route<A extends Real = Float32Array> {
  /** number of sequences */
  batch: number;
  /** tokens of each sequence, chosen or not */
  tokens: number;
  /** length batch + 1 */
  indptr: Uint32Array;
  /** positions within the sequence, ascending */
  indices: Uint32Array;
  /** the router's score of each of them, the factor of the block's result */
  weights: A;
}

/** Options of {@link topkRoute}: exactly one of `k` and `threshold`. */
export interface TopkRouteOptions {
  /** tokens to choose in each sequence (all, where it has fewer) */
  k?: number;
  /** choose every token whose score lies above: a causal decision, made for each token alone */
  threshold?: number;
  /** tokens of each sequence that exist; default all */
  lengths?: Uint32Array;
}

/**
 * Mixture of depths: the tokens of each sequence with the k largest router scores, to which a block is then applied.
 *
 * Equal scores are taken from the front; −∞ masks a token, which is never chosen. During sampling the k largest cannot be
 * known before the sequence ends: `threshold` instead chooses every token whose score lies above it (with the logits of
 * an auxiliary predictor for scores: 0, the probability of one half).
 *
 * O(batch · tokens) time, by selection on the bits of the scores.
 *
 * @param scores batch × tokens, f32 or f64
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (NaN, a length beyond tokens), ERR_OPTION, ERR_DETACHED,
 *   ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Raposo et al., Mixture-of-Depths (2024): expert-choice routing of the k tokens with the largest scores (12.5 %
 *   of the tokens in the paper), predictor or threshold for sampling
 * @example topkRoute(dense(1, 4, Float32Array.of(0.2, 0.9, 0.1, 0.5)), { k: 2 }).indices // 1, 3
 */
export function topkRoute<A extends Real>(scores: Dense<A>, options: TopkRouteOptions): Route<A> {
  const at = where('topkRoute');
  const [{ rows: batch, cols: tokens, data }, type] = realMatrix<A>(at, 'scores', scores);
  const { k, threshold, lengths: given } = at.options(options, ['k', 'threshold', 'lengths']);
  if ((k === undefined) === (threshold === undefined))
    at.fail('ERR_OPTION', 'options.k', 'either k or threshold', k === undefined ? 'neither' : 'both');
  const wanted = k === undefined ? tokens : Math.min(at.integer('options.k', k), tokens);
  const above = threshold === undefined ? -Infinity : at.number('options.threshold', threshold);
  let lengths = given;
  if (lengths === undefined) {
    if (tokens > 2 ** 32 - 1) at.fail('ERR_RANGE', 'scores.cols', 'less than 2^32 tokens', String(tokens));
    lengths = at.allocate(Uint32Array, batch).fill(tokens);
  } else {
    at.array('options.lengths', lengths, [Uint32Array], batch);
    for (const length of lengths)
      if (length > tokens) at.fail('ERR_RANGE', 'options.lengths', `at most ${tokens} tokens`, String(length));
  }

  if (batch * wanted > 2 ** 32 - 1)
    at.fail('ERR_RANGE', 'scores', 'less than 2^32 chosen tokens', `${batch} × ${wanted}`);
  const padded = at.allocate(Uint32Array, batch * wanted);
  const counts = at.allocate(Uint32Array, batch);
  native.topkRoute(
    data,
    lengths,
    padded,
    counts,
    tokens,
    wanted,
    data.BYTES_PER_ELEMENT === 4 ? Math.fround(above) : above,
  );
  const indptr = at.allocate(Uint32Array, batch + 1);
  counts.forEach((count, b) => (indptr[b + 1] = indptr[b]! + count));
  const total = indptr[batch]!;
  const full = total === padded.length;
  const indices = full ? padded : at.allocate(Uint32Array, total);
  const weights = at.allocate(type, total);
  for (let b = 0; b < batch; b++) {
    const begin = indptr[b]!;
    if (!full) indices.set(padded.subarray(b * wanted, b * wanted + counts[b]!), begin);
    for (let i = begin; i < indptr[b + 1]!; i++) weights[i] = data[b * tokens + indices[i]!]!;
  }
  return { batch, tokens, indptr, indices, weights };
}

function routeOf<A extends Real>(at: Where, route: Route<A>): [Route<A>, ArrayType<A>] {
  if (typeof route !== 'object' || (route as Route | null) === null || !('indptr' in route))
    at.fail('ERR_DTYPE', 'route', 'a Route, as topkRoute gives it', typeof route);
  const batch = at.integer('route.batch', route.batch, { max: 2 ** 32 - 2 });
  const tokens = at.integer('route.tokens', route.tokens, { max: 2 ** 32 - 1 });
  const indptr = at.array('route.indptr', route.indptr, [Uint32Array], batch + 1);
  const indices = at.array('route.indices', route.indices, [Uint32Array], indptr[batch]);
  const weights = at.array('route.weights', route.weights, [Float32Array, Float64Array], indices.length) as A;
  return [{ batch, tokens, indptr, indices, weights }, typeOf<A>(weights)];
}

/**
 * The rows of the chosen tokens, one under the other in the order of `route.indices`: what the block works on.
 *
 * @param x batch · tokens × n, of the type of the scores, the sequences one under the other
 * @param out takes the result: number of chosen tokens × n
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_FORMAT (a route that is none), ERR_ALIAS, ERR_DETACHED, ERR_ABORTED
 * @example
 * const route = topkRoute(dense(1, 3, Float32Array.of(1, 3, 2)), { k: 2 });
 * gatherRoute(dense(3, 1, Float32Array.of(10, 20, 30)), route).data // 20, 30
 */
export function gatherRoute<A extends Real>(x: Dense<A>, route: Route<A>, out?: Dense<A>): Dense<A> {
  const at = where('gatherRoute');
  const [{ batch, tokens, indptr, indices }, type] = routeOf(at, route);
  const { cols, data } = fitting(at, 'x', x, type, { rows: at.size('route', batch, tokens) });
  const rows = at.outDense('out', out, type, indices.length, cols);
  native.gatherRoute(indptr, indices, data, rows.data, tokens, cols);
  return rows;
}

/**
 * What leaves a routed block: `out_i = x_i + r_i · y_i` for the chosen tokens, with r the weights of the route and y the
 * block's result for them, and `out_i = x_i` for the others, which went around it.
 *
 * @param x batch · tokens × n, of the type of the scores
 * @param y number of chosen tokens × n, in the order of `route.indices`
 * @param out takes the result; may be `x` itself
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_FORMAT (a route that is none), ERR_ALIAS, ERR_DETACHED, ERR_ABORTED
 * @source Raposo et al., Mixture-of-Depths (2024): the block's result times the router's weight
 * @example
 * const route = topkRoute(dense(1, 3, Float32Array.of(1, 3, 2)), { k: 1 });
 * combineRoute(dense(3, 1, Float32Array.of(10, 20, 30)), dense(1, 1, Float32Array.of(5)), route).data // 10, 35, 30
 */
export function combineRoute<A extends Real>(x: Dense<A>, y: Dense<A>, route: Route<A>, out?: Dense<A>): Dense<A> {
  const at = where('combineRoute');
  const [{ batch, tokens, indptr, indices, weights }, type] = routeOf(at, route);
  const before = fitting(at, 'x', x, type, { rows: at.size('route', batch, tokens) });
  const block = fitting(at, 'y', y, type, { rows: indices.length, cols: before.cols });
  const rows = at.outDense('out', out, type, before.rows, before.cols);
  native.combineRoute(indptr, indices, weights, before.data, block.data, rows.data, tokens, before.cols);
  return rows;
}
