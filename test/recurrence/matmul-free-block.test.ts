import { afterAll, describe, expect, it } from 'vitest';
import { dense, gemm, getThreads, quant, setThreads, type Dense } from 'lapidary';
import { matmulFreeBlock, type MatmulFreeBlockOptions, type MatmulFreeWeights } from 'lapidary/recurrence';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const matrix = (rows: number, cols: number, seed: number, size = 1) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -size, size)));
const rowsOf = (x: Dense<Float32Array>, from: number, to: number) =>
  dense(to - from, x.cols, x.data.slice(from * x.cols, to * x.cols));
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
const swish = (x: number) => x * logistic(x);

const shape = { d: 24, n: 40, m: 33 };

/** A BitLinear before its weights are packed. */
interface Layer {
  w: quant.Quantized;
  norm?: Float32Array;
}
const names = ['forget', 'input', 'gate', 'output', 'up', 'down'] as const;
type Weights = Omit<MatmulFreeWeights, (typeof names)[number]> & Record<(typeof names)[number], Layer>;

const packed = (weights: Weights): MatmulFreeWeights => ({
  ...weights,
  ...(Object.fromEntries(
    names.map((name) => [name, { ...weights[name], w: gemm.packWeights(weights[name].w) }]),
  ) as unknown as Pick<MatmulFreeWeights, (typeof names)[number]>),
});

const run = (x: Dense<Float32Array>, weights: Weights, options?: MatmulFreeBlockOptions) =>
  matmulFreeBlock(x, packed(weights), options);

function weightsOf({ d, n, m }: typeof shape, seed = 1): Weights {
  const layer = (rows: number, cols: number, at: number): Layer => ({
    w: quant.quantize(matrix(rows, cols, seed * 100 + at), { format: 'ternary' }),
    norm: Float32Array.from(uniform(cols, seed * 100 + at + 50, 0.5, 1.5)),
  });
  return {
    forget: layer(n, d, 1),
    input: layer(n, d, 2),
    gate: layer(n, d, 3),
    output: layer(d, n, 4),
    up: layer(2 * m, d, 5),
    down: layer(d, m, 6),
    tokenNorm: Float32Array.from(uniform(d, 7, 0.5, 1.5)),
    channelNorm: Float32Array.from(uniform(d, 8, 0.5, 1.5)),
    stateNorm: Float32Array.from(uniform(n, 9, 0.5, 1.5)),
  };
}

/** x / √(mean x² + epsilon) · gain of one token. */
function norm(x: number[], gain: Float32Array | undefined, epsilon: number): number[] {
  const mean = x.reduce((sum, v) => sum + v * v, 0) / x.length;
  return x.map((v, j) => (v / Math.sqrt(mean + epsilon)) * (gain?.[j] ?? 1));
}

const halfEven = (x: number) => {
  const low = Math.floor(x);
  return x - low > 0.5 || (x - low === 0.5 && low % 2 !== 0) ? low + 1 : low;
};

/** BitLinear of one token: integers for the product, f64 around it. */
function bit(x: number[], { w, norm: gain }: Layer): number[] {
  const normal = norm(x, gain, 1e-8).map(Math.fround);
  const s = 127 / normal.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-5);
  const q = normal.map((v) => Math.min(127, Math.max(-128, halfEven(v * s))));
  const t = quant.dequantize(w).data.map(Math.sign);
  return Array.from({ length: w.rows }, (_, i) => {
    const sum = q.reduce((total, v, j) => total + v * t[i * w.cols + j]!, 0);
    return (sum / s) * (w.scales as Float32Array)[i]!;
  });
}

