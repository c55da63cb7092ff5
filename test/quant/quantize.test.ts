import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, quant, setThreads, type Dense } from 'lapidary';
import { native as core } from '../../dist/core/native.js';
import { codeOf } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { encode, formats } from './oracle.js';
import { codesOf, e2m1Values, everyFormat, everyOptions, sameQuantized } from './support.js';

const { quantize, dequantize } = quant;
const f32 = Math.fround;
const matrix = (rows: number, cols: number, seed = 1): Dense<Float32Array> =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -2, 2)));
const rint = (x: number): number => {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
};
const clamp = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x));

/** The groups of a row-major matrix: row, index of the group, its values. */
function groupsOf({ rows, cols, data }: Dense<Float32Array>, size: number) {
  const groups = [];
  for (let i = 0; i < rows; i++)
    for (let g = 0; g * size < cols; g++)
      groups.push({ i, g, x: [...data.subarray(i * cols + g * size, i * cols + Math.min(cols, (g + 1) * size))] });
  return groups;
}
const most = (x: number[]): number => Math.max(0, ...x.map(Math.abs));

describeEachIsa('quantize', (isa) => {
  // cols with odd tails of groups and of bytes
  const shapes = [[1, 1], [2, 16], [3, 37], [5, 100], [2, 259]] as const; // prettier-ignore

  it.each(['int8', 'int4', 'int3', 'int2'] as const)('%s, symmetric: scale, codes and error are as defined', (format) =>
    withIsa(isa, () => {
      const bits = Number(format.at(-1));
      for (const [rows, cols] of shapes) {
        const w = matrix(rows, cols, cols);
        const q = quantize(w, { format, groupSize: 16 });
        const codes = codesOf(q);
        const back = dequantize(q).data;
        groupsOf(w, 16).forEach(({ i, g, x }, index) => {
          const scale = f32(most(x) / f32(2 ** (bits - 1) - 0.5));
          expect(q.scales[index]).toBe(scale);
          x.forEach((value, k) => {
            const at = i * cols + g * 16 + k;
            const code = clamp(rint(f32(value / scale)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + 2 ** (bits - 1);
            expect(codes[at]).toBe(code);
            expect(back[at]).toBe(f32((code - 2 ** (bits - 1)) * scale));
            expect(Math.abs(back[at]! - value)).toBeLessThanOrEqual(scale / 2 + Math.abs(value) * 2 ** -22);
          });
        });
      }
    }),
  );

  it.each(['int8', 'int4', 'int3', 'int2'] as const)('%s with zero points', (format) =>
    withIsa(isa, () => {
      const all = 2 ** Number(format.at(-1)) - 1;
      for (const [rows, cols] of shapes) {
        const w = matrix(rows, cols, cols);
        for (let k = 0; k < w.data.length; k++) w.data[k] = w.data[k]! + (k % 32 < 16 ? 1.5 : -3);
        const q = quantize(w, { format, groupSize: 16, symmetric: false });
        const codes = codesOf(q);
        const back = dequantize(q).data;
        groupsOf(w, 16).forEach(({ i, g, x }, index) => {
          const [lo, hi] = [Math.min(0, ...x), Math.max(0, ...x)];
          const scale = f32(f32(hi / all) - f32(lo / all));
          const zero = clamp(rint(f32(-lo / scale)), 0, all);
          expect([q.scales[index], q.zeros![index]]).toEqual([scale, zero]);
          x.forEach((value, k) => {
            const at = i * cols + g * 16 + k;
            expect(codes[at]).toBe(clamp(rint(f32(value / scale)), -zero, all - zero) + zero);
            expect(Math.abs(back[at]! - value)).toBeLessThanOrEqual(scale + Math.abs(value) * 2 ** -22);
          });
        });
      }
    }),
  );

  it.each(['fp8-e4m3', 'fp8-e5m2', 'fp4-e2m1'] as const)('%s is the cast of w/scale', (format) =>
    withIsa(isa, () => {
      const name = format.slice(4) as 'e4m3' | 'e5m2' | 'e2m1';
      const largest = { e4m3: 448, e5m2: 57344, e2m1: 6 }[name];
      for (const [rows, cols] of shapes) {
        const w = matrix(rows, cols, cols);
        const q = quantize(w, { format, groupSize: 32 });
        const codes = codesOf(q);
        groupsOf(w, 32).forEach(({ i, g, x }, index) => {
          const scale = f32(most(x) / largest);
          expect(q.scales[index]).toBe(scale);
          x.forEach((value, k) => {
            expect(codes[i * cols + g * 32 + k]).toBe(encode(formats[name], f32(value / scale), true));
          });
        });
      }
    }),
  );

  it('fp4-e2m1 with M1 and M2: scales within a factor of two above, and powers of two apart', () =>
    withIsa(isa, () => {
      const w = matrix(7, 200);
      for (let k = 0; k < w.data.length; k++) w.data[k]! *= 2 ** ((k >> 4) % 9);
      const plain = quantize(w, { format: 'fp4-e2m1', groupSize: 16 });
      for (const scaleConstraint of ['M1', 'M2'] as const) {
        const q = quantize(w, { format: 'fp4-e2m1', groupSize: 16, scaleConstraint });
        q.scales.forEach((scale, index) => {
          const ratio = scale / plain.scales[index]!;
          expect(ratio >= 1 && ratio < 2).toBe(true);
          const row = Math.floor(index / 13);
          const base = scaleConstraint === 'M1' ? 1 : Math.max(...plain.scales.subarray(row * 13, row * 13 + 13));
          expect(Number.isInteger(Math.log2(base / scale))).toBe(true);
        });
        expect(dequantize(q).data.every(Number.isFinite)).toBe(true);
      }
    }));

  it('fp4-e2m1 with M2-nearest: within √2 of the scales, powers of two below the largest', () =>
    withIsa(isa, () => {
      const w = matrix(7, 200);
      for (let k = 0; k < w.data.length; k++) w.data[k]! *= 2 ** (((k >> 4) % 9) / 3);
      const plain = quantize(w, { format: 'fp4-e2m1', groupSize: 16 });
      const q = quantize(w, { format: 'fp4-e2m1', groupSize: 16, scaleConstraint: 'M2-nearest' });
      const ratios = q.scales.map((scale, index) => scale / plain.scales[index]!);
      expect(Math.min(...ratios)).toBeGreaterThanOrEqual(Math.SQRT1_2 * (1 - 1e-6));
      expect(Math.max(...ratios)).toBeLessThanOrEqual(Math.SQRT2 * (1 + 1e-6));
      expect(Math.min(...ratios)).toBeLessThan(0.9); // some are below, which M2 does not have
      q.scales.forEach((scale, index) => {
        const row = Math.floor(index / 13);
        const base = Math.max(...plain.scales.subarray(row * 13, row * 13 + 13));
        expect(Number.isInteger(Math.log2(base / scale))).toBe(true);
      });
    }));

  it('fp4-e2m1 with M2 and M2-nearest: denormal scales are rounded once', () =>
    withIsa(isa, () => {
      const [rows, groups] = [60, 40];
      const w = matrix(rows, groups * 16);
      for (let k = 0; k < w.data.length; k++) w.data[k]! *= 2 ** (-125 - ((k >> 4) % 67) / 3);
      const scalesOf = (scaleConstraint: 'none' | 'M2' | 'M2-nearest') =>
        quantize(w, { format: 'fp4-e2m1', groupSize: 16, scaleConstraint }).scales;
      const [plain, above, nearest] = [scalesOf('none'), scalesOf('M2'), scalesOf('M2-nearest')];
      plain.forEach((scale, index) => {
        const row = Math.floor(index / groups);
        let exact = Math.max(...plain.subarray(row * groups, (row + 1) * groups));
        if (scale > 0)
          while (exact / 2 >= scale) exact /= 2; // in f64, where nothing is rounded
        else exact = 0;
        expect(above[index]).toBe(f32(exact));
        expect(nearest[index]).toBe(f32(exact * exact > 2 * scale * scale ? exact / 2 : exact));
      });
      expect(plain.filter((scale) => scale > 0 && scale < 2 ** -126).length).toBeGreaterThan(300);
    }));

  it('FP4 codes shifted by a power of two are exact FP8 numbers (ZeroQuant-FP)', () =>
    withIsa(isa, () => {
      for (const [name, low, high] of [
        ['e4m3', -8, 6],
        ['e5m2', -15, 13],
      ] as const)
        // prettier-ignore
        for (let k = low; k <= high; k++) {
          const shifted = Float32Array.from(e2m1Values, (v) => v * 2 ** k);
          expect(quant.castFp8(quant.castFp8(shifted, name), name)).toEqual(shifted);
        }
    }));

  it('mxfp4 follows OCP MX, mxfp4-43 keeps the largest magnitude unclipped', () =>
    withIsa(isa, () => {
      for (const [rows, cols] of shapes) {
        const w = matrix(rows, cols, cols);
        for (const format of ['mxfp4', 'mxfp4-43'] as const) {
          const factor = format === 'mxfp4' ? 1 : f32(4 / 3);
          const q = quantize(w, { format });
          expect(q.tensorScale ?? 1).toBe(factor);
          const codes = codesOf(q);
          groupsOf(w, 32).forEach(({ i, g, x }, index) => {
            const exponent = Math.floor(Math.log2(most(x))) - 2;
            expect(q.scales[index]).toBe(exponent + 127);
            const scale = f32(2 ** exponent * factor);
            x.forEach((value, k) => {
              const code = encode(formats.e2m1, f32(value / scale), true);
              expect(codes[i * cols + g * 32 + k]).toBe(code);
              if (format === 'mxfp4-43') expect(Math.abs(value) / scale).toBeLessThan(6.0001);
            });
          });
        }
      }
    }));

  it('nvfp4: an E4M3 scale for 16 columns over one f32 scale', () =>
    withIsa(isa, () => {
      const w = matrix(5, 100);
      w.data[17] = 40;
      const q = quantize(w, { format: 'nvfp4' });
      const tensor = f32(40 / 2688);
      expect(q.tensorScale).toBe(tensor);
      const codes = codesOf(q);
      groupsOf(w, 16).forEach(({ i, g, x }, index) => {
        const stored = encode(formats.e4m3, f32(f32(most(x) / 6) / tensor), true);
        expect(q.scales[index]).toBe(stored);
        const scale = f32(quant.castFp8(Uint8Array.of(stored), 'e4m3')[0]! * tensor);
        x.forEach((value, k) => {
          expect(codes[i * 100 + g * 16 + k]).toBe(encode(formats.e2m1, f32(value / scale), true));
        });
      });
    }));

  it('bfp: a shared exponent and signed mantissas', () =>
    withIsa(isa, () => {
      for (let mantissaBits = 2; mantissaBits <= 8; mantissaBits++) {
        const w = matrix(3, 77, mantissaBits);
        const q = quantize(w, { format: 'bfp', groupSize: 32, mantissaBits });
        const codes = codesOf(q);
        const top = 2 ** (mantissaBits - 1) - 1;
        groupsOf(w, 32).forEach(({ i, g, x }, index) => {
          const exponent = Math.floor(Math.log2(most(x))) - mantissaBits + 2;
          expect(q.scales[index]).toBe(exponent + 127);
          x.forEach((value, k) => {
            const mantissa = clamp(rint(value / 2 ** exponent), -top, top);
            expect(codes[i * 77 + g * 32 + k]).toBe(mantissa + top + 1);
          });
        });
      }
    }));

  it('ternary: −1, 0, 1 times the mean magnitude, ties to even', () =>
    withIsa(isa, () => {
      const w = dense(2, 4, Float32Array.of(0.5, -1.5, 1, 1, 2, 0, -1, 1)); // mean of |w| is 1
      const q = quantize(w, { format: 'ternary' });
      expect([...q.scales]).toEqual([1, 1]);
      expect(dequantize(q).data).toEqual(Float32Array.of(0, -1, 1, 1, 1, 0, -1, 1));
      expect([...quantize(w, { format: 'ternary', groupSize: 'row' }).scales]).toEqual([1, 1]);
      const large = matrix(40, 3000);
      const mean = large.data.reduce((sum, v) => sum + Math.abs(v), 0) / large.data.length;
      expect(quantize(large, { format: 'ternary' }).scales[39]).toBeCloseTo(mean, 6);
    }));

  it('bipolar: odd multiples of the scale, no zero', () =>
    withIsa(isa, () => {
      for (let bits = 2; bits <= 8; bits++) {
        const w = matrix(2, 45, bits);
        const q = quantize(w, { format: `bipolar${bits}` as 'bipolar2', groupSize: 16 });
        const back = dequantize(q).data;
        const codes = codesOf(q);
        groupsOf(w, 16).forEach(({ i, g, x }, index) => {
          const scale = f32(most(x) / (2 ** bits - 1));
          expect(q.scales[index]).toBe(scale);
          x.forEach((value, k) => {
            const at = i * 45 + g * 16 + k;
            expect(back[at]).toBe(f32((2 * codes[at]! - (2 ** bits - 1)) * scale));
            expect(Math.abs(back[at]! - value)).toBeLessThanOrEqual(scale + Math.abs(value) * 2 ** -22);
          });
        });
      }
      const one = quantize(dense(1, 3, Float32Array.of(-1, 3, 0)), { format: 'bipolar1' });
      expect(one.scales[0]).toBe(f32(4 / 3));
      expect([...dequantize(one).data]).toEqual([-f32(4 / 3), f32(4 / 3), f32(4 / 3)]);
    }));

  it('dgq: whole group scales over a scale of the row, every expanded weight in a signed byte', () =>
    withIsa(isa, () => {
      const w = matrix(6, 100);
      for (let k = 0; k < w.data.length; k++) w.data[k]! *= 1 + ((k >> 4) % 7) * 3;
      const q = quantize(w, { format: 'dgq', groupSize: 16 });
      const codes = codesOf(q);
      groupsOf(w, 16).forEach(({ i, g, x }, index) => {
        const scale = q.scales[index]!;
        expect(scale).toBeGreaterThanOrEqual(1);
        const row = w.data.subarray(i * 100, i * 100 + 100);
        expect(q.rowScales![i]).toBe(f32(most([...row]) / 127));
        x.forEach((value, k) => {
          const expanded = scale * (codes[i * 100 + g * 16 + k]! - q.zeros![index]!);
          expect(Math.abs(expanded)).toBeLessThanOrEqual(127);
          // a scale rounded down by up to a half clips at most 15 halves
          expect(Math.abs(expanded * q.rowScales![i]! - value)).toBeLessThanOrEqual((scale + 8) * q.rowScales![i]!);
        });
      });
    }));

  it('turns groups of zeros, and groups too small for a scale, into zeros', () =>
    withIsa(isa, () => {
      for (const options of everyOptions)
        for (const tiny of [0, -0, 2 ** -149]) {
          const w = matrix(2, 70);
          w.data.fill(tiny, 0, 70);
          const back = dequantize(quantize(w, options)).data.subarray(0, 70);
          for (const value of back) expect(Math.abs(value)).toBeLessThanOrEqual(options.format === 'ternary' || options.format === 'nvfp4' ? 2 : 2 ** -127); // prettier-ignore
          if (tiny === 0 && !options.format.startsWith('bipolar'))
            expect(back.every((value) => value === 0)).toBe(true);
          const zeros = dequantize(quantize(dense(2, 70, new Float32Array(140)), options)).data;
          expect(zeros.every((value) => value === 0)).toBe(true);
        }
    }));

  it('dequantises to finite numbers, also at both ends of f32', () =>
    withIsa(isa, () => {
      for (const options of everyOptions)
        for (const scale of [3.4028234663852886e38, 3.3e38, 2.9e38, 1e38, 1e-38, 1e-42, 1e-45]) {
          const w = dense(
            2,
            70,
            Float32Array.from(uniform(140, 3), (v, k) => (k % 5 ? v : Math.sign(v)) * scale),
          );
          const q = quantize(w, options);
          const back = dequantize(q).data;
          expect(back.every(Number.isFinite), `${options.format} ${scale}`).toBe(true);
          if (scale > 1e-38 && scale < 2e38) {
            let [error, size] = [0, 0];
            back.forEach((v, k) => {
              error += ((v - w.data[k]!) / scale) ** 2;
              size += (w.data[k]! / scale) ** 2;
            });
            expect(error).toBeLessThan(0.5 * size);
          }
        }
    }));

  it('gives the bits of the portable kernels', () => {
    for (const options of everyOptions)
      for (const cols of [1, 15, 33, 64, 259]) {
        const w = matrix(4, cols, cols);
        const here = withIsa(isa, () => quantize(w, options));
        const there = withIsa('portable', () => quantize(w, options));
        expect(sameQuantized(here, there), options.format).toBe(true);
        const [a, b] = [withIsa(isa, () => dequantize(here).data), withIsa('portable', () => dequantize(here).data)];
        expect(Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer))).toBe(0);
      }
  });

  it('refuses what is not finite, wherever it stands', () =>
    withIsa(isa, () => {
      for (const options of everyOptions)
        for (const bad of [NaN, Infinity, -Infinity])
          for (const place of [0, 69, 139]) {
            const w = matrix(2, 70);
            w.data[place] = bad;
            expect(codeOf(() => quantize(w, options))).toBe('ERR_RANGE');
          }
    }));
});

