/** What holds for logBesselI and logBesselK together; the values of each are in its own file. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpuInfo, getThreads, setThreads } from 'lapidary';
import {
  besselIe,
  besselIRatio,
  besselKe,
  logBesselI,
  logBesselIDerivative,
  logBesselK,
  logBesselKDerivative,
} from 'lapidary/special';
import { native } from '../../dist/core/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { errorOf } from './exact.js';
import { arguments_, orders, table } from './table.js';

const eps = 2 ** -52;
const functions = [
  logBesselI,
  logBesselK,
  besselIRatio,
  logBesselIDerivative,
  logBesselKDerivative,
  besselIe,
  besselKe,
];
describeEachIsa('every instruction set', (isa) => {
  test('an element depends on nothing but its v and x', () => {
    withIsa(isa, () => {
      for (const method of ['auto', 'paper'] as const) {
        const whole = logBesselI(orders, arguments_, { method });
        for (let i = 0; i < table.length; i += 7)
          expect(logBesselI(orders[i]!, arguments_[i]!, { method })).toBe(whole[i]);
        const shifted = logBesselI(orders.subarray(3), arguments_.subarray(3), { method });
        expect(shifted).toEqual(whole.subarray(3));
      }
      const [v32, x32] = [Float32Array.from(orders), Float32Array.from(arguments_)];
      for (const f of functions) {
        const whole = f(orders, arguments_);
        const single = f(v32, x32);
        for (let i = 0; i < table.length; i += 7) {
          expect(f(orders[i]!, arguments_[i]!)).toBe(whole[i]);
          expect(f(v32.subarray(i, i + 1), x32.subarray(i, i + 1))[0]).toBe(single[i]);
        }
      }
    });
  });

  test('an element at the edge of a block as alone, for every number of elements around one, two and three blocks', () => {
    withIsa(isa, () => {
      for (const blocks of [1, 2, 3]) {
        for (const off of [-17, -16, -2, -1, 0, 1, 2, 16, 17]) {
          const n = blocks * 8192 + off;
          const v = uniform(n, 3, 0, 40);
          const x = uniform(n, 4, 0, 40);
          const got = logBesselK(v, x);
          const parts = n <= 8192 ? 1 : n <= 16384 ? 2 : 4;
          const size = Math.ceil(Math.ceil(n / parts) / 16) * 16;
          for (let at = 0; at < n + size; at += size)
            for (let i = Math.max(0, at - 2); i < Math.min(n, at + 2); i++)
              expect(got[i], `${n}: ${i}`).toBe(logBesselK(v[i]!, x[i]!));
          expect(got[n - 1], `${n}: last`).toBe(logBesselK(v[n - 1]!, x[n - 1]!));
        }
      }
    });
  });

  test('the same bits for 1, 2, 3 and 7 threads', () => {
    const n = 20_001; // four blocks
    const v = uniform(n, 1, 0, 60);
    const x = uniform(n, 2, 0, 120);
    const threads = getThreads();
    const results = [1, 2, 3, 7].map((count) => {
      setThreads(count);
      return withIsa(isa, () => functions.flatMap((f) => [f(v, x), f(Float32Array.from(v), Float32Array.from(x))]));
    });
    setThreads(threads);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test('monotone in v and x over every border, within the error bound', () => {
    withIsa(isa, () => {
      const step = (a: number, ulps: number): number => a * (1 + ulps * eps);
      const borders: [v: number, x: number][] = [];
      for (const r of [477, 713, 1228, 3210, 9640, 424 ** 2, 995 ** 2].map(Math.sqrt))
        for (const angle of [0.05, 0.4, 0.8, 1.2, 1.5]) borders.push([r * Math.sin(angle), r * Math.cos(angle)]);
      for (const x of [0.125, 0.25, 0.5, 1, 1.625, 2.75, 3, 5, 6, 10, 16, 1e-100])
        for (const v of [0.1, 0.5, 3.3, 12]) borders.push([v, x]);
      for (const v of [0.5, 1.5, 7.5, 15.5]) for (const x of [0.1, 1.1, 9]) borders.push([v, x]);
      for (const x of [30, 31, 200, 1400, 1500, 1e5]) borders.push([Math.sqrt(2 * x), x], [Math.sqrt(0.002 * x), x]);
      for (const [v, x] of borders) {
        const around = [-4, -2, -1, 0, 1, 2, 4];
        const slack = 8 * eps * (Math.hypot(v, x) + v * Math.asinh(v / x) + 1);
        // log I rises with x and falls with v; log K the other way
        const inX = Float64Array.from(around, (k) => step(x, k));
        const inV = Float64Array.from(around, (k) => step(v, k));
        const rising = [logBesselI(v, inX), logBesselI(inV, x).map((a) => -a)];
        rising.push(
          logBesselK(v, inX).map((a) => -a),
          logBesselK(inV, x),
        );
        for (const values of rising)
          for (let i = 1; i < values.length; i++) expect(values[i]! - values[i - 1]!).toBeGreaterThan(-slack);
      }
    });
  });
});

const log = (low: number, high: number): fc.Arbitrary<number> =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);

test('Wronskian, recurrences and the ratio agree', () => {
  fc.assert(
    fc.property(log(1e-3, 1e5), log(1e-3, 1e5), (v, x) => {
      const [i0, i1, i2] = [v, v + 1, v + 2].map((a) => logBesselI(a, x)) as [number, number, number];
      const [k0, k1, k2] = [v, v + 1, v + 2].map((a) => logBesselK(a, x)) as [number, number, number];
      const scale = Math.hypot(v + 2, x) + (v + 2) * Math.asinh((v + 2) / x) + Math.abs(i0) + Math.abs(k0) + 1;
      const tolerance = 16 * eps * scale;
      const addLog = (a: number, b: number): number => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
      // I_v K_{v+1} + I_{v+1} K_v = 1/x
      expect(Math.abs(addLog(i0 + k1, i1 + k0) + Math.log(x))).toBeLessThanOrEqual(tolerance);
      // K_{v+2} = K_v + 2(v+1)/x K_{v+1};  I_v = I_{v+2} + 2(v+1)/x I_{v+1}
      const factor = Math.log((2 * (v + 1)) / x);
      expect(Math.abs(addLog(k0, factor + k1) - k2)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(addLog(i2, factor + i1) - i0)).toBeLessThanOrEqual(tolerance);
      // 1 / ρ_v = 2(v+1)/x + ρ_{v+1}, and Amos's bounds
      const ratio = besselIRatio(v, x);
      expect(Math.abs(ratio * ((2 * (v + 1)) / x + besselIRatio(v + 1, x)) - 1)).toBeLessThanOrEqual(5e-15);
      expect(Math.abs(Math.log(ratio) - (i1 - i0))).toBeLessThanOrEqual(tolerance);
      expect(ratio).toBeLessThanOrEqual((x / (v + 0.5 + Math.hypot(x, v + 0.5))) * (1 + 4 * eps));
      expect(ratio).toBeGreaterThanOrEqual((x / (v + 0.5 + Math.hypot(x, v + 1.5))) * (1 - 4 * eps));
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test("'paper' and 'auto' agree away from the known losses", () => {
  const n = 4000;
  const v = uniform(n, 5, 0.5, 300);
  const x = uniform(n, 6, 1e-3, 300);
  for (const f of [logBesselI, logBesselK]) {
    const paper = f(v, x, { method: 'paper' });
    f(v, x).forEach((a, i) => expect(Math.abs(a - paper[i]!)).toBeLessThan(2e-9));
  }
});

test('all instruction sets give the same bits', () => {
  const n = 6000;
  const v = uniform(n, 11, -8, 8).map(Math.exp);
  const x = uniform(n, 12, -8, 8).map(Math.exp);
  const [v32, x32] = [Float32Array.from(v), Float32Array.from(x)];
  for (const f of functions) {
    const results = cpuInfo().supported.map((isa) => withIsa(isa, () => [f(v, x), f(v32, x32)]));
    for (const result of results) expect(result).toEqual(results[0]);
  }
});

describeEachIsa('orders beyond 1e150', (isa) => {
  // r − v asinh(v/x) and x/(v + r) to 40 digits; what follows them is far below their last place
  test.each([
    [
      1.0557879128415439e297,
      6.929170579809223e278,
      '-4.387940206202584939508831194882678743531e298',
      '3.281516342216912160893939854977767644323e-19',
    ],
    [
      7.036767691543394e301,
      4.536618806963086e283,
      '-2.925792714661745971466984423099307135979e303',
      '3.223510428243266941702742209372059606836e-19',
    ],
    [
      4.668516325433517e151,
      6.92580045972401e-142,
      '-3.14637536878168484140678875371402990061e154',
      '7.417560502030462242550422745972658960777e-294',
    ],
    [3e200, 2e-110, '-2.1416999733504667501438799138947423806e203', '3.333333333333333604962804226766100777473e-311'],
    [5e302, 7e299, '-3.132214866460494714779249981464383146567e303', '0.0006999996570003361762282718289881763144996'],
    [1e160, 1e159, '-1.99323538818588080327028402002270361043e160', '0.04987562112089026634610384589446881982253'],
  ])('v = %d, x = %d', (v, x, logI, ratio) => {
    const scale = Math.abs(Number(logI)) + v * (1 + Math.asinh(v / x));
    withIsa(isa, () => {
      expect(Math.abs(errorOf(logBesselI(v, x), logI))).toBeLessThanOrEqual(4 * eps * scale);
      expect(Math.abs(errorOf(-logBesselK(v, x), logI))).toBeLessThanOrEqual(4 * eps * scale);
      expect(Math.abs(errorOf(besselIRatio(v, x), ratio))).toBeLessThanOrEqual(2e-15 * Number(ratio));
    });
  });
});

test('limits: zero, denormal, huge, infinite, NaN', () => {
  const { MAX_VALUE } = Number;
  for (const method of ['auto', 'paper'] as const) {
    const i = (v: number, x: number): number => logBesselI(v, x, { method });
    const k = (v: number, x: number): number => logBesselK(v, x, { method });
    expect([i(0, 0), i(-0, -0), i(1, 0), i(1e-300, 0), i(Infinity, 0)]).toEqual([
      0,
      0,
      -Infinity,
      -Infinity,
      -Infinity,
    ]);
    expect([k(0, 0), k(3, 0), k(Infinity, 0), k(Infinity, 5)]).toEqual([Infinity, Infinity, Infinity, Infinity]);
    expect([i(0, Infinity), i(7, Infinity), i(Infinity, 7)]).toEqual([Infinity, Infinity, -Infinity]);
    expect([k(0, Infinity), k(7, Infinity)]).toEqual([-Infinity, -Infinity]);
    for (const f of [i, k]) {
      expect(f(NaN, 1)).toBeNaN();
      expect(f(1, NaN)).toBeNaN();
      expect(f(Infinity, Infinity)).toBeNaN();
    }
    const near = (a: number, b: number): void => expect(Math.abs(a / b - 1)).toBeLessThan(4 * eps);
    near(i(3, 1e308), 1e308);
    near(k(3, MAX_VALUE), -MAX_VALUE);
    near(i(MAX_VALUE, MAX_VALUE), (Math.SQRT2 - Math.asinh(1)) * MAX_VALUE);
    near(k(1e308, 1e308), -(Math.SQRT2 - Math.asinh(1)) * 1e308);
    near(i(1e200, 1e-200), 1e200 * (1 - Math.log(2) - 400 * Math.LN10));
    expect(i(1e308, 5e-324)).toBe(-Infinity);
    expect(k(1e308, 5e-324)).toBe(Infinity);
    // Γ(v)(2/x)^v / 2 at the smallest number
    near(k(30, 5e-324), Math.log(8.841761993739702e30) + 30 * (Math.LN2 + 1074 * Math.LN2) - Math.LN2);
    near(i(1e-300, 1e-200), 1e-300 * (-200 * Math.LN10 - Math.LN2 + 0.5772156649015329));
  }
});

test('numbers and arrays broadcast; out', () => {
  const x = Float64Array.of(0.5, 5, 50);
  const v = Float64Array.of(1, 2, 3);
  expect(typeof logBesselI(1, 2)).toBe('number');
  expect(logBesselI(1, x)).toEqual(logBesselI(Float64Array.of(1, 1, 1), x));
  expect(logBesselI(v, 5)).toEqual(logBesselI(v, Float64Array.of(5, 5, 5)));
  expect(logBesselK(Float64Array.of(2), x.subarray(0, 1))).toEqual(Float64Array.of(logBesselK(2, 0.5)));
  expect(logBesselI(1, new Float64Array(0))).toEqual(new Float64Array(0));
  const out = new Float64Array(3);
  expect(logBesselI(v, x, { out })).toBe(out);
  expect(out).toEqual(logBesselI(v, x));
  const inPlace = x.slice();
  logBesselI(v, inPlace, { out: inPlace });
  expect(inPlace).toEqual(out);
  const shared = new Float64Array(new SharedArrayBuffer(24));
  shared.set(x);
  expect(logBesselI<Float64Array>(v, shared)).toEqual(out);
});

test('bad input', () => {
  const x = Float64Array.of(1, 2, 3);
  expect(() => logBesselI(-1, x)).toThrow(withCode('ERR_RANGE'));
  expect(() => logBesselI(Float64Array.of(1, -1e-300, 3), x)).toThrow(/v\[1\].*-1e-300/);
  expect(() => logBesselK(1, Float64Array.of(1, NaN, -5e-324))).toThrow(/x\[2\]/);
  expect(() => logBesselK(1, -1)).toThrow(withCode('ERR_RANGE'));
  expect(() => besselIRatio(-1, 1)).toThrow(withCode('ERR_RANGE'));
  expect(() => logBesselI(new Float64Array(2), x)).toThrow(withCode('ERR_SHAPE'));
  expect(() => logBesselI(new Float64Array(1), x)).toThrow(withCode('ERR_SHAPE'));
  expect(() => logBesselI(1, [1] as never)).toThrow(withCode('ERR_DTYPE'));
  expect(() => logBesselI('1' as never, 1)).toThrow(withCode('ERR_DTYPE'));
  expect(() => logBesselI(x, new Float32Array(3) as never)).toThrow(withCode('ERR_DTYPE'));
  expect(() => logBesselI(1, new Float32Array(3), { out: x as never })).toThrow(withCode('ERR_DTYPE'));
  expect(() => logBesselI(1, new Float32Array(1), { method: 'paper' })).toThrow(withCode('ERR_OPTION'));
  expect(() => besselIe(1, x, { method: 'auto' } as never)).toThrow(withCode('ERR_OPTION'));
  expect(() => besselIe(-1, x)).toThrow(withCode('ERR_RANGE'));
  expect(() => logBesselIDerivative(-1, x)).toThrow(withCode('ERR_RANGE'));
  for (const f of [logBesselKDerivative, besselKe]) {
    expect(f(-1.5, x)).toEqual(f(1.5, x));
    expect(() => f(1, -x[0]!)).toThrow(withCode('ERR_RANGE'));
  }
  expect(() => logBesselI(1, x, { out: new Float64Array(2) })).toThrow(withCode('ERR_SHAPE'));
  expect(() => logBesselI(1, 1, { out: x })).toThrow(withCode('ERR_OPTION'));
  expect(() => logBesselI(1, x, { method: 'fast' as never })).toThrow(withCode('ERR_OPTION'));
  expect(() => logBesselI(1, x, { methods: 'auto' } as never)).toThrow(withCode('ERR_OPTION'));
  // numbers that are −0 in f32
  const one = Float32Array.of(1);
  for (const f of [logBesselI, logBesselK, besselKe]) expect(() => f(one, -1e-60)).toThrow(/: x: .*-1e-60/);
  for (const f of [logBesselI, besselIRatio, logBesselIDerivative, besselIe])
    expect(() => f(-1e-60, one)).toThrow(/: v: .*-1e-60/);
  expect(logBesselK(-1e-60, one)).toEqual(logBesselK(0, one));
  const buffer = new Float64Array(5);
  const alias = /logBesselI: options\.out/;
  const v = Float64Array.of(1, 2, 3);
  for (const call of [
    () => logBesselI(1, buffer.subarray(0, 4), { out: buffer.subarray(1) }),
    () => logBesselI(v, x, { out: v }),
    () => logBesselI(v, v, { out: v }),
  ]) {
    expect(call).toThrow(withCode('ERR_ALIAS'));
    expect(call).toThrow(alias);
  }
  // nothing is written before the domain is checked
  const out = new Float64Array(3);
  expect(() => logBesselI(1, Float64Array.of(1, 1, -1), { out })).toThrow(withCode('ERR_RANGE'));
  expect(out).toEqual(new Float64Array(3));
});

test('failing allocations end in ERR_OUT_OF_MEMORY', () => {
  // A worker's arena starts empty; here it may be warm, so allow success at once but never a crash or a wrong result.
  const x = uniform(5000, 8, 0, 100);
  const expected = logBesselI(2, x);
  for (let n = 0; n < 4; n++) {
    native.failAllocation(n);
    try {
      expect(logBesselI(2, x)).toEqual(expected);
    } catch (error) {
      expect(error).toEqual(withCode('ERR_OUT_OF_MEMORY'));
    } finally {
      native.failAllocation(-1);
    }
  }
});
