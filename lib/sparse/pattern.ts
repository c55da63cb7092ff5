import type { ArrayType, Where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';

/** A sparse matrix of which only the places of the entries matter: a {@link Csr} without `values`, or any Csr. */
export type Pattern = Omit<Csr, 'values'>;

type Values = Real | Int32Array;

/** True for what is to be read as a pattern: an object without values. */
export const isPattern = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value as { values?: unknown }).values === undefined;

/** A Csr with values of one of these types, or a pattern: that gets stand-in values of 32 bits, which mean nothing. */
export function csrOrPattern(
  at: Where,
  argument: string,
  value: Csr<Values> | Pattern,
  types: readonly ArrayType<Values>[],
): Csr<Values> {
  if (!isPattern(value)) return at.csr(argument, value, types);
  checkPattern(at, argument, value);
  return { ...value, values: standIn(value.indices, Int32Array) };
}

/** A pattern by its outside; whatever values it has are not looked at. */
export function checkPattern(at: Where, argument: string, value: Pattern): void {
  const placed = typeof value === 'object' && value !== null ? { ...value, values: value.indices as never } : value;
  at.csr(argument, placed, [Uint32Array]);
}

/**
 * Numbers in the place of values that no operator reads: where they are as wide as the indices, the bytes of the indices
 * themselves, so that nothing is allocated or moved.
 */
export function standIn<A extends Values>(indices: Uint32Array, type: ArrayType<A>): A {
  if (type.BYTES_PER_ELEMENT !== 4) return new type(indices.length);
  return new type(indices.buffer, indices.byteOffset, indices.length);
}

/** The result of an operation on `from`: a pattern if that was one. */
export function like(from: unknown, { rows, cols, indptr, indices, values }: Csr<Values>): Csr<Values> | Pattern {
  return isPattern(from) ? { rows, cols, indptr, indices } : { rows, cols, indptr, indices, values };
}
