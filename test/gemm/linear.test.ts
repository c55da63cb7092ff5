import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { linear, matmul, type Activation, type LinearOptions } from 'lapidary/gemm';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/gemm/native.js';
import { codeOf } from '../support/errors.js';
import { fromBf16, toBf16 } from '../support/half.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const types = [Float64Array, Float32Array] as const;
const threads = getThreads();
afterAll(() => setThreads(threads));

/** erfc by its continued fraction (Abramowitz & Stegun 7.1.14), for small arguments by the series of erf (7.1.6). */
function erfc(z: number): number {
  if (z < 0) return 2 - erfc(-z);
  if (z < 1) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 80; n++) sum += term *= (2 * z * z) / (2 * n + 1);
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
  }
  let fraction = z;
  for (let n = 300; n > 0; n--) fraction = z + n / 2 / fraction;
  return Math.exp(-z * z) / Math.sqrt(Math.PI) / fraction;
}

const sigma = (z: number) => 1 / (1 + Math.exp(-z));
const horner = (a: number[], z: number) => a.reduceRight((sum, c) => sum * z + c, 0);

/** The functions by their definitions, in doubles; only the tail of erfc is better than one minus erf. */
const elementwise: [Activation, (z: number) => number][] = [
  ['none', (z) => z],
  ['relu', (z) => Math.max(z, 0)],
  ['gelu', (z) => 0.5 * z * erfc(-z * Math.SQRT1_2)],
  ['geluTanh', (z) => z * sigma(2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))],
  ['silu', (z) => z * sigma(z)],
  ['squaredRelu', (z) => Math.max(z, 0) ** 2],
  [{ name: 'polyRelu', coefficients: [0.5, -1, 0.25, 2] }, (z) => horner([0.5, -1, 0.25, 2], Math.max(z, 0))],
];

function polyNorm(row: number[], a: number[], epsilon: number): number[] {
  const root = a.map((_, p) => Math.sqrt(row.reduce((sum, z) => sum + z ** (2 * p), 0) / row.length + epsilon));
  return row.map((z) => a.reduce((sum, c, p) => sum + (p === 0 ? c : (c * z ** p) / root[p]!), 0));
}

const label = (activation: Activation) => (typeof activation === 'string' ? activation : activation.name);
const one = (type: (typeof types)[number]) => ({ rows: 1, cols: 1, data: type.of(1) }) as Dense<never>;
const run = (x: Dense<Real>, w: Dense<Real>, options: LinearOptions<Real>): Real =>
  linear(x as Dense<never>, w as Dense<never>, options as never).data;

