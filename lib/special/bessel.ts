/** What the Bessel functions share: broadcasting, the domain, and the one native call. */
import type { Where } from '../core/validate.js';
import { native } from './native.js';

export interface BesselOptions {
  /** takes the result of an array call, same length; may be `x` itself */
  out?: Float64Array;
  /** `'paper'` is the published dispatch, `'auto'` (default) ours, accurate to the last places everywhere */
  method?: 'auto' | 'paper';
}

/** An order or argument: one number for all elements, or an array. */
export type BesselArgument = number | Float64Array;

export const functionCodes = { logI: 0, logK: 1, ratio: 2 };
export const methods = ['auto', 'paper'] as const;

function operand(at: Where, name: string, value: unknown): Float64Array {
  if (typeof value === 'number') return Float64Array.of(value);
  return at.array(name, value, [Float64Array]);
}

/** Evaluates element by element; two numbers give a number, anything else an array. */
export function evaluate(
  at: Where,
  fn: keyof typeof functionCodes,
  method: number,
  v: BesselArgument,
  x: BesselArgument,
  out: Float64Array | undefined,
): number | Float64Array {
  const orders = operand(at, 'v', v);
  const points = operand(at, 'x', x);
  const scalar = typeof v === 'number' && typeof x === 'number';
  if (scalar && out !== undefined) at.fail('ERR_OPTION', 'options.out', 'v or x to be an array when out is given');
  if (typeof v !== 'number' && typeof x !== 'number') at.array('x', x, [Float64Array], orders.length);
  const length = typeof v === 'number' ? points.length : orders.length;
  const result = at.outArray('options.out', out, Float64Array, length);
  const outside = native.bessel(functionCodes[fn], method, orders, points, result);
  if (outside >= 0) {
    const pick = (name: string, given: BesselArgument): [string, number] =>
      typeof given === 'number' ? [name, given] : [`${name}[${outside}]`, given[outside]!];
    const [name, value] = [pick('x', x), pick('v', v)].find(([, a]) => a < 0)!;
    at.fail('ERR_RANGE', name, 'a number from 0 up', String(value));
  }
  return scalar ? result[0]! : result;
}
