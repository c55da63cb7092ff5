import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import type { LmulArray, LmulNumberOptions } from '../quant/index.js';
import { checkTag, lmulNumberOptions, lmulNumbers, lmulTypes, tagOf } from '../quant/lmul.js';
import { native } from './native.js';

const sums = ['f32', 'e4m3'] as const;

/** Options of {@link lmulMatmul}. */
export interface LmulMatmulOptions extends LmulNumberOptions {
  /** the numbers in which products are added up: 'f32' (default), or 'e4m3', rounded to nearest after every addition */
  accumulate?: (typeof sums)[number];
  /** multiply by the transpose of `a`, which is then k × m; default false */
  transposeA?: boolean;
  /** multiply by the transpose of `b`, which is then n × k; default false */
  transposeB?: boolean;
  /** m × n, takes the result; shares no memory with `a` or `b` */
  out?: Dense<Float32Array>;
}

/**
 * Product of two matrices whose multiplications are L-Mul: `out[i,j] = Σ_k L(a[i,k], b[k,j])`, the additions ordinary.
 *
 * For the study of accuracy: it is slower than {@link matmul}, which multiplies for nothing (docs/lowbit.md has figures).
 * Operands are f32 values, which are rounded to `dtype` first (8-bit formats saturate), or codes of it. A product is the
 * number that {@link quant.lmul} would give if the format had the exponents of f32: what enters the sum neither saturates
 * nor underflows at the format's own ends. By `formula` it is not rounded to the format's bits either. Operands that are subnormal in their format are zeros; NaN and infinities follow
 * `quant.lmul`. Sums run over k in order from +0: the same bits on every processor and for any number of threads.
 *
 * With `accumulate: 'e4m3'` each f32 sum is rounded to the nearest E4M3, ties to even, saturated at 448; for e4m3 operands
 * that is the rounding of the exact sum.
 *
 * O(m·n·k) operations: two for each product where no product can leave the normal numbers, five if operands are zero, about
 * twenty otherwise. Scratch: both operands as f32.
 *
 * @param a m × k (k × m if transposed), f32 values or codes of `dtype`
 * @param b k × n (n × k if transposed), f32 values or codes of `dtype`
 * @returns m × n; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_RANGE, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Luo & Sun, Addition is All You Need for Energy-efficient Language Models (2024), equations 1 to 3 and section 2.3
 * @example
 * const a = dense(1, 2, Float32Array.of(1, 2));
 * gemm.lmulMatmul(a, a, { transposeB: true }).data // 5.3125
 */
export function lmulMatmul(a: Dense<LmulArray>, b: Dense<LmulArray>, options?: LmulMatmulOptions): Dense<Float32Array> {
  const at = where('lmulMatmul');
  const opts = at.options(options, [...lmulNumberOptions, 'accumulate', 'transposeA', 'transposeB', 'out']);
  const numbers = lmulNumbers(at, opts, tagOf(a) ?? tagOf(b));
  const left = at.dense('a', a, lmulTypes(numbers.dtype));
  const right = at.dense('b', b, lmulTypes(numbers.dtype));
  checkTag(at, 'a', left, numbers.dtype);
  checkTag(at, 'b', right, numbers.dtype);
  const sum = at.oneOf('options.accumulate', opts.accumulate ?? 'f32', sums);
  const transposeA = at.boolean('options.transposeA', opts.transposeA ?? false);
  const transposeB = at.boolean('options.transposeB', opts.transposeB ?? false);
  const [m, k] = transposeA ? [left.cols, left.rows] : [left.rows, left.cols];
  const [n, depth] = transposeB ? [right.rows, right.cols] : [right.cols, right.rows];
  if (depth !== k) at.fail('ERR_SHAPE', 'b', `${k} ${transposeB ? 'columns' : 'rows'}, the depth of a`, `${depth}`);
  const out = at.outDense('options.out', opts.out, Float32Array, m, n);
  native.lmulMatmul(left.data, right.data, out.data, m, n, k, transposeA, transposeB, ...numbers.native, sum);
  return out;
}
