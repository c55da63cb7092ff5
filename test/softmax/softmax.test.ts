import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads } from 'lapidary';
import { softmax, type SoftmaxOptions } from 'lapidary/softmax';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const algorithms = ['two-pass', 'three-pass-recompute', 'three-pass-reload', 'online', 'auto'] as const;
const lengths = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 257, 1000, 4099];

const row = (values: ArrayLike<number>) => dense(1, values.length, Float32Array.from(values));
const of = (values: ArrayLike<number>, options?: SoftmaxOptions) => softmax(row(values), options).data;

/** Softmax in f64 with a compensated sum. */
function exact(x: Float32Array): Float64Array {
  const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = new Float64Array(x.length);
  let sum = 0;
  let carry = 0;
  for (let i = 0; i < e.length; i++) {
    e[i] = Math.exp(x[i]! - max);
    const y = e[i]! - carry;
    const t = sum + y;
    carry = t - sum - y;
    sum = t;
  }
  for (let i = 0; i < e.length; i++) e[i] = e[i]! / sum;
  return e;
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);
const ulps = new Float64Array(256).map((_, exponent) => 2 ** (Math.max(exponent, 1) - 150));
/** The distance to the next f32 above |v|. */
function ulp(v: number): number {
  single[0] = v;
  return ulps[(bits[0]! >>> 23) & 255]!;
}

const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.compare(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;

const millions = Float32Array.from(uniform(1e7, 1, -20, 20));
let exactMillions: Float64Array | undefined;

/** The largest error: in ulp where the expected value is normal in f32, in smallest denormals below. */
function errors(expected: Float64Array, y: Float32Array): { normal: number; below: number } {
  let [normal, below] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    const error = Math.abs(y[i]! - expected[i]!) / ulp(expected[i]!);
    if (expected[i]! >= 2 ** -126) normal = Math.max(normal, error);
    else below = Math.max(below, error);
  }
  return { normal, below };
}

function expectAccurate(expected: Float64Array, y: Float32Array): void {
  const { normal, below } = errors(expected, y);
  expect(normal).toBeLessThanOrEqual(3);
  expect(below).toBeLessThanOrEqual(2);
}

const inputs: Record<string, (n: number, seed: number) => ArrayLike<number>> = {
  'a few around zero': (n, seed) => uniform(n, seed, -4, 4),
  'over the whole range of f32 results': (n, seed) => uniform(n, seed, -110, 0),
  'all equal': (n) => new Float32Array(n).fill(0.7),
  'large and close': (n, seed) => uniform(n, seed, 50000, 50010),
  'large and negative': (n, seed) => uniform(n, seed, -62000, -61900),
  'past the ordinary range': (n, seed) => uniform(n, seed, 62300, 62500),
  'where neighbours are 2 apart': (n, seed) => uniform(n, seed, 0, 20).map((v) => 2 ** 24 + 2 * Math.floor(v)),
  'the same, negative': (n, seed) => uniform(n, seed, 0, 20).map((v) => -(2 ** 24) - 2 * Math.floor(v)),
  'both ends of f32': (n, seed) => uniform(n, seed).map((v) => (v < 0 ? -3.4028234e38 : 3.4028234e38)),
  denormals: (n, seed) => uniform(n, seed, -1e-40, 1e-40),
  'one far above the rest': (n, seed) => uniform(n, seed).map((v, i) => (i === n >> 1 ? 60 : v)),
  'one far below the rest': (n, seed) => uniform(n, seed).map((v, i) => (i === n >> 1 ? -3e38 : v)),
  'some masked': (n, seed) => uniform(n, seed, -3, 3).map((v, i) => (i % 3 === 1 ? -Infinity : v)),
};

