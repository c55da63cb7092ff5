/** Weights of whole numbers laid out once: `packWeights` of a matrix of bytes, and the products with them. */
import { checkApart } from '../core/apart.js';
import { describe, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import type { LinearOptions } from './linear.js';
import type { MatmulOptions } from './matmul.js';
import { native } from './native.js';
import { checkNoScales, integerDepth, operand } from './operands.js';

/**
 * A matrix of 8-bit integers laid out once for {@link matmul} and {@link linear}: plain arrays in one layout for every
 * processor, to be stored and sent as they are; native/gemm/integer_packed.h describes it byte by byte.
 */
export interface PackedBytes {
  /** version of this layout */
  layout: 1;
  kernel: 'int8';
  /** out: columns of a product with it */
  rows: number;
  /** in: depth of a product with it; at most 65,793 */
  cols: number;
  /** length ceil(rows/32) · ceil(cols/4) · 128; zero where there is no row or column */
  packed: Int8Array;
  /** length rows: the sum of each row */
  sums: Int32Array;
}

const bytes = [Uint8Array, Int8Array] as const;

const packedLength = (at: Where, argument: string, rows: number, cols: number): number =>
  at.size(argument, Math.ceil(rows / 32), Math.ceil(cols / 4) * 128);

function checkDepth(at: Where, argument: string, depth: number): void {
  if (depth > integerDepth)
    at.fail('ERR_RANGE', argument, `a depth of at most ${integerDepth}, so that every sum fits 32 bits`, String(depth));
}

/** w, n × k or, transposed, k × n, laid out. */
export function packBytes(at: Where, w: Dense<Int8Array>, transpose: boolean): PackedBytes {
  const matrix = operand(at, 'w', w, [Int8Array]);
  checkNoScales(at, 'w', w);
  const [rows, cols] = transpose ? [matrix.cols, matrix.rows] : [matrix.rows, matrix.cols];
  checkDepth(at, 'w', cols);
  const packed = at.allocateUncleared(Int8Array, packedLength(at, 'w', rows, cols));
  const sums = at.allocate(Int32Array, rows);
  native.integerPack(matrix.data, packed, sums, rows, cols, transpose);
  return { layout: 1, kernel: 'int8', rows, cols, packed, sums };
}

/** Whether these are PackedBytes; whether they are whole ones, the products check. */
export const isPackedBytes = (w: unknown): w is PackedBytes =>
  typeof w === 'object' && w !== null && 'kernel' in w && w.kernel === 'int8';

/** `value` as PackedBytes whose parts have the lengths that their sizes ask for. */
function packedBytes(at: Where, argument: string, value: PackedBytes): PackedBytes {
  const of = (part: string) => `${argument}.${part}`;
  if (value.layout !== 1) at.fail('ERR_FORMAT', of('layout'), 'layout 1', describe(value.layout));
  const rows = at.integer(of('rows'), value.rows);
  const cols = at.integer(of('cols'), value.cols);
  checkDepth(at, of('cols'), cols);
  const packed = at.array(of('packed'), value.packed, [Int8Array], packedLength(at, argument, rows, cols));
  const sums = at.array(of('sums'), value.sums, [Int32Array], rows);
  return { layout: 1, kernel: 'int8', rows, cols, packed, sums };
}

/** out = alpha · op(a) · bᵀ + beta · out. */
export function packedMatmul(
  at: Where,
  a: unknown,
  b: PackedBytes,
  given: MatmulOptions<Real | Int32Array> | undefined,
): Dense<Int32Array> {
  const left = operand(at, 'a', a, bytes);
  checkNoScales(at, 'a', a);
  const w = packedBytes(at, 'b', b);
  const opts = at.options(given, ['transposeA', 'alpha', 'beta', 'out']);
  const transposeA = at.boolean('options.transposeA', opts.transposeA ?? false);
  const [m, k] = transposeA ? [left.cols, left.rows] : [left.rows, left.cols];
  if (k !== w.cols)
    at.fail('ERR_SHAPE', 'b', `weights packed for ${k} columns of a`, `weights packed for ${w.cols} columns`);
  const factor = (name: 'alpha' | 'beta', value: number) =>
    at.integer(`options.${name}`, value, { min: -(2 ** 31), max: 2 ** 31 - 1 });
  const alpha = factor('alpha', opts.alpha ?? 1);
  const beta = factor('beta', opts.beta ?? 0);
  if (beta !== 0 && opts.out === undefined)
    at.fail('ERR_OPTION', 'options.out', 'a matrix to add to, since beta is not 0', 'none');
  const out = at.outDense('options.out', opts.out, Int32Array, m, w.rows);
  checkApart(at, out.data, [left.data, w.packed, w.sums]);
  native.integerPackedMatmul(left.data, w.packed, w.sums, out.data, m, w.rows, k, transposeA, alpha, beta, undefined);
  return out;
}

/** y = x · wᵀ + bias. */
export function packedBytesLinear(
  at: Where,
  x: unknown,
  given: PackedBytes,
  options: LinearOptions<Real | Int32Array> | undefined,
): Dense<Int32Array> {
  const input = operand(at, 'x', x, bytes);
  checkNoScales(at, 'x', x);
  const w = packedBytes(at, 'w', given);
  const opts = at.options(options, ['bias', 'activation', 'out', 'kernel']);
  const [m, k, n] = [input.rows, input.cols, w.rows];
  if (w.cols !== k) at.fail('ERR_SHAPE', 'w', `${k} columns, as x has`, `${n} × ${w.cols}`);
  at.oneOf('options.kernel', opts.kernel ?? 'auto', ['auto']);
  at.oneOf('options.activation', opts.activation ?? 'none', ['none']);
  const bias = opts.bias === undefined ? undefined : at.array('options.bias', opts.bias, [Int32Array], n);
  const out = at.outDense('options.out', opts.out, Int32Array, m, n);
  checkApart(at, out.data, [input.data, w.packed, w.sums, bias]);
  native.integerPackedMatmul(input.data, w.packed, w.sums, out.data, m, n, k, false, 1, 0, bias);
  return out;
}
