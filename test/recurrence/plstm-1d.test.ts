import { describe, expect, test } from 'vitest';
import { dense, type Dense, type Real } from 'lapidary';
import { plstm1d, plstm1dBackward, type Plstm1dGates } from 'lapidary/recurrence';
import { native } from '../../dist/recurrence/scan-native.js';
import { withCode } from '../support/errors.js';
import { withoutDirect } from '../support/plstm.js';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import {
  distance,
  expectGradient,
  expectSameBits,
  randomDense,
  rowsOf,
  sameForAnyThreads,
  types,
  weighted,
  withoutMemory,
  type RealType,
} from '../support/recurrence.js';

function random(type: RealType, tokens: number, heads: number, dk: number, dv: number, seed = 1) {
  return {
    q: randomDense(type, tokens, heads * dk, seed),
    k: randomDense(type, tokens, heads * dk, seed + 1),
    v: randomDense(type, tokens, heads * dv, seed + 2),
    gates: {
      source: randomDense(type, tokens, heads, seed + 3),
      transition: randomDense(type, tokens, heads, seed + 4),
      mark: randomDense(type, tokens, heads, seed + 5),
      direct: randomDense(type, tokens, heads, seed + 6),
    } as Plstm1dGates<Real>,
  };
}

/** The recurrence, token after token, in f64. */
function oracle({ q, k, v, gates }: ReturnType<typeof random>, heads: number, before?: Dense<Real>) {
  const [tokens, dk, dv] = [q.rows, q.cols / heads, v.cols / heads];
  const state = before ? Float64Array.from(before.data) : new Float64Array(heads * dk * dv);
  const out = new Float64Array(tokens * heads * dv);
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < heads; h++) {
      const g = t * heads + h;
      for (let c = 0; c < dv; c++) {
        const value = v.data[g * dv + c]!;
        for (let i = 0; i < dk; i++) {
          const at = (h * dk + i) * dv + c;
          const [query, key] = [q.data[g * dk + i]!, k.data[g * dk + i]!];
          out[g * dv + c]! += query * (gates.mark.data[g]! * state[at]! + (gates.direct?.data[g] ?? 0) * key * value);
          state[at] = gates.transition.data[g]! * state[at]! + gates.source.data[g]! * key * value;
        }
      }
    }
  return { out, state };
}

