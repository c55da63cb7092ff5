import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { dense, type Dense, type Real } from 'lapidary';
import { deltaNet, deltaNetBackward, type DeltaNetOptions } from 'lapidary/recurrence';
import { native } from '../../dist/recurrence/scan-native.js';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { withCode } from '../support/errors.js';
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

interface Net {
  q: Dense<Real>;
  k: Dense<Real>;
  v: Dense<Real>;
  beta: Dense<Real>;
}

function unit({ rows, cols, data }: Dense<Real>, heads: number): Dense<Real> {
  const d = cols / heads;
  const out = data.slice();
  for (let i = 0; i < rows * heads; i++) {
    const head = out.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...head);
    head.forEach((x, j) => (head[j] = x / norm));
  }
  return { rows, cols, data: out };
}

/** Unit keys and β in [0, 2). */
function random(type: RealType, tokens: number, heads: number, dk: number, dv: number, seed = 1): Net {
  return {
    q: randomDense(type, tokens, heads * dk, seed),
    k: unit(randomDense(type, tokens, heads * dk, seed + 1), heads),
    v: randomDense(type, tokens, heads * dv, seed + 2),
    beta: randomDense(type, tokens, heads, seed + 3, 0, 2),
  };
}

/** The recurrence, token after token, in f64. */
function oracle({ q, k, v, beta }: Net, heads: number, options: { alpha?: Dense<Real>; state?: Dense<Real> } = {}) {
  const [tokens, dk, dv] = [q.rows, q.cols / heads, v.cols / heads];
  const state = options.state ? Float64Array.from(options.state.data) : new Float64Array(heads * dv * dk);
  const out = new Float64Array(tokens * heads * dv);
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < heads; h++) {
      const key = k.data.subarray((t * heads + h) * dk, (t * heads + h + 1) * dk);
      const query = q.data.subarray((t * heads + h) * dk, (t * heads + h + 1) * dk);
      const b = beta.data[t * heads + h]!;
      const alpha = options.alpha?.data[t * heads + h] ?? 1;
      for (let i = 0; i < dv; i++) {
        const row = state.subarray((h * dv + i) * dk, (h * dv + i + 1) * dk);
        let held = 0;
        for (let j = 0; j < dk; j++) held += row[j]! * key[j]!;
        const write = b * (v.data[(t * heads + h) * dv + i]! - alpha * held);
        let y = 0;
        for (let j = 0; j < dk; j++) {
          row[j] = alpha * row[j]! + write * key[j]!;
          y += row[j]! * query[j]!;
        }
        out[(t * heads + h) * dv + i] = y;
      }
    }
  return { out, state };
}

const run = ({ q, k, v, beta }: Net, options: DeltaNetOptions<Real> = {}) => deltaNet(q, k, v, beta, options);

