import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

const ropes = ['none', 'half', 'interleaved'] as const;

/** Options of {@link kSort}. */
export interface KSortOptions {
  /** heads of the key projection; its rows are their channels, one head after another */
  heads: number;
  /**
   * which channels rotary embedding turns together: none, i with i + d/2 of a head (`'half'`, as in Llama), or 2i with
   * 2i + 1 (`'interleaved'`). Default `'none'`
   */
  rope?: (typeof ropes)[number];
}

/**
 * K-sort: the channels of each head by descending norm of their row of the key projection, so that outliers share the
 * blocks of a block floating point.
 *
 * Gives p of length rows(Wk), a permutation within each head: channel p[j] goes to place j. Permute the rows of both W_k and
 * W_q (and biases) by it, which changes no product q·k, or hand it to {@link quantize} as `permutation` of cached keys
 * [tokens, heads·d]. Under rotary embedding pairs move together, by their joint norm:
 * permute the frequencies of a head as its pairs. Equal norms keep their order.
 *
 * It gains where a block is a part of a head (d = 128, blocks of 64 or 32), and nothing where a block is the whole head.
 * O(rows · cols) time.
 *
 * @param wk the key projection, [heads · d, in], f32, finite
 * @throws LapidaryError ERR_SHAPE if the rows are no multiple of `heads` (of 2·heads with pairs), ERR_RANGE, ERR_DTYPE,
 * ERR_OPTION
 * @source Trukhanov & Soloveychik, Accurate Block Quantization in LLMs with Outliers (2024), section 3
 * @example kSort(dense(4, 1, Float32Array.of(1, 3, 2, 4)), { heads: 2 }) // 1, 0, 3, 2
 * @example kSort(dense(4, 1, Float32Array.of(1, 3, 0, 2)), { heads: 1, rope: 'half' }) // 1, 0, 3, 2
 */
export function kSort(wk: Dense<Float32Array>, options: KSortOptions): Uint32Array {
  const at = where('kSort');
  const { rows, cols, data } = at.dense('wk', wk, [Float32Array]);
  const given = at.options(options, ['heads', 'rope']);
  const heads = at.integer('options.heads', given.heads, { min: 1 });
  const rope = ropes[at.oneOf('options.rope', given.rope ?? 'none', ropes)]!;
  const unit = rope === 'none' ? heads : 2 * heads;
  if (rows % unit !== 0) at.fail('ERR_SHAPE', 'wk.rows', `a multiple of ${unit}`, String(rows));
  const squares = at.allocate(Float64Array, rows);
  native.rowSquares(data, squares, rows, cols);
  if (!squares.every(Number.isFinite)) at.fail('ERR_RANGE', 'wk', 'finite numbers', 'one that is not finite');

  const d = rows / heads;
  const permutation = at.allocate(Uint32Array, rows);
  for (let head = 0; head < rows; head += d) {
    // the channels that move together, by their places within the head
    const places: number[][] = [];
    if (rope === 'none') for (let i = 0; i < d; i++) places.push([i]);
    if (rope === 'half') for (let i = 0; i < d / 2; i++) places.push([i, i + d / 2]);
    if (rope === 'interleaved') for (let i = 0; i < d; i += 2) places.push([i, i + 1]);
    const norm = (place: number[]) => place.reduce((sum, i) => sum + squares[head + i]!, 0);
    const sorted = [...places].sort((a, b) => norm(b) - norm(a));
    sorted.forEach((from, t) => {
      places[t]!.forEach((to, i) => (permutation[head + to] = head + from[i]!));
    });
  }
  return permutation;
}
