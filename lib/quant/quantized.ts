/** Matrices in few bits: what a {@link Quantized} holds, and the check that one is whole. */
import { describe, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';

/** Names of the formats; docs/quant.md says what each holds and when to use it. */
export const quantFormats = [
  'int8',
  'int4',
  'int3',
  'int2',
  'ternary',
  'bipolar1',
  'bipolar2',
  'bipolar3',
  'bipolar4',
  'bipolar5',
  'bipolar6',
  'bipolar7',
  'bipolar8',
  'dgq',
  'fp8-e4m3',
  'fp8-e5m2',
  'fp4-e2m1',
  'mxfp4',
  'mxfp4-43',
  'nvfp4',
  'bfp',
] as const;

export type QuantFormat = (typeof quantFormats)[number];

/**
 * A rows × cols matrix in few bits: plain arrays, to be stored, sent and shared as they are.
 *
 * **Groups.** Each row is cut along its columns (the in-dimension of a weight) into groups of `groupSize`, the last one
 * shorter where cols is no multiple: `groups = ceil(cols / groupSize)`. What belongs to group g of row i stands at
 * `[i * groups + g]` of `scales` and `zeros`.
 *
 * **Codes.** The codes of a row are a stream of `bits` bits each: code j fills bits `j·bits … j·bits + bits − 1` of the
 * row's bytes, bit 0 being the lowest of the first byte (4-bit codes: two in a byte, the even column in the low nibble).
 * Row i begins at byte `i · ceil(cols·bits/8)`; the bits behind its last code are zero. A shorter last group has fewer
 * codes, not padded ones.
 *
 * **Values.** With c the code of an element, s its scale (f32, unless said), z its zero point:
 *
 * | format | bits | value |
 * |---|---|---|
 * | `int8 int4 int3 int2` | 8 4 3 2 | `s·(c − z)`; symmetric: no `zeros`, `z = 2^(bits−1)` |
 * | `ternary` | 2 | `s·(c − 1)`, c in 0, 1, 2 |
 * | `bipolar1` … `bipolar8` | 1 … 8 | `s·(2c − (2^bits − 1))` |
 * | `dgq` | 4 | `rowScales[i]·(s·(c − z))`, s a byte from 1 to 127, `abs(s·(c − z)) ≤ 127` |
 * | `fp8-e4m3 fp8-e5m2` | 8 | `s·value(c)` |
 * | `fp4-e2m1` | 4 | `s·value(c)` |
 * | `mxfp4` | 4 | `2^(s−127)·value(c)`, s an E8M0 byte, groups of 32 |
 * | `mxfp4-43` | 4 | `(2^(s−127)·tensorScale)·value(c)`, tensorScale = 4/3 as f32 |
 * | `nvfp4` | 4 | `(e4m3(s)·tensorScale)·value(c)`, s an E4M3 byte, groups of 16 |
 * | `bfp` | 2 … 8 | `2^(s−127)·(c − 2^(bits−1))`, s an E8M0 byte |
 *
 * value(c) of a 4-bit float is E2M1: 0, .5, 1, 1.5, 2, 3, 4, 6 for c = 0 … 7, negative for 8 … 15. Brackets are rounded
 * to f32 before the last product.
 */
export interface Quantized {
  /** version of this layout */
  layout: 1;
  format: QuantFormat;
  rows: number;
  cols: number;
  /** columns that share a scale; cols where a row is one group */
  groupSize: number;
  /** bits of a code */
  bits: number;
  /** length rows · ceil(cols·bits/8) */
  codes: Uint8Array;
  /** length rows · groups: bytes for mxfp4, mxfp4-43, nvfp4, bfp and dgq */
  scales: Float32Array | Uint8Array;
  /** zero points, a byte each, length rows · groups: int formats that are not symmetric, and dgq */
  zeros?: Uint8Array;
  /** mxfp4-43, nvfp4: a factor of all scales, an f32 number */
  tensorScale?: number;
  /** dgq: a factor for each row */
  rowScales?: Float32Array;
  /** bfp: column j of the codes holds column permutation[j] of the matrix */
  permutation?: Uint32Array;
  /** a correction of full precision, left·right, that is added to the matrix: [rows, rank] and [rank, cols] */
  lowRank?: { left: Dense<Float32Array>; right: Dense<Float32Array> };
}

/** The schemes of native/quant/quantize.h. */
const schemes = ['integer', 'ternary', 'bipolar', 'e4m3', 'e5m2', 'e2m1', 'mxfp4', 'nvfp4', 'bfp', 'dgq'] as const;

export interface Scheme {
  code: number;
  /** undefined for bfp, where they are chosen */
  bits?: number;
  byteScales: boolean;
  /** undefined where it is chosen */
  groupSize?: number;
  isInteger: boolean;
}

/** How a format is stored. */
export function schemeOf(format: QuantFormat): Scheme {
  const make = (name: (typeof schemes)[number], bits?: number, groupSize?: number): Scheme => ({
    code: schemes.indexOf(name),
    byteScales: schemes.indexOf(name) >= schemes.indexOf('mxfp4'),
    isInteger: name === 'integer',
    ...(bits && { bits }),
    ...(groupSize && { groupSize }),
  });
  switch (format) {
    case 'ternary':
      return make('ternary', 2);
    case 'dgq':
      return make('dgq', 4);
    case 'fp8-e4m3':
      return make('e4m3', 8);
    case 'fp8-e5m2':
      return make('e5m2', 8);
    case 'fp4-e2m1':
      return make('e2m1', 4);
    case 'mxfp4':
    case 'mxfp4-43':
      return make('mxfp4', 4, 32);
    case 'nvfp4':
      return make('nvfp4', 4, 16);
    case 'bfp':
      return make('bfp');
    default:
      return make(format.startsWith('int') ? 'integer' : 'bipolar', Number(format.at(-1)));
  }
}

export const groupsOf = ({ cols, groupSize }: { cols: number; groupSize: number }): number =>
  Math.ceil(cols / groupSize);

/** Bytes of a row of codes. */
export const rowBytes = (cols: number, bits: number): number => Math.ceil((cols * bits) / 8);

export const isFormat = (at: Where, argument: string, value: unknown): QuantFormat =>
  quantFormats[at.oneOf(argument, value, quantFormats)]!;

/** `value` as a Quantized whose parts have the types and lengths that its format and sizes ask for. */
export function quantized(at: Where, argument: string, value: unknown): Quantized {
  if (typeof value !== 'object' || value === null || !('codes' in value))
    at.fail('ERR_DTYPE', argument, 'a Quantized', describe(value));
  const q = value as Quantized;
  const of = (part: string) => `${argument}.${part}`;
  if (q.layout !== 1) at.fail('ERR_FORMAT', of('layout'), 'layout 1', describe(q.layout));
  const format = isFormat(at, of('format'), q.format);
  const scheme = schemeOf(format);
  const rows = at.integer(of('rows'), q.rows);
  const cols = at.integer(of('cols'), q.cols);
  const groupSize = at.integer(of('groupSize'), q.groupSize, { min: 1 });
  const bits = at.integer(of('bits'), q.bits, { min: scheme.bits ?? 2, max: scheme.bits ?? 8 });
  const groups = at.size(argument, rows, groupsOf({ cols, groupSize }));
  at.array(of('codes'), q.codes, [Uint8Array], at.size(argument, rows, rowBytes(cols, bits)));
  at.array(of('scales'), q.scales, [scheme.byteScales ? Uint8Array : Float32Array], groups);
  if (format === 'dgq' || (scheme.isInteger && q.zeros !== undefined))
    at.array(of('zeros'), q.zeros, [Uint8Array], groups);
  if (format === 'dgq') at.array(of('rowScales'), q.rowScales, [Float32Array], rows);
  if (format === 'mxfp4-43' || format === 'nvfp4') at.number(of('tensorScale'), q.tensorScale);
  if (q.permutation !== undefined) at.array(of('permutation'), q.permutation, [Uint32Array], cols);
  if (q.lowRank !== undefined) lowRankPart(at, of('lowRank'), q.lowRank, rows, cols);
  return q;
}

function lowRankPart(at: Where, argument: string, value: unknown, rows: number, cols: number): void {
  if (typeof value !== 'object' || value === null || !('left' in value) || !('right' in value))
    at.fail('ERR_DTYPE', argument, 'an object with left and right', describe(value));
  const left = at.dense(`${argument}.left`, value.left, [Float32Array]);
  const right = at.dense(`${argument}.right`, value.right, [Float32Array]);
  if (left.rows !== rows || right.cols !== cols || left.cols !== right.rows)
    at.fail(
      'ERR_SHAPE',
      argument,
      `left of ${rows} × rank, right of rank × ${cols}`,
      `${left.rows} × ${left.cols} and ${right.rows} × ${right.cols}`,
    );
}
