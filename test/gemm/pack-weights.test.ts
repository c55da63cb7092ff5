import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { linear, packWeights, quantizeActivations, type PackedWeights } from 'lapidary/gemm';
import { dequantize, quantize, type QuantFormat, type Quantized } from 'lapidary/quant';
import { withCancelFlag } from '../../dist/core/cancel.js';
import { native as core } from '../../dist/core/native.js';
import { native as gemm } from '../../dist/gemm/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const formats: QuantFormat[] = ['int4', 'int3', 'int2', 'ternary', 'bipolar1', 'bipolar2', 'bipolar3', 'bipolar4'];

const matrix = (rows: number, cols: number, seed: number) =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -1, 1)));

const bitsOf = (q: Quantized) => q.bits;

/** Code j of row i. */
function code(q: Quantized, i: number, j: number): number {
  const bytes = Math.ceil((q.cols * q.bits) / 8);
  let c = 0;
  for (let b = 0; b < q.bits; b++) {
    const at = j * q.bits + b;
    c |= ((q.codes[i * bytes + (at >> 3)]! >> (at & 7)) & 1) << b;
  }
  return c;
}

/** factor · code − zero of an element: a whole number. */
function whole(q: Quantized, i: number, j: number): number {
  const c = code(q, i, j);
  if (q.format === 'ternary') return c - 1;
  if (q.format.startsWith('bipolar')) return 2 * c - (2 ** q.bits - 1);
  const group = i * Math.ceil(q.cols / q.groupSize) + Math.floor(j / q.groupSize);
  return c - (q.zeros?.[group] ?? 2 ** (q.bits - 1));
}

const f = Math.fround;

/** The documented result: whole sums in each group, then f32, groups ascending. */
function exact(x: Float32Array, q: Quantized): Float32Array {
  const tokens = x.length / q.cols;
  const rounded = quantizeActivations(dense(tokens, q.cols, x), { floor: 0 });
  const groups = Math.ceil(q.cols / q.groupSize);
  const y = new Float32Array(tokens * q.rows);
  for (let t = 0; t < tokens; t++)
    for (let i = 0; i < q.rows; i++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) {
        let dot = 0;
        for (let j = g * q.groupSize; j < Math.min(q.cols, (g + 1) * q.groupSize); j++)
          dot += whole(q, i, j) * rounded.data[t * q.cols + j]!;
        sum = f(sum + f(q.scales[i * groups + g]! * f(dot)));
      }
      y[t * q.rows + i] = f(rounded.scales[t]! * sum);
    }
  return y;
}

/** All that give the same bits. */
const ways = (w: PackedWeights) => [w.kernel, 'bytes', 'bits'] as const;

const threads = getThreads();
afterAll(() => setThreads(threads));

