import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** A graph as the native side takes it. */
export type GraphArguments = [n: number, indptr: Uint32Array, indices: Uint32Array, values: Real];

/** What native/binding/graph.cc offers. */
interface GraphNative {
  /** `problem` takes the fault (0: none), its row and its position */
  degrees(...args: [...graph: GraphArguments, degrees: Float64Array, problem: Float64Array]): void;
  /** a part of the edges, 0: all but loops, 1: upward; `allocate` is asked for the columns once `rows` are known */
  edges(
    n: number,
    indptr: Uint32Array,
    indices: Uint32Array,
    part: number,
    rows: Uint32Array,
    allocate: () => [Uint32Array],
  ): void;
  transitionRows(...args: [...graph: GraphArguments, degrees: Float64Array, out: Float32Array]): void;
  transitionColumns(indices: Uint32Array, degrees: Float64Array, values: Float64Array): void;
  /** `sums` takes the residual and the new dangling mass */
  pageRankStep(
    alpha: number,
    dangling: number,
    degrees: Float64Array,
    restart: Float64Array,
    incoming: Float64Array,
    scores: Float64Array,
    sums: Float64Array,
  ): void;
  sparseProjection(seedLo: number, seedHi: number, scale: Float64Array, dimension: number, out: Float32Array): void;
  addRows(u: Float32Array, rows: number, cols: number, weight: number, normalize: boolean, out: Float32Array): void;
  standardizeColumns(degrees: Float64Array, cols: number, x: Float32Array): void;
}

export const native = load<GraphNative>('graph');
