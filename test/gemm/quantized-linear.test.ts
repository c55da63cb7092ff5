import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { cpuInfo, dense, getThreads, setThreads, type Dense } from 'lapidary';
import { linear, matvec, type LinearOptions } from 'lapidary/gemm';
import { dequantize, quantize, type Quantized } from 'lapidary/quant';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/gemm/native.js';
import { codesOf, everyOptions } from '../quant/support.js';
import { codeOf } from '../support/errors.js';
import { toBf16 } from '../support/half.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

type Options = LinearOptions<Float32Array>;
const kernels = ['dot', 'blocked'] as const;
const f32 = (rows: number, cols: number, seed: number, lo = -1, hi = 1) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, lo, hi)));
const isFloat8 = (w: Quantized) => w.format.startsWith('fp8');

/** Foreign weights: any group size, any codes, scales as given. */
function foreign(
  rows: number,
  cols: number,
  given: Partial<Quantized> & Pick<Quantized, 'format' | 'bits'>,
): Quantized {
  const { bits, groupSize = 32 } = given;
  const groups = Math.ceil(cols / groupSize);
  const stride = Math.ceil((cols * bits) / 8);
  const bytes = uniform(rows * stride, 5, 0, 256);
  return {
    layout: 1, rows, cols, groupSize,
    codes: Uint8Array.from(bytes),
    scales: Float32Array.from(uniform(rows * groups, 6, 0.01, 0.1)),
    ...given,
  }; // prettier-ignore
}

/** The integers a code stands for and their zero point: Σ c·q − z·Σq of the whole number lattice. */
function integersOf(w: Quantized): number[] {
  const codes = codesOf(w);
  const groups = Math.ceil(w.cols / w.groupSize);
  return Array.from(codes, (c, at) => {
    const group = Math.floor(at / w.cols) * groups + Math.floor((at % w.cols) / w.groupSize);
    if (w.format === 'ternary') return c - 1;
    if (w.format.startsWith('bipolar')) return 2 * c - (2 ** w.bits - 1);
    return c - (w.zeros ? w.zeros[group]! : 2 ** (w.bits - 1));
  });
}

/**
 * The documented bound: half a step of the rounded tokens, and the rounding of f32 sums, whose terms count with code and
 * zero point apart: at most four times the largest value that the row's scales give any code.
 */
function checkBound(x: Dense<Float32Array>, w: Quantized, y: Float32Array, rounded: boolean, label: string): void {
  const { rows, cols, permutation } = w;
  const values = dequantize(w).data;
  const extremes = [0, 0x77, 0xff].map((byte) => dequantize({ ...w, codes: w.codes.map(() => byte) }).data);
  const reach = Array.from({ length: rows }, (_, j) => {
    const finite = extremes.flatMap((all) => [...all.subarray(j * cols, (j + 1) * cols)]).filter(Number.isFinite);
    return 4 * finite.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  });
  let worst = 0;
  for (let t = 0; t < x.rows; t++) {
    const row = x.data.subarray(t * cols, (t + 1) * cols);
    const ordered = permutation ? Float32Array.from(permutation, (k) => row[k]!) : row;
    // Blocks of 32 need not begin at multiples of 32 where groups move apart: the largest nearby bounds them all.
    const step = new Float64Array(cols);
    ordered.forEach((_, p) => {
      let most = 0;
      for (let q = Math.max(0, p - 31); q < Math.min(cols, p + 32); q++) most = Math.max(most, Math.abs(ordered[q]!));
      step[permutation ? permutation[p]! : p] = rounded ? (most * 1.001) / 254 : 0;
    });
    const sum = row.reduce((total, v) => total + Math.abs(v), 0);
    for (let j = 0; j < rows; j++) {
      let [want, bound] = [0, 2 ** -24 * (cols / 16 + 12) * reach[j]! * sum + 1e-44 * cols];
      for (let k = 0; k < cols; k++) {
        const value = values[j * cols + k]!;
        want += row[k]! * value;
        bound += Math.abs(value) * (step[k]! + (rounded ? 2 ** -120 : 0));
      }
      worst = Math.max(worst, Math.abs(y[t * rows + j]! - want) / bound || 0);
      if (Number.isNaN(y[t * rows + j])) worst = NaN;
    }
  }
  expect(worst, label).toBeLessThanOrEqual(1);
}

