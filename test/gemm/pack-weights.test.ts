import { expect, test } from 'vitest';
import { dense } from 'lapidary';
import { linear, packWeights, type PackedWeights } from 'lapidary/gemm';
import { quantize, type Quantized } from 'lapidary/quant';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { bitsOf, exact, f, formats, matrix, ways, whole } from '../support/packed-weights.js';
import { uniform } from '../support/random.js';

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
