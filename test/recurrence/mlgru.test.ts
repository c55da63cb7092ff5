import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { mlgru, mlgruLowerBounds, type MlgruOptions } from 'lapidary/recurrence';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const matrix = (rows: number, cols: number, seed: number, size = 3) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -size, size)));
const rowsOf = (x: Dense<Float32Array>, from: number, to: number) =>
  dense(to - from, x.cols, x.data.slice(from * x.cols, to * x.cols));
const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** In f64, as printed. */
function expected(f: Dense<Float32Array>, x: Dense<Float32Array>, { lowerBound, state }: MlgruOptions): Float64Array {
  const h = new Float64Array(f.data.length);
  for (let k = 0; k < h.length; k++) {
    const j = k % f.cols;
    const lb = lowerBound?.[j] ?? 0;
    const before = k < f.cols ? (state?.data[j] ?? 0) : h[k - f.cols]!;
    const open = lb + (1 - lb) * logistic(f.data[k]!);
    h[k] = open * before + (1 - lb) * logistic(-f.data[k]!) * x.data[k]! * logistic(x.data[k]!);
  }
  return h;
}

describeEachIsa('mlgru', (isa) => {
  it('is the recurrence in f64', () =>
    withIsa(isa, () => {
      for (const [tokens, channels] of [[1, 1], [7, 5], [40, 33], [3, 64], [100, 16]] as const) {
        const [f, x] = [matrix(tokens, channels, 1, 6), matrix(tokens, channels, 2)];
        const bound = Float32Array.from(uniform(channels, 3, 0, 1));
        for (const options of [{}, { lowerBound: bound, state: matrix(1, channels, 4) }]) {
          const got = mlgru(f, x, options);
          const want = expected(f, x, options);
          got.out.data.forEach((h, k) => expect(Math.abs(h - want[k]!)).toBeLessThan(1e-6 * (1 + Math.abs(want[k]!))));
          expect(got.state.data).toEqual(got.out.data.slice(-channels));
        }
      }
    })); // prettier-ignore

  it('one token at a time, cut anywhere, in a batch: the same bits', () =>
    withIsa(isa, () => {
      const [tokens, channels] = [29, 37];
      const [f, x] = [matrix(tokens, channels, 5), matrix(tokens, channels, 6)];
      const lowerBound = Float32Array.from(uniform(channels, 7, 0, 1));
      const whole = mlgru(f, x, { lowerBound });
      let state: Dense<Float32Array> | undefined;
      for (let t = 0; t < tokens; t++) {
        const step = mlgru(rowsOf(f, t, t + 1), rowsOf(x, t, t + 1), { lowerBound, ...(state && { state }) });
        expect(step.out.data).toEqual(whole.out.data.slice(t * channels, (t + 1) * channels));
        state = step.state;
      }
      fc.assert(
        fc.property(fc.nat(tokens), (cut) => {
          const first = mlgru(rowsOf(f, 0, cut), rowsOf(x, 0, cut), { lowerBound });
          const rest = mlgru(rowsOf(f, cut, tokens), rowsOf(x, cut, tokens), { lowerBound, state: first.state });
          expect([...first.out.data, ...rest.out.data]).toEqual([...whole.out.data]);
          const batch = mlgru(f, x, { lowerBound, lengths: Uint32Array.of(cut, tokens - cut) });
          expect(batch.out.data.slice(0, cut * channels)).toEqual(first.out.data);
          expect(batch.state.data.slice(0, channels)).toEqual(first.state.data);
        }),
        { numRuns: 12 },
      );
    }));

  it('keeps the digits of inputs that hardly pass, and gives -∞ its limit', () =>
    withIsa(isa, () => {
      const x = Float32Array.from({ length: 19 }, (_, j) => (j === 18 ? -Infinity : 5 - 5 * j));
      const h = mlgru(dense(1, 19, new Float32Array(19).fill(-200)), dense(1, 19, x)).out.data;
      x.forEach((v, j) => {
        const want = j === 18 ? 0 : v * logistic(v);
        expect(Math.abs(h[j]! - want)).toBeLessThanOrEqual(1e-6 * Math.abs(want));
      });
    }));

  it('forgets everything, or nothing, exactly', () =>
    withIsa(isa, () => {
      const x = matrix(9, 20, 8);
      const state = matrix(1, 20, 9);
      const constant = (value: number) => dense(9, 20, new Float32Array(180).fill(value));
      const kept = mlgru(constant(200), x, { state });
      for (let t = 0; t < 9; t++) expect(kept.out.data.slice(20 * t, 20 * (t + 1))).toEqual(state.data);
      const bounded = mlgru(constant(-200), x, { state, lowerBound: new Float32Array(20).fill(1) });
      expect(bounded.out).toEqual(kept.out);
      const lost = mlgru(constant(-200), x, { state });
      const alone = mlgru(constant(-200), x);
      expect(lost).toEqual(alone);
      alone.out.data.forEach((h, k) => expect(Math.abs(h - x.data[k]! * logistic(x.data[k]!))).toBeLessThan(1e-6));
      const ends = mlgru(dense(1, 4, Float32Array.of(Infinity, -Infinity, -Infinity, NaN)), dense(1, 4, Float32Array.of(5, -Infinity, 1000, 1))); // prettier-ignore
      expect([...ends.out.data]).toEqual([0, 0, 1000, NaN]);
    }));

  it('has the same bits for any number of threads', () =>
    withIsa(isa, () => {
      const [f, x] = [matrix(300, 600, 10), matrix(300, 600, 11)];
      setThreads(1);
      const one = mlgru(f, x).out.data;
      setThreads(3);
      expect(Buffer.compare(Buffer.from(one.buffer), Buffer.from(mlgru(f, x).out.data.buffer))).toBe(0);
    }));
});