const shapes = [[1, 5, 1], [1, 7, 33], [3, 18, 290], [11, 35, 127], [2, 4, 1100]] as const; // prettier-ignore

describeEachIsa('linear with weights in few bits', (isa) => {
  test.each(everyOptions.map((options) => [JSON.stringify(options), options] as const))('%s: within the bound', (_, options) => {
    for (const [m, n, k] of shapes) {
      const x = f32(m, k, 1);
      const w = quantize(f32(n, k, 2), options);
      for (const kernel of kernels)
        for (const activations of isFloat8(w) ? (['f32'] as const) : (['int8', 'f32'] as const)) {
          const y = withIsa(isa, () => linear(x, w, { kernel, activations }).data);
          checkBound(x, w, y, activations === 'int8', `${m}×${n}×${k} ${kernel} ${activations}`);
        }
    }
  }); // prettier-ignore

  const groupsOf48 = { format: 'int4', groupSize: 48, symmetric: false } as const;
  test.each([...everyOptions, groupsOf48].map((options) => [JSON.stringify(options), options] as const))('%s: f32 tokens and whole steps of columns', (_, options) => {
    for (const [m, n, k] of [[1, 5, 320], [2, 8, 96], [7, 3, 288], [8, 6, 32], [15, 4, 64], [1, 1, 320], [9, 1, 64]] as const) {
      const [x, w] = [f32(m, k, 1), quantize(f32(n, k, 2), options)];
      const y = withIsa(isa, () => linear(x, w, { kernel: 'dot', activations: 'f32' }).data);
      checkBound(x, w, y, false, `${m}×${n}×${k}`);
      // one token: the very sums of the decoded matrix
      if (m > 1 || isFloat8(w) || w.permutation || w.lowRank) continue;
      expect(y).toEqual(withIsa(isa, () => matvec(dequantize(w), x.data)));
    }
  }); // prettier-ignore

  const bits = { int8: 8, int4: 4, int3: 3, int2: 2, ternary: 2 } as const;
  const lattices = [
    ...(['int8', 'int4', 'int3', 'int2', 'ternary'] as const).map((format) => ({ format, bits: bits[format] })),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((b) => ({ format: `bipolar${b}` as 'bipolar1', bits: b })),
  ];

  test('whole numbers are exact: any codes and zero points, K that fits no group, the largest sums', () => {
    // Each 32 columns of x have the largest magnitude 127, so tokens are their own rounding; scales are 1.
    for (const lattice of lattices)
      for (const groupSize of [16, 32, 64, 1, 7, 15, 40, 100, 1000])
        for (const zeros of lattice.format.startsWith('int') ? [false, true] : [false]) {
          const [m, n, k] = [3, 5, groupSize === 32 ? 450 : 300];
          const groups = Math.ceil(k / groupSize);
          const x = dense(m, k, Float32Array.from(uniform(m * k, 3, -127, 127), Math.trunc));
          // blocks of 32 begin with the row, or with each group of a size that is not whole 16s
          const from = groupSize % 16 === 0 ? k : groupSize;
          for (let p = 0; p < m * k; p++) if (((p % k) % from) % 32 === 0) x.data[p] = 127;
          if (groupSize === 32) x.data.fill(127);
          const w = foreign(n, k, { ...lattice, groupSize, scales: new Float32Array(n * groups).fill(1) });
          if (groupSize === 32) w.codes.fill(255);
          if (zeros) w.zeros = Uint8Array.from(uniform(n * groups, 8, 0, 256));
          const integers = integersOf(w);
          const want = Array.from({ length: m * n }, (_, at) => {
            const [t, j] = [Math.floor(at / n), at % n];
            let sum = 0n;
            for (let p = 0; p < k; p++) sum += BigInt(x.data[t * k + p]!) * BigInt(integers[j * k + p]!);
            return Number(sum);
          });
          for (const kernel of kernels) {
            const got = withIsa(isa, () => linear(x, w, { kernel }).data);
            expect([...got], `${lattice.format} ${groupSize} ${kernel} ${zeros}`).toEqual(want);
          }
        }
  });

  test('8-bit floats of denormal tokens under large scales: nothing is lost before the scale comes', () => {
    for (const [format, codes] of [
      ['fp8-e4m3', 8],
      ['fp8-e5m2', 4],
    ] as const)
      for (const [token, scale] of [
        [2 ** -140, 2 ** 120],
        [2 ** -130, 2 ** 110],
      ] as const) {
        const k = 64;
        const w = { ...quantize(dense(1, k, new Float32Array(k).fill(1)), { format, groupSize: 'row' }) };
        w.codes = w.codes.map((_, j) => 1 + (j % codes));
        w.scales = Float32Array.of(scale);
        const x = dense(
          1,
          k,
          Float32Array.from({ length: k }, (_, j) => token * (1 + j / 64)),
        );
        const want = dequantize(w).data.reduce((sum, value, j) => sum + value * x.data[j]!, 0);
        for (const kernel of kernels) {
          const got = withIsa(isa, () => linear(x, w, { kernel }).data[0]!);
          expect(Math.abs(got / want - 1), `${format} ${token} ${kernel}`).toBeLessThan(1e-5);
        }
      }
  });

  test('K at the edges of chunks and pieces', () => {
    for (const format of ['int4', 'int8', 'nvfp4', 'int3'] as const)
      for (const k of [1, 15, 16, 31, 63, 64, 65, 127, 128, 129, 1023, 1025]) {
        const [x, w] = [f32(2, k, 1), quantize(f32(3, k, 2), { format })];
        for (const kernel of kernels)
          checkBound(
            x,
            w,
            withIsa(isa, () => linear(x, w, { kernel }).data),
            true,
            `${format} ${k} ${kernel}`,
          );
      }
  });

  test('outliers, zeros, tiny tokens, NaN and infinity', () => {
    const [n, k] = [6, 200];
    const x = f32(6, k, 1);
    x.data[40] = 1e6; // costs its 32 neighbours, no others
    x.data.fill(0, k, 2 * k);
    x.data.subarray(2 * k, 3 * k).forEach((v, i, row) => (row[i] = v * 1e-37));
    x.data[3 * k + 199] = NaN;
    x.data[4 * k] = Infinity;
    x.data[5 * k + 7] = 1e37;
    for (const format of ['int4', 'int8', 'fp4-e2m1', 'mxfp4', 'dgq', 'bfp', 'int3'] as const) {
      const w = quantize(f32(n, k, 2), { format });
      for (const kernel of kernels) {
        const y = withIsa(isa, () => linear(x, w, { kernel }).data);
        const good = [0, 1, 2, 5];
        const picked = (data: Float32Array, width: number) =>
          Float32Array.from(good.flatMap((t) => [...data.subarray(t * width, (t + 1) * width)]));
        checkBound(dense(4, k, picked(x.data, k)), w, picked(y, n), true, `${format} ${kernel}`);
        expect([...y.subarray(n, 2 * n)].every((v) => v === 0)).toBe(true);
        for (const t of [3, 4]) expect([...y.subarray(t * n, (t + 1) * n)]).toEqual(Array(n).fill(NaN));
      }
    }
  });

  test('scales that are no numbers spoil their row, whatever the tokens, and no other', () => {
    const [m, n, k] = [2, 5, 96];
    const x = f32(m, k, 1);
    x.data.fill(0, 0, 32); // NaN times zero is NaN
    for (const format of ['int4', 'int8', 'mxfp4', 'nvfp4', 'bfp', 'fp4-e2m1'] as const) {
      const w = quantize(f32(n, k, 2), { format, ...(format.startsWith('int') ? { groupSize: 32 } : {}) });
      const clean = withIsa(isa, () => linear(x, w).data);
      const at = 2 * Math.ceil(k / w.groupSize);
      w.scales[at] = w.scales instanceof Float32Array ? NaN : format === 'nvfp4' ? 0x7f : 255;
      for (const kernel of kernels) {
        const y = withIsa(isa, () => linear(x, w, { kernel }).data);
        for (const t of [0, 1])
          for (let j = 0; j < n; j++)
            if (j === 2) expect(y[t * n + j], `${format} ${kernel}`).toBeNaN();
            else expect(Math.abs(y[t * n + j]! - clean[t * n + j]!)).toBeLessThan(1e-5);
      }
    }
  });

  test('every byte as a scale', () => {
    const x = dense(
      1,
      32,
      Float32Array.from({ length: 32 }, (_, k) => (k === 0 ? 127 : 0)),
    );
    for (const format of ['mxfp4', 'nvfp4', 'bfp', 'dgq'] as const) {
      const w = quantize(f32(256, 32, 1), { format, ...(format === 'bfp' || format === 'dgq' ? { groupSize: 32 } : {}) });
      const each = w.scales.length / 256;
      w.scales.forEach((_, i) => (w.scales[i] = Math.floor(i / each)));
      w.codes.fill(0x77);
      const want = dequantize(w).data;
      for (const kernel of kernels) {
        const y = withIsa(isa, () => linear(x, w, { kernel }).data);
        for (let j = 0; j < 256; j++) {
          const value = want[32 * j]! * 127;
          const terms = format === 'dgq' ? 127 * j * 22 * w.rowScales![j]! : 0; // code and zero point apart
          if (Number.isNaN(value)) expect(y[j], `${format} ${j}`).toBeNaN();
          else if (Math.abs(value) < 1e36) expect(Math.abs(y[j]! - value), `${format} ${j} ${kernel}`).toBeLessThanOrEqual(Math.abs(value) * 1e-5 + terms * 1e-6 + 1e-36); // prettier-ignore
        }
      }
    } // prettier-ignore
  });

  const stored = [
    ...[128, 384, 1152].flatMap((k) => [
      { format: 'mxfp4', groupSize: 32, k } as const,
      { format: 'nvfp4', groupSize: 16, k } as const,
      { format: 'dgq', groupSize: 128, k } as const,
    ]),
    ...([32, 256, 384, 512, 1024] as const).map((groupSize) => ({ format: 'int4', groupSize, k: 5248 }) as const),
  ];

  test.each(stored)('$format, groups of $groupSize of $k: each scale meets its own columns', ({ format, groupSize, k }) => {
    const n = 19;
    const w = quantize(f32(n, k, 2), { format, groupSize, ...(format === 'int4' ? { symmetric: false } : {}) });
    const groups = Math.ceil(k / groupSize);
    if (format === 'mxfp4') w.scales.forEach((_, i) => (w.scales[i] = 1 + ((i * 37) % 200)));
    if (format === 'nvfp4') w.scales.forEach((_, i) => (w.scales[i] = (i * 37) % 127));
    const values = dequantize(w).data;
    // A token for each group, which sees but its first or its last column.
    const columns = Array.from({ length: groups }, (_, g) => (g % 2 ? g * groupSize : Math.min(k, (g + 1) * groupSize) - 1)); // prettier-ignore
    const x = dense(groups, k, new Float32Array(groups * k));
    columns.forEach((column, g) => (x.data[g * k + column] = 127));
    for (const m of [groups, 1]) {
      const y = withIsa(isa, () => linear(dense(m, k, x.data.subarray(0, m * k)), w, { kernel: 'dot' }).data);
      for (let g = 0; g < m; g++)
        for (let j = 0; j < n; j++) {
          const want = 127 * values[j * k + columns[g]!]!;
          // code and zero point count apart
          const scale = format === 'dgq' ? w.scales[j * groups + g]! * w.rowScales![j]! : format === 'int4' ? w.scales[j * groups + g]! : 0; // prettier-ignore
          expect(Math.abs(y[g * n + j]! - want), `${j} ${g}`).toBeLessThanOrEqual(1e-6 * (Math.abs(want) + 127 * 20 * scale)); // prettier-ignore
        }
    }
  }); // prettier-ignore

  test('scales of bytes that dots cannot take as they are stored', () => {
    const k = 384;
    const x = f32(3, k, 1);
    const strangers = { mxfp4: [255, 0], nvfp4: [0x7f, 0xff, 0xb8] } as const;
    for (const format of ['mxfp4', 'nvfp4'] as const)
      for (const stranger of strangers[format])
        for (const [row, group] of [
          [2, 0],
          [17, 11],
        ] as const) {
          // prettier-ignore
          const w = quantize(f32(18, k, 2), { format });
          const clean = withIsa(isa, () => linear(x, w, { kernel: 'dot' }).data);
          w.scales[row * (k / w.groupSize) + group] = stranger;
          const y = withIsa(isa, () => linear(x, w, { kernel: 'dot' }).data);
          if (stranger !== 255 && stranger % 128 !== 127) checkBound(x, w, y, true, `${format} ${stranger}`);
          // A token that sees but that group, large enough for 2^−127 to count.
          const column = group * w.groupSize;
          const lone = dense(1, k, new Float32Array(k));
          lone.data[column] = 127 * 2 ** 60;
          w.codes.fill(0x77);
          const want = lone.data[column] * dequantize(w).data[row * k + column]!;
          const got = withIsa(isa, () => linear(lone, w, { kernel: 'dot' }).data[row]!);
          if (Number.isNaN(want)) expect(got).toBeNaN();
          else expect(Math.abs(got / want - 1), `${format} ${stranger}`).toBeLessThan(1e-6);
          for (let t = 0; t < 3; t++)
            for (let j = 0; j < 18; j++)
              if (j !== row) expect(y[t * 18 + j]).toBe(clean[t * 18 + j]);
              else if (stranger === 255 || stranger % 128 === 127)
                expect(y[t * 18 + j], `${format} ${stranger}`).toBeNaN();
              else expect(y[t * 18 + j]).not.toBe(clean[t * 18 + j]);
        }
  });

  test('a scale that is NaN makes NaN where infinity would not', () => {
    const x = dense(1, 128, new Float32Array(128));
    for (let i = 0; i < 32; i += 2) x.data.set([1, -0.8], i);
    const w = quantize(f32(1, 128, 3), { format: 'mxfp4' });
    w.codes.fill(0).fill(0x7f, 0, 16);
    w.scales.set([255, 127, 127, 127]);
    expect(withIsa(isa, () => linear(x, w, { kernel: 'dot' }).data[0])).toBeNaN();
  });

  test('scales of bytes stay in their rows where groups do not fill the depth', () => {
    const [n, k] = [17, 96];
    const w = quantize(f32(n, k, 4), { format: 'mxfp4' });
    const x = f32(2, k, 5);
    const clean = withIsa(isa, () => linear(x, w, { kernel: 'dot' }).data);
    w.scales[16 * 3] = 255;
    const y = withIsa(isa, () => linear(x, w, { kernel: 'dot' }).data);
    y.forEach((v, i) => (i % n === 16 ? expect(v).toBeNaN() : expect(v).toBe(clean[i])));
  });

  test('nothing is read behind the last code and scale', () => {
    // what follows the memory of a WebAssembly module faults
    type Memory = new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
    const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: Memory } }).WebAssembly;
    const atEnd = <A extends Uint8Array | Float32Array>(from: A): A => {
      const { buffer } = new Memory({ initial: 1, maximum: 1 });
      const type = from.constructor as new (memory: ArrayBuffer, offset: number, length: number) => A;
      const view = new type(buffer, buffer.byteLength - from.byteLength, from.length);
      view.set(from);
      return view;
    };
    for (const format of ['int2', 'int3', 'int4', 'int8', 'bipolar1', 'ternary', 'fp4-e2m1', 'mxfp4', 'nvfp4'] as const)
      for (const [m, k] of [
        [1, 33],
        [3, 200],
        [16, 33],
      ] as const) {
        const w = quantize(f32(3, k, 6), { format });
        const x = f32(m, k, 7);
        const ended = { ...w, codes: atEnd(w.codes), scales: atEnd(w.scales as Float32Array) } as typeof w;
        const [got, want] = [ended, w].map((v) => withIsa(isa, () => linear(x, v).data));
        expect(got).toEqual(want);
      }
  });

  test('tokens whose own sums overflow, where the product does not', () => {
    for (const format of ['int8', 'int4', 'int3', 'int2', 'ternary', 'bipolar1', 'fp4-e2m1'] as const) {
      const w = quantize(dense(3, 64, new Float32Array(192).fill(1e-10)), { format, groupSize: 'row' });
      const want = dequantize(w)
        .data.subarray(0, 64)
        .reduce((sum, v) => sum + v * 2e38, 0);
      for (const m of [1, 2, 16])
        for (const kernel of kernels) {
          const x = dense(m, 64, new Float32Array(64 * m).fill(2e38));
          for (const y of withIsa(isa, () => linear(x, w, { kernel }).data))
            expect(Math.abs(y / want - 1), `${format} ${m} ${kernel}`).toBeLessThan(1e-5);
        }
    }
  });

  test('8-bit floats where they lie: long groups, codes that are no numbers, tokens as large as f32 goes', () => {
    for (const format of ['fp8-e4m3', 'fp8-e5m2'] as const)
      for (const groupSize of ['row', 256, 272] as const) {
        const [m, n, k] = [7, 9, 700];
        const w = quantize(f32(n, k, 2), { format, groupSize });
        const x = f32(m, k, 1);
        x.data.subarray(0, k).forEach((v, i, row) => (row[i] = v * 1e34)); // decoded first
        for (const input of [x, dense(m - 1, k, x.data.subarray(k))])
          for (const kernel of kernels)
            checkBound(input, w, withIsa(isa, () => linear(input, w, { kernel }).data), false, `${format} ${groupSize} ${kernel}`); // prettier-ignore
        w.codes[3 * k + 699] = 0x7f;
        w.codes[4 * k] = 0xff;
        for (const [row, column] of [[5, 70], [6, 140], [7, 200]]) w.codes[row! * k + column!] = 0x7f; // prettier-ignore
        for (const kernel of kernels)
          withIsa(isa, () => linear(dense(1, k, x.data.subarray(k, 2 * k)), w, { kernel }).data).forEach((v, j) =>
            expect(Number.isNaN(v), `${format} ${kernel} ${j}`).toBe(j >= 3 && j <= 7),
          );
      }
  });

  test('a factor of all weights does not come too late for large tokens, nor too early for small ones', () => {
    const [m, n, k] = [3, 5, 96];
    const x = f32(m, k, 1);
    x.data.subarray(0, k).forEach((v, i, row) => (row[i] = v * 2e36));
    x.data.subarray(k, 2 * k).forEach((v, i, row) => (row[i] = v * 1e-34));
    const w = quantize(f32(n, k, 2), { format: 'nvfp4' });
    w.scales.fill(0x7e);
    w.codes.fill(0x77);
    w.tensorScale = 1e-5;
    for (const tokens of [1, m])
      for (const kernel of kernels) {
        const input = dense(tokens, k, x.data.subarray(0, tokens * k));
        checkBound(
          input,
          w,
          withIsa(isa, () => linear(input, w, { kernel }).data),
          true,
          `${tokens} ${kernel}`,
        );
      }
  });

  test('16-bit tokens, bias, activation, a permutation and a low-rank part', () => {
    const [m, n, k, rank] = [4, 9, 64, 3];
    const x = { ...dense(m, k, Uint16Array.from(uniform(m * k, 1), toBf16)), dtype: 'bf16' as const };
    const wide = dense(
      m,
      k,
      Float32Array.from(x.data, (h) => new Float32Array(Uint32Array.of(h * 65536).buffer)[0]!),
    );
    const permutation = Uint32Array.from({ length: k }, (_, j) => (j * 37) % k);
    const w = quantize(f32(n, k, 2), { format: 'bfp', mantissaBits: 4, permutation });
    w.lowRank = { left: f32(n, rank, 3), right: f32(rank, k, 4) };
    const bias = Float32Array.from(uniform(n, 5));
    const values = dequantize(w).data;
    for (const kernel of kernels)
      for (const activations of ['int8', 'f32'] as const)
        for (const activation of ['relu', { name: 'polyNorm', coefficients: [0.5, 1] }] as const) {
          const options: Options = { kernel, activations, activation, bias };
          const y = withIsa(isa, () => linear(x, w, options).data);
          for (let t = 0; t < m; t++) {
            const z = Array.from({ length: n }, (_, j) => {
              let sum = bias[j]!;
              for (let p = 0; p < k; p++) sum += wide.data[t * k + p]! * values[j * k + p]!;
              return sum;
            });
            const root = Math.sqrt(z.reduce((sum, v) => sum + v * v, 0) / n + 1e-6);
            z.forEach((v, j) => {
              const want = activation === 'relu' ? Math.max(v, 0) : 0.5 + v / root;
              expect(Math.abs(y[t * n + j]! - want)).toBeLessThan(activations === 'int8' ? 0.15 : 1e-4);
            });
          }
        }
  });

  test('one token and many agree', () => {
    const x = f32(40, 320, 1);
    for (const format of ['int4', 'int8', 'nvfp4', 'dgq', 'bipolar3'] as const) {
      const w = quantize(f32(37, 320, 2), { format });
      const all = withIsa(isa, () => linear(x, w).data);
      for (const t of [0, 7, 39]) {
        const one = withIsa(isa, () => linear(dense(1, 320, x.data.slice(t * 320, (t + 1) * 320)), w).data);
        one.forEach((v, j) => expect(Math.abs(v - all[t * 37 + j]!)).toBeLessThan(2e-5));
      }
    }
  });
});