describeEachIsa('plstm1d', (isa) => {
  test.each(types)('%o: agrees with the recurrence', (type) => {
    const tolerance = type === Float32Array ? 3e-6 : 1e-14;
    for (const [tokens, heads, dk, dv, chunk] of [
      [1, 1, 1, 1, 64],
      [50, 2, 3, 5, 1],
      [130, 3, 17, 33, 16],
      [200, 1, 64, 64, 64],
      [63, 2, 8, 4, 512],
    ] as const) {
      const net = random(type, tokens, heads, dk, dv);
      net.gates.transition.data[Math.floor(tokens / 2)] = 0;
      const state = randomDense(type, heads * dk, dv, 9);
      const got = withIsa(isa, () => plstm1d(net.q, net.k, net.v, net.gates, { heads, chunk, state }));
      const expected = oracle(net, heads, state);
      expect(distance(got.out.data, expected.out)).toBeLessThan(tolerance);
      expect(distance(got.state.data, expected.state)).toBeLessThan(tolerance);
      const gates = withoutDirect(net.gates);
      const without = withIsa(isa, () => plstm1d(net.q, net.k, net.v, gates, { heads, chunk }));
      expect(distance(without.out.data, oracle({ ...net, gates }, heads).out)).toBeLessThan(tolerance);
    }
  });

  test('counting: with ones everywhere token t sees the t before it', () => {
    const one = dense(500, 1, new Float32Array(500).fill(1));
    const { out, state } = withIsa(isa, () => plstm1d(one, one, one, { source: one, transition: one, mark: one }));
    out.data.forEach((y, t) => expect(y).toBe(t));
    expect([...state.data]).toEqual([500]);
  });

  test('streams, batches, threads', () => {
    withIsa(isa, () => {
      const { q, k, v, gates } = random(Float32Array, 300, 3, 20, 24);
      const cut = (from: number, to: number, state?: Dense<Real>) => {
        const part = Object.fromEntries(Object.entries(gates).map(([name, m]) => [name, rowsOf(m as Dense<Real>, from, to)])); // prettier-ignore
        const [a, b, c] = [q, k, v].map((m) => rowsOf(m, from, to)) as [Dense<Real>, Dense<Real>, Dense<Real>];
        return plstm1d(a, b, c, part as unknown as Plstm1dGates<Real>, { heads: 3, ...(state && { state }) });
      };
      const whole = plstm1d(q, k, v, gates, { heads: 3 });
      const [a, b] = [cut(0, 128), cut(128, 300, cut(0, 128).state)];
      expectSameBits(a.out.data, rowsOf(whole.out, 0, 128).data);
      expectSameBits(b.out.data, rowsOf(whole.out, 128, 300).data);
      expectSameBits(b.state.data, whole.state.data);
      expect(distance(cut(77, 300, cut(0, 77).state).out.data, rowsOf(whole.out, 77, 300).data)).toBeLessThan(2e-6);
      const batch = plstm1d(q, k, v, gates, { heads: 3, lengths: Uint32Array.of(128, 0, 172) });
      expectSameBits(rowsOf(batch.out, 128, 300).data, cut(128, 300).out.data);
      sameForAnyThreads(() => {
        const { out, state } = plstm1d(q, k, v, gates, { heads: 3 });
        return [out.data, state.data];
      });
    });
  });

  test('the gradient is that of finite differences', () => {
    for (const [tokens, heads, dk, dv, chunk] of [
      [1, 1, 2, 3, 64],
      [40, 2, 5, 7, 16],
      [70, 1, 4, 3, 64],
    ] as const) {
      const { q, k, v, gates } = random(Float64Array, tokens, heads, dk, dv);
      if (tokens > 20) gates.transition.data[20] = 0;
      const lengths = tokens > 30 ? Uint32Array.of(tokens - 25, 0, 25) : Uint32Array.of(tokens);
      const state = randomDense(Float64Array, lengths.length * heads * dk, dv, 7);
      const wOut = randomDense(Float64Array, tokens, heads * dv, 8);
      const dstate = randomDense(Float64Array, lengths.length * heads * dk, dv, 9);
      const options = { heads, chunk, lengths, state };
      const loss = () => {
        const { out, state: last } = plstm1d(q, k, v, gates, options);
        return weighted([wOut, out], [dstate, last]);
      };
      withIsa(isa, () => {
        const gradient = plstm1dBackward(wOut, q, k, v, gates, { ...options, dstate });
        expectGradient(q, gradient.dq, loss, 20);
        expectGradient(k, gradient.dk, loss, 20);
        expectGradient(v, gradient.dv, loss, 20);
        expectGradient(gates.source, gradient.dsource, loss, 40);
        expectGradient(gates.transition, gradient.dtransition, loss, 40);
        expectGradient(gates.mark, gradient.dmark, loss, 40);
        expectGradient(gates.direct!, gradient.ddirect!, loss, 40);
        expectGradient(state, gradient.dstate, loss, 20);
      });
    }
  });

  test('f32 gradients agree with f64; any threads', () => {
    const make = (type: RealType) => {
      const f = (x: Dense<Real>) => ({ ...x, data: type.from(Float32Array.from(x.data)) }) as Dense<Real>;
      const { q, k, v, gates } = random(type, 150, 3, 24, 20);
      const rest = withoutDirect(gates);
      const rounded = Object.fromEntries(Object.entries(rest).map(([name, m]) => [name, f(m)]));
      const dout = f(randomDense(type, 150, 60, 6));
      return withIsa(isa, () => plstm1dBackward(dout, f(q), f(k), f(v), rounded as unknown as Plstm1dGates<Real>, { heads: 3 })); // prettier-ignore
    };
    const [f32, f64] = [make(Float32Array), make(Float64Array)];
    expect(f32.ddirect).toBeUndefined();
    for (const name of ['dq', 'dk', 'dv', 'dsource', 'dtransition', 'dmark', 'dstate'] as const)
      expect(distance(f32[name].data, f64[name].data), name).toBeLessThan(1e-5);
    sameForAnyThreads(() => Object.values(make(Float32Array)).map(({ data }) => data as Float32Array));
  });
});

describe('arguments', () => {
  const { q, k, v, gates } = random(Float32Array, 20, 2, 4, 6);
  test('what does not fit is refused', () => {
    expect(() => plstm1d(q, v, v, gates, { heads: 2 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm1d(q, k, v, gates, { heads: 4 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm1d(q, k, v, gates)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm1d(q, k, v, undefined as never, { heads: 2 })).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstm1d(q, k, v, { ...gates, mark: undefined } as never, { heads: 2 })).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstm1d(q, k, v, gates, { heads: 2, chunk: 1000 })).toThrow(withCode('ERR_RANGE'));
    expect(() => plstm1d(q, k, v, gates, { heads: 2, state: v })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm1d(q, k, v, gates, { heads: 2, out: v })).toThrow(withCode('ERR_ALIAS'));
    expect(() => plstm1dBackward(q, q, k, v, gates, { heads: 2 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm1dBackward(v, q, k, v, gates, { heads: 2, out: v } as never)).toThrow(withCode('ERR_OPTION'));
    const call = native.plstm1d as (...args: unknown[]) => void;
    const g = gates.source.data;
    expect(
      () =>
      call(q.data, k.data, v.data, g, g, g, undefined, undefined, new Float32Array(240), new Float32Array(48), Uint32Array.of(20), 20, 2, 4, 6, 0), // prettier-ignore
    ).toThrow(withCode('ERR_RANGE'));
  });

  test('no tokens, no memory, an abort', () => {
    const none = dense(0, 1, new Float32Array(0));
    const state = dense(1, 1, Float32Array.of(7));
    const empty = plstm1d(none, none, none, { source: none, transition: none, mark: none }, { state });
    expect([empty.out.data.length, ...empty.state.data]).toEqual([0, 7]);
    withoutMemory(() => plstm1d(q, k, v, gates, { heads: 2 }));
    withoutMemory(() => plstm1dBackward(v, q, k, v, gates, { heads: 2 }));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => plstm1d(q, k, v, gates, { heads: 2 }))).toThrow(/aborted/);
  });
});