describeEachIsa('deltaNet', (isa) => {
  test.each(types)('%o: agrees with the recurrence, gated and not, with state, for odd sizes', (type) => {
    const tolerance = type === Float32Array ? 5e-6 : 2e-14;
    for (const [tokens, heads, dk, dv, chunk] of [
      [1, 1, 1, 1, 64],
      [7, 2, 3, 5, 1],
      [65, 1, 16, 8, 64],
      [130, 3, 33, 17, 16],
      [200, 2, 64, 64, 64],
      [100, 1, 8, 130, 37],
      [90, 1, 20, 6, 512],
    ] as const) {
      const net = random(type, tokens, heads, dk, dv);
      const state = randomDense(type, heads * dv, dk, 9);
      for (const alpha of [undefined, randomDense(type, tokens, heads, 10, 0, 1)]) {
        const gate = alpha && { alpha };
        if (alpha) alpha.data[Math.floor(alpha.data.length / 2)] = 0; // forgets everything, exactly
        const got = withIsa(isa, () => run(net, { heads, chunk, state, ...gate }));
        const expected = oracle(net, heads, { state, ...gate });
        expect(distance(got.out.data, expected.out)).toBeLessThan(tolerance);
        expect(distance(got.state.data, expected.state)).toBeLessThan(tolerance);
      }
    }
  });

  test('f32 at 4096 tokens: chunk lengths agree to 1e-5, and with f64', () => {
    const net = random(Float32Array, 4096, 1, 32, 16);
    const results = [16, 64, 100, 512].map((chunk) => withIsa(isa, () => run(net, { chunk })).out.data);
    const exact = oracle(net, 1).out;
    for (const result of results) {
      expect(distance(result, results[0]!)).toBeLessThan(1e-5);
      expect(distance(result, exact)).toBeLessThan(1e-5);
    }
  });

  test('streaming: the same bits at multiples of the chunk, to rounding elsewhere; ragged batches', () => {
    withIsa(isa, () => {
      const net = random(Float32Array, 300, 2, 24, 20);
      const alpha = randomDense(Float32Array, 300, 2, 5, 0.9, 1);
      const whole = run(net, { heads: 2, alpha, chunk: 32 });
      const part = (from: number, to: number, state?: Dense<Real>) =>
        deltaNet(...([net.q, net.k, net.v, net.beta].map((m) => rowsOf(m, from, to)) as [Dense<Real>, Dense<Real>, Dense<Real>, Dense<Real>]), { heads: 2, alpha: rowsOf(alpha, from, to), chunk: 32, ...(state && { state }) }); // prettier-ignore
      const [a, b] = [part(0, 96), part(96, 300, part(0, 96).state)];
      expectSameBits(a.out.data, rowsOf(whole.out, 0, 96).data);
      expectSameBits(b.out.data, rowsOf(whole.out, 96, 300).data);
      expectSameBits(b.state.data, whole.state.data);
      const [c, d] = [part(0, 50), part(50, 300, part(0, 50).state)];
      expectSameBits(c.out.data, rowsOf(whole.out, 0, 50).data);
      expect(distance(d.out.data, rowsOf(whole.out, 50, 300).data)).toBeLessThan(2e-6);
      const batch = run(net, { heads: 2, alpha, chunk: 32, lengths: Uint32Array.of(50, 0, 250) });
      expectSameBits(rowsOf(batch.out, 0, 50).data, c.out.data);
      expectSameBits(rowsOf(batch.out, 50, 300).data, part(50, 300).out.data);
      expect(batch.state.data.subarray(40 * 24, 80 * 24).every((x) => x === 0)).toBe(true);
    });
  });

  test('parity: β = 2 and a constant unit key flip the sign of S each time, exactly', () => {
    const tokens = 1000;
    const bits = Uint8Array.from(randomDense(Float64Array, tokens, 1, 3, 0, 2).data);
    for (const key of [
      [1, 0, 0, 0],
      [0.5, 0.5, -0.5, 0.5],
    ]) {
      const k = dense(
        tokens,
        4,
        Float32Array.from({ length: 4 * tokens }, (_, i) => key[i % 4]!),
      );
      const state = dense(2, 4, Float32Array.from([...key, ...key.map((x) => 3 * x)]));
      const beta = dense(
        tokens,
        1,
        Float32Array.from(bits, (bit) => 2 * bit),
      );
      const v = dense(tokens, 2, new Float32Array(2 * tokens));
      const { out } = withIsa(isa, () => deltaNet(k, k, v, beta, { state }));
      let sign = 1;
      bits.forEach((bit, t) => {
        if (bit) sign = -sign;
        expect([out.data[2 * t], out.data[2 * t + 1]]).toEqual([sign, 3 * sign]);
      });
    }
  });

  test('counting modulo 3: two Householder reflections turn by 120°', () => {
    // Reflections in lines at angles 0 and 60° make the turn by 120°; a symbol is two tokens.
    const symbols = randomDense(Float64Array, 300, 1, 4, 0, 3).data.map(Math.floor);
    const keys = [0, 60].map((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]);
    const tokens = Array.from(symbols).flatMap((s) => Array.from({ length: s }, () => keys).flat());
    const k = dense(tokens.length, 2, Float32Array.from(tokens.flat()));
    const n = tokens.length;
    const state = dense(1, 2, Float32Array.of(1, 0));
    const q = dense(
      n,
      2,
      Float32Array.from({ length: 2 * n }, (_, i) => (i + 1) % 2),
    );
    const { out, state: last } = withIsa(isa, () =>
      deltaNet(q, k, dense(n, 1, new Float32Array(n)), dense(n, 1, new Float32Array(n).fill(2)), { state }),
    );
    let count = 0;
    for (let t = 1; t < n; t += 2) {
      count = (count + 1) % 3;
      expect(Math.abs(out.data[t]! - (count === 0 ? 1 : -0.5))).toBeLessThan(1e-4);
    }
    const total = Array.from(symbols).reduce((a: number, b: number) => a + b, 0) % 3;
    const expected = [1, -0.5, -0.5][total]!;
    expect(Math.abs(last.data[0]! - expected)).toBeLessThan(1e-4);
  });

  test('without values the norm of S never grows; β = 0 and keys of 0 leave S alone', () => {
    const net = random(Float32Array, 256, 1, 16, 8);
    net.v.data.fill(0);
    const norm = (x: Dense<Real>) => Math.hypot(...x.data);
    let state = randomDense(Float32Array, 8, 16, 20);
    withIsa(isa, () => {
      for (let t = 0; t < 256; t += 8) {
        const parts = [net.q, net.k, net.v, net.beta].map((m) => rowsOf(m, t, t + 8));
        const next = deltaNet(parts[0]!, parts[1]!, parts[2]!, parts[3]!, { state }).state;
        expect(norm(next)).toBeLessThanOrEqual(norm(state) * (1 + 1e-6));
        state = next;
      }
      const still = random(Float32Array, 100, 1, 16, 8);
      expectSameBits(run({ ...still, beta: dense(100, 1, new Float32Array(100)) }, { state }).state.data, state.data);
      const zero = { ...still, k: dense(100, 16, new Float32Array(1600)) };
      for (const normalize of [false, true]) expectSameBits(run(zero, { state, normalize }).state.data, state.data);
    });
  });

  test('normalize takes keys of any size above its floor', () => {
    const net = random(Float64Array, 70, 2, 12, 9);
    const scaled = (x: Dense<Real>) => ({ ...x, data: x.data.map((y, i) => y * 10 ** ((i >> 3) % 60 - 10)) }) as Dense<Real>; // prettier-ignore
    const k = scaled(net.k);
    const expected = oracle({ ...net, q: unit(net.q, 2), k: unit(k, 2) }, 2).out;
    expect(
      distance(withIsa(isa, () => run({ ...net, k }, { heads: 2, normalize: true })).out.data, expected),
    ).toBeLessThan(1e-13);
    const tiny = { ...net.k, data: Float32Array.from(net.k.data, (x) => x * 1e-11) };
    const f = (m: Dense<Real>) => ({ ...m, data: Float32Array.from(m.data) }) as Dense<Real>;
    const got = withIsa(isa, () => deltaNet(f(net.q), tiny, f(net.v), f(net.beta), { heads: 2, normalize: true }));
    expect(distance(got.out.data, oracle({ ...net, q: unit(net.q, 2) }, 2).out)).toBeLessThan(5e-6);
  });

  test('the gradient is that of finite differences', () => {
    for (const [tokens, heads, dk, dv, chunk, gated, normalize] of [
      [1, 1, 2, 3, 64, true, false],
      [40, 1, 6, 5, 16, false, false],
      [40, 2, 5, 7, 16, true, false],
      [33, 2, 4, 4, 33, true, true],
    ] as const) {
      const net = random(Float64Array, tokens, heads, dk, dv);
      if (normalize) net.k.data.forEach((x, i) => (net.k.data[i] = 3 * x));
      const alpha = gated ? randomDense(Float64Array, tokens, heads, 6, 0.5, 1) : undefined;
      if (alpha && tokens > 5) alpha.data[5] = 0;
      net.beta.data[Math.min(3, net.beta.data.length - 1)] = 0;
      const lengths = tokens > 30 ? Uint32Array.of(tokens - 20, 0, 20) : Uint32Array.of(tokens);
      const state = randomDense(Float64Array, lengths.length * heads * dv, dk, 7);
      const options = { heads, chunk, lengths, state, normalize, ...(alpha && { alpha }) };
      const wOut = randomDense(Float64Array, tokens, heads * dv, 8);
      const dstate = randomDense(Float64Array, lengths.length * heads * dv, dk, 9);
      const loss = () => {
        const { out, state: last } = run(net, options);
        return weighted([wOut, out], [dstate, last]);
      };
      withIsa(isa, () => {
        const gradient = deltaNetBackward(wOut, net.q, net.k, net.v, net.beta, { ...options, dstate });
        expectGradient(net.q, gradient.dq, loss, 20);
        expectGradient(net.k, gradient.dk, loss, 20);
        expectGradient(net.v, gradient.dv, loss, 20);
        expectGradient(net.beta, gradient.dbeta, loss, 40);
        if (alpha) expectGradient(alpha, gradient.dalpha!, loss, 40);
        else expect(gradient.dalpha).toBeUndefined();
        expectGradient(state, gradient.dstate, loss, 20);
      });
    }
  });

  test('f32 gradients agree with f64; any threads', () => {
    const make = (type: RealType) => {
      const net = random(type, 150, 3, 24, 20);
      const f = (x: Dense<Real>) => ({ ...x, data: type.from(Float32Array.from(x.data)) }) as Dense<Real>;
      const [q, k, v, beta] = [net.q, net.k, net.v, net.beta].map(f) as [Dense<Real>, Dense<Real>, Dense<Real>, Dense<Real>]; // prettier-ignore
      const alpha = f(randomDense(type, 150, 3, 5, 0.8, 1));
      const dout = f(randomDense(type, 150, 60, 6));
      return withIsa(isa, () => deltaNetBackward(dout, q, k, v, beta, { heads: 3, alpha }));
    };
    const [f32, f64] = [make(Float32Array), make(Float64Array)];
    for (const name of ['dq', 'dk', 'dv', 'dbeta', 'dalpha', 'dstate'] as const)
      expect(distance(f32[name]!.data, f64[name]!.data), name).toBeLessThan(1e-5);
    sameForAnyThreads(() => Object.values(make(Float32Array)).map(({ data }) => data as Float32Array));
    const net = random(Float32Array, 200, 5, 32, 32);
    sameForAnyThreads(() => {
      const { out, state } = withIsa(isa, () => run(net, { heads: 5 }));
      return [out.data, state.data];
    });
  });

  test('NaN stays in its head and does not reach back in time', () => {
    const net = random(Float32Array, 100, 2, 8, 8);
    net.v.data[70 * 16 + 3] = NaN;
    const { out } = withIsa(isa, () => run(net, { heads: 2, chunk: 16 }));
    for (let t = 0; t < 100; t++)
      for (let c = 0; c < 16; c++) {
        const value = out.data[t * 16 + c]!;
        if (c >= 8 || t < 64) expect(value).not.toBeNaN();
        if (c === 3 && t >= 70) expect(value).toBeNaN();
      }
  });
});