describeEachIsa('linear', (isa) => {
  test.each(elementwise)('%o: the function, from tails to large values', (activation, f) => {
    for (const type of types) {
      const unit = type === Float32Array ? 2 ** -24 : 2 ** -53;
      const values = type.from([
        ...uniform(400, 1, -6, 6),
        ...uniform(200, 2, -13, 13),
        ...uniform(100, 3, -0.01, 0.01),
        ...[0, 1e-30, -1e-30, 30, -30, 1e4],
      ]);
      const x = { rows: values.length, cols: 1, data: values } as Dense<Real>;
      const got = withIsa(isa, () => run(x, one(type), { activation }));
      values.forEach((z, i) => {
        const want = f(z);
        // 8 ulp, the oracle's own error in doubles included 16. In the tail, the argument of erfc (f64, here and there) or of σ (geluTanh) is rounded: that error
        // counts as many times as the exponent is large; and a denormal factor has fewer digits.
        const exponent = activation === 'geluTanh' ? 4 * z * z : activation === 'gelu' ? 2 * z * z : 0;
        const exact = type === Float32Array && activation !== 'geluTanh';
        const slack = ((type === Float32Array ? 8 : 16) + (z > 0 || exact ? 0 : exponent)) * unit;
        const size = typeof activation === 'object' ? horner([0.5, 1, 0.25, 2], Math.abs(z)) : Math.abs(want);
        const least = type === Float32Array ? 2 ** -148 : 2 ** -1070;
        expect(Math.abs(got[i]! - want), `${label(activation)}(${z}) = ${want}, got ${got[i]}`).toBeLessThanOrEqual(
          slack * size + least * (1 + Math.abs(z)),
        );
      });
    }
  });

  test('NaN stays, and infinities take their limits', () => {
    for (const type of types) {
      const x = { rows: 3, cols: 1, data: type.of(NaN, Infinity, -Infinity) } as Dense<Real>;
      for (const activation of [
        'relu',
        'gelu',
        'geluTanh',
        'silu',
        'squaredRelu',
        { name: 'polyRelu', coefficients: [0, 0.5, 2] },
      ] as const) {
        // prettier-ignore
        const got = withIsa(isa, () => run(x, one(type), { activation }));
        expect([got[0], got[1], got[2]! + 0], label(activation)).toEqual([NaN, Infinity, 0]);
      }
      // In polyNorm a row shares its mean.
      for (const bad of [NaN, Infinity, -Infinity])
        for (const n of [2, 40]) {
          const w = { rows: n, cols: 1, data: new type(n).fill(1) } as Dense<Real>;
          w.data[n - 1] = bad;
          const two = { rows: 2, cols: 1, data: type.of(1, 0) } as Dense<Real>;
          const activation = { name: 'polyNorm', coefficients: [0, 1, 1] } as const;
          const bias = new type(n).fill(1);
          expect(withIsa(isa, () => run(two, w, { activation, bias })).every(Number.isNaN), `${bad}`).toBe(true);
        }
    }
  });

  test('polyNorm normalises each power over its row, whatever its scale', () => {
    for (const type of types)
      for (const coefficients of [
        [0, 1 / 3, 1 / 3, 1 / 3],
        [0.5, -2],
        [1, 0, 0, 0, 0, 0, 0, 0, 1],
      ])
        for (const n of [1, 3, 16, 37, 600])
          for (const scale of [1, 1e-3, 1e9]) {
            // 1e9 to the 16th is beyond f32, its ratio to the root mean square is not
            const w = { rows: n, cols: 1, data: type.from(uniform(n, n).map((u) => u * scale)) } as Dense<Real>;
            const x = { rows: 2, cols: 1, data: type.of(1, -0.5) } as Dense<Real>;
            const epsilon = 1e-6;
            const got = withIsa(isa, () => run(x, w, { activation: { name: 'polyNorm', coefficients, epsilon } }));
            for (const i of [0, 1]) {
              const row = Array.from(w.data, (v) => v * x.data[i]!);
              polyNorm(row, coefficients, epsilon).forEach((want, j) => {
                const tolerance = (type === Float32Array ? 2e-5 : 1e-13) * (1 + Math.abs(want));
                expect(Math.abs(got[i * n + j]! - want)).toBeLessThanOrEqual(tolerance);
              });
            }
          }
  });

  test('epsilon of polyNorm: 1e-6 if none is given, and with 0 a row of any size is normalised', () => {
    for (const type of types) {
      const coefficients = [0.5, -1, 2, 0, 0, 0, 0, 0, 1];
      const w = { rows: 20, cols: 1, data: type.from(uniform(20, 1)) } as Dense<Real>;
      const of = (epsilon: number | undefined, scale = 1) => {
        const activation = { name: 'polyNorm', coefficients, ...(epsilon !== undefined && { epsilon }) } as const;
        const x = { rows: 1, cols: 1, data: type.of(scale) } as Dense<Real>;
        return withIsa(isa, () => run(x, w, { activation }));
      };
      for (const [epsilon, scale] of [
        [undefined, 2 ** -10],
        [0.25, 1],
        [3, 1],
        [0, 1],
      ] as const)
        // prettier-ignore
        polyNorm(Array.from(w.data, (v) => v * scale), coefficients, epsilon ?? 1e-6).forEach((want, j) => {
          expect(of(epsilon, scale)[j]! / want).toBeCloseTo(1, type === Float32Array ? 5 : 12);
        });
      expect(of(undefined, 0)).toEqual(new type(w.data.length).fill(0.5)); // a row of zeros
      for (const scale of [2 ** -100, 2 ** 100]) expect(of(0, scale)).toEqual(of(0)); // its 16th power is 0 even in f64, or ∞
    }
  });

  // a vector, the caches, few rows, few columns, dots of few columns, blocks of k, k in pieces
  const shapes = [[1, 40, 30], [1, 1, 5], [5, 7, 3], [9, 33, 2000], [300, 5, 64], [203, 3, 517], [70, 90, 800], [30, 40, 2100], [3, 4, 0], [40, 1, 9], [120, 35, 300]] as const; // prettier-ignore

  test('every way to the product applies bias and activation once to each element', () => {
    for (const type of types)
      for (const [m, n, k] of shapes) {
        const x = { rows: m, cols: k, data: type.from(uniform(m * k, 1)) } as Dense<Real>;
        const w = { rows: n, cols: k, data: type.from(uniform(n * k, 2)) } as Dense<Real>;
        const bias = type.from(uniform(n, 3, 1, 2));
        const product = matmul(x as Dense<never>, w as Dense<never>, { transposeB: true }).data as Real;
        for (const kernel of ['auto', 'dot', 'flat', 'blocked'] as const) {
          const [plain, got] = withIsa(isa, () => [
            run(x, w, { kernel }),
            run(x, w, { kernel, bias, activation: { name: 'polyRelu', coefficients: [1, 2] } }),
          ]);
          const biased = new type(m * n);
          let [worst, worstBiased] = [0, 0];
          for (let i = 0; i < m * n; i++) {
            worst = Math.max(worst, Math.abs(plain[i]! - product[i]!));
            biased[i] = plain[i]! + bias[i % n]!;
            const want = 1 + 2 * Math.max(biased[i]!, 0);
            worstBiased = Math.max(worstBiased, Math.abs(got[i]! - want) / want);
          }
          const single = type === Float32Array;
          expect([plain.length, got.length]).toEqual([m * n, m * n]);
          expect(worst, `${m}×${n}×${k} ${kernel}`).toBeLessThanOrEqual((single ? 1e-6 : 1e-14) * (k + 2));
          expect(worstBiased, `${m}×${n}×${k} ${kernel}`).toBeLessThanOrEqual(single ? 2 ** -22 : 2 ** -51);
        }
      }
  });

  test('16-bit weights', () => {
    for (const [m, n, k] of shapes) {
      const x = dense(m, k, Float32Array.from(uniform(m * k, 1)));
      const w = { ...dense(n, k, Uint16Array.from(uniform(n * k, 2), toBf16)), dtype: 'bf16' as const };
      const wide = dense(n, k, Float32Array.from(w.data, fromBf16));
      const bias = Float32Array.from(uniform(n, 3));
      for (const kernel of ['auto', 'dot', 'flat', 'blocked'] as const) {
        const options = { bias, kernel, activation: 'relu' } as const;
        const got = withIsa(isa, () => linear(x, w, options).data);
        const want = withIsa(isa, () => linear(x, wide, options).data);
        let worst = 0;
        for (let i = 0; i < m * n; i++) worst = Math.max(worst, Math.abs(got[i]! - want[i]!));
        expect(worst, `${m}×${n}×${k} ${kernel}`).toBeLessThanOrEqual(1e-6 * (k + 2));
      }
    }
  });

  test('integers: exact with a bias, by every kernel', () => {
    for (const [m, n, k] of [
      [1, 40, 30],
      [20, 7, 100],
      [3, 5, 2100],
      [40, 33, 70],
    ] as const) {
      // prettier-ignore
      const x = dense(m, k, Uint8Array.from(uniform(m * k, 1), (u) => (u + 1) * 128));
      const w = dense(
        n,
        k,
        Int8Array.from(uniform(n * k, 2), (u) => Math.floor(u * 128)),
      );
      const bias = Int32Array.from({ length: n }, (_, j) => (j % 3 ? 2 ** 31 - j : j - 2 ** 31)); // sums leave 32 bits
      const product = matmul(x, w, { transposeB: true }).data;
      for (const kernel of ['auto', 'dot', 'flat', 'blocked'] as const) {
        const got = withIsa(isa, () => linear(x, w, { bias, kernel }).data);
        expect(got).toEqual(product.map((z, i) => (z + bias[i % n]!) | 0));
      }
    }
  });
});

