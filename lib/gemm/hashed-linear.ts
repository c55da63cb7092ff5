import { describe, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

const mappers = ['tile', 'cyclic'] as const;

/**
 * out × in weights that stand in one small shared array. They are cut into tiles of 16 rows and `chunk` columns; tile (i, j)
 * is a chunk of the array, column by column:
 * `w[16·i + r, chunk·j + k] = scale · g(i, j) · array[start(i, j) + 16·k + r]`, with g = ±1.
 *
 * Hashes are affine, `h(i, j) = (R₁ + R₂·i + R₃·j) mod P` with P = 2^61 − 1 and R₁, R₂, R₃ = 1 + (words 4l and 4l + 1 of
 * Philox stream 0, the first high) mod (P − 1), l = 0, 1, 2; ⌊h·q/2^61⌋ brings them below q. The sign, with constants from
 * l = 3, 4, 5, is − where its hash is at least 2^60.
 */
export interface HashedWeights {
  /** out */
  rows: number;
  /** in */
  cols: number;
  /** shared, also between layers; at least 16 · chunk values */
  array: Float32Array;
  /** of the hashes; default 0. Layers that share an array take different ones */
  seed?: number;
  /** factor of all weights: the deviation this layer is initialised with over that of the array; default 1 */
  scale?: number;
  /** columns of a tile; default 16, a chunk of 1 KiB */
  chunk?: number;
  /**
   * `tile` (ROAST, the default): start = 16·h(i, j), any multiple of 16 from which a whole chunk follows. `cyclic`
   * (STABLE-RPS): start = 16·chunk·((h(⌊t/q⌋, 0) + t) mod q) for tile number t and an array of q chunks: tiles share only
   * where there are more than q, so that a large enough array gives every weight a value of its own
   */
  mapper?: 'tile' | 'cyclic';
}

/** Options of {@link hashedLinear}. */
export interface HashedLinearOptions {
  /** tokens × out, takes the result; shares no memory with `x` or the array */
  out?: Dense<Float32Array>;
}

/**
 * `y = x · wᵀ` with hashed weights (ROAST, STABLE-RPS), which are never formed.
 *
 * For weights that would not fit the second-level cache where the shared array does: up to 16 tokens then take the time of
 * reading the chunks from the cache, not the weights from memory. Many tokens cost what they do with dense weights. Error:
 * elementwise at most γ_{in+5} · |scale| · Σ |x| · |w|. The same bits for any number of threads.
 *
 * Starts at multiples of 16 (a cache line) and a sign for each tile, where the paper has any start and each weight its sign,
 * keep the hash out of the inner loop.
 *
 * @param x tokens × in
 * @returns tokens × out; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also an array shorter than 16 · chunk), ERR_OPTION, ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Desai, Zhou & Shrivastava, Hardware-Aware Compression with Random Operation Access Specific Tile (ROAST) hashing
 *   (2023), section 3; Desai & Shrivastava, In defense of parameter sharing for model-compression (2024), section 4
 * @example
 * const w = { rows: 2, cols: 3, array: new Float32Array(256).fill(0.5), scale: 2 };
 * gemm.hashedLinear(dense(1, 3, Float32Array.of(1, 2, 3)), w).data.map(Math.abs) // 6, 6
 */
export function hashedLinear(
  x: Dense<Float32Array>,
  w: HashedWeights,
  given?: HashedLinearOptions,
): Dense<Float32Array> {
  const at = where('hashedLinear');
  const hashed = hashedArguments(at, w);
  const input = at.dense('x', x, [Float32Array]);
  if (input.cols !== w.cols) at.fail('ERR_SHAPE', 'x', `${w.cols} columns, as w has`, String(input.cols));
  const opts = at.options(given, ['out']);
  const out = at.outDense('options.out', opts.out, Float32Array, input.rows, w.rows);
  native.hashedLinear(input.data, w.array, out.data, input.rows, ...hashed);
  return out;
}

/** Options of {@link hashedGradient}. */
export interface HashedGradientOptions {
  /**
   * `none`, the default: the gradient itself. `mean`: each element divided by the number of weights that read it.
   * `lambda2`: divided by scale², so that a step changes the weights as if scale were 1
   */
  gradScale?: 'none' | 'mean' | 'lambda2';
  /** as long as the array, takes the result; shares no memory with the inputs */
  out?: Float32Array;
}

/**
 * Gradient of a loss with respect to the shared array, from that of `y = hashedLinear(x, w)`:
 * `g[a] = Σ scale · g(i, j) · (dyᵀ · x)[i, j]` over the weights (i, j) that read element a.
 *
 * `dyᵀ · x` is formed in panels of about a megabyte, and added up in one order whatever the number of threads. `mean` and
 * `lambda2` are readings of STABLE-RPS, whose own factor is not published exactly. For the gradient with respect to `x`
 * multiply by {@link hashedExpand}.
 *
 * @param x tokens × in
 * @param dy tokens × out
 * @param w as in the forward product; the values of its array are not read
 * @returns as long as `w.array`
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (also `lambda2` with scale 0), ERR_OPTION, ERR_ALIAS, ERR_DETACHED,
 *   ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Desai, Zhou & Shrivastava (2023), section 3; Desai & Shrivastava (2024), section 5
 * @example
 * const w = { rows: 1, cols: 1, array: new Float32Array(16), chunk: 1, scale: 3 };
 * const one = dense(1, 1, Float32Array.of(1));
 * Math.abs(gemm.hashedGradient(one, one, w)[0]) // 3
 */
export function hashedGradient(
  x: Dense<Float32Array>,
  dy: Dense<Float32Array>,
  w: HashedWeights,
  given?: HashedGradientOptions,
): Float32Array {
  const at = where('hashedGradient');
  const hashed = hashedArguments(at, w);
  const input = at.dense('x', x, [Float32Array]);
  const slope = at.dense('dy', dy, [Float32Array]);
  if (input.cols !== w.cols) at.fail('ERR_SHAPE', 'x', `${w.cols} columns, as w has`, String(input.cols));
  if (slope.rows !== input.rows || slope.cols !== w.rows)
    at.fail('ERR_SHAPE', 'dy', `${input.rows} × ${w.rows}`, `${slope.rows} × ${slope.cols}`);
  const opts = at.options(given, ['gradScale', 'out']);
  const rule = at.oneOf('options.gradScale', opts.gradScale ?? 'none', ['none', 'mean', 'lambda2']);
  const scale = hashed[4];
  if (rule === 2 && scale === 0) at.fail('ERR_RANGE', 'w.scale', 'a factor other than 0 for lambda2', '0');
  if (rule === 2) hashed[4] = 1 / scale;
  const out = at.outArray('options.out', opts.out, Float32Array, w.array.length);
  native.hashedGradient(input.data, slope.data, out, input.rows, ...hashed, rule === 1);
  return out;
}

/**
 * Hashed weights as the dense matrix that they stand for.
 *
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source the layout of {@link HashedWeights}
 * @example gemm.hashedExpand({ rows: 1, cols: 2, array: new Float32Array(256).fill(-1) }).data.map(Math.abs) // 1, 1
 */
export function hashedExpand(w: HashedWeights): Dense<Float32Array> {
  const at = where('hashedExpand');
  const hashed = hashedArguments(at, w);
  const data = at.allocate(Float32Array, at.size('w', w.rows, w.cols));
  native.hashedExpand(w.array, data, ...hashed);
  return { rows: w.rows, cols: w.cols, data };
}

type HashedArguments = [
  rows: number,
  cols: number,
  chunk: number,
  mapper: number,
  scale: number,
  seedLo: number,
  seedHi: number,
];

/** Checks the weights; what native functions take of them. */
function hashedArguments(at: Where, w: HashedWeights): HashedArguments {
  if (typeof w !== 'object' || w === null) at.fail('ERR_DTYPE', 'w', 'hashed weights', describe(w));
  const most = 2 ** 31 - 1; // the hash of a tile takes 32 bits
  const rows = at.integer('w.rows', w.rows, { max: most });
  const cols = at.integer('w.cols', w.cols, { max: most });
  const array = at.array('w.array', w.array, [Float32Array]);
  const chunk = at.integer('w.chunk', w.chunk ?? 16, { min: 1 });
  if (array.length < 16 * chunk)
    at.fail('ERR_RANGE', 'w.array', `at least 16 · chunk = ${16 * chunk} values`, String(array.length));
  const mapper = at.oneOf('w.mapper', w.mapper ?? 'tile', mappers);
  const scale = at.number('w.scale', w.scale ?? 1);
  const seed = at.integer('w.seed', w.seed ?? 0);
  return [rows, cols, chunk, mapper, scale, seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
}
