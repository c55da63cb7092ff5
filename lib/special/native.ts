import { load } from '../core/load.js';

/** What native/binding/special.cc offers. */
interface SpecialNative {
  /** `fn`: 0 log I, 1 log K, 2 ratio of I; `method`: 0 auto, 1 paper. The first index outside the domain, or −1. */
  bessel(fn: number, method: number, v: Float64Array, x: Float64Array, out: Float64Array): number;
  /** The sum of the rows' directions. The first row that has none, or −1. */
  directionSum(x: Float64Array, rows: number, cols: number, sum: Float64Array): number;
  /** The products of the rows' directions with `mu`. The first row that has none, or −1. */
  directionDots(x: Float64Array, rows: number, cols: number, mu: Float64Array, out: Float64Array): number;
}

export const native = load<SpecialNative>('special');
