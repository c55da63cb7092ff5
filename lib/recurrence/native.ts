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
}

export const native = load<RnnNative>('recurrence');
