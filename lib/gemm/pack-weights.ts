import { describe, where, type Where } from '../core/validate.js';
import { groupsOf, quantized, type QuantFormat, type Quantized } from '../quant/quantized.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';
import { packBytes, type PackedBytes } from './packed-bytes.js';
import { isQuantized } from './quantized-linear.js';

const kernels = ['auto', 'lut', 'ternary'] as const;
const layouts = ['lut', 'ternary'] as const;

/** Options of {@link packWeights} for a Quantized. */
export interface PackWeightsOptions {
  /**
   * 'lut': bit planes for lookups of four columns, any of the formats; 'ternary': 5/3 bits a weight, `ternary` with one scale
   * a row. Default 'auto': 'ternary' where it can be, else 'lut'
   */
  kernel?: (typeof kernels)[number];
}

/** Options of {@link packWeights} for a matrix of bytes. */
export interface PackBytesOptions {
  /** `w` is k × n, as `b` of `matmul`; default false: n × k, as `w` of `linear` */
  transpose?: boolean;
}

/**
 * Weights rearranged for {@link linear}, once: plain arrays in one layout for every processor, to be stored and sent as they
 * are. Rows come in tiles of 32, which native/gemm/lut.h and native/gemm/ternary.h describe byte by byte; what is missing of
 * the last tile is zero. The value of a code c is `scale · (factor·c − zero)`.
 *
 * A product with them overflows where a row's sum of scale · (whole number of a group) does, before the scale of the token
 * meets it.
 */
export interface PackedWeights {
  /** version of this layout */
  layout: 1;
  kernel: (typeof layouts)[number];
  /** out */
  rows: number;
  /** in */
  cols: number;
  /** columns that share a scale; cols for 'ternary' */
  groupSize: number;
  /** of a code; 2 for 'ternary' */
  bits: number;
  factor: 1 | 2;
  /** of all codes, where there are no `zeros`; below 2^bits */
  zero: number;
  packed: Uint8Array;
  /** length ceil(rows/32) · groups · 32: `[tile][group][row of the tile]` */
  scales: Float32Array;
  /** zero points in the same order */
  zeros?: Uint8Array;
}

/** Columns beyond which sums of 8-bit activations and 4-bit codes might leave 32 bits. */
const mostColumns = 2 ** 18;
const tileRows = 32;

type Shape = Pick<PackedWeights, 'kernel' | 'rows' | 'cols' | 'groupSize'>;

/** Bytes of `packed`. */
function packedBytes(at: Where, argument: string, w: Shape & { bits: number }): number {
  const tiles = Math.ceil(w.rows / tileRows);
  if (w.kernel === 'ternary') return at.size(argument, tiles, 5 * tileRows * Math.ceil(w.cols / 24));
  if (w.cols === 0) return 0;
  const [groups, full] = [groupsOf(w), Math.ceil(Math.min(w.groupSize, w.cols) / 8)];
  const last = Math.ceil((w.cols - (groups - 1) * w.groupSize) / 8);
  return at.size(argument, tiles, w.bits * tileRows * ((groups - 1) * full + last));
}

/** Length of `scales`. Ternary rows have one whatever their length. */
const scaleCount = (at: Where, argument: string, w: Shape): number =>
  at.size(argument, Math.ceil(w.rows / tileRows) * tileRows, w.kernel === 'ternary' ? 1 : groupsOf(w));

/** bits, factor and zero of the formats that can be packed. */
function codesOf(at: Where, format: QuantFormat): Pick<PackedWeights, 'bits' | 'factor' | 'zero'> {
  if (format === 'ternary') return { bits: 2, factor: 1, zero: 1 };
  const bits = Number(format.at(-1));
  if (/^int[234]$/.test(format)) return { bits, factor: 1, zero: 2 ** (bits - 1) };
  if (/^bipolar[1-4]$/.test(format)) return { bits, factor: 2, zero: 2 ** bits - 1 };
  return at.fail('ERR_OPTION', 'w.format', 'int4, int3, int2, ternary or bipolar1 to bipolar4', format);
}

