import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** What native/binding/softmax.cc offers. `x` and `out` of one call have one type. */
interface SoftmaxNative {
  softmax(x: Real, out: Real, rows: number, cols: number, axis: number, algorithm: number): void;
  logSoftmax(x: Real, out: Real, rows: number, cols: number, axis: number): void;
  /** a number for each row */
  logSumExp(x: Real, out: Real, rows: number, cols: number): void;
  expSum(x: Real, m: Float64Array, n: Float64Array, rows: number, cols: number): void;
}

export const native = load<SoftmaxNative>('softmax');
