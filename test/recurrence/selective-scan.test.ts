import { expect, test } from 'vitest';
import { dense, type Dense } from 'lapidary';
import { linearScan, selectiveScan, selectiveScanBackward } from 'lapidary/recurrence';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import {
  distance,
  expectSameBits,
  randomDense,
  rowsOf,
  sameForAnyThreads,
  withoutMemory,
} from '../support/recurrence.js';

type F32 = Dense<Float32Array>;
const f32 = (rows: number, cols: number, seed: number, low = -1, high = 1) =>
  randomDense(Float32Array, rows, cols, seed, low, high) as F32;

function inputs(tokens: number, channels: number, states: number) {
  return {
    x: f32(tokens, channels, 1),
    delta: f32(tokens, channels, 2, 0.001, 1),
    a: f32(channels, states, 3, -4, -0.1),
    b: f32(tokens, states, 4),
    c: f32(tokens, states, 5),
    skip: f32(1, channels, 6).data,
  };
}

type Real64<T> = {
  [K in keyof T]: T[K] extends F32 ? Dense<Float32Array | Float64Array> : Float32Array | Float64Array;
};

/** The formula in f64; also by linearScan over channels · states columns. */
function oracle(
  { x, delta, a, b, c, skip }: Real64<ReturnType<typeof inputs>>,
  state?: Dense<Float32Array | Float64Array>,
) {
  const [tokens, channels, states] = [x.rows, x.cols, a.cols];
  const gates = dense(tokens, channels * states);
  const terms = dense(tokens, channels * states);
  for (let t = 0; t < tokens; t++)
    for (let d = 0; d < channels; d++)
      for (let s = 0; s < states; s++) {
        const step = delta.data[t * channels + d]!;
        gates.data[(t * channels + d) * states + s] = Math.exp(step * a.data[d * states + s]!);
        terms.data[(t * channels + d) * states + s] = step * b.data[t * states + s]! * x.data[t * channels + d]!;
      }
  const before = state && dense(1, channels * states, Float64Array.from(state.data));
  const h = linearScan(gates, terms, { ...(before && { state: before }) });
  const out = Float64Array.from(x.data, (v, i) => {
    const t = Math.floor(i / channels);
    let y = skip[i % channels]! * v;
    for (let s = 0; s < states; s++) y += c.data[t * states + s]! * h.out.data[i * states + s]!;
    return y;
  });
  return { out, state: h.state.data };
}

describeEachIsa('selectiveScan', (isa) => {
  test('agrees with linearScan over the expanded coefficients', () => {
    for (const [tokens, channels, states] of [
      [1, 1, 1],
      [30, 5, 16],
      [20, 33, 3],
      [25, 70, 16],
      [3, 16, 40],
      [4, 8, 0],
    ] as const) {
      const input = inputs(tokens, channels, states);
      const state = f32(channels, states, 7);
      const { x, delta, a, b, c, skip } = input;
      const got = withIsa(isa, () => selectiveScan(x, delta, a, b, c, { skip, state }));
      const expected = oracle(input, state);
      expect(distance(got.out.data, expected.out)).toBeLessThan(3e-6);
      expect(distance(got.state.data, expected.state)).toBeLessThan(3e-6);
    }
  });

  test('streams, batches and reversal have the bits of the whole; any threads', () => {
    withIsa(isa, () => {
      const { x, delta, a, b, c } = inputs(200, 100, 16);
      const whole = selectiveScan(x, delta, a, b, c);
      sameForAnyThreads(() => {
        const { out, state } = selectiveScan(x, delta, a, b, c);
        return [out.data, state.data];
      });
      const cut = (from: number, to: number) => [x, delta, b, c].map((m) => rowsOf(m, from, to) as F32);
      let state: F32 | undefined;
      for (const [from, to] of [
        [0, 77],
        [77, 78],
        [78, 200],
      ] as const) {
        const [xs, ds, bs, cs] = cut(from, to);
        const part = selectiveScan(xs!, ds!, a, bs!, cs!, { ...(state && { state }) });
        expectSameBits(part.out.data, rowsOf(whole.out, from, to).data);
        state = part.state;
      }
      expectSameBits(state!.data, whole.state.data);
      const batch = selectiveScan(x, delta, a, b, c, { lengths: Uint32Array.of(77, 0, 123) });
      expectSameBits(rowsOf(batch.out, 0, 77).data, rowsOf(whole.out, 0, 77).data);
      const backwards = selectiveScan(turned(x), turned(delta), a, turned(b), turned(c), { reverse: true });
      expectSameBits(turned(backwards.out).data, whole.out.data);
    });
  });

  test('NaN stays in its channel; long decays underflow to zero', () => {
    const input = inputs(10, 40, 4);
    input.x.data[3] = NaN;
    input.delta.data.fill(100, 5 * 40);
    const { x, delta, a, b, c } = input;
    const { out } = withIsa(isa, () => selectiveScan(x, delta, a, b, c));
    out.data.forEach((v, i) => expect(Number.isNaN(v)).toBe(i % 40 === 3));
  });
});