test('the same bits for 1, 2, 3 and 7 threads', () => {
  const x = dense(40, 300, Float32Array.from(uniform(12000, 1)));
  const w = dense(1100, 300, Float32Array.from(uniform(330_000, 2)));
  const bias = Float32Array.from(uniform(1100, 3));
  for (const rows of [2, 40])
    for (const activation of ['gelu', { name: 'polyNorm', coefficients: [0, 1, 1] }] as const) {
      const input = dense(rows, 300, x.data.subarray(0, rows * 300));
      const all = [1, 2, 3, 7].map(
        (count) => (
          setThreads(count),
          linear(input, w, { activation, bias, ...(rows > 2 && { kernel: 'blocked' as const }) }).data
        ),
      );
      for (const y of all) expect(Buffer.compare(Buffer.from(y.buffer), Buffer.from(all[0]!.buffer))).toBe(0);
    }
  setThreads(threads);
});

test('gelu, silu and their like are bounded by max(z, 0) and its neighbours', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (z) => {
      for (const activation of ['gelu', 'geluTanh', 'silu'] as const) {
        const y = linear(dense(1, 1, Float32Array.of(z)), dense(1, 1, Float32Array.of(1)), { activation }).data[0]!;
        expect(y).toBeGreaterThanOrEqual(Math.min(Math.max(z, 0), z) < 0 ? -0.28 : 0);
        expect(y).toBeLessThanOrEqual(Math.max(z, 0));
      }
    }),
    { numRuns: 2000, seed: 3 },
  );
});