function expected(
  x: Dense<Float32Array>,
  weights: Weights,
  { lowerBound, state, epsilon = 1e-6 }: { lowerBound?: Float32Array; state?: Float32Array; epsilon?: number } = {},
): { out: number[]; state: number[] } {
  const { forget, input, gate, output, up, down } = weights;
  let h = Array.from({ length: forget.w.rows }, (_, j) => state?.[j] ?? 0);
  const out: number[] = [];
  for (let t = 0; t < x.rows; t++) {
    const token = [...x.data.subarray(t * x.cols, (t + 1) * x.cols)];
    const mixed = norm(token, weights.tokenNorm, epsilon);
    const f = bit(mixed, forget).map((v, j) => (lowerBound?.[j] ?? 0) + (1 - (lowerBound?.[j] ?? 0)) * logistic(v));
    const i = bit(mixed, input).map(swish);
    h = h.map((v, j) => f[j]! * v + (1 - f[j]!) * i[j]!);
    const g = bit(mixed, gate);
    const read = norm(h, weights.stateNorm, epsilon).map((v, j) => v * swish(g[j]!));
    const between = bit(read, output).map((v, j) => v + token[j]!);
    const both = bit(norm(between, weights.channelNorm, epsilon), up);
    const m = both.length / 2;
    const gated = both.slice(m).map((v, j) => v * swish(both[j]!));
    out.push(...bit(gated, down).map((v, j) => v + between[j]!));
  }
  return { out, state: h };
}

/** Largest difference, relative to the largest number. A token value beside a tie may round the other way: one of 127. */
function difference(got: Float32Array, want: number[]): number {
  const size = want.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return got.reduce((most, v, k) => Math.max(most, Math.abs(v - want[k]!)), 0) / size;
}

describeEachIsa('matmulFreeBlock', (isa) => {
  it('is the block in f64 and integers', () =>
    withIsa(isa, () => {
      const weights = weightsOf(shape);
      const x = matrix(11, shape.d, 20, 2);
      const plain = run(x, weights);
      const want = expected(x, weights);
      expect(difference(plain.out.data, want.out)).toBeLessThan(1e-4);
      expect(difference(plain.state.data, want.state)).toBeLessThan(1e-4);
      const lowerBound = Float32Array.from(uniform(shape.n, 21, 0, 1));
      const state = matrix(1, shape.n, 22);
      const bounded = run(x, weights, { lowerBound, state });
      const second = expected(x, weights, { lowerBound, state: state.data });
      expect(difference(bounded.out.data, second.out)).toBeLessThan(1e-4);
      expect(difference(bounded.state.data, second.state)).toBeLessThan(1e-4);
    }));

  it('adds epsilon to the mean of squares in its three norms, where it counts', () =>
    withIsa(isa, () => {
      const weights = weightsOf(shape, 4);
      // So small that the norms of the layers, which follow, do not bring every size back to one.
      const small = matrix(6, shape.d, 24, 3e-7);
      expect(difference(run(small, weights).out.data, expected(small, weights).out)).toBeLessThan(1e-4);
      const x = matrix(6, shape.d, 25, 1e-4);
      const got = run(x, weights, { epsilon: 0.1 });
      const want = expected(x, weights, { epsilon: 0.1 });
      expect(difference(got.out.data, want.out)).toBeLessThan(1e-4);
      expect(difference(got.state.data, want.state)).toBeLessThan(1e-4);
    }));

  it('token by token and all at once: the same bits, for any number of threads', () =>
    withIsa(isa, () => {
      const weights = weightsOf(shape, 2);
      const x = matrix(9, shape.d, 23);
      setThreads(1);
      const whole = run(x, weights);
      setThreads(3);
      expect(run(x, weights)).toEqual(whole);
      let state: Dense<Float32Array> | undefined;
      for (let t = 0; t < 9; t++) {
        const step = run(rowsOf(x, t, t + 1), weights, state && { state });
        expect(step.out.data).toEqual(whole.out.data.slice(t * shape.d, (t + 1) * shape.d));
        state = step.state;
      }
      expect(state).toEqual(whole.state);
      const own = dense(9, shape.d, x.data.slice());
      expect(run(own, weights, { out: own }).out).toEqual(whole.out);
      const batch = run(x, weights, { lengths: Uint32Array.of(4, 5) });
      expect(batch.out.data.slice(0, 4 * shape.d)).toEqual(whole.out.data.slice(0, 4 * shape.d));
    }));

  // The largest sums there are: a byte of the activations times every weight. Sums of 16 bits would wrap from 2176
  // columns on.
  it('adds up constant activations and weights that are all +1', () =>
    withIsa(isa, () => {
      const d = 2304;
      const ones = (rows: number, cols: number): Layer => ({
        w: quant.quantize(dense(rows, cols, new Float32Array(rows * cols).fill(1)), { format: 'ternary' }),
      });
      const weights = { forget: ones(2, d), input: ones(2, d), gate: ones(2, d), output: ones(d, 2), up: ones(2, d), down: ones(d, 1) }; // prettier-ignore
      const x = dense(1, d, new Float32Array(d).fill(3));
      const { out, state } = run(x, weights);
      // every layer sees ±1 in all columns; its result is their number
      expect(Math.abs(state.data[0]!)).toBeLessThan(1e-30); // σ(2304) = 1: nothing enters
      expect(difference(out.data, expected(x, weights).out)).toBeLessThan(1e-6);
      const shut = { ...weights, forget: { w: quant.quantize(dense(2, d, new Float32Array(2 * d).fill(-1)), { format: 'ternary' }) } }; // prettier-ignore
      const open = run(x, shut);
      expect(open.state.data).toEqual(Float32Array.of(d, d));
      expect(difference(open.out.data, expected(x, shut).out)).toBeLessThan(1e-5);
    }));

  it('takes zeros, no tokens, and tokens with NaN', () =>
    withIsa(isa, () => {
      const weights = weightsOf(shape, 3);
      const zeros = run(dense(2, shape.d, new Float32Array(2 * shape.d)), weights);
      expect(zeros.out.data.every((v) => v === 0)).toBe(true);
      const none = run(dense(0, shape.d, new Float32Array(0)), weights);
      expect(none.state.data).toEqual(new Float32Array(shape.n));
      const x = matrix(3, shape.d, 24);
      const clean = run(x, weights).out.data.slice(0, shape.d);
      x.data[shape.d + 3] = NaN;
      const spoilt = run(x, weights);
      expect(spoilt.out.data.slice(0, shape.d)).toEqual(clean);
      expect(spoilt.out.data.slice(shape.d).every(Number.isNaN)).toBe(true);
    }));
});

