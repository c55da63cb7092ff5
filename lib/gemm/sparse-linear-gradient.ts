import { where } from '../core/validate.js';
import type { Csr, Dense } from '../core/values.js';
import { matmul } from './matmul.js';
import { native } from './native.js';
import { lowRankOf, type LowRank } from './sparse-linear.js';

/** What {@link sparseLinearGradient} gives, each of the shape of what it is the gradient of. */
export interface SparseLinearGradient {
  x: Dense<Float32Array>;
  /** of `w.values` */
  values: Float32Array;
  /** of `lowRank.down` and `lowRank.up`, where there is a low-rank part */
  down?: Dense<Float32Array>;
  up?: Dense<Float32Array>;
}

/** Options of {@link sparseLinearGradient}. */
export interface SparseLinearGradientOptions {
  /** the low-rank part that {@link sparseLinear} was given */
  lowRank?: LowRank;
}

/**
 * Gradients of the sparse plus low-rank layer of SLTrain, `y = sparseLinear(x, w, { lowRank })`, from `dy`:
 *
 * `dvalues[p] = Σ_t dy[t,i]·x[t,j]` for the entry p at (i, j) of `w`, whose places do not change; with
 * `L = scale·(Σ_b up_b)·down`: `dx = dy·(w + L)`, `ddown = scale·(dy·Σ_b up_b)ᵀ·x`, `dup_b = scale·dyᵀ·(x·downᵀ)`, the same
 * for each block. Neither w + L nor its gradient is formed.
 *
 * 4·tokens·entries operations and 6·tokens·r·(in + out). Scratch space: in + out values for each token, of which there are as
 * many as fill blocks of 16, and 16·in values for each thread. Errors as those of `matmul`, over the terms of each sum. The
 * same bits for any number of threads.
 *
 * @param x tokens × in
 * @param dy tokens × out
 * @param w out × in
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_FORMAT (columns out of range, out of order or twice), ERR_DETACHED,
 *   ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Han et al., SLTrain: a sparse plus low-rank approach for parameter and memory efficient pretraining (2024),
 *   section 3.3; their code forms w + L in each step, this does not
 * @example
 * const f = (rows, cols, ...values) => dense(rows, cols, Float32Array.from(values));
 * const w = { rows: 1, cols: 2, indptr: Uint32Array.of(0, 1), indices: Uint32Array.of(1), values: Float32Array.of(3) };
 * const g = gemm.sparseLinearGradient(f(1, 2, 5, 7), f(1, 1, 2), w);
 * [...g.values, ...g.x.data] // 14, 0, 6
 */
export function sparseLinearGradient(
  x: Dense<Float32Array>,
  dy: Dense<Float32Array>,
  w: Csr<Float32Array>,
  given?: SparseLinearGradientOptions,
): SparseLinearGradient {
  const at = where('sparseLinearGradient');
  const input = at.dense('x', x, [Float32Array]);
  const slope = at.dense('dy', dy, [Float32Array]);
  const { rows, cols, indptr, indices, values } = at.csr('w', w, [Float32Array]);
  if (cols >= 2 ** 31) at.fail('ERR_RANGE', 'w', 'fewer than 2^31 columns', String(cols));
  if (input.cols !== cols) at.fail('ERR_SHAPE', 'x', `${cols} columns, as w has`, String(input.cols));
  if (slope.rows !== input.rows || slope.cols !== rows)
    at.fail('ERR_SHAPE', 'dy', `${input.rows} × ${rows}`, `${slope.rows} × ${slope.cols}`);
  const opts = at.options(given, ['lowRank']);
  const low = opts.lowRank === undefined ? undefined : lowRankOf(at, opts.lowRank, rows, cols);
  const tokens = input.rows;
  const out: SparseLinearGradient = {
    x: { rows: tokens, cols, data: at.allocate(Float32Array, at.size('x', tokens, cols)) },
    values: at.allocate(Float32Array, values.length),
  };
  if (low) {
    const { down, up, width, blocks, scale } = low;
    // Σ_b up_b
    const sum: Dense<Float32Array> = { rows, cols: width, data: at.allocate(Float32Array, rows * width) };
    for (let i = 0; i < rows; i++)
      for (let r = 0; r < width * blocks; r++) sum.data[i * width + (r % width)]! += up.data[i * width * blocks + r]!;
    const inner = matmul(slope, sum);
    matmul(inner, down, { alpha: scale, out: out.x });
    out.down = matmul(inner, input, { transposeA: true, alpha: scale });
    const one = matmul(slope, matmul(input, down, { transposeB: true }), { transposeA: true, alpha: scale });
    out.up = { rows, cols: width * blocks, data: at.allocate(Float32Array, rows * width * blocks) };
    for (let i = 0; i < rows; i++)
      for (let b = 0; b < blocks; b++)
        out.up.data.set(one.data.subarray(i * width, (i + 1) * width), (i * blocks + b) * width);
  }
  native.csrGradient(input.data, slope.data, indptr, indices, values, out.values, out.x.data, tokens, rows, cols);
  return out;
}