describeEachIsa('softmax', (isa) => {
  for (const algorithm of algorithms) {
    describe(algorithm, () => {
      for (const [name, make] of Object.entries(inputs))
        it(`is within 3 ulp of f64: ${name}`, () =>
          withIsa(isa, () => {
            for (const n of lengths) {
              const x = Float32Array.from(make(n, n));
              expectAccurate(exact(x), of(x, { algorithm }));
            }
          }));

      it('is within 3 ulp where terms of neighbouring registers would round the same way as the last term', () =>
        withIsa(isa, () => {
          for (const beside of [64 + 8, 64 + 16])
            for (const terms of [
              [38.430301666259766, 35.22501754760742, -5.199198246002197],
              [-15.648902893066406, -18.178524017333984, -38.447059631347656],
            ]) {
              const x = new Float32Array(192).fill(-Infinity);
              [64, beside, 130].forEach((j, t) => (x[j] = terms[t]!));
              expectAccurate(exact(x), of(x, { algorithm }));
            }
        }));

      it('gives zeros for −∞ and for a row of it', () =>
        withIsa(isa, () => {
          expect([...of([-Infinity, 0, -Infinity], { algorithm })]).toEqual([0, 1, 0]);
          for (const n of lengths)
            expect(of(new Float32Array(n).fill(-Infinity), { algorithm })).toEqual(new Float32Array(n));
          expect([...of([-Infinity, -3e38], { algorithm })]).toEqual([0, 1]);
        }));

      it('gives a row of NaN for NaN or +∞ at any place, and only that row', () =>
        withIsa(isa, () => {
          for (const bad of [NaN, Infinity])
            for (const filler of [0, -Infinity, 3e38])
              for (const n of [1, 2, 17, 67, 130])
                for (let at = 0; at < n; at += 7) {
                  const x = dense(3, n, new Float32Array(3 * n).fill(filler));
                  x.data[n + at] = bad;
                  const y = softmax(x, { algorithm }).data;
                  const nan = Array.from(y, Number.isNaN);
                  expect(nan.indexOf(true)).toBe(n);
                  expect(nan.lastIndexOf(true)).toBe(2 * n - 1);
                  expect(nan.filter(Boolean).length).toBe(n);
                }
        }));

      it('knows NaN of any sign and payload', () =>
        withIsa(isa, () => {
          for (const pattern of [0x7fc00000, 0xffc00000, 0x7fc001ff, 0xffc0017f, 0x7fffffff, 0xffffffff, 0x7f800001])
            for (const n of [1, 40, 64, 100, 128, 300])
              for (const at of [0, n >> 1, n - 1]) {
                const x = row(uniform(n, n, -3, 3));
                new Uint32Array(x.data.buffer)[at] = pattern;
                expect(softmax(x, { algorithm }).data.every(Number.isNaN)).toBe(true);
              }
        }));

      it('works in place', () =>
        withIsa(isa, () => {
          for (const n of [5, 64, 1001]) {
            for (const offset of [0, 70000]) {
              const x = dense(
                3,
                n,
                Float32Array.from(uniform(3 * n, n, -5, 5)).map((v) => v + offset),
              );
              const apart = softmax(x, { algorithm }).data;
              expect(softmax(x, { algorithm, out: x })).toBe(x);
              expect(sameBits(x.data, apart)).toBe(true);
            }
          }
        }));

      it('reads and writes nothing past its ends', () =>
        withIsa(isa, () => {
          for (const n of lengths) {
            const around = new Float32Array(n + 32).fill(NaN);
            const result = new Float32Array(n + 32).fill(-1);
            const x = around.subarray(15, 15 + n);
            x.set(uniform(n, n));
            softmax(dense(1, n, x), { algorithm, out: dense(1, n, result.subarray(15, 15 + n)) });
            expectAccurate(exact(x), result.subarray(15, 15 + n));
            expect([...result.subarray(0, 15), ...result.subarray(15 + n)].every((v) => v === -1)).toBe(true);
          }
        }));

      it('gives the same bits with any number of threads', () =>
        withIsa(isa, () => {
          const before = getThreads();
          for (const [rows, cols] of [
            [1, 300_001],
            [3, 150_000],
            [5000, 67],
          ] as const) {
            const x = dense(rows, cols, Float32Array.from(uniform(rows * cols, cols, -9, 9)));
            const results = [1, 2, 3, 7].map((n) => {
              setThreads(n);
              return softmax(x, { algorithm }).data;
            });
            setThreads(before);
            for (const other of results.slice(1)) expect(sameBits(other, results[0]!)).toBe(true);
            const last = x.data.slice(-cols);
            expect(sameBits(of(last, { algorithm }), results[0]!.subarray(-cols))).toBe(true); // nor do other rows matter
          }
        }));
    });
  }

  it('holds for 10⁷ columns', () =>
    withIsa(isa, () => {
      exactMillions ??= exact(millions);
      for (const algorithm of ['two-pass', 'three-pass-recompute', 'three-pass-reload', 'online'] as const)
        expectAccurate(exactMillions, of(millions, { algorithm }));
      const equal = of(new Float32Array(1e7).fill(-0.3));
      expect(equal[0]).toBe(Math.fround(1e-7));
      expect(sameBits(equal, new Float32Array(1e7).fill(equal[0]!))).toBe(true);
    }));

  it('chooses by size: two passes where a row leaves every cache, three where it fills none', () =>
    withIsa(isa, () => {
      for (const [rows, cols, chosen, other] of [
        [1, 1e7, 'two-pass', 'three-pass-reload'],
        [500, 1000, 'three-pass-reload', 'two-pass'],
      ] as const) {
        const x = dense(rows, cols, millions.subarray(0, rows * cols));
        const auto = softmax(x).data;
        expect(sameBits(auto, softmax(x, { algorithm: chosen }).data)).toBe(true);
        // with vectors both add up the same terms in f64, and differ in nothing that shows
        if (isa === 'portable') expect(sameBits(auto, softmax(x, { algorithm: other }).data)).toBe(false);
      }
    }));

  it('is invariant to shifts that f32 holds exactly', () =>
    withIsa(isa, () =>
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: -400, max: 400 }), { minLength: 1, maxLength: 100 }),
          fc.integer({ min: -60000, max: 60000 }),
          fc.constantFrom('two-pass', 'three-pass-recompute', 'three-pass-reload', 'online'),
          (steps, shift, algorithm) => {
            const x = Float32Array.from(steps, (s) => s / 8);
            const options: SoftmaxOptions = { algorithm: algorithm };
            const y = of(x, options);
            of(
              x.map((v) => v + shift),
              options,
            ).forEach((v, i) => expect(Math.abs(v - y[i]!) / ulp(y[i]!)).toBeLessThan(6));
          },
        ),
      ),
    ));

  it('moves with its entries and sums to one', () =>
    withIsa(isa, () =>
      fc.assert(
        fc.property(
          fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 150 }),
          fc.nat(),
          (values, turn) => {
            const k = turn % values.length;
            const y = of(values);
            const turned = of([...values.slice(k), ...values.slice(0, k)]);
            const moved = y.map((_, i) => turned[(i - k + values.length) % values.length]!);
            expect(y.every((v, i) => Math.abs(moved[i]! - v) <= 4 * ulp(v))).toBe(true);
            expect(Math.abs([...y].reduce((a, b) => a + b, 0) - 1)).toBeLessThan(1e-6);
          },
        ),
      ),
    ));
});

