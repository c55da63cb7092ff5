/** The table of bessel_table.py: values to 40 digits and the scale S of the error bound. */
import { readFileSync } from 'node:fs';
import { errorOf } from './exact.js';

export interface Row {
  v: number;
  x: number;
  logI: string;
  logK: string;
  ratio: string;
  /** |L| + |x ∂L/∂x| + |v ∂L/∂v| for log I and for log K */
  scaleI: number;
  scaleK: number;
}

const file = new URL('./bessel_table.json', import.meta.url);

export const table: Row[] = (JSON.parse(readFileSync(file, 'utf8')) as string[][]).map(
  ([v, x, logI, logK, ratio, scaleI, scaleK]) => ({
    v: Number(v),
    x: Number(x),
    logI: logI!,
    logK: logK!,
    ratio: ratio!,
    scaleI: Number(scaleI),
    scaleK: Number(scaleK),
  }),
);

export const orders = Float64Array.from(table, (row) => row.v);
export const arguments_ = Float64Array.from(table, (row) => row.x);

/** The rows where |error| > bound(row), each with its error. */
export function beyond(got: Float64Array, digits: (r: Row) => string, bound: (r: Row) => number): unknown[] {
  return table
    .map((row, i) => ({ v: row.v, x: row.x, error: Math.abs(errorOf(got[i]!, digits(row))), allowed: bound(row) }))
    .filter(({ error, allowed }) => !(error <= allowed));
}
