/** The formats that benches of quantize and dequantize run, and their weights. */
import { dense, quant, type Dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';

export const choices: readonly quant.QuantizeOptions[] = [
  { format: 'int8' },
  { format: 'int4', groupSize: 32 },
  { format: 'int4', groupSize: 32, symmetric: false },
  { format: 'int3', groupSize: 64 },
  { format: 'int2', groupSize: 64 },
  { format: 'ternary' },
  { format: 'bipolar2', groupSize: 64 },
  { format: 'fp8-e4m3' },
  { format: 'fp4-e2m1', groupSize: 256 },
  { format: 'mxfp4' },
  { format: 'nvfp4' },
  { format: 'bfp', groupSize: 32 },
  { format: 'dgq', groupSize: 128 },
];

export const sizes = (quick: boolean): readonly number[] => (quick ? [64] : [256, 4096]);

export const nameOf = ({ format, groupSize, symmetric }: quant.QuantizeOptions): string =>
  `${format}${groupSize === undefined ? '' : ` g${groupSize}`}${symmetric === false ? ' zero points' : ''}`;

export const weights = (n: number): Dense<Float32Array> => dense(n, n, uniformF32(n * n, 1));

/** Bytes of f32 weights and of their codes and scales. */
export const traffic = (n: number, q: quant.Quantized): number =>
  4 * n * n + q.codes.byteLength + q.scales.byteLength + (q.zeros?.byteLength ?? 0);
