import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** What native/binding/special.cc offers. */
interface SpecialNative {
  /**
   * `fn`: see functionCodes; `method`: 0 auto, 1 paper (the logarithms in f64). All arrays f64 or all f32. The first index
   * outside the domain, or −1.
   */
  bessel(fn: number, method: number, v: Real, x: Real, out: Real): number;
  /** The sum of the rows' directions. The first row that has none, or −1. */
  directionSum(x: Float64Array, rows: number, cols: number, sum: Float64Array): number;
  /** The products of the rows' directions with `mu`. The first row that has none, or −1. */
  directionDots(x: Float64Array, rows: number, cols: number, mu: Float64Array, out: Float64Array): number;
}

export const native = load<SpecialNative>('special');
