/** `linear` with packed weights: its docstring is that of linear.ts. */
import { checkApart } from '../core/apart.js';
import { describe, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { activationOf } from './activations.js';
import type { LinearOptions } from './linear.js';
import { native } from './native.js';
import { packedWeights, type PackedWeights } from './pack-weights.js';
import { rounded, type QuantizedActivations } from './quantize-activations.js';

export const packedKernels = ['auto', 'lut', 'lut8', 'ternary', 'bytes', 'bits'] as const;

/** y = activation(x · wᵀ + bias) for packed weights. */
export function packedLinear(
  at: Where,
  x: unknown,
  given: PackedWeights,
  options: LinearOptions<Real | Int32Array> | undefined,
): Dense<Float32Array> {
  const opts = at.options(options, ['bias', 'activation', 'out', 'kernel']);
  const w = packedWeights(at, 'w', given);
  const { rows, cols } = w;
  const asked = packedKernels[at.oneOf('options.kernel', opts.kernel ?? 'auto', packedKernels)]!;
  // PackedWay of native/gemm/packed_rows.h, for any packed weights; else the lookups of their layout.
  const way = { auto: 0, bytes: 2, bits: 3 }[asked as string];
  const kernel = way === undefined ? (asked as 'lut' | 'lut8' | 'ternary') : w.kernel;
  if ((kernel === 'ternary') !== (w.kernel === 'ternary'))
    at.fail('ERR_OPTION', 'options.kernel', `a kernel of weights packed for '${w.kernel}'`, describe(asked));
  const input = isRounded(x) ? roundedPart(at, x) : at.dense('x', x, [Float32Array]);
  if (input.cols !== cols) at.fail('ERR_SHAPE', 'w', `${input.cols} columns, as x has`, `${rows} × ${cols}`);
  if (kernel === 'lut8' && isRounded(input))
    at.fail('ERR_OPTION', 'options.kernel', "another than 'lut8', whose tables are made from f32", describe(asked));
  const head = activationOf(at, opts.activation ?? 'none', Float32Array);
  const bias = opts.bias === undefined ? undefined : at.array('options.bias', opts.bias, [Float32Array], rows);
  const out = at.outDense('options.out', opts.out, Float32Array, input.rows, rows);
  const scales = isRounded(input) ? input.scales : undefined;
  checkApart(at, out.data, [input.data, scales, w.packed, w.scales, w.zeros, bias]);
  const q =
    kernel === 'lut8' || isRounded(input) ? input : rounded(at, input.data, input.rows, cols, 0, false, undefined, 0);
  const tokenScales = isRounded(q) ? q.scales : undefined;
  if (kernel === 'ternary')
    native.ternaryLinear(
      q.data as Int8Array,
      out.data,
      w.packed,
      w.scales,
      q.rows,
      tokenScales!,
      bias,
      head.code,
      head.coefficients as Float32Array | undefined,
      head.epsilon,
      rows,
      cols,
      way ?? 1,
    );
  else
    native.lutLinear(
      q.data,
      out.data,
      w.packed,
      w.scales,
      w.zeros,
      tokenScales,
      bias,
      head.code,
      head.coefficients as Float32Array | undefined,
      head.epsilon,
      rows,
      cols,
      w.groupSize,
      w.bits,
      q.rows,
      w.factor,
      w.zero,
      way ?? 1,
    );
  return out;
}

const isRounded = (x: unknown): x is QuantizedActivations => typeof x === 'object' && x !== null && 'scales' in x;

function roundedPart(at: Where, x: QuantizedActivations): QuantizedActivations {
  const { rows, cols, data } = at.dense('x', x, [Int8Array]);
  return { rows, cols, data, scales: at.array('x.scales', x.scales, [Float32Array], rows) };
}