describeEachIsa('packed weights', (isa) => {
  const product: typeof linear = ((x: never, w: never, options: never) =>
    withIsa(isa, () => linear(x, w, options))) as never;

  test.each(formats)('%s: exact for all edges of columns, rows and groups', (format) => {
    for (const [rows, cols] of [
      [1, 1],
      [5, 3],
      [32, 8],
      [33, 23],
      [31, 65],
      [40, 257],
      [3, 600],
    ] as const)
      for (const groupSize of [16, 48, 'row'] as const) {
        const q = quantize(matrix(rows, cols, cols), { format, groupSize });
        for (const tokens of [1, 2, 3]) {
          const x = matrix(tokens, cols, 100 + tokens);
          const want = exact(x.data, q);
          for (const w of [packWeights(q, { kernel: 'lut' }), packWeights(q)])
            for (const kernel of ways(w))
              expect(product(x, w, { kernel }).data, `${rows}×${cols} groups of ${groupSize} ${kernel}`).toEqual(want);
        }
      }
  });

  test('bytes: any number of tokens', () => {
    const x = matrix(19, 530, 11);
    for (const format of ['bipolar3', 'int4', 'ternary'] as const)
      for (const groupSize of [48, 'row'] as const) {
        const q = quantize(matrix(40, 530, 12), { format, groupSize });
        const [w, want] = [packWeights(q), exact(x.data, q)];
        for (let tokens = 1; tokens <= x.rows; tokens++) {
          const few = dense(tokens, 530, x.data.subarray(0, tokens * 530));
          expect(product(few, w, { kernel: 'bytes' }).data, `${format} ${tokens}`).toEqual(
            want.subarray(0, 40 * tokens),
          );
        }
      }
  });

  test('zero points, and odd groups of foreign weights', () => {
    for (const format of ['int4', 'int3', 'int2'] as const) {
      const q = quantize(matrix(35, 100, 3), { format, groupSize: 32, symmetric: false });
      const x = matrix(3, 100, 4);
      const w = packWeights(q);
      for (const kernel of ways(w)) expect(product(x, w, { kernel }).data).toEqual(exact(x.data, q));
    }
    const row = quantize(matrix(33, 70, 5), { format: 'int3', groupSize: 'row' });
    const odd: Quantized = { ...row, groupSize: 20, scales: Float32Array.from(uniform(33 * 4, 6, 0, 1)) };
    const x = matrix(2, 70, 7);
    const w = packWeights(odd);
    for (const kernel of ways(w)) expect(product(x, w, { kernel }).data).toEqual(exact(x.data, odd));
  });

  test('zero points beyond the codes, which foreign weights may have: exact in runs of a long group too', () => {
    const cols = 1300;
    const w = packWeights(quantize(matrix(33, cols, 5), { format: 'int4', groupSize: 'row' }));
    const foreign = { ...w, zeros: new Uint8Array(64).fill(255), scales: new Float32Array(64).fill(1) };
    const x = { rows: 7, cols, data: new Int8Array(7 * cols).fill(-128), scales: new Float32Array(7).fill(1) };
    const [lut, bytes, bits] = ways(foreign).map((kernel) => product(x, foreign, { kernel }).data);
    expect(bytes).toEqual(lut);
    expect(bits).toEqual(lut);
    expect(Math.min(...bytes!)).toBeGreaterThan(2 ** 24); // more than an f32 holds exactly
  });

  test('no sum overflows: constant activations of 127 and −128, all weights at an end, any depth', () => {
    const short = Array.from({ length: 33 }, (_, i) => 8 * (i + 1)); // runs of every length, one at a time
    for (const cols of [...short, 2175, 2176, 2304, 10_000, 2 ** 18]) {
      for (const format of formats) {
        const q = quantize(matrix(1, cols, 1), { format, groupSize: 'row' });
        const end = format === 'ternary' ? 2 : 2 ** bitsOf(q) - 1;
        const codes = new Uint8Array(q.codes.length);
        for (let j = 0; j < cols * q.bits; j++) codes[j >> 3]! |= ((end >> (j % q.bits)) & 1) << (j & 7);
        const full: Quantized = { ...q, codes, scales: Float32Array.of(1) };
        for (const value of [127, -128]) {
          const x = { rows: 1, cols, data: new Int8Array(cols).fill(value), scales: Float32Array.of(1) };
          const want = f(whole(full, 0, 0) * value * cols);
          for (const w of [packWeights(full), packWeights(full, { kernel: 'lut' })])
            for (const kernel of ways(w))
              expect(product(x, w, { kernel }).data[0], `${format} ${cols} ${value} ${kernel}`).toBe(want);
        }
      }
    }
  });

  test.each(formats)('%s: tables of 8 bits keep the bound of the sheet, and the statistical one', (format) => {
    const [rows, cols] = [34, 517];
    for (const groupSize of [32, 'row'] as const) {
      const q = quantize(matrix(rows, cols, 8), { format, groupSize });
      const cases = [
        matrix(2, cols, 9),
        dense(1, cols, new Float32Array(cols).fill(0.3)),
        matrix(1, cols, 10),
        dense(
          1,
          cols,
          matrix(1, cols, 13).data.map((v) => v * 1e-39),
        ), // steps below the normal numbers
      ];
      cases[2]!.data[77] = 1000; // its 15 neighbours in a step lose their digits
      cases[0]!.data.fill(0, 64, 192); // steps of zeros
      for (const x of cases) {
        const y = product(x, packWeights(q, { kernel: 'lut' }), { kernel: 'lut8' }).data;
        const w = dequantize(q).data;
        for (let t = 0; t < x.rows; t++)
          for (let i = 0; i < rows; i++) {
            const size = typeof groupSize === 'number' ? groupSize : cols;
            let [want, bound, squares, magnitude] = [0, 0, 0, 0];
            for (let g = 0; g < cols; g += size)
              for (let from = g; from < Math.min(cols, g + size); from += 64) {
                const to = Math.min(cols, g + size, from + 64);
                let [largest, quads] = [0, 0];
                for (let j = from; j < to; j += 4, quads++) {
                  let sum = 0;
                  for (let k = j; k < Math.min(to, j + 4); k++) {
                    want += w[i * cols + k]! * x.data[t * cols + k]!;
                    sum += Math.abs(x.data[t * cols + k]!);
                    magnitude += Math.abs(x.data[t * cols + k]!);
                  }
                  largest = Math.max(largest, sum);
                }
                const factor = format.startsWith('bipolar') ? 2 : 1;
                const scale = factor * q.scales[i * Math.ceil(cols / size) + g / size]!;
                const each = (((2 ** q.bits - 1) / 2) * (largest / 127) * scale) / 2;
                bound += quads * each;
                squares += quads * each ** 2;
              }
            const scale = Math.max(...q.scales) * 2 ** q.bits;
            const error = Math.abs(y[t * rows + i]! - want);
            expect(error).toBeLessThanOrEqual(bound + 1e-6 * magnitude * scale);
            // equal activations are rounded alike, which no statistics averages
            if (x !== cases[1])
              expect(error).toBeLessThanOrEqual(4.5 * Math.sqrt(squares / 3) + 1e-6 * magnitude * scale);
          }
      }
    }
  });

  test('tables of 8 bits scale by powers of two up to the largest activations', () => {
    for (const groupSize of [32, 'row'] as const) {
      const q = quantize(matrix(33, 300, 8), { format: 'int3', groupSize });
      const w = packWeights({ ...q, scales: (q.scales as Float32Array).map((s) => s * 2 ** -12) });
      const large = matrix(2, 300, 9);
      large.data.forEach((v, j) => (large.data[j] = v * 3.4e38));
      const some = dense(
        2,
        300,
        large.data.map((v) => v * 2 ** -40),
      );
      const y = product(large, w, { kernel: 'lut8' }).data;
      expect(y.every(Number.isFinite)).toBe(true);
      expect(y).toEqual(product(some, w, { kernel: 'lut8' }).data.map((v) => v * 2 ** 40));
    }
  });

  test('tables of 8 bits: a token beside much larger and smaller ones is what it is alone', () => {
    const sizes = [2 ** 108, 0.25, 2 ** -72];
    for (const groupSize of [32, 'row'] as const) {
      const w = packWeights(quantize(matrix(33, 300, 8), { format: 'int3', groupSize }));
      const x = matrix(3, 300, 9);
      x.data.forEach((v, j) => (x.data[j] = v * sizes[Math.floor(j / 300)]!));
      const y = product(x, w, { kernel: 'lut8' }).data;
      for (let t = 0; t < 3; t++) {
        const alone = product(dense(1, 300, x.data.slice(t * 300, (t + 1) * 300)), w, { kernel: 'lut8' }).data;
        expect(alone.every((v) => Number.isFinite(v) && v !== 0)).toBe(true);
        expect(y.slice(t * 33, (t + 1) * 33), `token ${t}`).toEqual(alone);
      }
    }
  });

  test('tables of 8 bits: constant activations around those that are made smaller', () => {
    // Four of 2^126, or three hundred of 2^123, are beyond f32; from 2^100 on tokens are made smaller.
    const [columns, below] = [300, 1 - 2 ** -24];
    for (const groupSize of [32, 'row'] as const) {
      const q = quantize(matrix(33, columns, 8), { format: 'int3', groupSize });
      const w = packWeights({ ...q, scales: (q.scales as Float32Array).map((s) => s * 2 ** -40) });
      const constant = (value: number) =>
        product(dense(1, columns, new Float32Array(columns).fill(value)), w, { kernel: 'lut8' }).data;
      for (const power of [100, 123, 126, 127])
        for (const factor of [1, below]) {
          const y = constant(factor * 2 ** power);
          expect(y.every(Number.isFinite)).toBe(true);
          expect(y, `${factor} · 2^${power}`).toEqual(constant(factor).map((v) => v * 2 ** power));
        }
    }
  });

  test('a sum of zero under a negative scale is the same zero every way', () => {
    const codes = Uint8Array.of(0b1010); // weights 1, 1
    const q: Quantized = { layout: 1, format: 'ternary', rows: 1, cols: 2, groupSize: 2, bits: 2, codes, scales: Float32Array.of(-1) }; // prettier-ignore
    for (const kernel of ['ternary', 'lut'] as const) {
      const w = packWeights(q, { kernel });
      for (const way of ways(w)) {
        const y = withIsa(isa, () => linear(dense(1, 2, Float32Array.of(1, -1)), w, { kernel: way }));
        expect(y.data[0], `${kernel} ${way}`).toBe(0); // and not −0
      }
    }
  });

  test('bias, activation and out; no rows, no columns, no tokens', () => {
    const q = quantize(matrix(40, 64, 1), { format: 'int2', groupSize: 32 });
    const [w, x] = [packWeights(q), matrix(2, 64, 2)];
    const bias = Float32Array.from(uniform(40, 3, -1, 1));
    const out = dense(2, 40, new Float32Array(80).fill(NaN));
    expect(product(x, w, { bias, activation: 'relu', out })).toBe(out);
    expect(out.data).toEqual(exact(x.data, q).map((v, i) => Math.max(0, f(v + bias[i % 40]!))));
    const poly = { name: 'polyNorm', coefficients: [0, 1, 1] } as const;
    const whole = product(x, w, { activation: poly }).data;
    expect(whole.every(Number.isFinite)).toBe(true);
    expect(whole).not.toEqual(product(x, w).data);
    for (const format of ['int2', 'ternary'] as const) {
      const empty = packWeights(quantize(matrix(3, 0, 1), { format, groupSize: 'row' }));
      for (const kernel of ways(empty))
        expect(product(matrix(2, 0, 1), empty, { kernel }).data).toEqual(new Float32Array(6));
      expect(product(matrix(2, 5, 1), packWeights(quantize(matrix(0, 5, 1), { format }))).data.length).toBe(0);
      expect(product(matrix(0, 5, 1), packWeights(quantize(matrix(9, 5, 1), { format }))).data.length).toBe(0);
    }
  });

  test('a token that is not finite gives NaN in its results only; a token of zeros gives zeros', () => {
    for (const bad of [NaN, Infinity, -Infinity])
      for (const [format, kernel] of [
        ['int3', 'lut'],
        ['int3', 'lut8'],
        ['int3', 'bytes'],
        ['int3', 'bits'],
        ['ternary', 'ternary'],
        ['ternary', 'bytes'],
        ['ternary', 'bits'],
      ] as const) {
        const w = packWeights(quantize(matrix(33, 70, 1), { format, groupSize: 'row' }));
        const x = matrix(3, 70, 2);
        x.data[69] = bad;
        x.data.fill(0, 140);
        const y = product(x, w, { kernel }).data;
        expect([...y.subarray(0, 33)].every(Number.isNaN)).toBe(true);
        expect([...y.subarray(33, 66)].every((v) => Number.isFinite(v) && v !== 0)).toBe(true);
        expect(y.subarray(66)).toEqual(new Float32Array(33));
      }
  });
});

