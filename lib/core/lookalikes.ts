/** Matrices of other libraries whose meaning is certain, as Dense values: no dependency on the library, only on its shape. */
import { arrayTypeName } from './kind.js';
import type { Dense, NumericArray } from './values.js';

interface NdArray {
  data: NumericArray;
  shape: number[];
  stride: number[];
  offset: number;
}

interface MlMatrix {
  data: Float64Array[];
  rows: number;
  columns: number;
}

/** The value as a Dense, or undefined if it is nothing we know. An ndarray must be contiguous and row-major. */
export function asDense(value: unknown): Dense<NumericArray> | undefined {
  if (typeof value !== 'object' || value === null || !('data' in value)) return undefined;
  if ('rows' in value && 'cols' in value) return value as Dense<NumericArray>;
  if ('shape' in value && 'stride' in value) return fromNdArray(value as NdArray);
  if ('rows' in value && 'columns' in value && Array.isArray(value.data)) return fromMlMatrix(value as MlMatrix);
  return undefined;
}

function fromNdArray({ data, shape, stride, offset }: NdArray): Dense<NumericArray> | undefined {
  if (!Array.isArray(shape) || !Array.isArray(stride) || !arrayTypeName(data)) return undefined;
  if (shape.length !== 2 || stride.length !== 2) return undefined;
  const [rows, cols] = shape as [number, number];
  const contiguous = (cols <= 1 || stride[1] === 1) && (rows <= 1 || stride[0] === cols);
  if (!contiguous) return undefined;
  return { rows, cols, data: data.subarray(offset, offset + rows * cols) };
}

function fromMlMatrix({ data, rows, columns }: MlMatrix): Dense | undefined {
  if (data.length !== rows || data.some((row) => arrayTypeName(row) !== 'Float64Array' || row.length !== columns))
    return undefined;
  const flat = new Float64Array(rows * columns);
  data.forEach((row, i) => flat.set(row, i * columns));
  return { rows, cols: columns, data: flat };
}