describeEachIsa('softmax', (isa) => {
  it('of columns has the bits of the rows of the transpose', () =>
    withIsa(isa, () => {
      const before = getThreads();
      for (const [rows, cols] of [
        [1, 5],
        [300, 1],
        [70, 35],
      ] as const)
        for (const type of [Float32Array, Float64Array]) {
          const x = dense(rows, cols, type.from(uniform(rows * cols, rows, -9, 9)));
          const turned = dense(
            cols,
            rows,
            x.data.map((_, i) => x.data[(i % rows) * cols + Math.floor(i / rows)]!),
          );
          const want = softmax<Float32Array | Float64Array>(turned).data;
          for (const threads of [1, 3]) {
            setThreads(threads);
            const y = softmax<Float32Array | Float64Array>(x, { axis: 0 }).data;
            expect(y).toEqual(want.map((_, i) => want[(i % cols) * rows + Math.floor(i / cols)]!));
          }
          setThreads(before);
          softmax<Float32Array | Float64Array>(x, { axis: 0, out: x });
          expect(x.data).toEqual(want.map((_, i) => want[(i % cols) * rows + Math.floor(i / cols)]!));
        }
    }));
});

describe('softmax of f64', () => {
  const of64 = (...x: number[]) => [...softmax(dense(1, x.length, Float64Array.from(x))).data];

  it('is within a few ulp of the definition, and knows −∞, NaN and +∞', () => {
    for (const n of [1, 2, 100, 200_000]) {
      const x = uniform(n, n, -30, 30).map((v) => v + 5000);
      const max = x.reduce((a, b) => Math.max(a, b));
      const sum = x.reduce((a, v) => a + Math.exp(v - max), 0);
      const y = softmax(dense(1, n, x)).data;
      let worst = 0;
      for (let i = 0; i < n; i++) {
        const want = Math.exp(x[i]! - max) / sum;
        worst = Math.max(worst, Math.abs(y[i]! - want) / want);
      }
      expect(worst).toBeLessThanOrEqual(1e-13);
    }
    expect(of64(-Infinity, 3, -1e308)).toEqual([0, 1, 0]);
    expect(of64(-Infinity, -Infinity)).toEqual([0, 0]);
    expect(of64(1, NaN)).toEqual([NaN, NaN]);
    expect(of64(Infinity, 1)).toEqual([NaN, NaN]);
  });

  it('has one algorithm', () => {
    const x = dense(1, 1);
    expect(() => softmax(x, { algorithm: 'online' })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    expect(() => softmax(x, { axis: 2 as never })).toThrow(expect.objectContaining({ argument: 'options.axis' }));
  });
});

describe('softmax refuses', () => {
  const refuse = (call: () => unknown, code: string, argument?: string) => {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(LapidaryError);
      expect(error).toMatchObject({ code, function: expect.stringMatching(/softmax/), ...(argument && { argument }) });
      return;
    }
    expect.unreachable(`no ${code}`);
  };
  const x = row([1, 2, 3]);

  it('what is no f32 matrix', () => {
    refuse(() => softmax(dense(1, 3, new Int32Array(3)) as never), 'ERR_DTYPE', 'x.data');
    refuse(() => softmax(undefined as never), 'ERR_DTYPE', 'x');
    refuse(() => softmax({ rows: 2, cols: 2, data: new Float32Array(3) }), 'ERR_SHAPE', 'x.data');
    refuse(() => softmax({ rows: NaN, cols: 2, data: new Float32Array(3) }), 'ERR_RANGE', 'x.rows');
    refuse(() => softmax({ rows: 2 ** 53 - 1, cols: 2 ** 53 - 1, data: new Float32Array(3) }), 'ERR_RANGE');
    const gone = new Float32Array(3);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    refuse(() => softmax({ rows: 1, cols: 3, data: gone }), 'ERR_DETACHED', 'x.data');
  });

  it('options and outputs that do not fit', () => {
    refuse(() => softmax(x, { algorithm: 'three-pass' as never }), 'ERR_OPTION', 'options.algorithm');
    refuse(() => softmax(x, { algoritm: 'auto' } as never), 'ERR_OPTION', 'options.algoritm');
    refuse(() => softmax(x, { out: dense(3, 1, new Float32Array(3)) }), 'ERR_SHAPE', 'options.out');
    refuse(() => softmax(x, { out: dense(1, 3) as never }), 'ERR_DTYPE', 'options.out.data');
    const memory = new Float32Array(8);
    refuse(() => softmax(dense(1, 4, memory.subarray(0, 4)), { out: dense(1, 4, memory.subarray(2, 6)) }), 'ERR_ALIAS');
  });

  it('to run without scratch memory', () => {
    let failures = 0;
    for (let n = 0; ; n++) {
      native.failAllocation(n);
      try {
        softmax(row(uniform(10, 1)));
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        failures++;
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeLessThan(10);
  });
});

it('stops when the call is aborted', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  raiseAbort(flag);
  for (const algorithm of algorithms)
    expect(() => withCancelFlag(flag, () => of(uniform(300_000, 1), { algorithm }))).toThrow(/aborted/);
});

it('takes nothing for nothing, and shared memory', () => {
  for (const [rows, cols] of [
    [0, 0],
    [0, 5],
    [5, 0],
  ] as const)
    expect(softmax(dense(rows, cols, new Float32Array(0)))).toEqual({ rows, cols, data: new Float32Array(0) });
  const shared = new Float32Array(new SharedArrayBuffer(12));
  expect([...softmax(dense(1, 3, shared)).data]).toEqual([1, 1, 1].map((v) => Math.fround(v / 3)));
});
