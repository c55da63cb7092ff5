import { describe, where, type Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';

const encodings = ['unsigned', 'twos', 'bipolar'] as const;
export type BitEncoding = (typeof encodings)[number];

/**
 * Whole numbers of few bits as bit planes, for bit-serial products. Bit p of the code of (i, k) is bit `k mod 64` of
 * `planes[(p·rows + i)·words + floor(k/64)]` with `words = 8·ceil(cols/512)`: a row of a plane fills whole 512-bit
 * registers, and its bits past the last column are zero.
 *
 * The code of a value v: `unsigned` v itself; `twos` v modulo 2^bits; `bipolar` (v + 2^bits − 1)/2, for the odd numbers
 * from −(2^bits − 1) to 2^bits − 1 (so bits −1 and +1, weighted by powers of two; there is no zero).
 */
export interface BitMatrix {
  rows: number;
  cols: number;
  /** 1 to 8 */
  bits: number;
  encoding: BitEncoding;
  /** length bits · rows · 8 · ceil(cols/512) */
  planes: BigUint64Array;
}

/** Options of {@link packBits}. */
export interface PackBitsOptions {
  rows: number;
  cols: number;
  /** 1 to 8 */
  bits: number;
  encoding: BitEncoding;
}

const wordsOf = (cols: number): number => 8 * Math.ceil(cols / 512);

/**
 * Bit planes of a row-major matrix of small whole numbers; the layout is that of {@link BitMatrix}.
 *
 * A signed array (Int8Array, Int16Array) holds values. A Uint8Array holds codes, below 2^bits: for `unsigned` these are
 * the values. O(rows · cols) time, bits/8 bytes an element (cols rounded up to 512).
 *
 * @throws LapidaryError ERR_RANGE for a value that the encoding cannot hold, ERR_SHAPE, ERR_DTYPE, ERR_OPTION
 * @source bipolar: Pei et al., Efficient Arbitrary Precision Acceleration for Large Language Models on GPU Tensor Cores
 * (2024), section 3.1
 * @example packBits(Int8Array.of(-1, 1, 1, -1), { rows: 1, cols: 4, bits: 1, encoding: 'bipolar' }).planes[0] // 6n
 */
export function packBits(src: Int8Array | Uint8Array | Int16Array, options: PackBitsOptions): BitMatrix {
  const at = where('packBits');
  const given = at.options(options, ['rows', 'cols', 'bits', 'encoding']);
  const { rows, cols, bits, encoding, words } = sizes(at, 'options', given);
  const values = at.array('src', src, [Int8Array, Uint8Array, Int16Array], at.size('rows × cols', rows, cols));
  const planes = allocatePlanes(at, words);
  native.packPlanes(values, planes, rows, cols, bits, encodings.indexOf(encoding));
  return { rows, cols, bits, encoding, planes };
}

/**
 * The values of bit planes: a Uint8Array for `unsigned`, an Int8Array for `twos` and for `bipolar` up to 7 bits, an
 * Int16Array for `bipolar` of 8.
 *
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_DETACHED, ERR_RANGE, ERR_OPTION for a BitMatrix that is none
 * @example unpackBits(packBits(Int8Array.of(-3, 1), { rows: 1, cols: 2, bits: 2, encoding: 'bipolar' })).data // -3, 1
 */
export function unpackBits(matrix: BitMatrix): Dense<Uint8Array | Int8Array | Int16Array> {
  const at = where('unpackBits');
  if (typeof matrix !== 'object' || (matrix as unknown) === null || !('planes' in matrix))
    at.fail('ERR_DTYPE', 'matrix', 'a BitMatrix', describe(matrix));
  const { rows, cols, bits, encoding, words } = sizes(at, 'matrix', matrix);
  at.words('matrix.planes', matrix.planes, words);
  const length = at.size('rows × cols', rows, cols);
  const data =
    encoding === 'unsigned'
      ? at.allocate(Uint8Array, length)
      : encoding === 'bipolar' && bits === 8
        ? at.allocate(Int16Array, length)
        : at.allocate(Int8Array, length);
  native.unpackPlanes(matrix.planes, data, rows, cols, bits, encodings.indexOf(encoding));
  return { rows, cols, data };
}

function sizes(at: Where, argument: string, value: Partial<PackBitsOptions>) {
  const rows = at.integer(`${argument}.rows`, value.rows);
  const cols = at.integer(`${argument}.cols`, value.cols);
  const bits = at.integer(`${argument}.bits`, value.bits, { min: 1, max: 8 });
  const encoding = encodings[at.oneOf(`${argument}.encoding`, value.encoding, encodings)]!;
  const words = at.size('planes', at.size('planes', rows, wordsOf(cols)), bits);
  return { rows, cols, bits, encoding, words };
}

function allocatePlanes(at: Where, words: number): BigUint64Array {
  try {
    return new BigUint64Array(words);
  } catch {
    return at.fail('ERR_OUT_OF_MEMORY', undefined, `memory for BigUint64Array(${words})`, 'no room');
  }
}
