import { load } from '../core/load.js';
import type { Real } from '../core/values.js';

/** What native/binding/recurrence.cc offers. All floating arrays of one call have one type. */
interface RnnNative {
  rnnForward(
    cell: number,
    heads: number,
    d: number,
    input: number,
    projected: boolean,
    lengths: Uint32Array,
    tokens: number,
    x: Real,
    w: Real | undefined,
    r: Real,
    bias: Real | undefined,
    recurrentBias: Real | undefined,
    state: Real | undefined,
    h: Real,
    stateOut: Real,
    saved: Real | undefined,
  ): void;
  rnnBackward(
    cell: number,
    heads: number,
    d: number,
    input: number,
    projected: boolean,
    lengths: Uint32Array,
    tokens: number,
    r: Real,
    state: Real | undefined,
    h: Real,
    saved: Real,
    dh: Real,
    dstate: Real | undefined,
    clip: number,
    dx: Real,
    dr: Real,
    dbias: Real,
    drecurrentBias: Real,
    dstateOut: Real,
  ): void;
  mlgruGates(
    f: Float32Array,
    x: Float32Array,
    lowerBound: Float32Array | undefined,
    a: Float32Array,
    b: Float32Array,
    tokens: number,
    channels: number,
  ): void;
  /** out = x / √(mean x² + epsilon) ⊙ gain ⊙ swish(gate); x and gate are columns of wider matrices */
  gatedNorm(
    x: Float32Array,
    xFirst: number,
    xCols: number,
    gate: Float32Array | undefined,
    gateFirst: number,
    gateCols: number,
    gain: Float32Array | undefined,
    normalise: boolean,
    epsilon: number,
    out: Float32Array,
    tokens: number,
    channels: number,
  ): void;
}

export const native = load<RnnNative>('recurrence');
