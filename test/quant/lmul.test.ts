import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { dense, getThreads, quant, setThreads } from 'lapidary';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { lmulCode, lmulFormats, type Variant } from './lmul-oracle.js';
import { bitsOf } from './oracle.js';

const { lmul } = quant;
const threads = getThreads();
afterAll(() => setThreads(threads));

const variants: Variant[] = ['adder', 'formula'];
const bytes = Uint8Array.from({ length: 256 }, (_, code) => code);
const lefts = Uint8Array.from({ length: 65536 }, (_, i) => i >> 8);
const rights = Uint8Array.from({ length: 65536 }, (_, i) => i & 255);
const exhaustive = new Map(
  (['e4m3', 'e5m2'] as const).flatMap((dtype) =>
    variants.map((variant) => {
      const codes = Array.from(lefts, (a, i) => lmulCode(lmulFormats[dtype], variant, a, rights[i]!));
      return [`${dtype} ${variant}`, Uint8Array.from(codes)] as const;
    }),
  ),
);

/** Codes at and beside every edge of a format, of both signs. */
function edges(format: { mantissaBits: number; exponentBits: number; bias: number; largest: number }): number[] {
  const { mantissaBits: m, exponentBits, bias, largest } = format;
  const one = bias * 2 ** m;
  const marks = [
    0,
    2 ** m,
    one,
    one + 2 ** (m - 1),
    1.5 * one,
    largest,
    (bias >> 1) * 2 ** m,
    2 ** (m + exponentBits) - 1,
  ];
  const magnitudes = marks.flatMap((mark) => [mark - 1, mark, mark + 1]);
  const all = magnitudes.map(Math.floor).filter((c) => c >= 0 && c < 2 ** (m + exponentBits));
  return [...all, ...all.map((c) => c + 2 ** (m + exponentBits))];
}

/** Pairs of codes: every edge with every edge, and random ones. */
function pairs(dtype: keyof typeof lmulFormats, seed: number): [number, number][] {
  const format = lmulFormats[dtype];
  const size = 2 ** (format.mantissaBits + format.exponentBits + 1);
  const hard = edges(format);
  const random = uniform(6000, seed, 0, 1).map((u) => Math.floor(u * size));
  return [
    ...hard.flatMap((a) => hard.map((b): [number, number] => [a, b])),
    ...Array.from({ length: 3000 }, (_, i): [number, number] => [random[2 * i]!, random[2 * i + 1]!]),
  ];
}

const floats = (bits: number[]) => new Float32Array(Uint32Array.from(bits).buffer);
/** Bits with one pattern for NaN: which one comes out of a file or an array is not ours to say. */
const bits = (x: Float32Array) => Array.from(x, (v) => (Number.isNaN(v) ? 0x7fc00000 : bitsOf(v)));