test('the same bits for 1, 2, 3 and 7 threads', () => {
  const x = f32(20, 512, 1);
  for (const format of ['int4', 'int8', 'fp8-e4m3'] as const) {
    const w = quantize(f32(1200, 512, 2), { format });
    for (const rows of [2, 20]) {
      const input = dense(rows, 512, x.data.subarray(0, rows * 512));
      const all = [1, 2, 3, 7].map((count) => (setThreads(count), linear(input, w, { activation: 'silu' }).data));
      for (const y of all) expect(Buffer.compare(Buffer.from(y.buffer), Buffer.from(all[0]!.buffer))).toBe(0);
    }
  }
  setThreads(threads);
});

test('scaling tokens by powers of two scales the result, and rows are independent', () => {
  const w = quantize(f32(6, 96, 2), { format: 'int4' });
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 96, maxLength: 96 }), fc.integer({ min: -20, max: 20 }), (row, e) => {
      const x = Float32Array.from(row, (v) => (Math.abs(v) < 1e-20 ? 0 : v));
      const y = linear(dense(1, 96, x), w).data;
      const scaled = linear(dense(2, 96, Float32Array.from([...x.map((v) => v * 2 ** e), ...x])), w).data;
      expect([...scaled.subarray(0, 6)]).toEqual(Array.from(y, (v) => v * 2 ** e));
      expect([...scaled.subarray(6)]).toEqual([...y]);
    }),
    { numRuns: 100, seed: 7 },
  ); // prettier-ignore
});

