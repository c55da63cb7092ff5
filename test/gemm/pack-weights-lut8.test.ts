import { expect, test } from 'vitest';
import { dense } from 'lapidary';
import { linear, packWeights } from 'lapidary/gemm';
import { dequantize, quantize } from 'lapidary/quant';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { formats, matrix } from '../support/packed-weights.js';

describeEachIsa('packed weights by tables of 8 bits', (isa) => {
  const product: typeof linear = ((x: never, w: never, options: never) =>
    withIsa(isa, () => linear(x, w, options))) as never;

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
});