describeEachIsa('lmul', (isa) => {
  it.each([...exhaustive.keys()])('%s: all 65536 pairs', (name) =>
    withIsa(isa, () => {
      const [dtype, variant] = name.split(' ') as ['e4m3' | 'e5m2', Variant];
      expect(Buffer.compare(lmul(lefts, rights, { dtype, variant }), exhaustive.get(name)!)).toBe(0);
    }),
  );

  it.each(variants)('%s: f32, bf16 and f16 at their edges and anywhere', (variant) =>
    withIsa(isa, () => {
      for (const dtype of ['bf16', 'f16'] as const) {
        const cases = pairs(dtype, 3);
        const [a, b] = [0, 1].map((side) => Uint16Array.from(cases, (pair) => pair[side]!)) as [
          Uint16Array,
          Uint16Array,
        ];
        const expected = cases.map((pair) => lmulCode(lmulFormats[dtype], variant, ...pair));
        expect(Array.from(lmul(a, b, { dtype, variant }))).toEqual(expected);
      }
      const cases = pairs('f32', 4);
      const [a, b] = [0, 1].map((side) => floats(cases.map((pair) => pair[side]!))) as [Float32Array, Float32Array];
      expect(bits(lmul(a, b, { variant }))).toEqual(cases.map((pair) => lmulCode(lmulFormats.f32, variant, ...pair)));
    }),
  );

  it.each(variants)('%s: f32 with every width of mantissa', (variant) =>
    withIsa(isa, () => {
      const cases = pairs('f32', 5).filter((_, i) => i % 7 === 0);
      const [a, b] = [0, 1].map((side) => floats(cases.map((pair) => pair[side]!))) as [Float32Array, Float32Array];
      for (const m of [1, 2, 3, 4, 5, 8, 22])
        expect(bits(lmul(a, b, { variant, mantissaBits: m }))).toEqual(
          cases.map((pair) => lmulCode(lmulFormats.f32, variant, ...pair, m)),
        );
    }),
  );

  it('commutes bit for bit, at every length', () =>
    withIsa(isa, () => {
      const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
      fc.assert(
        fc.property(
          fc.array(fc.tuple(word, word), { maxLength: 40 }),
          fc.constantFrom(...variants),
          (cases, variant) => {
            const [a, b] = [0, 1].map((side) => floats(cases.map((pair) => pair[side]!))) as [
              Float32Array,
              Float32Array,
            ];
            const product = bits(lmul(a, b, { variant }));
            expect(product).toEqual(bits(lmul(b, a, { variant })));
            expect(product).toEqual(cases.map((pair) => lmulCode(lmulFormats.f32, variant, ...pair)));
          },
        ),
      );
    }));

  it.each(['bf16', 'f16', 'e4m3', 'e5m2'] as const)('rounds f32 operands to %s, and widens the product', (dtype) =>
    withIsa(isa, () => {
      const values = floats(pairs('f32', 6).map((pair) => pair[0]));
      const scaled = Float32Array.from(uniform(values.length, 7, -4, 4));
      const [a, b] = [Float32Array.from([...values, ...scaled]), Float32Array.from([...scaled, ...scaled].reverse())];
      const expected =
        dtype === 'bf16' ? quant.fromBfloat16(lmul(quant.toBfloat16(a), quant.toBfloat16(b), { dtype }))
        : dtype === 'f16' ? quant.fromHalf(lmul(quant.toHalf(a), quant.toHalf(b), { dtype }))
        : quant.castFp8(lmul(quant.castFp8(a, dtype), quant.castFp8(b, dtype), { dtype }), dtype); // prettier-ignore
      expect(bits(lmul(a, b, { dtype }))).toEqual(bits(expected));
    }),
  );

  it('has the same bits for any number of threads', () =>
    withIsa(isa, () => {
      const [a, b] = [1, 2].map((seed) => Float32Array.from(uniform(200_003, seed))) as [Float32Array, Float32Array];
      for (const dtype of ['f32', 'e5m2'] as const) {
        setThreads(1);
        const one = lmul(a, b, { dtype });
        setThreads(3);
        const three = lmul(a, b, { dtype });
        expect(Buffer.compare(Buffer.from(one.buffer), Buffer.from(three.buffer))).toBe(0);
      }
    }));
});

