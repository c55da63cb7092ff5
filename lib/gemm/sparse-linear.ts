import { checkApart } from '../core/apart.js';
import { arrayTypeName, describe, where, type Where } from '../core/validate.js';
import type { Csr, Dense, NumericArray } from '../core/values.js';
import { checkGroups, type GroupSparse } from './group-prune.js';

import { native } from './native.js';
import type { Bytes } from './operands.js';
import { checkPackedGroups, type PackedGroups } from './pack-groups.js';
import { checkNm, type NmValues, type NmWeights } from './nm-prune.js';

/** A low-rank part of weights, `scale · (Σ_i up_i) · down`, which is never formed. */
export interface LowRank {
  /** r × in, or r/blocks × in */
  down: Dense<Float32Array>;
  /** out × r; with `blocks`, that many blocks of r/blocks columns side by side, which share `down` */
  up: Dense<Float32Array>;
  /** default 1 */
  scale?: number;
  /** default 1 */
  blocks?: number;
}

/** Weights that {@link sparseLinear} takes with f32 inputs; a Csr is unstructured, a Dense the base of a low-rank part. */
export type SparseWeights = NmWeights | GroupSparse | PackedGroups | Csr<Float32Array> | Dense<Float32Array>;

/** Options of {@link sparseLinear}. */
export interface SparseLinearOptions<A extends Float32Array | Int32Array = Float32Array> {
  /** added to the weights; not with bytes */
  lowRank?: LowRank;
  /** tokens × out, takes the result; shares no memory with the inputs */
  out?: Dense<A>;
}

/**
 * `y = x · wᵀ` with sparse weights, plus `scale · (x · downᵀ) · (Σ_i up_i)ᵀ` for a low-rank part.
 *
 * - N:M weights ({@link nmPrune}): f32, or i8 with bytes `x`, signed or not, which give exact sums in i32 (modulo 2^32).
 *   Bound by reading the kept weights while there are few tokens. With more than 8 tokens f32 weights are expanded block by
 *   block and cost what dense ones do; pruning then saves memory, not time.
 * - Groups ({@link groupPrune}), with f32 values, i8 or 4-bit codes: work is shared out by groups, so one full row among
 *   empty ones does no harm. Tokens in fours share the reading of groups of 16; others cost the same each. Best for few.
 * - The same in 4-bit codes, packed ({@link packGroups}): each 32 neighbours of a token are rounded to 8 bits, as in
 *   {@link linear}, and whole numbers are summed, exactly within a group. Several times as fast. With a_k the scale of the
 *   neighbours of k, 1/127 of their largest, the result is within `Σ_k |w_k|·a_k/2 + 2^−24·(in/16 + 4)·Σ_k |w_k|·(|x_k| +
 *   a_k/2)`; where a scale times the largest of its neighbours nears 2^128 it may overflow, to NaN too. A NaN or an
 *   infinity in a token makes all its results NaN.
 * - A Csr and a low-rank part: the sparse plus low-rank weights of SLTrain. The factors cost tokens · r · (in + out)
 *   multiplications in place of tokens · in · out, so keep r well below in · out/(in + out).
 * - A Dense and a low-rank part with `blocks`: Block-LoRA, whose sum of blocks is formed before the product.
 *
 * What was pruned is not multiplied: infinity in `x` reaches only rows that keep a weight there (but for
 * packed groups). The result has the same bits for any number of threads. Error (of all others): elementwise at most γ_{in+2} · Σ |x| · |w| over the kept weights, and as much
 * again for each of the two products of a low-rank part.
 *
 * @param x tokens × in, Float32Array; Uint8Array or Int8Array with i8 N:M weights
 * @param w out × in
 * @returns tokens × out; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_FORMAT (indices out of range), ERR_ALIAS,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Fang et al. (2023), section III (N:M); Zeng et al., GQSA (2024), section 3.4; Han et al., SLTrain (2024), equation
 *   1; One Head Eight Arms: Block Matrix based Low Rank Adaptation for CLIP-based Few-Shot Learning (2025)
 * @example
 * const w = gemm.nmPrune(dense(1, 4, Float32Array.of(1, -3, 2, 0)), { n: 2, m: 4 });
 * gemm.sparseLinear(dense(1, 4, Float32Array.of(1, 1, 1, 1)), w).data // -1
 */
