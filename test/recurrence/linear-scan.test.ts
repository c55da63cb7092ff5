import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { dense, type Dense, type Real } from 'lapidary';
import { linearScan, linearScanBackward } from 'lapidary/recurrence';
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
} from '../support/recurrence.js';

/** h in f64 from numbers of any type. */
function oracle(
  a: Dense<Real>,
  b: Dense<Real>,
  {
    state,
    reverse = false,
    lengths = Uint32Array.of(a.rows),
  }: {
    state?: Dense<Real> | undefined;
    reverse?: boolean;
    lengths?: Uint32Array;
  },
): { out: Float64Array; state: Float64Array } {
  const n = a.cols;
  const out = new Float64Array(a.rows * n);
  const last = new Float64Array(lengths.length * n);
  let first = 0;
  lengths.forEach((length, s) => {
    for (let c = 0; c < n; c++) {
      let h = state ? state.data[s * n + c]! : 0;
      for (let i = 0; i < length; i++) {
        const at = (first + (reverse ? length - 1 - i : i)) * n + c;
        out[at] = h = a.data[at]! * h + b.data[at]!;
      }
      last[s * n + c] = h;
    }
    first += length;
  });
  return { out, state: last };
}

const widths = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 130, 255, 257, 600];

describeEachIsa('linearScan', (isa) => {
  test.each(types)('%o: every width agrees with f64', (type) => {
    const tolerance = type === Float32Array ? 1e-6 : 2e-15;
    for (const cols of widths) {
      const tokens = cols > 100 ? 9 : 40;
      const a = randomDense(type, tokens, cols, 1);
      const b = randomDense(type, tokens, cols, 2);
      const state = randomDense(type, 1, cols, 3);
      for (const reverse of [false, true]) {
        const got = withIsa(isa, () => linearScan(a, b, { state, reverse }));
        const expected = oracle(a, b, { state, reverse });
        expect(got.out.data).toBeInstanceOf(type);
        expect(distance(got.out.data, expected.out)).toBeLessThan(tolerance);
        expect(distance(got.state.data, expected.state)).toBeLessThan(tolerance);
      }
    }
  });

  test('ragged batches are their sequences, empty ones among them', () => {
    const lengths = Uint32Array.of(0, 5, 1, 0, 17, 0);
    const [a, b] = [randomDense(Float32Array, 23, 70, 4), randomDense(Float32Array, 23, 70, 5)];
    const state = randomDense(Float32Array, 6, 70, 6);
    for (const reverse of [false, true]) {
      const all = withIsa(isa, () => linearScan(a, b, { state, lengths, reverse }));
      expect(distance(all.out.data, oracle(a, b, { state, lengths, reverse }).out)).toBeLessThan(1e-6);
      let first = 0;
      lengths.forEach((length, s) => {
        const one = withIsa(isa, () =>
          linearScan(rowsOf(a, first, first + length), rowsOf(b, first, first + length), {
            state: rowsOf(state, s, s + 1),
            reverse,
          }),
        );
        expectSameBits(one.out.data, rowsOf(all.out, first, first + length).data);
        expectSameBits(one.state.data, rowsOf(all.state, s, s + 1).data);
        first += length;
      });
      expectSameBits(rowsOf(all.state, 0, 1).data, rowsOf(state, 0, 1).data);
    }
  });

  test('a stream cut anywhere has the bits of the whole, out may be b, threads do not matter', () => {
    withIsa(isa, () => {
      const [a, b] = [randomDense(Float32Array, 300, 700, 7), randomDense(Float32Array, 300, 700, 8)];
      const whole = linearScan(a, b);
      sameForAnyThreads(() => {
        const { out, state } = linearScan(a, b);
        return [out.data, state.data];
      });
      let state: Dense<Real> | undefined;
      for (const [from, to] of [
        [0, 1],
        [1, 100],
        [100, 100],
        [100, 300],
      ] as const) {
        const part = linearScan(rowsOf(a, from, to), rowsOf(b, from, to), { ...(state && { state }) });
        expectSameBits(part.out.data, rowsOf(whole.out, from, to).data);
        state = part.state;
      }
      expectSameBits(state!.data, whole.state.data);
      const copy = { ...b, data: b.data.slice() };
      expect(linearScan(a, copy, { out: copy }).out).toBe(copy);
      expectSameBits(copy.data, whole.out.data);
    });
  });

  test('NaN, infinity and denormals stay in their channel; a gate of 0 forgets even infinity only as IEEE has it', () => {
    const a = dense(3, 5, new Float32Array(15).fill(0.5));
    const b = dense(3, 5, new Float32Array(15).fill(1));
    b.data[1] = NaN;
    b.data[2] = Infinity;
    b.data[3] = 2 ** -149;
    b.data[8] = b.data[13] = 0;
    a.data[8] = 1;
    const { out } = withIsa(isa, () => linearScan(a, b));
    expect([...rowsOf(out, 2, 3).data]).toEqual([1.75, NaN, Infinity, 0, 1.75]);
    expect(out.data[8]).toBe(2 ** -149);
  });

  test('the gradient is that of finite differences and of a scan against time', () => {
    for (const reverse of [false, true]) {
      const lengths = Uint32Array.of(3, 0, 1, 7);
      const f = Float64Array;
      const [a, b] = [randomDense(f, 11, 35, 1, -1.2, 1.2), randomDense(f, 11, 35, 2)];
      const state = randomDense(f, 4, 35, 3);
      const [wOut, wState] = [randomDense(f, 11, 35, 4), randomDense(f, 4, 35, 5)];
      const loss = () => {
        const { out, state: last } = linearScan(a, b, { state, reverse, lengths });
        return weighted([wOut, out], [wState, last]);
      };
      withIsa(isa, () => {
        const { out } = linearScan(a, b, { state, reverse, lengths });
        const gradient = linearScanBackward(wOut, a, out, { state, dstate: wState, reverse, lengths });
        expectGradient(a, gradient.da, loss, 60);
        expectGradient(b, gradient.db, loss, 60);
        expectGradient(state, gradient.dstate, loss, 60);
      });
    }
  });

  test('f32 gradients of every width agree with f64; any threads', () => {
    withIsa(isa, () => {
      for (const cols of [...widths, 1000]) {
        const [a, b] = [randomDense(Float32Array, 90, cols, 1), randomDense(Float32Array, 90, cols, 2)];
        const dout = randomDense(Float32Array, 90, cols, 3);
        const { out } = linearScan(a, b);
        const got = linearScanBackward(dout, a, out);
        const shift = { ...a, data: a.data.slice() }; // G_t = dout_t + a_{t+1}·G_{t+1}
        shift.data.copyWithin(0, cols);
        const g = oracle(shift, dout, { reverse: true, state: dense(1, cols, new Float32Array(cols)) }).out;
        expect(distance(got.db.data, g)).toBeLessThan(1e-6);
        const da = g.map((v, i) => (i < cols ? 0 : v * out.data[i - cols]!));
        expect(distance(got.da.data, da)).toBeLessThan(2e-6);
        if (cols === 1000)
          sameForAnyThreads(() =>
            Object.values(linearScanBackward(dout, a, out)).map(({ data }) => data as Float32Array),
          );
      }
    });
  });
});