describe('lmul', () => {
  it('treats zeros, infinities, NaN and subnormals as it says', () => {
    const table: [number, number, number][] = [
      [1, 1, 1.0625],
      [-1, 1, -1.0625],
      [0, 3, 0],
      [-0, 3, -0],
      [-0, -3, 0],
      [0, 1e38, 0],
      [2 ** -149, 1e38, 0],
      [-(2 ** -127), 1e38, -0],
      [2 ** -100, 2 ** -100, 0],
      [-(2 ** -100), 2 ** -100, -0],
      [2 ** -63, 2 ** -63, 2 ** -126 * 1.0625],
      [2 ** -63, 2 ** -64, 0],
      [1e30, 1e30, Infinity],
      [-1e30, 1e30, -Infinity],
      [Infinity, -2, -Infinity],
      [Infinity, 0, NaN],
      [Infinity, 2 ** -130, NaN],
      [-Infinity, -Infinity, Infinity],
      [NaN, 0, NaN],
    ];
    for (const variant of variants)
      for (const [a, b, expected] of table)
        expect([a, b, lmul(Float32Array.of(a), Float32Array.of(b), { variant })[0]]).toEqual([a, b, expected]);
    // 448 is the end of e4m3
    expect(lmul(Float32Array.of(448, 448, -448), Float32Array.of(1, 448, 2), { dtype: 'e4m3' })).toEqual(
      Float32Array.of(448, 448, -448),
    );
  });

  it('takes and gives matrices with their tags', () => {
    const codes = quant.castFp8(dense(1, 2, Float32Array.of(1, -2)), 'e4m3');
    const product = lmul(codes, codes);
    expect(product).toEqual({ rows: 1, cols: 2, data: Uint8Array.of(0x39, 0x49), dtype: 'e4m3' });
    expect(lmul(dense(1, 1, Float32Array.of(1)), dense(1, 1, Float32Array.of(1)))).toEqual(
      dense(1, 1, Float32Array.of(1.0625)),
    );
    expect(lmul(bytes.subarray(0, 0), bytes.subarray(0, 0), { dtype: 'e5m2' }).length).toBe(0);
  });

  it('refuses what does not fit', () => {
    const x = Float32Array.of(1, 2);
    const codes = quant.castFp8(dense(1, 2, x), 'e4m3');
    expect(() => lmul(x, x, { dtype: 'f64' as never })).toThrow(/dtype/);
    expect(() => lmul(x, x.subarray(1))).toThrow(/'b'|b/);
    expect(() => lmul(x, x, { dtype: 'bf16', mantissaBits: 4 })).toThrow(/mantissaBits/);
    expect(() => lmul(x, x, { mantissaBits: 24 })).toThrow(/mantissaBits/);
    expect(() => lmul(bytes, bytes)).toThrow(/Float32Array/);
    expect(() => lmul(codes, codes, { dtype: 'e5m2' })).toThrow(/dtype/);
    expect(() => lmul(codes, dense(2, 1, codes.data))).toThrow(/1 × 2/);
    expect(() => lmul(x, x, { out: x })).toThrow(/out/);
  });

  // The table of docs/lowbit.md: mean |relative error| against the product of the unrounded operands, mantissas uniform.
  // The paper expects 3 bits to beat e5m2 (two bits, exactly multiplied), which holds, and 4 bits to match e4m3 (three),
  // which under uniform mantissas does not.
  it('has the errors that the guide states', () => {
    const n = 1 << 17;
    const [a, b] = [11, 12].map((seed) => Float32Array.from(uniform(n, seed, 1, 2))) as [Float32Array, Float32Array];
    const mean = (product: (i: number) => number) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Math.abs(product(i) / (a[i]! * b[i]!) - 1);
      return (100 * sum) / n;
    };
    // where a format has these bits its own product, whose result is rounded to them too
    const own = { 2: 'e5m2', 3: 'e4m3', 7: 'bf16' } as const;
    const product = (m: number, variant: Variant) => {
      const c = lmul(a, b, m in own ? { dtype: own[m as 2 | 3 | 7], variant } : { mantissaBits: m, variant });
      return mean((i) => c[i]!);
    };
    const multiplied = (m: number) => {
      const nearest = (x: number) => {
        const units = 2 ** (m - Math.floor(Math.log2(x)));
        const low = Math.floor(x * units);
        const rest = x * units - low;
        return (low + Number(rest > 0.5 || (rest === 0.5 && low % 2 === 1))) / units;
      };
      return mean((i) => nearest(nearest(a[i]!) * nearest(b[i]!)));
    };
    for (const [m, adder, formula, exact] of [
      [2, 14.6, 12.1, 7.0],
      [3, 5.7, 7.5, 3.5],
      [4, 5.3, 7.0, 1.8],
      [5, 2.7, 7.3, 0.9],
      [7, 2.7, 7.5, 0.2],
      [23, 2.65, 7.6, 0],
    ] as const) {
      const got = [product(m, 'adder'), product(m, 'formula'), multiplied(m)];
      [adder, formula, exact].forEach((stated, i) => expect(Math.abs(got[i]! - stated)).toBeLessThan(0.1));
    }
    expect(product(3, 'adder')).toBeLessThan(multiplied(2));
    expect(product(4, 'adder')).toBeGreaterThan(multiplied(3));
  });
});
