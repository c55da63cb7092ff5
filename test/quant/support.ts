/** What tests of quantize and dequantize share. */
import type { quant } from 'lapidary';

export const everyFormat = [
  'int8', 'int4', 'int3', 'int2', 'ternary', 'bipolar1', 'bipolar2', 'bipolar3', 'bipolar4', 'bipolar5', 'bipolar6',
  'bipolar7', 'bipolar8', 'dgq', 'fp8-e4m3', 'fp8-e5m2', 'fp4-e2m1', 'mxfp4', 'mxfp4-43', 'nvfp4', 'bfp',
] as const satisfies readonly quant.QuantFormat[]; // prettier-ignore

/** Each format by its defaults, and what more there is to choose. */
export const everyOptions: quant.QuantizeOptions[] = [
  ...everyFormat.map((format) => ({ format })),
  ...(['int8', 'int4', 'int3', 'int2'] as const).map((format) => ({
    format,
    symmetric: false,
    groupSize: 16,
  })),
  { format: 'ternary', groupSize: 'row' },
  { format: 'fp4-e2m1', groupSize: 16, scaleConstraint: 'M1' },
  { format: 'fp4-e2m1', groupSize: 16, scaleConstraint: 'M2' },
  { format: 'fp4-e2m1', groupSize: 16, scaleConstraint: 'M2-nearest' },
  { format: 'bfp', groupSize: 64, mantissaBits: 7 },
  { format: 'bfp', groupSize: 'row', mantissaBits: 3 },
];

export const e2m1Values = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** The codes of a Quantized, read bit by bit from the definition of the stream. */
export function codesOf({ rows, cols, bits, codes }: quant.Quantized): Uint8Array {
  const stride = Math.ceil((cols * bits) / 8);
  return Uint8Array.from({ length: rows * cols }, (_, at) => {
    const [i, j] = [Math.floor(at / cols), at % cols];
    let code = 0;
    for (let b = 0; b < bits; b++) {
      const place = j * bits + b;
      code += ((codes[i * stride + (place >> 3)]! >> (place & 7)) & 1) << b;
    }
    return code;
  });
}

/** True if all parts have the same bits. */
export function sameQuantized(a: quant.Quantized, b: quant.Quantized): boolean {
  const parts = (q: quant.Quantized) =>
    [q.codes, q.scales, q.zeros, q.rowScales, q.permutation]
      .map((part) => (part ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('hex') : 'none'))
      .join(' ');
  return parts(a) === parts(b) && Object.is(a.tensorScale, b.tensorScale);
}