test('MLGRU and RG-LRU are uses of it', () => {
  const [tokens, n] = [50, 20];
  const [x, y, z] = [1, 2, 3].map((seed) => randomDense(Float64Array, tokens, n, seed, -3, 3).data);
  const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
  // MLGRU: f = lb + (1 − lb)·σ(x), i = SiLU(y)·(1 − f), h = f·h + i
  const lowerBound = 0.25;
  const f = x!.map((v) => lowerBound + (1 - lowerBound) * sigmoid(v));
  const i = y!.map((v, j) => v * sigmoid(v) * (1 - f[j]!));
  const mlgru = linearScan(dense(tokens, n, f), dense(tokens, n, i)).out.data;
  // RG-LRU: a = exp(−8·softplus(Λ)·σ(x)), h = a·h + √(1 − a²)·(σ(y)·z)
  const a = x!.map((v) => Math.exp(-8 * Math.log1p(Math.exp(-1)) * sigmoid(v)));
  const b = y!.map((v, j) => Math.sqrt(1 - a[j]! ** 2) * sigmoid(v) * z![j]!);
  const lru = linearScan(dense(tokens, n, a), dense(tokens, n, b)).out.data;
  for (let c = 0; c < n; c++) {
    let [h, g] = [0, 0];
    for (let t = 0; t < tokens; t++) {
      const at = t * n + c;
      h = f[at]! * h + i[at]!;
      g = a[at]! * g + b[at]!;
      expect(mlgru[at]).toBeCloseTo(h, 12);
      expect(lru[at]).toBeCloseTo(g, 12);
      expect(Math.abs(mlgru[at]!)).toBeLessThanOrEqual(3); // a convex combination of SiLU values
    }
  }
});

