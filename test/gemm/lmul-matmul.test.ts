import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { dense, getThreads, quant, setThreads, type Dense } from 'lapidary';
import { lmulMatmul, matmul, type LmulMatmulOptions } from 'lapidary/gemm';
import { lmulCode, lmulFormats, type Variant } from '../quant/lmul-oracle.js';
import { bitsOf, encode, floatOf, formats, valueOf } from '../quant/oracle.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

const variants: Variant[] = ['adder', 'formula'];
const mantissas = { f32: 23, bf16: 7, f16: 10, e4m3: 3, e5m2: 2 };
const smallest = { f32: 2 ** -126, bf16: 2 ** -126, f16: 2 ** -14, e4m3: 2 ** -6, e5m2: 2 ** -14 };
const values = (n: number, seed: number, low = -2, high = 2) => Float32Array.from(uniform(n, seed, low, high));

/** x rounded to the format, and back; what lies below its normal numbers is zero. */
function rounded(x: Float32Array, dtype: keyof typeof mantissas): Float32Array {
  const y =
    dtype === 'f32' ? x
    : dtype === 'bf16' ? quant.fromBfloat16(quant.toBfloat16(x))
    : dtype === 'f16' ? quant.fromHalf(quant.toHalf(x))
    : quant.castFp8(quant.castFp8(x, dtype), dtype); // prettier-ignore
  return y.map((v) => (Math.abs(v) < smallest[dtype] ? v * 0 : v));
}

/** The nearest E4M3, saturated. */
function e4m3(x: number): number {
  if (Number.isNaN(x)) return x;
  const code = encode(formats.e4m3, x, true);
  return code >= 128 ? -valueOf(formats.e4m3, code - 128) : valueOf(formats.e4m3, code);
}

/** Products by the rational oracle, added in order. */
function expected(
  a: Dense<Float32Array>,
  b: Dense<Float32Array>,
  { dtype = 'f32', variant = 'adder', accumulate = 'f32', mantissaBits = mantissas[dtype] }: LmulMatmulOptions,
): Float32Array {
  const [left, right] = [rounded(a.data, dtype), rounded(b.data, dtype)];
  const out = new Float32Array(a.rows * b.cols);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < b.cols; j++) {
      let sum = 0;
      for (let p = 0; p < a.cols; p++) {
        const codes = [bitsOf(left[i * a.cols + p]!), bitsOf(right[p * b.cols + j]!)] as const;
        sum = Math.fround(sum + floatOf(lmulCode(lmulFormats.f32, variant, ...codes, mantissaBits)));
        if (accumulate === 'e4m3') sum = e4m3(sum);
      }
      out[i * b.cols + j] = sum;
    }
  return out;
}

const shapes = [
  [1, 1, 1],
  [2, 17, 3],
  [5, 16, 8],
  [3, 33, 13],
] as const;

