/** Heads that lie side by side in a row: the arguments of the attention functions beside the exact ones. */
import type { Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';

export type Matrix = Dense<Float32Array>;

/** Columns of one head, at least 1. */
export function headColumns(at: Where, argument: string, { cols }: Matrix, heads: number): number {
  if (cols === 0 || cols % heads !== 0)
    at.fail('ERR_SHAPE', `${argument}.cols`, `a multiple of the ${heads} heads, at least ${heads}`, String(cols));
  return cols / heads;
}

/** An f32 matrix with as many rows, or columns, as another argument. */
export function fitting(at: Where, argument: string, value: unknown, sizes: { rows?: number; cols?: number }): Matrix {
  const matrix = at.dense(argument, value, [Float32Array]);
  for (const side of ['rows', 'cols'] as const) {
    const size = sizes[side];
    if (size !== undefined && matrix[side] !== size)
      at.fail('ERR_SHAPE', `${argument}.${side}`, String(size), String(matrix[side]));
  }
  return matrix;
}