export function sparseLinear(
  x: Dense<Float32Array>,
  w: SparseWeights,
  given?: SparseLinearOptions,
): Dense<Float32Array>;
export function sparseLinear(
  x: Dense<Bytes>,
  w: NmWeights<Int8Array>,
  given?: SparseLinearOptions<Int32Array>,
): Dense<Int32Array>;
export function sparseLinear(
  x: Dense<Float32Array | Bytes>,
  w: SparseWeights | NmWeights<Int8Array>,
  given?: SparseLinearOptions<Float32Array | Int32Array>,
): Dense<Float32Array | Int32Array> {
  const at = where('sparseLinear');
  const opts = at.options(given, ['lowRank', 'out']);
  const kind = kindOf(at, w);
  const bytes = kind === 'nm' && arrayTypeName((w as NmWeights<NmValues>).values) === 'Int8Array';
  const input = at.dense('x', x, bytes ? [Uint8Array, Int8Array] : [Float32Array]);
  const rows = w.rows;
  if (input.cols !== w.cols) at.fail('ERR_SHAPE', 'x', `${w.cols} columns, as w has`, String(input.cols));
  const low = opts.lowRank === undefined ? undefined : lowRankOf(at, opts.lowRank, rows, w.cols);
  if (low && bytes) at.fail('ERR_OPTION', 'options.lowRank', 'none beside int8 weights', 'one');
  const out = at.outDense<Float32Array | Int32Array>(
    'options.out',
    opts.out,
    bytes ? Int32Array : Float32Array,
    input.rows,
    rows,
  );
  const data = input.data as Float32Array;
  const y = out.data as Float32Array;
  checkApart(at, y, [low?.down.data, low?.up.data]);

  if (kind === 'nm') {
    const { values, offsets, n, m } = w as NmWeights<NmValues>;
    native.nmLinear(input.data, values, offsets, out.data, input.rows, rows, w.cols, n, m);
  } else if (kind === 'dense') {
    native.matmul(data, (w as Dense<Float32Array>).data, y, input.rows, rows, w.cols, false, true, 1, 0, 1);
  } else if (kind === 'group-panels') {
    const { mask, starts, codes, scales, zeros } = w as PackedGroups;
    native.groupPanelLinear(data, mask, starts, codes, scales, zeros, y, input.rows, rows, w.cols);
  } else {
    const { indptr, groups, values, scales, zeros, groupSize } = w as GroupSparse;
    const csr = w as Csr<Float32Array>;
    if (kind === 'csr')
      native.sparseLinear(data, csr.indptr, csr.indices, csr.values, null, null, y, input.rows, rows, w.cols, 1); // prettier-ignore
    else
      native.sparseLinear(data, indptr, groups, values, scales ?? null, zeros ?? null, y, input.rows, rows, w.cols, groupSize); // prettier-ignore
  }
  if (low) native.addLowRank(data, low.down.data, low.up.data, y, input.rows, rows, w.cols, low.width, low.blocks, low.scale); // prettier-ignore
  return out;
}

/** What the weights are; checks them. */
function kindOf(at: Where, w: unknown): 'nm' | 'group-sparse' | 'group-panels' | 'csr' | 'dense' {
  if (typeof w === 'object' && w !== null) {
    const format = (w as { format?: unknown }).format;
    if (format === 'nm') {
      checkNm(at, 'w', w as NmWeights<NmValues>);
      return 'nm';
    }
    if (format === 'group-sparse') {
      checkGroups(at, 'w', w as GroupSparse);
      return 'group-sparse';
    }
    if (format === 'group-panels') {
      checkPackedGroups(at, 'w', w as PackedGroups);
      return 'group-panels';
    }
    if ('indptr' in w) {
      const { cols } = at.csr('w', w, [Float32Array]);
      if (cols >= 2 ** 31) at.fail('ERR_RANGE', 'w', 'fewer than 2^31 columns', String(cols));
      return 'csr';
    }
    if (arrayTypeName((w as Dense<NumericArray>).data)) {
      at.dense('w', w, [Float32Array]);
      return 'dense';
    }
  }
  return at.fail(
    'ERR_DTYPE',
    'w',
    'weights of nmPrune, groupPrune or packGroups, a Csr or a Dense of Float32Array',
    describe(w),
  );
}

/** Checks a low-rank part of out × in weights. */
export function lowRankOf(at: Where, given: LowRank, rows: number, cols: number) {
  if (typeof given !== 'object' || given === null)
    at.fail('ERR_DTYPE', 'options.lowRank', 'an object', describe(given));
  const down = at.dense('options.lowRank.down', given.down, [Float32Array]);
  const up = at.dense('options.lowRank.up', given.up, [Float32Array]);
  const blocks = at.integer('options.lowRank.blocks', given.blocks ?? 1, { min: 1 });
  const scale = at.number('options.lowRank.scale', given.scale ?? 1);
  if (down.cols !== cols || up.rows !== rows || up.cols !== down.rows * blocks)
    at.fail(
      'ERR_SHAPE',
      'options.lowRank',
      `down of r × ${cols} and up of ${rows} × ${blocks === 1 ? 'r' : `${blocks}·r`}`,
      `${down.rows} × ${down.cols} and ${up.rows} × ${up.cols}`,
    );
  return { down, up, width: down.rows, blocks, scale };
}
