/** How much of a layer's output each number format and method loses: the tables of docs/quant.md. */
import { compress, dense, gemm, quant, type Dense } from 'lapidary';
import type { Layer } from './tfjs.js';

/** A layer with inputs that methods may look at, and others that errors are measured on. */
export interface Probe {
  layer: Layer;
  calibration: Dense<Float32Array>;
  test: Dense<Float32Array>;
}

/** Columns of a table: how codes and scales are chosen. */
export const methods = ['nearest', 'M1', 'M2', 'M2-nearest', 'LoRC', 'MSE scales', 'GPTQ', 'GPTQ, MSE', 'MR-GPTQ', 'search'] as const; // prettier-ignore
export type Method = (typeof methods)[number];

/** Rows of a table. */
export const formats: quant.QuantizeOptions[] = [
  { format: 'int8' },
  { format: 'fp8-e4m3' },
  { format: 'fp8-e5m2' },
  { format: 'int4', groupSize: 128 },
  { format: 'int4', groupSize: 32 },
  { format: 'int4', groupSize: 32, symmetric: false },
  { format: 'fp4-e2m1', groupSize: 128 },
  { format: 'mxfp4' },
  { format: 'mxfp4-43' },
  { format: 'nvfp4' },
  { format: 'dgq', groupSize: 128 },
  { format: 'int3', groupSize: 32 },
  { format: 'int2', groupSize: 32 },
  { format: 'ternary', groupSize: 32 },
];

export const nameOf = ({ format, groupSize = 'row', symmetric }: quant.QuantizeOptions): string =>
  format.startsWith('mxfp4') || format === 'nvfp4'
    ? format
    : `${format}, ${groupSize === 'row' ? 'rows' : `groups of ${groupSize}`}${symmetric === false ? ', zero points' : ''}`;

/** The weights that a method makes, and the block that the inputs must be rotated by; undefined where it does not apply. */
function quantized(
  { layer: { w }, calibration }: Probe,
  hessian: compress.Hessian,
  options: quant.QuantizeOptions,
  method: Method,
): { q: quant.Quantized; rotated?: number } | undefined {
  const observed = ['ternary', 'dgq'].every((format) => format !== options.format);
  switch (method) {
    case 'nearest':
      return { q: quant.quantize(w, options) };
    case 'M1':
    case 'M2':
    case 'M2-nearest':
      return options.format === 'fp4-e2m1'
        ? { q: quant.quantize(w, { ...options, scaleConstraint: method }) }
        : undefined;
    case 'LoRC':
      return { q: compress.lowRankCorrection(w, quant.quantize(w, options), { rank: Math.min(8, w.rows, w.cols) }) };
    case 'MSE scales':
      return observed ? { q: quant.quantize(w, { ...options, observer: 'mse' }) } : undefined;
    case 'GPTQ':
      return { q: compress.gptq(w, hessian, { ...options, actOrder: true }) };
    case 'GPTQ, MSE':
      return observed ? { q: compress.gptq(w, hessian, { ...options, actOrder: true, observer: 'mse' }) } : undefined;
    case 'MR-GPTQ': {
      const block = [128, 64, 32, 16].find((size) => w.cols % size === 0);
      if (block === undefined) return undefined;
      return { q: compress.gptq(w, hessian, { ...options, actOrder: true, rotate: block }), rotated: block };
    }
    case 'search':
      // some hundred inputs are enough for a search of two numbers a group
      return options.format === 'dgq'
        ? { q: compress.dgq(w, head(calibration, 256), { groupSize: options.groupSize as number }) }
        : undefined;
  }
}

const head = ({ rows, cols, data }: Dense<Float32Array>, most: number) =>
  dense(Math.min(rows, most), cols, data.subarray(0, Math.min(rows, most) * cols));

/** ‖x·(w − ŵ)ᵀ‖² / ‖x·wᵀ‖² on the test inputs; undefined where the method does not apply to the format. */
export function relativeError(
  probe: Probe,
  hessian: compress.Hessian,
  options: quant.QuantizeOptions,
  method: Method,
): number | undefined {
  const made = quantized(probe, hessian, options, method);
  if (!made) return undefined;
  const x = made.rotated === undefined ? probe.test : gemm.hadamard(probe.test, { block: made.rotated });
  const want = gemm.linear(probe.test, probe.layer.w).data;
  const got = gemm.linear(x, quant.dequantize(made.q)).data;
  let [lost, all] = [0, 0];
  want.forEach((y, k) => {
    lost += (y - got[k]!) ** 2;
    all += y * y;
  });
  return lost / all;
}

/** A table in Markdown: geometric means over the layers, in per cent of the outputs' energy. */
export function* table(probes: readonly Probe[], rows = formats, columns: readonly Method[] = methods) {
  const hessians = probes.map(({ calibration }) => compress.hessian(calibration));
  yield `| format | ${columns.join(' | ')} |`;
  yield `| --- |${columns.map(() => ' ---: |').join('')}`;
  for (const options of rows) {
    const cells = columns.map((method) => {
      const errors = probes.map((probe, k) => relativeError(probe, hessians[k]!, options, method));
      if (errors.some((e) => e === undefined)) return '';
      const mean = Math.exp(errors.reduce((sum: number, e) => sum + Math.log(e!), 0) / errors.length);
      return (100 * mean).toPrecision(3);
    });
    yield `| ${nameOf(options)} | ${cells.join(' | ')} |`;
  }
}