test('the scan of ones counts, the scan of zeros copies, and scans compose (property)', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 40 }), fc.nat(), (tokens, n, seed) => {
      const one = dense(tokens, n, new Float64Array(tokens * n).fill(1));
      linearScan(one, one).out.data.forEach((v, i) => expect(v).toBe(Math.floor(i / n) + 1));
      const b = randomDense(Float64Array, tokens, n, seed);
      expectSameBits(linearScan(dense(tokens, n), b as Dense).out.data, b.data);
      // linear in b: the scan of a sum is the sum of the scans
      const [a, c] = [randomDense(Float64Array, tokens, n, seed + 1), randomDense(Float64Array, tokens, n, seed + 2)];
      const sum = { ...b, data: Float64Array.from(b.data, (v, i) => v + c.data[i]!) };
      const [x, y] = [linearScan(a, b).out.data, linearScan(a, c).out.data];
      expect(
        distance(
          linearScan(a, sum as Dense<Real>).out.data,
          Float64Array.from(x, (v, i) => v + y[i]!),
        ),
      ).toBeLessThan(1e-13);
    }),
    { numRuns: 30 },
  ));

describe('arguments', () => {
  const a = dense(4, 3, new Float32Array(12));
  test('what does not fit is refused', () => {
    expect(() => linearScan(a, dense(3, 4, new Float32Array(12)))).toThrow(withCode('ERR_SHAPE'));
    expect(() => linearScan(a, dense(4, 3) as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => linearScan(a, a, { lengths: Uint32Array.of(1, 2) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => linearScan(a, a, { lengths: [4] as never })).toThrow(withCode('ERR_DTYPE'));
    expect(() => linearScan(a, a, { state: dense(2, 3, new Float32Array(6)) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => linearScan(a, a, { backwards: true } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => linearScan(a, dense(4, 3, new Float32Array(12)), { out: a })).toThrow(withCode('ERR_ALIAS'));
    expect(() => linearScanBackward(a, a, dense(4, 4, new Float32Array(16)))).toThrow(withCode('ERR_SHAPE'));
    const call = native.linearScan as (...args: unknown[]) => void;
    const x = new Float32Array(12);
    const y = new Float32Array(12);
    const z = new Float32Array(3);
    expect(() => call(x, y, undefined, new Float32Array(12), z, Uint32Array.of(5), 4, 3, false)).toThrow(
      withCode('ERR_SHAPE'),
    );
    expect(() => call(x, y, z, new Float32Array(12), z, Uint32Array.of(4), 4, 3, false)).toThrow(withCode('ERR_ALIAS'));
  });

  test('nothing, shared memory, no memory, an abort', () => {
    for (const [rows, cols] of [
      [0, 0],
      [0, 5],
      [5, 0],
    ] as const) {
      const none = dense(rows, cols, new Float32Array(0));
      const { out, state } = linearScan(none, none);
      expect([out.rows, out.cols, state.rows, state.data.length]).toEqual([rows, cols, 1, cols]);
      expect(linearScanBackward(none, none, none).dstate.data.length).toBe(cols);
    }
    const shared = dense(2, 2, new Float32Array(new SharedArrayBuffer(16)).fill(1));
    expect([...linearScan(shared, shared).out.data]).toEqual([1, 1, 2, 2]);
    const big = randomDense(Float32Array, 10, 300, 1);
    withoutMemory(() => linearScan(big, big));
    withoutMemory(() => linearScanBackward(big, big, big));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => linearScan(big, big))).toThrow(/aborted/);
  });
});
