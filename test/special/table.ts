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
  slopeI: string;
  slopeK: string;
  scaledI: string;
  scaledK: string;
}

const file = new URL('./bessel_table.json', import.meta.url);

export const table: Row[] = (JSON.parse(readFileSync(file, 'utf8')) as string[][]).map(
  ([v, x, logI, logK, ratio, scaleI, scaleK, slopeI, slopeK, scaledI, scaledK]) => ({
    v: Number(v),
    x: Number(x),
    logI: logI!,
    logK: logK!,
    ratio: ratio!,
    scaleI: Number(scaleI),
    scaleK: Number(scaleK),
    slopeI: slopeI!,
    slopeK: slopeK!,
    scaledI: scaledI!,
    scaledK: scaledK!,
  }),
);

export const orders = Float64Array.from(table, (row) => row.v);
export const arguments_ = Float64Array.from(table, (row) => row.x);

/** The rows where |error| > bound(row), each with its error. */
export function beyond(
  got: ArrayLike<number>,
  digits: (r: Row) => string,
  bound: (r: Row) => number,
  rows: readonly Row[] = table,
): unknown[] {
  return rows
    .map((row, i) => ({ v: row.v, x: row.x, error: Math.abs(errorOf(got[i]!, digits(row))), allowed: bound(row) }))
    .filter(({ error, allowed }) => !(error <= allowed));
}

/** The spacing of f64 (f32: of 24 bits) numbers at a value, denormals included. */
export function ulp(value: number, bits: 53 | 24 = 53): number {
  const least = bits === 53 ? -1022 : -126;
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), least) - bits + 1);
}

/** The rows whose v and x are f32 numbers between the least normal one and the largest. */
export const singles = table.filter((r) => Math.fround(r.v) === r.v && Math.fround(r.x) === r.x);
