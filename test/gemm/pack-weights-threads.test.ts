import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { dense, getThreads, setThreads } from 'lapidary';
import { linear, packWeights, quantizeActivations } from 'lapidary/gemm';
import { quantize } from 'lapidary/quant';
import { withCancelFlag } from '../../dist/core/cancel.js';
import { withIsa } from '../support/isa.js';
import { formats, matrix, ways } from '../support/packed-weights.js';
import { uniform } from '../support/random.js';

const threads = getThreads();
afterAll(() => setThreads(threads));

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
