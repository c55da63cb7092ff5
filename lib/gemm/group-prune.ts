import { where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';

/**
 * Weights of which groups of `groupSize` neighbours in a row are kept. Row i has groups `indptr[i] … indptr[i+1] − 1`;
 * group g stands at columns `groupSize · groups[g]` and on, and its values are `values[g · groupSize]` and on, padded with
 * zeros past the last column.
 */
export interface GroupSparse {
  format: 'group-sparse';
  rows: number;
  cols: number;
  groupSize: number;
  /** length rows + 1 */
  indptr: Uint32Array;
  /** which group of the row, ascending */
  groups: Uint32Array;
  /** f32, or i8 codes that `scales` go with */
  values: Float32Array | Int8Array;
  /** of i8 codes: one for each kept group */
  scales?: Float32Array;
}

/** Options of {@link groupPrune}. */
export interface GroupPruneOptions {
  /** neighbours in a group; default 16, as in the paper */
  groupSize?: number;
  /** share of the groups that is kept, 0 to 1 */
  density: number;
  /** length cols, at least 0: how much an error in a weight of each column matters (the diagonal of the Hessian); default 1 */
  importance?: Float32Array;
  /** how kept values are stored; `int8` rounds to 127 steps of the largest magnitude of each group; default `f32` */
  storage?: 'f32' | 'int8';
}

/**
 * Keeps the groups of neighbours in the rows of `w` with the largest `Σ_j importance[j] · w[i,j]²`, over the whole matrix
 * (rows may keep more or fewer, even none), for {@link sparseLinear}.
 *
 * Of equal groups the one that comes first is kept; NaN counts as larger than everything. The paper also tunes what is left
 * (block-wise recovery, then scales), which is training and not done here; with its 4-bit codes it stores 0.39 bytes a
 * weight at half density, these are 2.1 (`f32`) and 0.75 (`int8`).
 *
 * Time O(rows · cols) and a sort of the groups.
 *
 * @param w out × in
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_DETACHED, ERR_OUT_OF_MEMORY
 * @source Zeng et al., GQSA: Group Quantization and Sparsity for Accelerating Large Language Model Inference (2024),
 *   section 3.2
 * @example
 * const w = dense(2, 4, Float32Array.of(1, 1, 3, 3, 2, 2, 0, 0));
 * gemm.groupPrune(w, { groupSize: 2, density: 0.5 }).values // 3, 3, 2, 2
 */
export function groupPrune(w: Dense<Float32Array>, given: GroupPruneOptions): GroupSparse {
  const at = where('groupPrune');
  const { rows, cols, data } = at.dense('w', w, [Float32Array]);
  const opts = at.options(given, ['groupSize', 'density', 'importance', 'storage']);
  const size = at.integer('options.groupSize', opts.groupSize ?? 16, { min: 1, max: 2 ** 31 - 1 });
  const density = at.number('options.density', opts.density, { min: 0, max: 1 });
  const int8 = at.oneOf('options.storage', opts.storage ?? 'f32', ['f32', 'int8']) === 1;
  const { importance } = opts;
  if (importance !== undefined) {
    at.array('options.importance', importance, [Float32Array], cols);
    if (!importance.every((h) => h >= 0)) at.fail('ERR_RANGE', 'options.importance', 'numbers of at least 0', 'others');
  }
  const perRow = Math.ceil(cols / size);
  const total = perRow * rows;
  if (total > 2 ** 32 - 1) at.fail('ERR_RANGE', 'w', 'at most 2^32 - 1 groups', String(total));

  const saliency = at.allocate(Float64Array, total);
  for (let i = 0, g = 0; i < rows; i++)
    for (let first = 0; first < cols; first += size, g++) {
      let sum = 0;
      for (let j = first; j < Math.min(first + size, cols); j++)
        sum += (importance ? importance[j]! : 1) * data[i * cols + j]! ** 2;
      saliency[g] = Number.isNaN(sum) ? Infinity : sum;
    }

  // All above the smallest that is kept, and the first of those equal to it.
  const kept = Math.round(density * total);
  const indptr = at.allocate(Uint32Array, rows + 1);
  const groups = at.allocate(Uint32Array, kept);
  if (kept > 0) {
    const sorted = saliency.slice().sort();
    const threshold = sorted[total - kept]!;
    let equal = 0;
    for (let g = total - kept; g < total && sorted[g] === threshold; g++) equal++;
    for (let i = 0, count = 0; i < rows; i++) {
      for (let k = 0; k < perRow; k++) {
        const value = saliency[i * perRow + k]!;
        if (value > threshold || (value === threshold && equal-- > 0)) groups[count++] = k;
      }
      indptr[i + 1] = count;
    }
  }

  const length = at.size('w', kept, size);
  const values = int8 ? at.allocate(Int8Array, length) : at.allocate(Float32Array, length);
  const scales = at.allocate(Float32Array, int8 ? kept : 0);
  for (let i = 0; i < rows; i++)
    for (let g = indptr[i]!; g < indptr[i + 1]!; g++) {
      const first = groups[g]! * size;
      const group = data.subarray(i * cols + first, i * cols + Math.min(first + size, cols));
      if (!int8) {
        values.set(group, g * size);
        continue;
      }
      const scale = Math.fround(group.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127);
      if (!Number.isFinite(scale)) at.fail('ERR_RANGE', 'w', 'finite values to round to int8', 'NaN or infinity');
      scales[g] = scale;
      group.forEach((x, k) => (values[g * size + k] = scale > 0 ? Math.round(x / scale) : 0));
    }
  const out: GroupSparse = { format: 'group-sparse', rows, cols, groupSize: size, indptr, groups, values };
  if (int8) out.scales = scales;
  return out;
}

/** Checks group-sparse weights from outside; indptr and groups are checked natively. */
export function checkGroups(at: Where, argument: string, w: GroupSparse): void {
  at.integer(`${argument}.rows`, w.rows, { max: 2 ** 32 - 2 });
  at.integer(`${argument}.cols`, w.cols);
  const size = at.integer(`${argument}.groupSize`, w.groupSize, { min: 1, max: 2 ** 31 - 1 });
  at.array(`${argument}.indptr`, w.indptr, [Uint32Array], w.rows + 1);
  const groups = at.array(`${argument}.groups`, w.groups, [Uint32Array]);
  const coded = w.scales !== undefined;
  const length = at.size(argument, groups.length, size);
  at.array(`${argument}.values`, w.values, coded ? [Int8Array] : [Float32Array], length);
  if (coded) at.array(`${argument}.scales`, w.scales, [Float32Array], groups.length);
}
