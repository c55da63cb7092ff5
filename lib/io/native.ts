import { load } from '../core/load.js';

/** What native/binding/io.cc offers. */
interface IoNative {
  /** lines that hold an entry */
  marketCount(text: Uint8Array): number;
  /** `problem` takes the fault (0: none) and the offset of its line */
  marketCoordinates(
    text: Uint8Array,
    rows: number,
    cols: number,
    field: number,
    skew: boolean,
    row: Uint32Array,
    col: Uint32Array,
    value: Float64Array,
    problem: Float64Array,
  ): void;
  marketArray(text: Uint8Array, field: number, value: Float64Array, problem: Float64Array): void;
  /** appends mirror images to arrays of 2·entries; gives the number then used */
  marketMirror(entries: number, sign: number, row: Uint32Array, col: Uint32Array, value: Float64Array): number;
  marketUnpack(packed: Float64Array, n: number, skew: boolean, out: Float64Array): void;
  toRowMajor(bytes: Uint8Array, rows: number, cols: number, width: number, out: Uint8Array): void;
  /** gives the position of the first integer that no double equals, or the length */
  integersToDoubles(integers: BigUint64Array, signed: boolean, out: Float64Array): number;
}

export const native = load<IoNative>('io');
