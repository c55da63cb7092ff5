import { where, type ArrayType, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

/**
 * Weights of which groups of `groupSize` neighbours in a row are kept. Row i has groups `indptr[i] … indptr[i+1] − 1`;
 * group g stands at columns `groupSize · groups[g]` and on, and its values are `values[g · groupSize]` and on, padded with
 * zeros past the last column. 4-bit codes stand two in a byte, the even column low, a group in `ceil(groupSize / 2)` bytes.
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
  /** f32; or i8 codes c of values `scale · c`; or 4-bit codes of values `scale · (c − zero)` */
  values: Float32Array | Int8Array | Uint8Array;
  /** of codes: one for each kept group */
  scales?: Float32Array;
  /** of 4-bit codes: one for each kept group, at most 15 */
  zeros?: Uint8Array;
}

/** Options of {@link groupPrune}. */
export interface GroupPruneOptions {
  /** neighbours in a group; default 16, as in the paper */
  groupSize?: number;
  /** share of the groups that is kept, 0 to 1 */
  density: number;
  /** length cols, at least 0: how much an error in a weight of each column matters (the diagonal of the Hessian); default 1 */
  importance?: Float32Array;
  /**
   * how kept values are stored: `int8` rounds to 127 steps of the largest magnitude of each group, `int4` to 15 steps from
   * its smallest value, or 0, to its largest; default `f32`
   */
  storage?: 'f32' | 'int8' | 'int4';
}

/**
 * Keeps the groups of neighbours in the rows of `w` with the largest `Σ_j importance[j] · w[i,j]²`, over the whole matrix
 * (rows may keep more or fewer, even none), for {@link sparseLinear}.
 *
 * Of equal groups the one that comes first is kept; NaN counts as infinite. The paper also tunes what is left
 * (block-wise recovery, then scales), which is training and not done here. In groups of 16 at half density a weight takes
 * 2.1 bytes (`f32`), 0.75 (`int8`) or 0.53 (`int4`; the paper has 0.39, with 16-bit scales and indices).
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
  const storage = at.oneOf('options.storage', opts.storage ?? 'f32', ['f32', 'int8', 'int4']);
  const { importance } = opts;
  if (importance !== undefined) {
    at.array('options.importance', importance, [Float32Array], cols);
    if (!importance.every((h) => h >= 0)) at.fail('ERR_RANGE', 'options.importance', 'numbers of at least 0', 'others');
  }
  const perRow = Math.ceil(cols / size);
  const total = perRow * rows;
  if (total > 2 ** 32 - 1) at.fail('ERR_RANGE', 'w', 'at most 2^32 - 1 groups', String(total));

  const kept = Math.round(density * total);
  const out: GroupSparse = {
    format: 'group-sparse',
    rows,
    cols,
    groupSize: size,
    indptr: at.allocate(Uint32Array, rows + 1),
    groups: at.allocate(Uint32Array, kept),
    values: at.allocate<GroupSparse['values']>(
      [Float32Array, Int8Array, Uint8Array][storage] as ArrayType<GroupSparse['values']>,
      at.size('w', kept, storage === 2 ? Math.ceil(size / 2) : size),
    ),
  };
  if (storage > 0) out.scales = at.allocate(Float32Array, kept);
  if (storage === 2) out.zeros = at.allocate(Uint8Array, kept);
  const { indptr, groups, values, scales, zeros } = out;
  native.groupPrune(data, importance, indptr, groups, values, scales, zeros, rows, cols, size);
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
  const nibbles = coded && w.zeros !== undefined;
  const length = at.size(argument, groups.length, nibbles ? Math.ceil(size / 2) : size);
  at.array(`${argument}.values`, w.values, [nibbles ? Uint8Array : coded ? Int8Array : Float32Array], length);
  if (nibbles) at.array(`${argument}.zeros`, w.zeros, [Uint8Array], groups.length);
  if (coded) at.array(`${argument}.scales`, w.scales, [Float32Array], groups.length);
}
