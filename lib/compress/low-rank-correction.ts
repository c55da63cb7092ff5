import { philox } from '../core/philox.js';
import { where } from '../core/validate.js';
import { dense, type Dense } from '../core/values.js';
import { matmul } from '../gemm/matmul.js';
import { dequantize } from '../quant/dequantize.js';
import { quantized, type Quantized } from '../quant/quantized.js';
import { symmetricEigen } from './symmetric-eigen.js';

/** Options of {@link lowRankCorrection}. */
export interface LowRankCorrectionOptions {
  /** columns of the correction, at most the smaller side of w; default 8 */
  rank?: number;
}

/** Beyond this many vectors the search takes the whole space, whose eigenvectors are exact. */
const whole = 96;
/** Residual of an eigenvector over the largest eigenvalue at which it has converged. */
const tolerance = 1e-7;

/**
 * LoRC: what quantisation lost, as far as a product of two thin f32 matrices can give it back: `lowRank` of the result holds
 * `left = U·√Σ` and `right = √Σ·Vᵀ` of the `rank` largest singular triplets of w − dequantize(q). `dequantize` and
 * `linear` add it. The Frobenius norm of what is still lost is that of the other singular values, the least that any matrix of
 * this rank leaves.
 *
 * Helps where errors have structure, such as a few outlying rows or columns; those of good 4-bit codes are nearly noise, of which
 * `rank` of n directions hold a little more than rank/n. It costs `4 · rank · (rows + cols)` bytes.
 *
 * Found by a block Krylov method in f64 with full reorthogonalisation, from a fixed start: the same bits for any number of threads. It
 * stops when the residuals are below 1e-7 of the largest eigenvalue of EᵀE, or with the whole space. About 4 · rows · cols operations
 * for each vector that the search takes, of which noise needs a hundred or more.
 *
 * @param w out × in, f32, the weights that q was made of
 * @param q its quantised form; a `lowRank` that it has is replaced
 * @throws LapidaryError ERR_SHAPE, ERR_RANGE for NaN or ±∞ and for the rank, ERR_DTYPE, ERR_OPTION, ERR_FORMAT, ERR_DETACHED, ERR_ABORTED,
 * ERR_OUT_OF_MEMORY
 * @source Wu, Yao & He, ZeroQuant-FP (2023), section 3 (LoRC); Musco & Musco, Randomized Block Krylov Methods for Stronger and
 * Faster Approximate Singular Value Decomposition (NeurIPS 2015), algorithm 2
 * @example
 * const w = dense(2, 16, Float32Array.from({ length: 32 }, (_, k) => Math.sin(k)));
 * const q = compress.lowRankCorrection(w, quant.quantize(w, { format: 'int2' }), { rank: 2 });
 * const back = quant.dequantize(q).data;
 * back.every((x, k) => Math.abs(x - w.data[k]) < 1e-5) // true
 */
export function lowRankCorrection(w: Dense<Float32Array>, q: Quantized, options?: LowRankCorrectionOptions): Quantized {
  const at = where('lowRankCorrection');
  const { rows, cols, data } = at.dense('w', w, [Float32Array]);
  const plain = { ...quantized(at, 'q', q) };
  delete plain.lowRank;
  if (plain.rows !== rows || plain.cols !== cols)
    at.fail('ERR_SHAPE', 'q', `${rows} × ${cols}, as w is`, `${plain.rows} × ${plain.cols}`);
  const small = Math.min(rows, cols);
  const given = at.options(options, ['rank']);
  const rank = at.integer('options.rank', given.rank ?? Math.min(8, small), { min: 0, max: small });

  const lost = dense(rows, cols, at.allocate(Float64Array, data.length));
  const back = dequantize(plain).data;
  let finite = true;
  for (let k = 0; k < data.length; k++) finite = Number.isFinite((lost.data[k] = data[k]! - back[k]!)) && finite;
  if (!finite) at.fail('ERR_RANGE', 'w', 'finite numbers, and a q of such', 'one that is not finite');

  const left = dense(rows, rank, at.allocate(Float32Array, rows * rank));
  const right = dense(rank, cols, at.allocate(Float32Array, rank * cols));
  const { values, vectors } = largest(lost, rows < cols, rank);
  // the other side of each triplet, times its singular value
  const other = matmul(vectors, lost, { transposeB: rows >= cols });
  for (let k = 0; k < values.length; k++) {
    const sigma = Math.sqrt(values[k]!);
    if (sigma === 0) continue;
    const near = vectors.data.subarray(k * small, (k + 1) * small).map((x) => x * Math.sqrt(sigma));
    const far = other.data.subarray(k * other.cols, (k + 1) * other.cols).map((x) => x / Math.sqrt(sigma));
    (rows < cols ? near : far).forEach((x, i) => (left.data[i * rank + k] = x));
    right.data.set(rows < cols ? far : near, k * cols);
  }
  return { ...plain, lowRank: { left, right } };
}