test('any chunk gives the recurrence (property)', () =>
  fc.assert(
    fc.property(
      fc.record({
        tokens: fc.integer({ min: 0, max: 70 }),
        heads: fc.integer({ min: 1, max: 3 }),
        dk: fc.integer({ min: 1, max: 20 }),
        dv: fc.integer({ min: 1, max: 20 }),
        chunk: fc.integer({ min: 1, max: 80 }),
        seed: fc.nat(),
      }),
      ({ tokens, heads, dk, dv, chunk, seed }) => {
        const net = random(Float64Array, tokens, heads, dk, dv, seed);
        const alpha = randomDense(Float64Array, tokens, heads, seed, -1, 1);
        const got = run(net, { heads, chunk, alpha });
        const expected = oracle(net, heads, { alpha });
        expect(distance(got.out.data, expected.out)).toBeLessThan(1e-12);
        expect(distance(got.state.data, expected.state)).toBeLessThan(1e-12);
      },
    ),
    { numRuns: 60 },
  ));

describe('arguments', () => {
  const { q, k, v, beta } = random(Float32Array, 20, 2, 4, 6);
  test('what does not fit is refused', () => {
    expect(() => deltaNet(q, v, v, beta, { heads: 2 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 3 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => deltaNet(q, k, v, beta)).toThrow(withCode('ERR_SHAPE')); // β has two columns
    expect(() => deltaNet(q, k, v, beta, { heads: 0 })).toThrow(withCode('ERR_RANGE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, chunk: 0 })).toThrow(withCode('ERR_RANGE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, chunk: 513 })).toThrow(withCode('ERR_RANGE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, state: k })).toThrow(withCode('ERR_SHAPE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, alpha: q })).toThrow(withCode('ERR_SHAPE'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, out: v })).toThrow(withCode('ERR_ALIAS'));
    expect(() => deltaNet(q, k, v, beta, { heads: 2, gate: beta } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => deltaNet(q, k, v, dense(20, 2) as never, { heads: 2 })).toThrow(withCode('ERR_DTYPE'));
    expect(() => deltaNetBackward(q, q, k, v, beta, { heads: 2 })).toThrow(withCode('ERR_SHAPE'));
    const call = native.deltaNet as (...args: unknown[]) => void;
    const [out, state, l] = [new Float32Array(240), new Float32Array(48), Uint32Array.of(20)];
    const base = [q.data, k.data, v.data, beta.data, undefined, undefined, out, state, l] as const;
    expect(() => call(...base, 20, 2, 4, 6, 0, false)).toThrow(withCode('ERR_RANGE'));
    expect(() => call(...base, 20, 2, 0, 6, 64, false)).toThrow(withCode('ERR_RANGE'));
    expect(() => call(...base, 20, 2, 6, 4, 64, false)).toThrow(withCode('ERR_SHAPE'));
    expect(() => call(...base, 21, 2, 4, 6, 64, false)).toThrow(withCode('ERR_SHAPE'));
  });

  test('no tokens, no memory, an abort', () => {
    const none = dense(0, 4, new Float32Array(0));
    const state = randomDense(Float32Array, 4, 4, 1) as Dense<Float32Array>;
    const empty = deltaNet(none, none, none, dense(0, 1, new Float32Array(0)), { state });
    expectSameBits(empty.state.data, state.data);
    const options = { heads: 2, normalize: true };
    withoutMemory(() => deltaNet(q, k, v, beta, options));
    withoutMemory(() => deltaNetBackward(v, q, k, v, beta, options));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => deltaNet(q, k, v, beta, options))).toThrow(/aborted/);
  });
});
