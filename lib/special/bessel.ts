/** What the Bessel functions share: broadcasting, the domain, and the one native call. */
import { checkApart } from '../core/apart.js';
import type { Where } from '../core/validate.js';
import { typeOf } from '../core/validate.js';
import type { Real } from '../core/values.js';
import { native } from './native.js';

export interface BesselOutput<A extends Real = Float64Array> {
  /** takes the result of an array call, same type and length; may be `x` itself */
  out?: A;
}

export interface BesselOptions<A extends Real = Float64Array> extends BesselOutput<A> {
  /** `'paper'` is the published dispatch (f64 only), `'auto'` (default) ours, accurate to the last places everywhere */
  method?: 'auto' | 'paper';
}

/** An order or argument: one number for all elements, or an array. */
export type BesselArgument<A extends Real = Float64Array> = number | A;

export const functionCodes = {
  logI: 0,
  logK: 1,
  ratio: 2,
  logISlope: 3,
  logKSlope: 4,
  scaledI: 5,
  scaledK: 6,
};
const evenInOrder: ReadonlySet<keyof typeof functionCodes> = new Set(['logK', 'logKSlope', 'scaledK']);
export const methods = ['auto', 'paper'] as const;

/** Memory for numbers, which a call of a microsecond need not ask for: v, x and the result. */
const one = (type: typeof Float64Array | typeof Float32Array): { v: Real; x: Real; out: Real } => ({
  v: new type(1),
  x: new type(1),
  out: new type(1),
});
const [one64, one32] = [one(Float64Array), one(Float32Array)];

/** The very same memory, where a result may take the place of an argument. */
const isSame = (a: Real, b: Real) => a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length;

/**
 * Evaluates element by element; two numbers give a number, anything else an array. Arrays are both f64 or both f32, and so
 * is the result; a number beside a Float32Array is rounded to f32.
 */
export function evaluate<A extends Real>(
  at: Where,
  fn: keyof typeof functionCodes,
  v: BesselArgument<A>,
  x: BesselArgument<A>,
  options: BesselOptions<A> | undefined,
): number | A {
  const withMethod = fn === 'logI' || fn === 'logK';
  const { out, method = 'auto' } = at.options<BesselOptions<A>>(options, withMethod ? ['out', 'method'] : ['out']);
  const code = at.oneOf('options.method', method, methods);
  const scalar = typeof v === 'number' && typeof x === 'number';
  if (scalar && out !== undefined) at.fail('ERR_OPTION', 'options.out', 'v or x to be an array when out is given');
  const types = [Float64Array, Float32Array] as const;
  const given =
    typeof v === 'number' ? (typeof x === 'number' ? undefined : at.array('x', x, types)) : at.array('v', v, types);
  const type = given === undefined ? Float64Array : typeOf<Real>(given);
  const single = type === Float64Array ? one64 : one32;
  const operand = (name: 'v' | 'x', value: BesselArgument<A>): Real => {
    if (typeof value !== 'number') return at.array(name, value, [type], given!.length);
    // here, since a small one rounds to −0 in f32
    if (value < 0 && (name === 'x' || !evenInOrder.has(fn)))
      at.fail('ERR_RANGE', name, 'a number from 0 up', String(value));
    single[name][0] = value;
    return single[name];
  };
  const orders = operand('v', v);
  const points = operand('x', x);
  if (code !== 0 && type.BYTES_PER_ELEMENT === 4)
    at.fail('ERR_OPTION', 'options.method', "'auto' for a Float32Array", `'${method}'`);
  const result = scalar ? single.out : at.outArray<Real>('options.out', out, type, given!.length);
  if (out !== undefined) checkApart(at, result, isSame(result, points) ? [orders] : [orders, points]);
  const outside = native.bessel(functionCodes[fn], code, orders, points, result);
  if (outside >= 0) {
    // one of the arrays: numbers have been looked at
    const [name, value] = points[outside]! < 0 ? ['x', points[outside]] : ['v', orders[outside]];
    at.fail('ERR_RANGE', `${name}[${outside}]`, 'a number from 0 up', String(value));
  }
  return scalar ? result[0]! : (result as A);
}