describe('matmulFreeBlock', () => {
  it('refuses what does not fit', () => {
    const weights = packed(weightsOf(shape));
    const x = matrix(2, shape.d, 25);
    const int4 = { w: gemm.packWeights(quant.quantize(matrix(shape.n, shape.d, 1), { format: 'int4' })) };
    const loose = { w: quant.quantize(matrix(shape.n, shape.d, 1), { format: 'ternary' }) };
    expect(() => matmulFreeBlock(x, { ...weights, forget: int4 })).toThrow(/ternary/);
    expect(() => matmulFreeBlock(x, { ...weights, forget: loose as never })).toThrow(/PackedWeights/);
    expect(() => matmulFreeBlock(x, { ...weights, input: weights.output })).toThrow(/weights\.input/);
    expect(() => matmulFreeBlock(x, { ...weights, up: weights.down })).toThrow(/weights\.up/);
    expect(() => matmulFreeBlock(x, { ...weights, tokenNorm: new Float32Array(3) })).toThrow(/tokenNorm/);
    expect(() => matmulFreeBlock(x, weights, { lowerBound: new Float32Array(3) })).toThrow(/lowerBound/);
    expect(() => matmulFreeBlock(x, weights, { state: matrix(1, 3, 1) })).toThrow(/state/);
    expect(() => matmulFreeBlock(x, weights, { epsilon: -1 })).toThrow(/epsilon/);
    expect(() => matmulFreeBlock(x, undefined as never)).toThrow(/weights/);
  });
});