describeEachIsa('lmulMatmul', (isa) => {
  it.each(variants)('%s: sums of products, whether they meet zeros, other edges or none', (variant) =>
    withIsa(isa, () => {
      for (const [m, n, k] of shapes)
        for (const edge of ['none', 'zeros', 'all']) {
          const a = dense(m, k, values(m * k, 1));
          const b = dense(k, n, values(k * n, 2));
          if (edge === 'zeros') {
            a.data[0] = -0;
            b.data.set([0, -0, 2 ** -140].slice(0, b.data.length));
          }
          if (edge === 'all') {
            a.data[0] = 0;
            b.data.set([2 ** -80, -0, 1e38, -(2 ** -130)].slice(0, b.data.length));
            a.data[k - 1] = 2 ** -80;
          }
          expect(lmulMatmul(a, b, { variant }).data).toEqual(expected(a, b, { variant }));
        }
    }),
  );

  it('takes every format, by value and by code', () =>
    withIsa(isa, () => {
      const a = dense(4, 9, values(36, 3));
      const b = dense(9, 18, values(162, 4));
      a.data[5] = 2 ** -8; // subnormal in e4m3
      for (const dtype of ['bf16', 'f16', 'e4m3', 'e5m2'] as const)
        for (const variant of variants) {
          const c = lmulMatmul(a, b, { dtype, variant });
          expect(c.data).toEqual(expected(a, b, { dtype, variant }));
          const codes = (x: Dense<Float32Array>) =>
            dtype === 'bf16' ? quant.toBfloat16(x) : dtype === 'f16' ? quant.toHalf(x) : quant.castFp8(x, dtype);
          expect(lmulMatmul(codes(a), codes(b), { variant })).toEqual(c);
          expect(lmulMatmul(codes(a), b, { variant })).toEqual(c);
        }
      for (const mantissaBits of [2, 4])
        expect(lmulMatmul(a, b, { mantissaBits }).data).toEqual(expected(a, b, { mantissaBits }));
    }));

  it('one product is that of lmul, by the formula before it is rounded to the format', () =>
    withIsa(isa, () => {
      const [a, b] = [values(300, 9, 1, 2), values(300, 10, 1, 2)];
      for (const dtype of ['bf16', 'f16', 'e4m3', 'e5m2'] as const)
        for (const variant of variants) {
          const alone = quant.lmul(a, b, { dtype, variant });
          const sums = a.map((v, i) => {
            const [left, right] = [dense(1, 1, Float32Array.of(v)), dense(1, 1, Float32Array.of(b[i]!))];
            return lmulMatmul(left, right, { dtype, variant }).data[0]!;
          });
          const farthest = Math.max(...sums.map((v, i) => Math.abs(v - alone[i]!)));
          // a carry doubles the last place of products in [2, 4), and loses one bit
          expect(farthest).toBe(variant === 'adder' ? 0 : 2 ** -mantissas[dtype]);
        }
    }));

  it('adds up in e4m3, to nearest even and saturated', () =>
    withIsa(isa, () => {
      const a = dense(3, 21, values(63, 5, -4, 4));
      const b = dense(21, 17, values(357, 6, -4, 4));
      for (const variant of variants)
        for (const dtype of ['e4m3', 'f32'] as const) {
          const options = { dtype, variant, accumulate: 'e4m3' } as const;
          expect(lmulMatmul(a, b, options).data).toEqual(expected(a, b, options));
        }
      const large = dense(1, 3, Float32Array.of(400, 400, -20));
      expect(lmulMatmul(large, large, { dtype: 'e4m3', accumulate: 'e4m3', transposeB: true }).data[0]).toBe(448);
    }));

  it('carries NaN and infinity into the sums they belong to, and no others', () =>
    withIsa(isa, () => {
      const a = dense(2, 2, Float32Array.of(1, Infinity, 1, 1));
      const b = dense(2, 3, Float32Array.of(1, NaN, 1, 1, 1, 0));
      expect(lmulMatmul(a, b).data).toEqual(Float32Array.of(Infinity, NaN, NaN, 2.125, NaN, 1.0625));
    }));

  it('transposes, and has the same bits for any number of threads', () =>
    withIsa(isa, () => {
      const [m, n, k] = [131, 70, 37];
      const a = values(m * k, 7);
      const b = values(k * n, 8);
      const flip = (x: Float32Array, rows: number, cols: number) =>
        dense(
          cols,
          rows,
          Float32Array.from(x, (_, i) => x[(i % rows) * cols + Math.floor(i / rows)]!),
        );
      setThreads(1);
      const c = lmulMatmul(dense(m, k, a), dense(k, n, b));
      for (const count of [1, 2, 3]) {
        setThreads(count);
        expect(lmulMatmul(flip(a, m, k), flip(b, k, n), { transposeA: true, transposeB: true })).toEqual(c);
        expect(lmulMatmul(dense(m, k, a), flip(b, k, n), { transposeB: true })).toEqual(c);
      }
      const half = quant.toHalf(flip(a, m, k));
      expect(lmulMatmul(half, quant.toHalf(dense(k, n, b)), { transposeA: true }).data).toEqual(
        lmulMatmul(dense(m, k, a), dense(k, n, b), { dtype: 'f16' }).data,
      );
    }));

  it('knows the least and the largest product that is a normal number', () =>
    withIsa(isa, () => {
      const offset = 0x3f780000;
      const [least, infinity] = [0x00800000, 0x7f800000];
      for (const sum of [least - 1, least, infinity - 1, infinity]) {
        const half = Math.floor((sum + offset) / 2); // both operands are normal numbers
        const [x, y] = [half, sum + offset - half].map(floatOf) as [number, number];
        const [a, b] = [dense(1, 1, Float32Array.of(x)), dense(1, 17, new Float32Array(17).fill(y))];
        const want = sum < least ? 0 : floatOf(sum);
        expect(lmulMatmul(a, b).data, `bits ${sum}`).toEqual(new Float32Array(17).fill(want));
        expect(lmulMatmul(a, b).data).toEqual(expected(a, b, {}));
      }
    }));

  it('is the oracle on any small matrices of any bits', () =>
    withIsa(isa, () => {
      const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
      fc.assert(
        fc.property(
          fc.array(word, { minLength: 12, maxLength: 12 }),
          fc.constantFrom(...variants),
          (words, variant) => {
            const x = new Float32Array(Uint32Array.from(words).buffer);
            const [a, b] = [dense(2, 3, x.subarray(0, 6)), dense(3, 2, x.subarray(6))];
            expect(lmulMatmul(a, b, { variant }).data).toEqual(expected(a, b, { variant }));
          },
        ),
        { numRuns: 200 },
      );
    }));
});

describe('lmulMatmul', () => {
  it('has empty sums and empty results', () => {
    expect(lmulMatmul(dense(2, 0, new Float32Array(0)), dense(0, 3, new Float32Array(0))).data).toEqual(
      new Float32Array(6),
    );
    expect(lmulMatmul(dense(0, 2, new Float32Array(0)), dense(2, 3, new Float32Array(6))).data.length).toBe(0);
  });

  it('is near the product: bias of 0.4 %, errors that average out', () => {
    const k = 4096;
    const a = dense(8, k, values(8 * k, 9, 0.5, 2));
    const b = dense(8, k, values(8 * k, 10, 0.5, 2));
    const exact = matmul(a, b, { transposeB: true });
    const ratio = lmulMatmul(a, b, { transposeB: true }).data.map((v, i) => v / exact.data[i]!);
    for (const r of ratio) expect(Math.abs(r - 1)).toBeLessThan(0.01);
  });

  it('refuses what does not fit', () => {
    const a = dense(2, 3, new Float32Array(6));
    expect(() => lmulMatmul(a, a)).toThrow(/3 rows/);
    expect(() => lmulMatmul(a, a, { transposeB: true, accumulate: 'bf16' as never })).toThrow(/accumulate/);
    expect(() => lmulMatmul({ ...a, dtype: 'bf16' }, a, { transposeB: true })).toThrow(/dtype/);
    expect(() => lmulMatmul(a, a, { transposeB: true, out: dense(2, 2, a.data.subarray(0, 4)) })).toThrow(/out/);
  });
});