/** The largest eigenvalues of E·Eᵀ (`outer`) or Eᵀ·E, and their eigenvectors as rows. */
function largest(e: Dense, outer: boolean, rank: number): { values: number[]; vectors: Dense } {
  const n = outer ? e.rows : e.cols;
  if (rank === 0) return { values: [], vectors: dense(0, n) };
  // rows of x to rows of x·(operator)
  const apply = (x: Dense) => matmul(matmul(x, e, { transposeB: !outer }), e, { transposeB: outer });
  const block = rank + 8;
  if (n <= Math.max(whole, 2 * block)) {
    const unit = dense(n, n);
    for (let i = 0; i < n; i++) unit.data[i * n + i] = 1;
    return ritz(unit, apply(unit), rank);
  }
  let basis: Dense = dense(0, n);
  let images: Dense = dense(0, n);
  let next: Dense = dense(block, n, philox(0).fill(new Float64Array(block * n)).map((u) => u - 0.5)); // prettier-ignore
  for (let check = 3 * block; ;) {
    const fresh = orthonormal(basis, next, n - basis.rows);
    if (fresh.rows === 0) return ritz(basis, images, rank);
    next = apply(fresh);
    basis = stacked(basis, fresh);
    images = stacked(images, next);
    if (basis.rows < check && basis.rows < n) continue;
    check = Math.ceil(1.5 * check);
    const found = ritz(basis, images, rank);
    if (basis.rows >= n || found.residual <= tolerance * found.values[0]!) return found;
  }
}

const stacked = (a: Dense, b: Dense): Dense => {
  const data = new Float64Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return dense(a.rows + b.rows, b.cols, data);
};

/** An orthonormal basis of what the rows of x have beyond the rows of `basis`, at most `most` rows. */
function orthonormal(basis: Dense, x: Dense, most: number): Dense {
  const sizes = Array.from({ length: x.rows }, (_, i) => Math.hypot(...pieces(row(x, i))));
  for (let pass = 0; pass < 2; pass++)
    if (basis.rows > 0) {
      const inside = matmul(x, basis, { transposeB: true });
      matmul(inside, basis, { alpha: -1, beta: 1, out: x });
    }
  const kept: Float64Array[] = [];
  for (let i = 0; i < x.rows && kept.length < most; i++) {
    const v = row(x, i);
    for (let pass = 0; pass < 2; pass++)
      for (const u of kept) {
        let dot = 0;
        for (let j = 0; j < v.length; j++) dot += u[j]! * v[j]!;
        for (let j = 0; j < v.length; j++) v[j]! -= dot * u[j]!;
      }
    const size = Math.hypot(...pieces(v));
    if (size <= 1e-12 * sizes[i]! || size === 0) continue; // nothing new
    for (let j = 0; j < v.length; j++) v[j]! /= size;
    kept.push(v);
  }
  const data = new Float64Array(kept.length * x.cols);
  kept.forEach((v, i) => data.set(v, i * x.cols));
  return dense(kept.length, x.cols, data);
}

const row = (x: Dense, i: number): Float64Array => x.data.subarray(i * x.cols, (i + 1) * x.cols);

/** Norms of pieces of v, few enough to be arguments. */
function pieces(v: Float64Array): number[] {
  const out: number[] = [];
  for (let i = 0; i < v.length; i += 1000) out.push(Math.hypot(...v.subarray(i, i + 1000)));
  return out;
}

/** The best approximations to the largest eigenpairs in the span of `basis`, whose images under the operator are given. */
function ritz(basis: Dense, images: Dense, rank: number) {
  const p = basis.rows;
  const projected = matmul(basis, images, { transposeB: true });
  for (let i = 0; i < p; i++)
    for (let j = 0; j < i; j++) {
      const mean = (projected.data[i * p + j]! + projected.data[j * p + i]!) / 2;
      projected.data[i * p + j] = projected.data[j * p + i] = mean;
    }
  const { values, vectors } = symmetricEigen(projected.data, p);
  const order = Array.from({ length: p }, (_, i) => i).sort((a, b) => values[b]! - values[a]!).slice(0, rank); // prettier-ignore
  const mix = dense(order.length, p);
  order.forEach((from, to) => mix.data.set(vectors.subarray(from * p, (from + 1) * p), to * p));
  const found = matmul(mix, basis);
  const image = matmul(mix, images);
  const kept = order.map((k) => Math.max(0, values[k]!));
  let residual = 0;
  kept.forEach((value, k) => {
    const [v, av] = [row(found, k), row(image, k)];
    residual = Math.max(residual, Math.hypot(...pieces(av.map((x, j) => x - value * v[j]!))));
  });
  return { values: kept, vectors: found, residual };
}
