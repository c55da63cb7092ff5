import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** n rows, p columns, k components. */
type MixtureShape = [n: number, p: number, k: number];

/** What native/binding/special.cc and special_vmf.cc offer. */
interface SpecialNative {
  /**
   * `fn`: see functionCodes; `method`: 0 auto, 1 paper (the logarithms in f64). All arrays f64 or all f32. The first index
   * outside the domain, or −1.
   */
  bessel(fn: number, method: number, v: Real, x: Real, out: Real): number;
  /** The sum of the rows' directions, with weights or null. The first row that has none, or −1. */
  directionSum(x: Float64Array, rows: number, cols: number, weights: Float64Array | null, sum: Float64Array): number;
  /** The products of the rows' directions with `mu`. The first row that has none, or −1. */
  directionDots(x: Float64Array, rows: number, cols: number, mu: Float64Array, out: Float64Array): number;
  /** The rows' directions. The first row that has none, or −1. */
  unitRows(x: Float64Array, rows: number, cols: number, out: Float64Array): number;
  vmfSample(seedLo: number, seedHi: number, mu: Float64Array, kappa: number, rows: number, out: Float64Array): void;
  mixtureSeeds(...args: [...MixtureShape, seedLo: number, seedHi: number, u: Float64Array, chosen: Uint32Array]): void;
  /** the log-likelihood */
  mixtureExpect(
    ...args: [
      ...MixtureShape,
      hard: boolean,
      u: Float64Array,
      mu: Float64Array,
      kappa: Float64Array,
      logs: Float64Array,
      parts: Float64Array,
      labels: Uint32Array,
    ]
  ): number;
  mixtureSums(
    ...args: [...MixtureShape, parts: Float64Array, u: Float64Array, sums: Float64Array, mass: Float64Array]
  ): void;
}

export const native = load<SpecialNative>('special');
