import { load } from '../core/load.js';

/** What native/binding/softmax.cc offers. */
interface SoftmaxNative {
  softmaxRows(x: Float32Array, out: Float32Array, rows: number, cols: number, algorithm: number): void;
}

export const native = load<SoftmaxNative>('softmax');