/**
 * Weights rearranged once, to be multiplied with often.
 *
 * A Quantized of 1 to 4 bits, for products by lookups (`linear(x, packed)`): `lut` takes bits/8 bytes a weight, `ternary`
 * 0.209. `linear` uses lookups for few tokens and bytes for many, as a measured formula or table says for each width;
 * docs/lowbit.md has the measured crossovers, and after how many products packing has paid. With 4 bits up to 4 tokens
 * gain nothing over the codes in place while the caches hold them. Codes, scales and zero points are those of `w`: nothing
 * is rounded.
 *
 * A matrix of bytes, for exact products with rows of bytes (`matmul(a, packed)`, `linear(x, packed)`) that give what they
 * give with the matrix itself: it takes as many bytes as before and 4 a row. A product of few rows with it takes the time of
 * reading it once. Without VNNI more than six rows are faster with weights of 7 bits (−64 to 63) than with 8. docs/gemm.md
 * has what is gained.
 *
 * O(rows · cols) time.
 *
 * @param w a matrix of bytes with at most 65,793 columns (rows, if `transpose`); or a Quantized: int4, int3, int2, ternary or bipolar1 to bipolar4, without permutation and low-rank part, at most 262,144 columns
 * @throws LapidaryError ERR_OPTION for another format or a kernel that does not take it, ERR_FORMAT for a ternary code of 3 (kernel `ternary`),
 *   ERR_RANGE also for zero points beyond the codes, ERR_SHAPE, ERR_DTYPE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Wei et al., T-MAC: CPU Renaissance via Table Lookup for Low-Bit LLM Deployment on Edge (EuroSys 2025), section 3.2;
 *   Wang et al., Bitnet.cpp: Efficient Edge Inference for Ternary LLMs (2025), section 3.1
 * @example
 * const w = dense(2, 4, Float32Array.of(1, -1, 0, 1, 0, 1, 1, -1));
 * const packed = gemm.packWeights(quant.quantize(w, { format: 'ternary' }));
 * packed.kernel // 'ternary'
 * const bytes = gemm.packWeights(dense(2, 3, Int8Array.of(1, 2, 3, 4, 5, 6)));
 * gemm.matmul(dense(1, 3, Uint8Array.of(1, 1, 1)), bytes).data // 6, 15
 */
export function packWeights(w: Quantized, options?: PackWeightsOptions): PackedWeights;
export function packWeights(w: Dense<Int8Array>, options?: PackBytesOptions): PackedBytes;
export function packWeights(
  w: Quantized | Dense<Int8Array>,
  options?: PackWeightsOptions | PackBytesOptions,
): PackedWeights | PackedBytes {
  const at = where('packWeights');
  if (isQuantized(w)) return packCodes(at, w, options as PackWeightsOptions);
  const given = at.options(options as PackBytesOptions | undefined, ['transpose']);
  return packBytes(at, w, at.boolean('options.transpose', given.transpose ?? false));
}

