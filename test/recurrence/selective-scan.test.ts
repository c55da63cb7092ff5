import { expect, test } from 'vitest';
import { dense, type Dense } from 'lapidary';
import { linearScan, selectiveScan } from 'lapidary/recurrence';
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

/** The formula in f64; also by linearScan over channels · states columns. */
function oracle({ x, delta, a, b, c, skip }: ReturnType<typeof inputs>, state?: F32) {
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
      const turned = (m: F32): F32 => ({ ...m, data: Float32Array.from(m.data, (_, i) => m.data[(m.rows - 1 - Math.floor(i / m.cols)) * m.cols + (i % m.cols)]!) }); // prettier-ignore
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

test('what does not fit is refused; no memory', () => {
  const { x, delta, a, b, c } = inputs(10, 8, 4);
  const code = (k: string) => expect.objectContaining({ code: k });
  expect(() => selectiveScan(x, delta, b, b, c)).toThrow(code('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, c, x)).toThrow(code('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, b, c, { skip: new Float32Array(7) })).toThrow(code('ERR_SHAPE'));
  expect(() => selectiveScan(x, delta, a, b, c, { out: x })).toThrow(code('ERR_ALIAS'));
  expect(() => selectiveScan(x, delta, a, b, c, { z: x } as never)).toThrow(code('ERR_OPTION'));
  expect(() => selectiveScan(dense(10, 8) as never, delta, a, b, c)).toThrow(code('ERR_DTYPE'));
  withoutMemory(() => selectiveScan(x, delta, a, b, c));
});
