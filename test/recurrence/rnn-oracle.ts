/** The cells in f64 by their equations, one number at a time: what lib/recurrence must compute. */
import { dense, type Dense, type Real } from 'lapidary';
import type { RnnCell, RnnNetwork } from 'lapidary/recurrence';
import { uniform } from '../support/random.js';

export const cells: readonly RnnCell[] = ['elman', 'gru', 'lstm', 'slstm'];
export const gatesOf = { elman: 1, gru: 3, lstm: 4, slstm: 4 } as const;
export const statesOf = { elman: 1, gru: 1, lstm: 2, slstm: 4 } as const;

const sigma = (x: number) => 1 / (1 + Math.exp(-x));
const logSigma = (x: number) => (x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x)));

export interface Shape {
  cell: RnnCell;
  heads: number;
  d: number;
  lengths: readonly number[];
  /** columns of x; undefined: x is the projection */
  input?: number | undefined;
}

export interface Problem<A extends Real> {
  x: Dense<A>;
  network: RnnNetwork<A> & { cell: RnnCell; lengths: Uint32Array };
}

/** A random problem; weights as a trained network's, about 1/√d. */
export function problem(shape: Shape, seed: number, scale = 1): Problem<Float64Array> {
  const { cell, heads, d, input } = shape;
  const tokens = shape.lengths.reduce((a, b) => a + b, 0);
  const gates = gatesOf[cell] * heads * d;
  const states = statesOf[cell] * heads * d;
  const batch = shape.lengths.length;
  const random = (n: number, salt: number, size: number) => uniform(n, 100 * seed + salt, -size, size);
  const state = random(batch * states, 5, 0.8);
  // n of the sLSTM: at least 1, as the cell leaves it
  if (cell === 'slstm')
    for (let b = 0; b < batch; b++)
      for (let j = 0; j < heads * d; j++) state[b * states + 2 * heads * d + j] = 1 + Math.abs(state[b * states + j]!);
  return {
    x: dense(tokens, input ?? gates, random(tokens * (input ?? gates), 1, scale)),
    network: {
      cell,
      lengths: Uint32Array.from(shape.lengths),
      r: dense(gates, d, random(gates * d, 2, scale / Math.sqrt(d))),
      ...(input !== undefined && { w: dense(gates, input, random(gates * input, 6, scale / Math.sqrt(input || 1))) }),
      bias: random(gates, 3, 0.3 * scale),
      recurrentBias: random(gates, 4, 0.3 * scale),
      state: dense(batch, states, state),
    },
  };
}

/** The same problem in f32. */
export function inF32({ x, network }: Problem<Float64Array>): Problem<Float32Array> {
  const matrix = (m: Dense) => dense(m.rows, m.cols, Float32Array.from(m.data));
  const { cell, lengths } = network;
  return {
    x: matrix(x),
    network: {
      cell,
      lengths,
      r: matrix(network.r),
      ...(network.w && { w: matrix(network.w) }),
      ...(network.bias && { bias: Float32Array.from(network.bias) }),
      ...(network.recurrentBias && { recurrentBias: Float32Array.from(network.recurrentBias) }),
      ...(network.state && { state: matrix(network.state) }),
    },
  };
}

/** One step of one unit: the raw gates as W·x + b and R·h + b′ apart, the states of the unit before; the states after. */
function unit(cell: RnnCell, wx: number[], rh: number[], before: number[]): number[] {
  const g = wx.map((v, i) => v + rh[i]!);
  if (cell === 'elman') return [Math.tanh(g[0]!)];
  if (cell === 'gru') {
    const [r, u] = [sigma(g[0]!), sigma(g[1]!)];
    const n = Math.tanh(wx[2]! + r * rh[2]!);
    return [u * before[0]! + (1 - u) * n];
  }
  const [i, f, z, o] = g as [number, number, number, number];
  if (cell === 'lstm') {
    const c = sigma(f) * before[1]! + sigma(i) * Math.tanh(z);
    return [sigma(o) * Math.tanh(c), c];
  }
  const [, c0, n0, m0] = before as [number, number, number, number];
  const m = n0 === 0 ? i : Math.max(i, logSigma(f) + m0);
  const [gain, keep] = [Math.exp(i - m), n0 === 0 ? 0 : Math.exp(logSigma(f) + m0 - m)];
  const c = keep * c0 + gain * Math.tanh(z);
  const n = Math.max(keep * n0 + gain, 1);
  return [(sigma(o) * c) / n, c, n, m];
}

export function oracle<A extends Real>({ x, network }: Problem<A>): { h: Float64Array; state: Float64Array } {
  const { cell, r, w, bias, recurrentBias, lengths } = network;
  const [gates, states, d] = [gatesOf[cell], statesOf[cell], r.cols];
  const hidden = r.rows / gates;
  const h = new Float64Array(x.rows * hidden);
  const state = network.state
    ? Float64Array.from(network.state.data)
    : new Float64Array(lengths.length * states * hidden);
  let token = 0;
  lengths.forEach((length, b) => {
    for (let t = 0; t < length; t++, token++) {
      const last = state.slice(b * states * hidden, (b + 1) * states * hidden);
      for (let j = 0; j < hidden; j++) {
        const head = Math.floor(j / d);
        const wx: number[] = [];
        const rh: number[] = [];
        for (let g = 0; g < gates; g++) {
          const row = g * hidden + j;
          let sum = bias?.[row] ?? 0;
          if (w) for (let p = 0; p < x.cols; p++) sum += w.data[row * x.cols + p]! * x.data[token * x.cols + p]!;
          else sum += x.data[token * x.cols + row]!;
          wx.push(sum);
          let back = recurrentBias?.[row] ?? 0;
          for (let p = 0; p < d; p++) back += r.data[row * d + p]! * last[head * d + p]!;
          rh.push(back);
        }
        const before = Array.from({ length: states }, (_, s) => last[s * hidden + j]!);
        unit(cell, wx, rh, before).forEach((v, s) => (state[(b * states + s) * hidden + j] = v));
        h[token * hidden + j] = state[b * states * hidden + j]!;
      }
    }
  });
  return { h, state };
}

/** The largest |a − b| / max(1, |b|). */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

export const sameBits = (a: Real, b: Real): boolean =>
  Buffer.compare(
    Buffer.from(a.buffer, a.byteOffset, a.byteLength),
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;