describeEachIsa('by dots a token has the bits that it has alone', (isa) => {
  test.each(['int4', 'int3', 'int8', 'fp4-e2m1', 'nvfp4'] as const)('%s', (format) => {
    const [x, w] = [f32(9, 992, 1), quantize(f32(7, 992, 2), { format })];
    withIsa(isa, () => {
      const all = linear(x, w, { kernel: 'dot' }).data;
      for (let t = 0; t < 9; t++) {
        const alone = linear(dense(1, 992, x.data.subarray(t * 992, (t + 1) * 992)), w, { kernel: 'dot' }).data;
        expect([...alone], `token ${t}`).toEqual([...all.subarray(t * 7, (t + 1) * 7)]);
      }
    });
  });
});

test('8-bit floats are multiplied where they lie for as many tokens as that is faster for', () => {
  for (const [isa, most] of [
    ['avx2', 16],
    ['avx512', 64],
  ] as const) {
    if (!cpuInfo().supported.includes(isa)) continue;
    const w = quantize(f32(9, 512, 2), { format: 'fp8-e4m3' });
    const way = (tokens: number, kernel: 'auto' | 'dot' | 'blocked') =>
      withIsa(isa, () => linear(f32(tokens, 512, 1), w, kernel === 'auto' ? {} : { kernel }).data);
    expect(way(most, 'dot')).not.toEqual(way(most, 'blocked')); // else nothing could be told from bits
    expect(way(most, 'auto')).toEqual(way(most, 'dot'));
    expect(way(most + 1, 'auto')).not.toEqual(way(most + 1, 'dot'));
  }
});

