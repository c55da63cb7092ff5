import { describe, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './native.js';

/** The Hessian of a layer's output error over the inputs seen so far: symmetric, cols × cols. */
export interface Hessian extends Dense<Float64Array> {
  /** rows of x that went into it */
  samples: number;
}

/** Options of {@link hessian}. */
export interface HessianOptions {
  /** what earlier rows gave: the result is that of all rows together */
  previous?: Hessian;
  /** takes the result; may be `previous`, and shares no memory with it or `x` otherwise */
  out?: Dense<Float64Array>;
}

/**
 * The Hessian that {@link gptq} works with: `H = (2/n) · Σ x · xᵀ` over the n rows of `x` and of what came before.
 *
 * Streaming: hand each batch of a layer's inputs and the last result, `h = hessian(batch, { previous: h, out: h })`, which
 * takes no further memory. The batches may have any sizes; the result differs from that of one batch by rounding only.
 * Sums are formed in f64. The same bits for any number of threads. x.rows · x.cols² operations, 8 · x.cols² bytes.
 *
 * With fewer rows than columns H is singular; {@link gptq} then relies on its damping.
 *
 * @param x samples × in, f32 or f64, finite, at least one row
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE for NaN or ±∞ in `x`, ERR_ALIAS, ERR_OPTION, ERR_DETACHED,
 * ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Frantar et al., GPTQ (ICLR 2023), section 3.1
 * @example
 * let h = compress.hessian(dense(1, 2, Float32Array.of(1, 2)));
 * h = compress.hessian(dense(1, 2, Float32Array.of(3, 0)), { previous: h, out: h });
 * h.data // 10, 2, 2, 4
 */
export function hessian(x: Dense<Real>, options?: HessianOptions): Hessian {
  const at = where('hessian');
  const { rows, cols, data } = at.dense('x', x, [Float32Array, Float64Array]);
  if (rows === 0) at.fail('ERR_SHAPE', 'x', 'at least one row', `0 × ${cols}`);
  const given = at.options(options, ['previous', 'out']);
  const previous = given.previous === undefined ? undefined : hessianOf(at, given.previous, cols);
  const out = at.outDense('options.out', given.out, Float64Array, cols, cols);
  const samples = at.integer('samples', (previous?.samples ?? 0) + rows);
  if (previous && previous.data !== out.data) out.data.set(previous.data);
  native.hessian(data, out.data, rows, cols, previous?.samples ?? 0);
  return { rows: cols, cols, data: out.data, samples };
}

function hessianOf(at: Where, value: unknown, cols: number): Hessian {
  const argument = 'options.previous';
  if (typeof value !== 'object' || value === null || !('samples' in value))
    at.fail('ERR_DTYPE', argument, 'a result of hessian', describe(value));
  const { rows, cols: width, data } = at.dense(argument, value, [Float64Array]);
  if (rows !== cols || width !== cols) at.fail('ERR_SHAPE', argument, `${cols} × ${cols}`, `${rows} × ${width}`);
  return { rows, cols, data, samples: at.integer(`${argument}.samples`, value.samples, { min: 1 }) };
}