test('random shapes: portable and widest, any threads, the same bits', () => {
  const size = fc.integer({ min: 1, max: 130 });
  fc.assert(
    fc.property(
      size,
      size,
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...formats),
      (rows, cols, tokens, format) => {
        const x = matrix(tokens, cols, 3);
        for (const [groupSize, kernel] of [
          [32, 'lut'],
          [16, 'lut8'],
          [48, 'bytes'],
          ['row', 'bytes'],
          [48, 'bits'],
          ['row', 'bits'],
          ['row', 'auto'],
        ] as const) {
          const w = packWeights(quantize(matrix(rows, cols, 4), { format, groupSize }));
          const reference = withIsa('portable', () => linear(x, w, { kernel }).data);
          for (const count of [1, 2, 7]) {
            setThreads(count);
            expect(linear(x, w, { kernel }).data).toEqual(reference);
          }
        }
      },
    ),
    { numRuns: 25, seed: 3 },
  );
});

test('many parts and tokens: the same bits for any number of threads', () => {
  const [x, weights] = [matrix(5, 1100, 2), matrix(1200, 1100, 1)];
  for (const format of ['bipolar1', 'int4', 'ternary'] as const) {
    const w = packWeights(quantize(weights, { format, groupSize: 'row' }));
    const results = [1, 2, 7].flatMap((count) =>
      ways(w).map((kernel) => (setThreads(count), linear(x, w, { kernel }).data)),
    );
    for (const result of results) expect(result).toEqual(results[0]);
  }
});