describe('bad arguments', () => {
  const x = f32(2, 64, 1);
  const w = quantize(f32(4, 64, 2), { format: 'int4' });
  const bfp = quantize(f32(4, 64, 2), { format: 'bfp' });
  test.each([
    ['another k', () => linear(f32(2, 63, 1), w), 'ERR_SHAPE'],
    ['doubles', () => linear(dense(2, 64) as never, w), 'ERR_DTYPE'],
    ['codes too few', () => linear(x, { ...w, codes: w.codes.slice(1) }), 'ERR_SHAPE'],
    ['an unknown format', () => linear(x, { ...w, format: 'int5' as never }), 'ERR_OPTION'],
    ['another layout', () => linear(x, { ...w, layout: 2 as never }), 'ERR_FORMAT'],
    ['a flat kernel', () => linear(x, w, { kernel: 'flat' }), 'ERR_OPTION'],
    ['unknown activations', () => linear(x, w, { activations: 'int4' as never }), 'ERR_OPTION'],
    ['rounded tokens beside fp8', () => linear(x, quantize(f32(4, 64, 2), { format: 'fp8-e4m3' }), { activations: 'int8' }), 'ERR_OPTION'],
    ['activations beside dense weights', () => linear(x, f32(4, 64, 2), { activations: 'int8' }), 'ERR_OPTION'],
    ['no permutation', () => linear(x, { ...bfp, permutation: new Uint32Array(64) }), 'ERR_FORMAT'],
    ['a permutation beyond', () => linear(x, { ...bfp, permutation: new Uint32Array(64).fill(64) }), 'ERR_FORMAT'],
    ['out that overlaps', () => linear(x, w, { out: dense(2, 4, x.data.subarray(0, 8)) }), 'ERR_ALIAS'],
    ['fp8 rounded past TypeScript', () => native.quantizedLinear(x.data, new Float32Array(8), new Uint8Array(256), new Float32Array(8), undefined, undefined, undefined, 0, undefined, 0, 0, undefined, undefined, undefined, undefined, 0, 2, 4, 64, 32, 3, 8, 1, 0, true), 'ERR_OPTION'],
  ] as const)('%s is refused', (_, f, want) => expect(codeOf(f)).toBe(want)); // prettier-ignore

  test('empty sizes, out, and failed allocations', () => {
    expect(linear(f32(0, 64, 1), w).data).toHaveLength(0);
    expect(linear(x, quantize(f32(0, 64, 1), { format: 'int4' })).data).toHaveLength(0);
    const nothing = quantize(dense(3, 0, new Float32Array(0)), { format: 'int4' });
    const bias = Float32Array.of(-1, 2, 3);
    expect([...linear(dense(1, 0, new Float32Array(0)), nothing, { bias, activation: 'relu' }).data]).toEqual([
      0, 2, 3,
    ]);
    const out = dense(2, 4, new Float32Array(8).fill(NaN));
    expect(linear(x, w, { out })).toBe(out);
    for (const kernel of kernels)
      for (const activations of ['int8', 'f32'] as const) {
        const big = { ...bfp, lowRank: { left: f32(4, 2, 3), right: f32(2, 64, 4) }, permutation: Uint32Array.from({ length: 64 }, (_, j) => 63 - j) }; // prettier-ignore
        const want = linear(x, big, { kernel, activations }).data;
        for (let allowed = 0; ; allowed++) {
          core.failAllocation(allowed);
          const got = codeOf(() => expect(linear(x, big, { kernel, activations }).data).toEqual(want));
          core.failAllocation(-1);
          if (got === 'none') break;
          expect(got).toBe('ERR_OUT_OF_MEMORY');
          expect(allowed).toBeLessThan(40);
        }
      }
  });
});
