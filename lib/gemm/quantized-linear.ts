/** `linear` with weights in few bits: its docstring is that of linear.ts. */
import type { Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { quantized, schemeOf, type Quantized } from '../quant/quantized.js';
import { activationOf } from './activations.js';
import type { LinearOptions } from './linear.js';
import { native } from './native.js';
import { operand, storageOf, type Stored } from './operands.js';

const kernels = ['auto', 'dot', 'blocked'] as const;
/** Their codes in native/gemm/operand.h. */
const routes = [0, 1, 3] as const;
const roundings = ['int8', 'f32'] as const;

/** What linear takes for a {@link Quantized}: whether it is a whole one, `quantizedLinear` checks. */
export const isQuantized = (w: unknown): w is Quantized => typeof w === 'object' && w !== null && 'codes' in w;

/** y = activation(x · wᵀ + bias) for `w` in few bits. */
export function quantizedLinear(
  at: Where,
  x: unknown,
  w: Quantized,
  given: LinearOptions<Real | Int32Array> | undefined,
): Dense<Float32Array> {
  const input: Dense<Stored> = operand(at, 'x', x, [Float32Array, Uint16Array]);
  const opts = at.options(given, ['bias', 'activation', 'out', 'kernel', 'activations']);
  const q = quantized(at, 'w', w);
  const { format, rows, cols, lowRank, scales } = q;
  if (input.cols !== cols) at.fail('ERR_SHAPE', 'w', `${input.cols} columns, as x has`, `${rows} × ${cols}`);
  const route = routes[at.oneOf('options.kernel', opts.kernel ?? 'auto', kernels)]!;
  const rounding = opts.activations ?? (format.startsWith('fp8') ? 'f32' : 'int8');
  const rounded = at.oneOf('options.activations', rounding, roundings) === 0;
  const { code: scheme, byteScales } = schemeOf(format);
  if (rounded && format.startsWith('fp8'))
    at.fail(
      'ERR_OPTION',
      'options.activations',
      "'f32', since the values of 8-bit floats are no whole numbers",
      'int8',
    );
  const head = activationOf(at, opts.activation ?? 'none', Float32Array);
  const bias = opts.bias === undefined ? undefined : at.array('options.bias', opts.bias, [Float32Array], rows);
  const out = at.outDense('options.out', opts.out, Float32Array, input.rows, rows);
  native.quantizedLinear(
    input.data,
    out.data,
    q.codes,
    byteScales ? undefined : (scales as Float32Array),
    byteScales ? (scales as Uint8Array) : undefined,
    q.zeros,
    bias,
    head.code,
    head.coefficients,
    head.epsilon,
    route,
    q.rowScales,
    q.permutation,
    lowRank?.left.data,
    lowRank?.right.data,
    lowRank?.left.cols ?? 0,
    input.rows,
    rows,
    cols,
    q.groupSize,
    scheme,
    q.bits,
    format === 'mxfp4-43' || format === 'nvfp4' ? q.tensorScale! : 1,
    storageOf(input),
    rounded,
  );
  return out;
}