describe('bad arguments', () => {
  const x = dense(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
  const w = dense(4, 3, new Float32Array(12));
  const bytes = dense(2, 3, new Int8Array(6));
  const activation = (value: unknown) => () => linear(x, w, { activation: value as Activation });
  const gone = Float32Array.of(1, 2);
  structuredClone(gone, { transfer: [gone.buffer] });
  test.each([
    ['another k', () => linear(x, dense(4, 2, new Float32Array(8))), 'ERR_SHAPE'],
    ['f64 weights', () => linear(x, dense(4, 3) as never), 'ERR_DTYPE'],
    ['a short bias', () => linear(x, w, { bias: new Float32Array(3) }), 'ERR_SHAPE'],
    ['a bias of doubles', () => linear(x, w, { bias: new Float64Array(4) as never }), 'ERR_DTYPE'],
    ['an unknown activation', activation('swish'), 'ERR_OPTION'],
    ['an activation by number', activation(1), 'ERR_OPTION'],
    ['an unknown polynomial', activation({ name: 'poly', coefficients: [1, 2] }), 'ERR_OPTION'],
    ['coefficients whose buffer is gone', activation({ name: 'polyRelu', coefficients: gone }), 'ERR_DETACHED'],
    ['a misspelt key', activation({ name: 'polyRelu', coefficients: [1, 2], eps: 1 }), 'ERR_OPTION'],
    ['no coefficients', activation({ name: 'polyRelu' }), 'ERR_DTYPE'],
    ['one coefficient', activation({ name: 'polyNorm', coefficients: [1] }), 'ERR_SHAPE'],
    ['ten coefficients', activation({ name: 'polyNorm', coefficients: Array(10).fill(1) }), 'ERR_SHAPE'],
    ['a NaN coefficient', activation({ name: 'polyNorm', coefficients: [1, NaN] }), 'ERR_RANGE'],
    ['a negative epsilon', activation({ name: 'polyNorm', coefficients: [1, 1], epsilon: -1 }), 'ERR_RANGE'],
    ['an unknown kernel', () => linear(x, w, { kernel: 'gpu' as never }), 'ERR_OPTION'],
    ['out that overlaps', () => linear(x, w, { out: dense(2, 4, new Float32Array(w.data.buffer, 0, 8)) }), 'ERR_ALIAS'],
    ['bias that is out', () => { const y = new Float32Array(8); linear(x, w, { bias: y.subarray(0, 4), out: dense(2, 4, y) }); }, 'ERR_ALIAS'],
    ['an activation of integers', () => linear(bytes, bytes, { activation: 'relu' as never }), 'ERR_OPTION'],
    ['bytes too deep', () => linear(dense(1, 65794, new Uint8Array(65794)), dense(1, 65794, new Int8Array(65794))), 'ERR_RANGE'],
    ['out of bytes that is a bias', () => { const y = new Int32Array(4); linear(bytes, bytes, { bias: y.subarray(0, 2), out: dense(2, 2, y) }); }, 'ERR_ALIAS'],
    ['out in bytes', () => { const y = dense(1, 8, new Int8Array(8)); linear(y, dense(2, 8, new Int8Array(16)), { out: dense(1, 2, new Int32Array(y.data.buffer)) }); }, 'ERR_ALIAS'],
    ['two unsigned sides', () => linear(dense(1, 1, new Uint8Array(1)), dense(1, 1, new Uint8Array(1))), 'ERR_DTYPE'],
    ['a misspelt option', () => linear(x, w, { biased: 1 } as never), 'ERR_OPTION'],
    ['coefficients missing past TypeScript', () => native.linear(x.data, w.data, new Float32Array(8), 2, 4, 3, undefined, 6, undefined, 0, 0, 0, 0), 'ERR_DTYPE'],
    ['nine times too many past TypeScript', () => native.linear(x.data, w.data, new Float32Array(8), 2, 4, 3, undefined, 7, new Float32Array(10), 0, 0, 0, 0), 'ERR_SHAPE'],
    ['an unknown code past TypeScript', () => native.linear(x.data, w.data, new Float32Array(8), 2, 4, 3, undefined, 8, undefined, 0, 0, 0, 0), 'ERR_RANGE'],
  ] as const)('%s is refused', (_, f, want) => expect(codeOf(f)).toBe(want)); // prettier-ignore

  test('empty sizes, out, and failed allocations', () => {
    expect(linear(dense(0, 3), dense(4, 3)).data).toHaveLength(0);
    const bias = Float64Array.of(-1, 2);
    expect([...linear(dense(2, 0), dense(2, 0), { bias, activation: 'relu' }).data]).toEqual([0, 2, 0, 2]);
    const out = dense(2, 4, new Float32Array(8).fill(NaN));
    expect(linear(x, w, { out })).toBe(out);
    expect([...out.data]).toEqual(Array(8).fill(0));
    const sums = dense(2, 2, new Int32Array(4).fill(-1));
    expect(linear(bytes, dense(2, 3, new Uint8Array(6)), { out: sums, bias: Int32Array.of(3, -4) })).toBe(sums);
    expect([...sums.data]).toEqual([3, -4, 3, -4]);
    const wide = dense(500, 90, Float32Array.from(uniform(45_000, 1)));
    const want = linear(wide, wide, { activation: 'silu' }).data;
    let failures = 0;
    for (let allowed = 0; ; allowed++) {
      core.failAllocation(allowed);
      const got = codeOf(() => expect(linear(wide, wide, { activation: 'silu' }).data).toEqual(want));
      core.failAllocation(-1);
      if (got === 'none') break;
      expect(got).toBe('ERR_OUT_OF_MEMORY');
      expect(++failures).toBeLessThan(20);
    }
  });
});
