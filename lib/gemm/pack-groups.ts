import { describe, where, type Where } from '../core/validate.js';
import { checkGroups, type GroupSparse } from './group-prune.js';
import { native } from './native.js';

/**
 * 4-bit weights in groups of 16 of {@link packGroups}: panels of 256 rows, in which the kept groups of each 16 columns stand
 * side by side, with bits that say whose they are. The layout is described in native/gemm/group_panels.h and the same on
 * every processor.
 */
export interface PackedGroups {
  layout: 1;
  format: 'group-panels';
  rows: number;
  cols: number;
  /** 16 words for each panel and group of columns */
  mask: Uint16Array;
  /** the first batch of each panel, and the number of batches */
  starts: Uint32Array;
  /** 128 bytes a batch of 16 groups */
  codes: Uint8Array;
  /** 16 a batch */
  scales: Float32Array;
  /** 16 a batch */
  zeros: Uint8Array;
}

/**
 * Lays 4-bit weights in groups of 16 of {@link groupPrune} out for {@link sparseLinear} with tokens rounded to bytes, once.
 *
 * At half density a weight takes 0.44 bytes (panels are filled up to batches), 4-bit codes with f32 scales for each 32 take
 * 0.63. Time O(kept weights + rows · cols / 16).
 *
 * @param w with `storage: 'int4'` and `groupSize: 16`; groups ascend in each row
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_FORMAT (indices out of range or order),
 *   ERR_DETACHED, ERR_OUT_OF_MEMORY
 * @source Zeng et al., GQSA: Group Quantization and Sparsity for Accelerating Large Language Model Inference (2024),
 *   section 3; the panels are ours
 * @example
 * const w = dense(1, 16, Float32Array.of(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
 * const packed = gemm.packGroups(gemm.groupPrune(w, { density: 1, storage: 'int4' }));
 * gemm.sparseLinear(dense(1, 16, new Float32Array(16).fill(127)), packed).data // 15240
 */
export function packGroups(w: GroupSparse): PackedGroups {
  const at = where('packGroups');
  if (typeof w !== 'object' || w === null) at.fail('ERR_DTYPE', 'w', 'weights of groupPrune', describe(w));
  checkGroups(at, 'w', w);
  const { rows, cols, indptr, groups, values, scales, zeros, groupSize } = w;
  if (!scales || !zeros || groupSize !== 16) return at.fail('ERR_OPTION', 'w', '4-bit codes in groups of 16', 'others');
  const starts = at.allocate(Uint32Array, Math.ceil(rows / 256) + 1);
  const mask = at.allocate(Uint16Array, words(at, 'w', rows, cols));
  native.groupPanelPlaces(indptr, groups, mask, starts, rows, cols);
  const batches = starts.at(-1)!;
  const out: PackedGroups = {
    layout: 1,
    format: 'group-panels',
    rows,
    cols,
    mask,
    starts,
    codes: at.allocate(Uint8Array, at.size('w', batches, 128)),
    scales: at.allocate(Float32Array, at.size('w', batches, 16)),
    zeros: at.allocate(Uint8Array, at.size('w', batches, 16)),
  };
  native.groupPanelFill(
    indptr,
    groups,
    values as Uint8Array,
    scales,
    zeros,
    starts,
    out.codes,
    out.scales,
    out.zeros,
    rows,
    cols,
  );
  return out;
}

const words = (at: Where, argument: string, rows: number, cols: number): number =>
  at.size(argument, at.size(argument, Math.ceil(rows / 256), Math.ceil(cols / 16)), 16);

/** Checks packed groups from outside; that bits and batches agree is checked natively. */
export function checkPackedGroups(at: Where, argument: string, w: PackedGroups): void {
  const rows = at.integer(`${argument}.rows`, w.rows, { max: 2 ** 32 - 2 });
  const cols = at.integer(`${argument}.cols`, w.cols);
  if (w.layout !== 1) at.fail('ERR_FORMAT', `${argument}.layout`, '1', describe(w.layout));
  at.array(`${argument}.starts`, w.starts, [Uint32Array], Math.ceil(rows / 256) + 1);
  at.array(`${argument}.mask`, w.mask, [Uint16Array], words(at, argument, rows, cols));
  const batches = w.starts.at(-1)!;
  at.array(`${argument}.codes`, w.codes, [Uint8Array], at.size(argument, batches, 128));
  at.array(`${argument}.scales`, w.scales, [Float32Array], at.size(argument, batches, 16));
  at.array(`${argument}.zeros`, w.zeros, [Uint8Array], at.size(argument, batches, 16));
}