test('parts of several tiles: the same bits every way, for any number of threads', () => {
  const [rows, cols] = [5130, 1700];
  const codes = Uint8Array.from(uniform(rows * (cols / 2), 5, 0, 256));
  const scales = Float32Array.from(uniform(rows, 6, 0.5, 1));
  const w = packWeights({ layout: 1, format: 'int4', rows, cols, groupSize: cols, bits: 4, codes, scales });
  const x = matrix(1, cols, 7);
  const results = [1, 2, 7].flatMap((count) =>
    (['lut', 'bytes'] as const).map((kernel) => {
      setThreads(count);
      const out = dense(1, rows, new Float32Array(rows).fill(NaN));
      return linear(x, w, { kernel, out }).data;
    }),
  );
  expect(results[0]!.every(Number.isFinite)).toBe(true);
  for (const result of results) expect(result).toEqual(results[0]);
});

test('threads share out tokens or rows: every result is written once, with the same bits', () => {
  // Codes that a cache of each thread holds, for one and for many tokens; that only the last does; the same with long
  // tables of few tokens; tables of 2.5 MiB.
  for (const [rows, cols, format, counts] of [
    [600, 1000, 'bipolar1', [2, 3, 5, 8, 9, 33]],
    [600, 1000, 'ternary', [2, 7, 12]],
    [70, 3000, 'int4', [3, 40, 95]],
    [1100, 5000, 'int4', [2, 3, 8, 9]],
    [300, 16384, 'int3', [2, 3, 50]],
    [64, 20000, 'int2', [1, 13, 30]],
  ] as const) {
    const w = packWeights(quantize(matrix(rows, cols, 1), { format, groupSize: 'row' }));
    for (const tokens of counts) {
      const x = matrix(tokens, cols, 2);
      const of = (kernel: 'lut' | 'lut8' | 'ternary' | 'bytes', threads: number) => {
        setThreads(threads);
        const out = dense(tokens, rows, new Float32Array(tokens * rows).fill(NaN));
        return linear(x, w, { kernel, out, bias: new Float32Array(rows).fill(1) }).data;
      };
      const exact = of('bytes', 1);
      expect(exact.every(Number.isFinite)).toBe(true);
      const rounded = w.kernel === 'lut' ? of('lut8', 1) : undefined;
      for (const threads of [1, 2, 3, 16]) {
        expect(of(w.kernel, threads)).toEqual(exact);
        expect(of('bytes', threads)).toEqual(exact);
        if (rounded) expect(of('lut8', threads)).toEqual(rounded);
      }
    }
  }
});

