/** Heads that lie side by side in a row: the arguments of the attention functions beside the exact ones. */
import { typeOf, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';

/** A matrix of f32 or f64, and the type that the other arguments then have, too. */
export function realMatrix<A extends Real>(at: Where, argument: string, value: unknown): [Dense<A>, ArrayType<A>] {
  const matrix = at.dense(argument, value, [Float32Array, Float64Array]) as Dense<A>;
  return [matrix, typeOf<A>(matrix.data)];
}

/** Columns of one head, at least 1. */
export function headColumns(at: Where, argument: string, { cols }: Dense<Real | Uint16Array>, heads: number): number {
  if (cols === 0 || cols % heads !== 0)
    at.fail('ERR_SHAPE', `${argument}.cols`, `a multiple of the ${heads} heads, at least ${heads}`, String(cols));
  return cols / heads;
}

/** A matrix of that type with as many rows, or columns, as another argument. */
export function fitting<A extends Real>(
  at: Where,
  argument: string,
  value: unknown,
  type: ArrayType<A>,
  sizes: { rows?: number; cols?: number },
): Dense<A> {
  const matrix: Dense<A> = at.dense<[ArrayType<A>]>(argument, value, [type]);
  for (const side of ['rows', 'cols'] as const) {
    const size = sizes[side];
    if (size !== undefined && matrix[side] !== size)
      at.fail('ERR_SHAPE', `${argument}.${side}`, String(size), String(matrix[side]));
  }
  return matrix;
}
