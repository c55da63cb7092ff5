import { describe, expect, test } from 'vitest';
import { dense } from 'lapidary';
import { linear, packWeights, quantizeActivations } from 'lapidary/gemm';
import { quantize, type Quantized } from 'lapidary/quant';
import { native as core } from '../../dist/core/native.js';
import { native as gemm } from '../../dist/gemm/native.js';
import { matrix } from '../support/packed-weights.js';

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
