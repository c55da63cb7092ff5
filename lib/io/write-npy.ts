import { asDense } from '../core/lookalikes.js';
import { arrayTypeName, describe, where } from '../core/validate.js';
import type { Dense, NumericArray } from '../core/values.js';
import { magic } from './npy-header.js';

const descrs: Record<string, string> = {
  Float64Array: '<f8',
  Float32Array: '<f4',
  Int32Array: '<i4',
  Uint32Array: '<u4',
  Int16Array: '<i2',
  Uint16Array: '<u2',
  Int8Array: '|i1',
  Uint8Array: '|u1',
};

const types = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
] as const;

/**
 * The bytes of an .npy file (version 1.0, little endian, C order) that holds a {@link Dense} as two dimensions or a typed
 * array as one. A Dense with `dtype: 'f16'` is written as f2; the other tagged formats have no dtype in NumPy.
 *
 * O(bytes). Write them to a file with `fs.writeFileSync(path, bytes)`.
 *
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE
 * @source NumPy Enhancement Proposal 1, A Simple File Format for NumPy Arrays
 * @example writeNpy(Uint8Array.of(7, 8)).subarray(-2) // 7, 8
 */
export function writeNpy(value: Dense<NumericArray> | NumericArray): Uint8Array<ArrayBuffer> {
  const at = where('writeNpy');
  const matrix = asDense(value);
  if (matrix) at.dense('value', matrix, types);
  else if (arrayTypeName(value) === undefined)
    at.fail('ERR_DTYPE', 'value', 'a Dense or a typed array', describe(value));
  const data = matrix ? matrix.data : at.array('value', value, types);
  let descr = descrs[arrayTypeName(data)!]!;
  if (matrix?.dtype === 'f16') {
    at.array('value.data', data, [Uint16Array]);
    descr = '<f2';
  } else if (matrix?.dtype !== undefined) at.fail('ERR_DTYPE', 'value.dtype', "'f16' or none", describe(matrix.dtype));

  const shape = matrix ? `(${matrix.rows}, ${matrix.cols})` : `(${data.length},)`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const start = Math.ceil((10 + dict.length + 1) / 64) * 64; // data aligned, as numpy has it
  const out = at.allocate<Uint8Array<ArrayBuffer>>(Uint8Array, start + data.byteLength);
  const text = `${magic}\x01\0${String.fromCharCode((start - 10) & 255, (start - 10) >> 8)}${dict.padEnd(start - 11)}\n`;
  for (let i = 0; i < start; i++) out[i] = text.charCodeAt(i);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return out;
}