/** The rows of a matrix in reverse. */
const turned = (m: F32): F32 => ({
  ...m,
  data: m.data.map((_, i) => m.data[(m.rows - 1 - Math.floor(i / m.cols)) * m.cols + (i % m.cols)]!),
});

describeEachIsa('selectiveScanBackward', (isa) => {
  test('is the derivative of the formula in f64, along random directions in each input', () => {
    for (const [tokens, channels, states] of [
      [1, 1, 1],
      [7, 3, 2],
      [40, 33, 16],
      [600, 9, 5],
      [1500, 1, 3],
      [30, 70, 40],
      [4, 8, 0],
    ] as const) {
      const given = { ...inputs(tokens, channels, states), state: f32(channels, states, 7) };
      const [dout, dstate] = [f32(tokens, channels, 8), f32(channels, states, 9)];
      const { x, delta, a, b, c, skip, state } = given;
      const g = withIsa(isa, () => selectiveScanBackward(dout, x, delta, a, b, c, { skip, state, dstate }));
      const gradients = { x: g.dx, delta: g.ddelta, a: g.da, b: g.db, c: g.dc, skip: g.dskip, state: g.dstate };
      const loss = (name: string, direction: Float64Array, step: number) => {
        const moved = (array: Float32Array) => Float64Array.from(array, (v, i) => v + step * direction[i]!);
        const here = { ...given, [name]: name === 'skip' ? moved(skip) : { ...given[name as 'x'], data: moved(given[name as 'x'].data) } }; // prettier-ignore
        const { out, state: last } = oracle(here, here.state);
        let sum = 0;
        out.forEach((y, i) => (sum += y * dout.data[i]!));
        last.forEach((h, i) => (sum += h * dstate.data[i]!));
        return sum;
      };
      for (const [name, gradient] of Object.entries(gradients)) {
        const values = 'data' in gradient ? gradient.data : gradient;
        for (const seed of [11, 12, 13]) {
          const direction = Float64Array.from(f32(values.length, 1, seed).data);
          const slope = (loss(name, direction, 1e-5) - loss(name, direction, -1e-5)) / 2e-5;
          let [sum, size] = [0, 1e-3];
          values.forEach((v, i) => {
            sum += v * direction[i]!;
            size += Math.abs(v * direction[i]!);
          });
          expect(Math.abs(sum - slope) / size, `${name} ${tokens}×${channels}×${states}`).toBeLessThan(
            2e-6 + 6e-8 * Math.sqrt(tokens), // sums over tokens round at each
          );
        }
      }
    }
  });

  test('sums over many tokens do not lose what is small beside them', () => {
    const all = (rows: number, value: number) => dense(rows, 1, new Float32Array(rows).fill(value));
    const [tokens, step] = [100_000, Math.fround(0.1)];
    const one = all(tokens, 1);
    const run = () => selectiveScanBackward(one, all(tokens, step), all(tokens, step), all(1, -1), one, one);
    const { da, dskip } = withIsa(isa, run);
    let [h, g, sum] = [0, 0, 0];
    const before = Float64Array.from({ length: tokens }, () => {
      const last = h;
      h = Math.exp(-step) * h + step * step;
      return last;
    });
    for (let t = tokens - 1; t >= 0; t--) {
      g += 1;
      g *= Math.exp(-step);
      sum += g * step * before[t]!;
    }
    expect(Math.abs(dskip[0]! / (tokens * step) - 1)).toBeLessThan(4e-6);
    expect(Math.abs(da.data[0]! / sum - 1)).toBeLessThan(4e-6);
    const count = 20_000; // sequences of one token
    const short = selectiveScanBackward(all(count, 1), all(count, step), all(count, step), all(1, -1), all(count, 1), all(count, 1), { lengths: new Uint32Array(count).fill(1) }); // prettier-ignore
    expect(Math.abs(short.dskip[0]! / (count * step) - 1)).toBeLessThan(2e-7);
  });

  test('an infinity stays one for any number of channels', () => {
    for (const channels of [1, 7, 8, 9, 33]) {
      const all = (rows: number, cols: number, v: number) => dense(rows, cols, new Float32Array(rows * cols).fill(v));
      const one = all(1, channels, 1);
      const run = () => selectiveScanBackward(one, one, one, all(channels, 1, -1), all(1, 1, 1), all(1, 1, Infinity));
      expect(withIsa(isa, run).db.data[0], `${channels}`).toBe(Infinity);
    }
  });

  test('batches, chunks and reversal have the bits of the whole; any threads', () => {
    withIsa(isa, () => {
      const { x, delta, a, b, c, skip } = inputs(700, 40, 16);
      const dout = f32(700, 40, 8);
      const all = { skip, state: f32(40, 16, 7), dstate: f32(40, 16, 9) };
      const whole = selectiveScanBackward(dout, x, delta, a, b, c, all);
      sameForAnyThreads(() => {
        const { dskip, ...rest } = selectiveScanBackward(dout, x, delta, a, b, c, all);
        return [dskip, ...Object.values(rest).map(({ data }) => data)];
      });

      const cut = (from: number, to: number) => [x, delta, b, c, dout].map((m) => rowsOf(m, from, to) as F32);
      const [x1, delta1, b1, c1, dout1] = cut(0, 333) as [F32, F32, F32, F32, F32];
      const [x2, delta2, b2, c2, dout2] = cut(333, 700) as [F32, F32, F32, F32, F32];
      const { state } = selectiveScan(x1, delta1, a, b1, c1, { state: all.state });
      const last = selectiveScanBackward(dout2, x2, delta2, a, b2, c2, { ...all, state });
      const first = selectiveScanBackward(dout1, x1, delta1, a, b1, c1, { ...all, dstate: last.dstate });
      for (const name of ['dx', 'ddelta', 'db', 'dc'] as const) {
        expectSameBits(first[name].data, rowsOf(whole[name], 0, 333).data);
        expectSameBits(last[name].data, rowsOf(whole[name], 333, 700).data);
      }
      expectSameBits(first.dstate.data, whole.dstate.data);
      const sum = (p: Float32Array, q: Float32Array) => p.map((v, i) => v + q[i]!);
      expect(distance(sum(first.da.data, last.da.data), whole.da.data)).toBeLessThan(2e-6);
      expect(distance(sum(first.dskip, last.dskip), whole.dskip)).toBeLessThan(2e-6);

      const lengths = Uint32Array.of(333, 0, 367);
      const three = (m: F32): F32 => ({ ...m, rows: 120, data: Float32Array.from([...m.data, ...m.data, ...m.data]) });
      const states = { state: three(all.state), dstate: three(all.dstate) };
      const batch = selectiveScanBackward(dout, x, delta, a, b, c, { skip, ...states, lengths });
      const alone = selectiveScanBackward(dout1, x1, delta1, a, b1, c1, all);
      for (const name of ['dx', 'ddelta', 'db', 'dc'] as const)
        expectSameBits(rowsOf(batch[name], 0, 333).data, alone[name].data);
      expectSameBits(rowsOf(batch.dstate, 0, 40).data, alone.dstate.data);
      expectSameBits(rowsOf(batch.dstate, 40, 80).data, all.dstate.data);
      const other = selectiveScanBackward(dout2, x2, delta2, a, b2, c2, all);
      expectSameBits(batch.da.data, sum(alone.da.data, other.da.data));
      expectSameBits(batch.dskip, sum(alone.dskip, other.dskip));

      const back = selectiveScanBackward(turned(dout), turned(x), turned(delta), a, turned(b), turned(c), { ...all, reverse: true }); // prettier-ignore
      for (const name of ['dx', 'ddelta', 'db', 'dc'] as const)
        expectSameBits(turned(back[name]).data, whole[name].data);
      expectSameBits(back.dstate.data, whole.dstate.data);
    });
  });
});

