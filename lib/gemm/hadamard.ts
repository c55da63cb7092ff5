import { typeOf, where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** Options of {@link hadamard}. */
export interface HadamardOptions<A extends Real = Float64Array> {
  /** values of a block: a power of two from 2 to 32,768 that divides `x.cols`; default 128 */
  block?: number;
  /** the shape of `x`, takes the result; may be `x` itself, and shares no memory with it otherwise */
  out?: Dense<A>;
}

/**
 * Walsh-Hadamard transform of each block of each row: `y = H·x / √block` with `H[i,j] = (−1)^popcount(i & j)`.
 *
 * The matrix H/√block is orthonormal and symmetric, so that the transform keeps lengths and inner products and is its own
 * inverse. A product is unchanged when it is applied to both sides along k: `linear(hadamard(x), hadamard(w))` is
 * `linear(x, w)`; outliers are spread over their block meanwhile, which is what it is for before quantisation.
 *
 * Error: at most γ_{log₂(block)+2} · ‖x‖ in each block, the same bits on every instruction set and for any number of
 * threads. NaN and infinity spread over their block. x.rows · x.cols · log₂(block) additions; blocks up to 128 are read
 * and written once.
 *
 * @param x rows × cols
 * @returns rows × cols; `out` if it was given
 * @throws LapidaryError ERR_SHAPE (a block that does not divide `x.cols`), ERR_RANGE (no power of two), ERR_DTYPE,
 *   ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Fino & Algazi, Unified Matrix Treatment of the Fast Walsh-Hadamard Transform (IEEE Trans. Computers C-25(11),
 *   1976); blocks for quantisation: Egiazarian et al., MR-GPTQ (2025), section 4
 * @example gemm.hadamard(dense(1, 4, Float64Array.of(1, 2, 3, 5)), { block: 4 }).data // 5.5, -1.5, -2.5, 0.5
 */
export function hadamard<A extends Real>(x: Dense<A>, given?: HadamardOptions<A>): Dense<A> {
  const at = where('hadamard');
  const input = at.dense('x', x, [Float64Array, Float32Array]);
  const opts = at.options(given, ['block', 'out']);
  const block = at.integer('options.block', opts.block ?? 128, { min: 2, max: 2 ** 15 });
  if ((block & (block - 1)) !== 0) at.fail('ERR_RANGE', 'options.block', 'a power of two', String(block));
  if (input.cols % block !== 0)
    at.fail('ERR_SHAPE', 'x', `a number of columns that ${block} divides`, `${input.rows} × ${input.cols}`);
  const out = at.outDense('options.out', opts.out, typeOf(input.data), input.rows, input.cols);
  native.hadamard(input.data, out.data, input.data.length, block);
  return out as Dense<A>;
}