test('an abort from another thread ends a product that has begun', async () => {
  const signals = new Int32Array(new SharedArrayBuffer(8));
  const [flag, begun] = [signals.subarray(0, 1), signals.subarray(1)];
  // The worker answers the start of a call after 20 ms; each product takes many times as long.
  const worker = new Worker(
    `const { workerData: signals, parentPort } = require('node:worker_threads');
     parentPort.postMessage('ready');
     for (let last = 0; ; ) {
       Atomics.wait(signals, 1, last);
       last = Atomics.load(signals, 1);
       if (last < 0) break;
       Atomics.wait(signals, 1, last, 20);
       Atomics.store(signals, 0, 1);
     }`,
    { eval: true, workerData: signals },
  );
  await new Promise((resolve) => worker.once('message', resolve));
  try {
    for (const [format, kernel, tokens] of [
      ['int4', 'lut', 6000],
      ['ternary', 'ternary', 12000],
      ['int4', 'bytes', 6000],
    ] as const) {
      const w = packWeights(quantize(matrix(1024, 1024, 1), { format, groupSize: 'row' }));
      const x = quantizeActivations(dense(tokens, 1024, new Float32Array(tokens * 1024).fill(1)));
      const out = dense(tokens, 1024, new Float32Array(tokens * 1024));
      for (const count of [1, 2]) {
        setThreads(count);
        Atomics.store(flag, 0, 0);
        const product = () => {
          Atomics.add(begun, 0, 1);
          Atomics.notify(begun, 0);
          return withIsa('portable', () => linear(x, w, { kernel, out }));
        };
        const work = () => withCancelFlag(flag, product);
        expect(work, `${kernel}, ${count} threads`).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
      }
    }
  } finally {
    Atomics.store(begun, 0, -1);
    Atomics.notify(begun, 0);
    await worker.terminate();
  }
});

