/** What few bits cost a layer of a real network: error of its weights and of its result, size and time. */
import { gemm, quant, type Dense } from 'lapidary';
import type { Layer } from '../networks/tfjs.js';

export const formats = ['int8', 'int4', 'int3', 'int2', 'ternary'] as const;
export type Format = (typeof formats)[number];

export interface Report {
  format: Format;
  /** bits of memory for a weight, scales included */
  bits: number;
  /** ‖ŵ − w‖ / ‖w‖ */
  weights: number;
  /** ‖ŷ − y‖ / ‖y‖ of x · wᵀ, rounding of x included */
  result: number;
}

const norm = (x: Iterable<number>): number => {
  let sum = 0;
  for (const v of x) sum += v * v;
  return Math.sqrt(sum);
};

/** ‖a − b‖ / ‖b‖ */
export const relative = (a: Float32Array, b: Float32Array): number =>
  norm(a.map((v, i) => v - b[i]!)) / Math.max(norm(b), Number.MIN_VALUE);

/** Errors of a layer in every format, for the inputs that the network gave it. */
export function errorsOf({ w }: Layer, x: Dense<Float32Array>): Report[] {
  const exact = gemm.linear(x, w);
  return formats.map((format) => {
    const q = quant.quantize(w, { format });
    const bytes = q.codes.byteLength + (format === 'ternary' ? 4 : q.scales.byteLength);
    return {
      format,
      bits: (8 * bytes) / (w.rows * w.cols),
      weights: relative(quant.dequantize(q).data, w.data),
      result: relative(gemm.linear(x, q).data, exact.data),
    };
  });
}

/**
 * Time of `linear` in f32 over its time in each format, for these tokens: medians of interleaved runs. Three bits and fewer
 * are packed for lookups beforehand, as a server would.
 */
export function speedsOf({ w }: Layer, x: Dense<Float32Array>, slices = 31): number[] {
  const out = { rows: x.rows, cols: w.rows, data: new Float32Array(x.rows * w.rows) };
  const calls = formats.map((format) => {
    const q = quant.quantize(w, { format });
    if (format === 'int8' || format === 'int4') return () => gemm.linear(x, q, { out });
    const packed = gemm.packWeights(q);
    return () => gemm.linear(x, packed, { out });
  });
  calls.unshift(() => gemm.linear(x, w, { out }));
  const once = (call: () => unknown, count: number): number => {
    const start = performance.now();
    for (let i = 0; i < count; i++) call();
    return (performance.now() - start) / count;
  };
  const counts = calls.map((call) => Math.ceil(1 / Math.max(once(call, 20), 1e-4)));
  const times = calls.map((): number[] => []);
  for (let slice = 0; slice < slices; slice++) calls.forEach((call, i) => times[i]!.push(once(call, counts[i]!)));
  const [wide, ...narrow] = times.map((all) => all.sort((a, b) => a - b)[slices >> 1]!);
  return narrow.map((time) => wide! / time);
}

/** The layer with its weights in this format; `linear` takes them as it takes a matrix. */
export const inFormat = (layer: Layer, format: Format): Layer => ({
  ...layer,
  w: quant.quantize(layer.w, { format }) as unknown as Layer['w'],
});