function packCodes(at: Where, w: Quantized, options: PackWeightsOptions | undefined): PackedWeights {
  const { format, rows, cols, groupSize, codes, scales, zeros, permutation, lowRank } = quantized(at, 'w', w);
  const given = at.options(options, ['kernel']);
  const form = codesOf(at, format);
  if (permutation !== undefined || lowRank !== undefined)
    at.fail('ERR_OPTION', 'w', 'neither permutation nor lowRank', permutation ? 'permutation' : 'lowRank');
  if (cols > mostColumns) at.fail('ERR_RANGE', 'w.cols', `at most ${mostColumns} columns`, String(cols));
  if (zeros?.some((z) => z >= 2 ** form.bits))
    at.fail('ERR_RANGE', 'w.zeros', `zero points below ${2 ** form.bits}`, 'a larger one');
  const single = format === 'ternary' && groupSize >= cols;
  const asked = kernels[at.oneOf('options.kernel', given.kernel ?? 'auto', kernels)]!;
  if (asked === 'ternary' && !single)
    at.fail('ERR_OPTION', 'options.kernel', "'ternary' for format ternary with one scale a row", describe(asked));
  const kernel = asked === 'auto' ? (single ? 'ternary' : 'lut') : asked;
  const shape = {
    layout: 1,
    kernel,
    rows,
    cols,
    groupSize: kernel === 'ternary' ? Math.max(cols, 1) : groupSize,
  } as const;
  const packed = at.allocateUncleared(Uint8Array, packedBytes(at, 'w', { ...shape, ...form }));
  if (kernel === 'ternary') native.ternaryPack(codes, packed, rows, cols);
  else if (cols > 0) native.lutPack(codes, packed, rows, cols, groupSize, form.bits); // else any number of empty rows
  const groups = groupsOf(shape);
  const length = scaleCount(at, 'w', shape);
  const out: PackedWeights = { ...shape, ...form, packed, scales: at.allocate(Float32Array, length) };
  interleave(scales, out.scales, rows, groups);
  if (zeros !== undefined) {
    out.zeros = at.allocate(Uint8Array, length);
    interleave(zeros, out.zeros, rows, groups);
  }
  return out;
}

/** [row][group] to [tile][group][row of the tile]. */
function interleave(from: Float32Array | Uint8Array, to: Float32Array | Uint8Array, rows: number, groups: number) {
  if (from.length === 0) return; // any number of rows
  for (let i = 0; i < rows; i++) {
    const tile = Math.floor(i / tileRows);
    for (let g = 0; g < groups; g++) to[(tile * groups + g) * tileRows + (i % tileRows)] = from[i * groups + g]!;
  }
}

/** What linear takes for PackedWeights: whether they are whole ones, {@link packedWeights} checks. */
export const isPacked = (w: unknown): w is PackedWeights => typeof w === 'object' && w !== null && 'packed' in w;

/** `value` as PackedWeights whose parts have the lengths that their sizes ask for. */
export function packedWeights(at: Where, argument: string, value: PackedWeights): PackedWeights {
  const of = (part: string) => `${argument}.${part}`;
  if (value.layout !== 1) at.fail('ERR_FORMAT', of('layout'), 'layout 1', describe(value.layout));
  const kernel = layouts[at.oneOf(of('kernel'), value.kernel, layouts)]!;
  const rows = at.integer(of('rows'), value.rows);
  const cols = at.integer(of('cols'), value.cols, { max: mostColumns });
  const least = kernel === 'ternary' ? Math.max(cols, 1) : 1;
  const groupSize = at.integer(of('groupSize'), value.groupSize, { min: least });
  const bits = at.integer(of('bits'), value.bits, kernel === 'ternary' ? { min: 2, max: 2 } : { min: 1, max: 4 });
  const factor = at.integer(of('factor'), value.factor, { min: 1, max: kernel === 'ternary' ? 1 : 2 }) as 1 | 2;
  const zero = at.integer(of('zero'), value.zero, kernel === 'ternary' ? { min: 1, max: 1 } : { max: 2 ** bits - 1 });
  const shape = { layout: 1, kernel, rows, cols, groupSize, bits, factor, zero } as const;
  at.array(of('packed'), value.packed, [Uint8Array], packedBytes(at, argument, shape));
  const length = scaleCount(at, argument, shape);
  at.array(of('scales'), value.scales, [Float32Array], length);
  if (value.zeros !== undefined) {
    if (kernel === 'ternary') at.fail('ERR_OPTION', of('zeros'), "none beside kernel 'ternary'");
    at.array(of('zeros'), value.zeros, [Uint8Array], length);
  }
  return value;
}