describe('bad arguments', () => {
  const q = quantize(matrix(3, 40, 1), { format: 'int2', groupSize: 'row' });
  const w = packWeights(q);
  const t = packWeights(quantize(matrix(3, 40, 1), { format: 'ternary' }));
  const x = matrix(2, 40, 2);
  const single = (cols: number): Quantized => ({
    layout: 1,
    format: 'int2',
    rows: 1,
    cols,
    groupSize: cols,
    bits: 2,
    codes: new Uint8Array(Math.ceil(cols / 4)),
    scales: Float32Array.of(1),
  });
  const run = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'none';
  };

  test.each([
    ['another format', () => packWeights(quantize(matrix(2, 32, 1), { format: 'int8' })), 'ERR_OPTION'],
    ['ternary packing of others', () => packWeights(q, { kernel: 'ternary' }), 'ERR_OPTION'],
    [
      'ternary packing of groups',
      () => packWeights(quantize(x, { format: 'ternary', groupSize: 16 }), { kernel: 'ternary' }),
      'ERR_OPTION',
    ],
    ['zeros beyond the codes', () => packWeights({ ...q, zeros: Uint8Array.of(1, 4, 0) }), 'ERR_RANGE'],
    [
      'a ternary code of 3',
      () => packWeights({ ...quantize(x, { format: 'ternary' }), codes: new Uint8Array(20).fill(255) }),
      'ERR_FORMAT',
    ],
    [
      'a ternary code of 3 in the last column',
      () => packWeights({ ...quantize(x, { format: 'ternary' }), codes: new Uint8Array(20).fill(0xc0, 9, 10) }),
      'ERR_FORMAT',
    ],
    ['more columns than sums of 32 bits take', () => packWeights(single(2 ** 18 + 1)), 'ERR_RANGE'],
    [
      'as many columns of weights packed elsewhere',
      () => linear(matrix(1, 2 ** 18 + 1, 1), { ...packWeights(single(2 ** 18)), cols: 2 ** 18 + 1 }),
      'ERR_RANGE',
    ],
    ['a low-rank part', () => packWeights({ ...q, lowRank: { left: matrix(3, 1, 1), right: matrix(1, 40, 1) } }), 'ERR_OPTION'], // prettier-ignore
    ['another layout', () => linear(x, { ...w, layout: 2 } as never), 'ERR_FORMAT'],
    ['an unknown kernel of weights', () => linear(x, { ...w, kernel: 'best' } as never), 'ERR_OPTION'],
    ['packed too short', () => linear(x, { ...w, packed: w.packed.subarray(1) }), 'ERR_SHAPE'],
    ['scales too short', () => linear(x, { ...w, scales: w.scales.subarray(1) }), 'ERR_SHAPE'],
    ['zeros too short', () => linear(x, { ...w, zeros: new Uint8Array(3) }), 'ERR_SHAPE'],
    ['5 bits', () => linear(x, { ...w, bits: 5 }), 'ERR_RANGE'],
    ['factor 3', () => linear(x, { ...w, factor: 3 } as never), 'ERR_RANGE'],
    ['a zero beyond the codes', () => linear(x, { ...w, zero: 4 }), 'ERR_RANGE'],
    ['zeros of ternary', () => linear(x, { ...t, zeros: new Uint8Array(32) }), 'ERR_OPTION'],
    ['other columns', () => linear(matrix(2, 41, 1), w), 'ERR_SHAPE'],
    ['a kernel of other weights', () => linear(x, w, { kernel: 'ternary' }), 'ERR_OPTION'],
    ['lookups in ternary weights', () => linear(x, t, { kernel: 'lut' }), 'ERR_OPTION'],
    ['a kernel of dense weights', () => linear(x, w, { kernel: 'flat' }), 'ERR_OPTION'],
    ['lut8 from bytes', () => linear(quantizeActivations(x), w, { kernel: 'lut8' }), 'ERR_OPTION'],
    ['f64 x', () => linear(dense(2, 40, new Float64Array(80)) as never, w), 'ERR_DTYPE'],
    ['scales of x too short', () => linear({ ...quantizeActivations(x), scales: new Float32Array(1) }, w), 'ERR_SHAPE'],
    ['out over x', () => linear(x, w, { out: dense(2, 3, x.data.subarray(74)) }), 'ERR_ALIAS'],
    ['out over x, ternary', () => linear(x, t, { out: dense(2, 3, x.data.subarray(0, 6)) }), 'ERR_ALIAS'],
    ['a misspelt option', () => linear(x, w, { kernels: 'lut' } as never), 'ERR_OPTION'],
  ] as const)('%s: refused', (_, work, want) => expect(run(work)).toBe(want));

  test('out over any operand is refused by the names that the caller knows', () => {
    const both = [packWeights(quantize(matrix(3, 40, 1), { format: 'int2', groupSize: 16, symmetric: false })), t];
    const memory = new ArrayBuffer(4096);
    const at = <A extends Float32Array | Uint8Array | Int8Array>(from: A): A => {
      const view = new (from.constructor as new (b: ArrayBuffer, o: number, n: number) => A)(memory, 0, from.length);
      view.set(from);
      return view;
    };
    const out = dense(2, 3, new Float32Array(memory, 0, 6));
    const refusal = { code: 'ERR_ALIAS', function: 'linear', argument: 'options.out' };
    for (const given of both) {
      const rounded = quantizeActivations(x);
      for (const work of [
        () => linear(dense(2, 40, at(x.data)), given, { out }),
        () => linear({ ...rounded, data: at(rounded.data) }, given, { out }),
        () => linear({ ...rounded, scales: at(rounded.scales) }, given, { out }),
        () => linear(x, { ...given, packed: at(given.packed) }, { out }),
        () => linear(x, { ...given, scales: at(given.scales) }, { out }),
        ...(given.zeros ? [() => linear(x, { ...given, zeros: at(given.zeros!) }, { out })] : []),
        () => linear(x, given, { out, bias: at(Float32Array.of(1, 2, 3)) }),
      ])
        expect(work).toThrow(expect.objectContaining(refusal));
    }
  });

  test('what native code refuses names the public function', () => {
    const threes = { ...quantize(x, { format: 'ternary' }), codes: new Uint8Array(20).fill(255) };
    expect(() => packWeights(threes)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', function: 'packWeights', argument: 'w.codes' }),
    );
    const bare = gemm as unknown as Record<string, () => void>;
    for (const [inner, name] of [
      ['lutPack', 'packWeights'],
      ['ternaryPack', 'packWeights'],
      ['integerPack', 'packWeights'],
      ['lutLinear', 'linear'],
      ['ternaryLinear', 'linear'],
    ] as const)
      expect(() => bare[inner]!()).toThrow(expect.objectContaining({ function: name }));
  });

  test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
    for (const work of [
      () => linear(x, w),
      () => linear(x, w, { kernel: 'lut8' }),
      () => linear(x, w, { kernel: 'bytes' }),
      () => linear(x, w, { kernel: 'bits' }),
      () => linear(x, t),
      () => packWeights(q),
    ]) {
      let failures = 0;
      for (let allowed = 0; ; allowed++) {
        core.failAllocation(allowed);
        const got = run(work);
        core.failAllocation(-1);
        if (got === 'none') break;
        expect(got).toBe('ERR_OUT_OF_MEMORY');
        expect(++failures).toBeLessThan(20);
      }
    }
  });
});