describe('mlgru', () => {
  it('takes no tokens and no channels', () => {
    const none = dense(0, 3, new Float32Array(0));
    expect(mlgru(none, none).state.data).toEqual(new Float32Array(3));
    const flat = dense(3, 0, new Float32Array(0));
    expect(mlgru(flat, flat).out.data.length).toBe(0);
  });

  it('refuses what does not fit', () => {
    const x = matrix(2, 3, 1);
    expect(() => mlgru(x, matrix(3, 2, 1))).toThrow(/2 × 3/);
    expect(() => mlgru(x, x, { lowerBound: Float32Array.of(0, 1.5, 0) })).toThrow(/lowerBound/);
    expect(() => mlgru(x, x, { lowerBound: Float32Array.of(0, NaN, 0) })).toThrow(/lowerBound/);
    expect(() => mlgru(x, x, { state: matrix(2, 3, 1) })).toThrow(/state/);
    expect(() => mlgru(x, x, { lengths: Uint32Array.of(1) })).toThrow(/lengths/);
    expect(() => mlgru(x, x, { out: x })).toThrow(/memory|overlap|out/);
    const out = dense(x.rows, x.cols, new Float32Array(x.data.length).fill(7));
    const state = dense(1, x.cols, out.data.subarray(0, x.cols));
    expect(() => mlgru(x, x, { out, state })).toThrow(expect.objectContaining({ code: 'ERR_ALIAS' }));
    expect(out.data.every((value) => value === 7)).toBe(true);
  });

  it.each(['forget', 'input', 'lowerBound', 'state', 'lengths'] as const)(
    'refuses out over %s, with a state and without',
    (part) => {
      const memory = new Float32Array(18).fill(0.5);
      const own = (rows: number) => dense(rows, 3, new Float32Array(rows * 3).fill(0.25));
      const over = (rows: number) => dense(rows, 3, memory.subarray(3, 3 + rows * 3));
      const out = dense(2, 3, memory.subarray(0, 6));
      for (const state of part === 'state' ? [over(1)] : [own(1), undefined]) {
        const [f, x] = [part === 'forget' ? over(2) : own(2), part === 'input' ? over(2) : own(2)];
        const lowerBound = (part === 'lowerBound' ? over(1) : own(1)).data;
        const lengths = new Uint32Array(part === 'lengths' ? memory.buffer : new ArrayBuffer(4), 0, 1);
        lengths[0] = 2;
        if (part === 'lengths') memory.fill(0.5, 1);
        expect(() => mlgru(f, x, { out, lowerBound, lengths, ...(state && { state }) })).toThrow(
          expect.objectContaining({ code: 'ERR_ALIAS', function: 'mlgru', argument: 'options.out' }),
        );
        expect(lengths[0]).toBe(2);
        expect(memory.subarray(1).every((value) => value === 0.5)).toBe(true);
      }
    },
  );
});

describe('mlgruLowerBounds', () => {
  it('is 0 in the first layer and ascends to 1 less its share', () => {
    const weights = matrix(5, 6, 12);
    const bounds = mlgruLowerBounds(weights);
    for (let j = 0; j < 6; j++) {
      const exps = [0, 1, 2, 3, 4].map((l) => Math.exp(weights.data[6 * l + j]!));
      const total = exps.reduce((a, b) => a + b, 0);
      const want = exps.map((_, l) => exps.slice(1, l + 1).reduce((a, b) => a + b, 0) / total);
      want.forEach((w, l) => expect(bounds.data[6 * l + j]!).toBeCloseTo(w, 6));
    }
    expect([...mlgruLowerBounds(dense(2, 1, Float32Array.of(-1000, 1000))).data]).toEqual([0, 1]);
    expect(mlgruLowerBounds(dense(0, 2, new Float32Array(0))).data.length).toBe(0);
  });
});