describe('quantize', () => {
  it('is idempotent where scales survive: what a format holds, it keeps', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: 1000 }), (cols, seed) => {
        for (const format of ['mxfp4', 'bfp', 'fp8-e4m3'] as const) {
          const first = dequantize(quantize(matrix(2, cols, seed), { format }));
          const again = dequantize(quantize(first, { format })).data;
          again.forEach((value, k) => {
            expect(Math.abs(value - first.data[k]!)).toBeLessThanOrEqual(1e-6 * Math.abs(first.data[k]!));
          });
        }
      }),
      { numRuns: 30 },
    );
  });

  it('gives the same bits with any number of threads', () => {
    const w = matrix(300, 1000);
    const before = getThreads();
    for (const options of everyOptions) {
      const results = [1, 2, 3, 7].map((threads) => {
        setThreads(threads);
        const q = quantize(w, options);
        return { q, data: Buffer.from(dequantize(q).data.buffer) };
      });
      for (const { q, data } of results) {
        expect(sameQuantized(q, results[0]!.q)).toBe(true);
        expect(data.equals(results[0]!.data)).toBe(true);
      }
    }
    setThreads(before);
  });

  it('has the error that sheet figures state for Gaussian data', () => {
    // MXFP4 1.325e-2, with 4/3 1.387e-2, NVFP4 9.05e-3: relative mean squares, measured on the definitions in f64.
    const n = 1 << 18;
    const u = uniform(2 * n, 9, 0, 1);
    const w = dense(256, n / 256, Float32Array.from({ length: n }, (_, k) => Math.sqrt(-2 * Math.log(1 - u[2 * k]!)) * Math.cos(2 * Math.PI * u[2 * k + 1]!))); // prettier-ignore
    const size = w.data.reduce((sum, v) => sum + v * v, 0);
    const error = (format: 'mxfp4' | 'mxfp4-43' | 'nvfp4') =>
      dequantize(quantize(w, { format })).data.reduce((sum, v, k) => sum + (v - w.data[k]!) ** 2, 0) / size;
    // closer than the rules are to each other: scales of ⌈amax/6⌉ have 1.334e-2
    expect(Math.abs(error('mxfp4') / 1.325e-2 - 1)).toBeLessThan(0.005);
    expect(Math.abs(error('mxfp4-43') / 1.387e-2 - 1)).toBeLessThan(0.005);
    expect(Math.abs(error('nvfp4') / 9.05e-3 - 1)).toBeLessThan(0.01);
  });

  it('takes empty matrices', () => {
    for (const format of everyFormat)
      for (const [rows, cols] of [
        [0, 5],
        [5, 0],
        [0, 0],
      ] as const) {
        // prettier-ignore
        const q = quantize(dense(rows, cols, new Float32Array(0)), { format });
        expect(q.codes.length).toBe(0);
        expect(dequantize(q)).toEqual({ rows, cols, data: new Float32Array(0) });
      }
  });

  it('runs out of memory in order', () => {
    const w = matrix(3, 40);
    const permutation = Uint32Array.from({ length: 40 }, (_, j) => 39 - j);
    for (const options of [{ format: 'ternary' }, { format: 'bfp', permutation }] as const) {
      let failures = 0;
      for (let nth = 0; ; nth++) {
        core.failAllocation(nth);
        const code = codeOf(() => dequantize(quantize(w, options)));
        core.failAllocation(-1);
        if (code === 'none') break;
        expect(code).toBe('ERR_OUT_OF_MEMORY');
        failures++;
        expect(failures).toBeLessThan(50);
      }
    }
  });

  it('refuses what a format does not have', () => {
    const w = matrix(2, 32);
    expect(codeOf(() => quantize(w, { format: 'int5' as never }))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, {} as never))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, { format: 'int4', groupSize: 24 }))).toBe('ERR_RANGE');
    expect(codeOf(() => quantize(w, { format: 'int4', groupSize: 0 }))).toBe('ERR_RANGE');
    expect(codeOf(() => quantize(w, { format: 'int4', groupSize: 'tensor' }))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, { format: 'mxfp4', groupSize: 16 }))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, { format: 'nvfp4', symmetric: true }))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, { format: 'int4', scaleConstraint: 'M1' }))).toBe('ERR_OPTION');
    expect(codeOf(() => quantize(w, { format: 'bfp', mantissaBits: 9 }))).toBe('ERR_RANGE');
    const twice = new Uint32Array(32);
    expect(codeOf(() => quantize(w, { format: 'bfp', permutation: twice }))).toBe('ERR_FORMAT');
    expect(codeOf(() => quantize(w, { format: 'bfp', permutation: twice.fill(32) }))).toBe('ERR_FORMAT');
    expect(codeOf(() => quantize(w, { format: 'bfp', permutation: new Uint32Array(31) }))).toBe('ERR_SHAPE');
    expect(codeOf(() => quantize(dense(1, 1) as never, { format: 'int4' }))).toBe('ERR_DTYPE');
  });
});