test('the layout, byte by byte', () => {
  // Row r of a tile is byte 2r or 2r − 31; the first quad in the low nibble, the lowest column in the lowest bit.
  const ones = (at: [number, number][]): PackedWeights => {
    const codes = new Uint8Array(33 * 2);
    for (const [i, j] of at) codes[i * 2 + (j >> 3)]! |= 1 << (j & 7);
    const q = quantize(matrix(33, 16, 1), { format: 'bipolar1' });
    return packWeights({ ...q, codes });
  };
  const set = (w: PackedWeights) => [...w.packed].flatMap((byte, at) => (byte ? [[at, byte]] : []));
  expect(set(ones([[0, 0]]))).toEqual([[0, 1]]);
  expect(set(ones([[3, 6]]))).toEqual([[6, 0x40]]);
  expect(set(ones([[16, 9]]))).toEqual([[32 + 1, 2]]);
  expect(set(ones([[32, 15]]))).toEqual([[64 + 32, 0x80]]);
  // Ternary: 9·1 − 3 + 0 = 6 in the low nibble, −(9 + 3 − 1) = −11 with its sign in bit 6.
  const trits = [1, -1, 0, -1, -1, 1];
  const ternary = quantize(dense(1, 6, Float32Array.from(trits)), { format: 'ternary' });
  expect(set(packWeights(ternary))).toEqual([
    [0, 6 + 16 * 11],
    [128, 0x40],
  ]);
});
