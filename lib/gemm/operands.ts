/** What the products of this domain take: floats of 64 to 16 bits and 8-bit integers. */
import { arrayTypeName, describe, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, NumericArray } from '../core/values.js';

/** 8-bit integers; at least one side of a product is signed. */
export type Bytes = Int8Array | Uint8Array;

/** 32-bit floats, or 16-bit floats in a Dense with `dtype` 'f16' or 'bf16'. */
export type Stored = Float32Array | Uint16Array;

/** Codes of native/gemm/half.h. */
export type Storage = 0 | 1 | 2;

/** Largest k whose sums cannot leave i32: 2^31 / (255·128). */
export const integerDepth = 65793;

/** A Dense whose dtype, if it has one, says how to read a Uint16Array; a Uint16Array must have one. */
export function operand<const T extends readonly ArrayType[]>(
  at: Where,
  name: string,
  value: unknown,
  types: T,
): Dense<InstanceType<T[number]>> {
  const matrix = at.dense(name, value, types);
  const { dtype } = matrix;
  if (arrayTypeName(matrix.data) === 'Uint16Array') {
    if (dtype !== 'f16' && dtype !== 'bf16')
      at.fail('ERR_DTYPE', `${name}.dtype`, "'f16' or 'bf16' beside a Uint16Array", describe(dtype));
  } else if (dtype !== undefined) {
    at.fail('ERR_DTYPE', `${name}.dtype`, `none beside a ${arrayTypeName(matrix.data)}`, describe(dtype));
  }
  return matrix;
}

export const storageOf = ({ data, dtype }: Dense<Stored>): Storage =>
  arrayTypeName(data) === 'Float32Array' ? 0 : dtype === 'f16' ? 1 : 2;

/** Refuses rounded activations as a matrix of whole numbers: their scales would be lost. */
export function checkNoScales(at: Where, argument: string, matrix: unknown) {
  if (typeof matrix === 'object' && matrix !== null && 'scales' in matrix)
    at.fail('ERR_OPTION', argument, 'a matrix of bytes: sums of whole numbers take no scales', 'one with scales');
}

export const isBytes = (data: NumericArray): data is Bytes => data.BYTES_PER_ELEMENT === 1;

/** Refuses what integer products refuse: two unsigned sides, and sums that could leave 32 bits. */
export function checkIntegers(at: Where, left: string, a: NumericArray, right: string, b: NumericArray, k: number) {
  if (arrayTypeName(a) === 'Uint8Array' && arrayTypeName(b) === 'Uint8Array')
    at.fail('ERR_DTYPE', right, 'Int8Array beside a Uint8Array', 'Uint8Array');
  if (k > integerDepth)
    at.fail('ERR_RANGE', left, `at most ${integerDepth} columns, so that every sum fits 32 bits`, String(k));
}