test('what does not fit is refused; no memory', () => {
  const { x, delta, a, b, c } = inputs(10, 8, 4);
  expect(() => selectiveScan(x, delta, b, b, c)).toThrow(withCode('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, c, x)).toThrow(withCode('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, b, c, { skip: new Float32Array(7) })).toThrow(withCode('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, b, c, { out: x })).toThrow(withCode('ERR_ALIAS'));
  expect(() => selectiveScan(x, delta, a, b, c, { z: x } as never)).toThrow(withCode('ERR_OPTION'));
  expect(() => selectiveScan(dense(10, 8) as never, delta, a, b, c)).toThrow(withCode('ERR_DTYPE'));
  withoutMemory(() => selectiveScan(x, delta, a, b, c));
  expect(() => selectiveScanBackward(a, x, delta, a, b, c)).toThrow(withCode('ERR_SHAPE'));
  expect(() => selectiveScanBackward(x, x, delta, a, b, c, { dstate: b })).toThrow(withCode('ERR_SHAPE'));
  expect(() => selectiveScanBackward(x, x, delta, a, b, c, { out: x } as never)).toThrow(withCode('ERR_OPTION'));
  const large = inputs(3000, 96, 16); // more than any call before, so that scratch memory has to grow
  const backward = () => selectiveScanBackward(large.x, large.x, large.delta, large.a, large.b, large.c);
  expect(withoutMemory(backward)).toBeGreaterThan(0);
});
