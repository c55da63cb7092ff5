/** Weights in few bits: one token is bound by reading the codes, many by the multiplications of bytes. */
import { dense, gemm, quant } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { onnxRuntime, plain } from '../harness/peers.js';
import type { Bench, Peer, Row } from '../harness/row.js';

type Options = quant.QuantizeOptions;

/** ONNX Runtime's product of the same codes and scales, tokens rounded to 8 bits too. */
function matMulNBits(x: Float32Array, w: quant.Quantized, tokens: number): Peer {
  const { rows, cols, groupSize, codes, scales } = w;
  const groups = cols / groupSize;
  return onnxRuntime(
    {
      operator: 'com.microsoft.MatMulNBits',
      output: { name: 'y', dims: [tokens, rows] },
      weights: [
        { name: 'codes', dims: [rows, groups, groupSize / 2], data: codes },
        { name: 'scales', dims: [rows * groups], data: scales },
      ],
      attributes: { K: cols, N: rows, bits: 4, block_size: groupSize, accuracy_level: 4 },
    },
    { name: 'x', dims: [tokens, cols], data: x },
    { tolerance: 0.02 },
  );
}

function row(tokens: number, n: number, options: Options, label: string): Row {
  return {
    shape: `${tokens}×${n}×${n} ${label}`,
    dtype: options.format,
    setup() {
      const x = dense(tokens, n, uniformF32(tokens * n, 1));
      const weights = dense(n, n, uniformF32(n * n, 2));
      const w = quant.quantize(weights, options);
      const out = dense(tokens, n, new Float32Array(tokens * n));
      const ours = () => gemm.linear(x, w, { out });
      const int4 = quant.quantize(weights, { format: 'int4' });
      const base = dense(tokens, n, new Float32Array(tokens * n));
      const same = options.format === 'int4' && options.groupSize === 32;
      return {
        ours,
        flops: 2 * tokens * n * n,
        peak: 'f32',
        bytes: bytesOf(x.data, w.codes, w.scales, out.data),
        peers: same
          ? [matMulNBits(x.data, w, tokens)]
          : [{ ...plain('our int4', () => gemm.linear(x, int4, { out: base }), () => ours().data), threads: 'same' }], // prettier-ignore
      };
    },
  };
}

const formats: [Options, string][] = [
  [{ format: 'fp4-e2m1' }, ''],
  [{ format: 'mxfp4' }, ''],
  [{ format: 'nvfp4' }, ''],
  [{ format: 'dgq' }, ''],
  [{ format: 'bfp' }, ''],
  [{ format: 'int4', groupSize: 128, symmetric: false }, 'groups of 128 with zeros'],
  [{ format: 'int8' }, ''],
  [{ format: 'int3' }, ''],
  [{ format: 'int2' }, ''],
  [{ format: 'fp8-e4m3' }, ''],
];

const bench: Bench = ({ quick }) => {
  const n = quick ? 64 : 4096;
  const int4 = { format: 'int4', groupSize: 32 } as const;
  return [
    ...(quick ? [1, 9] : [1, 8, 16, 128]).map((tokens) => row(tokens, n, int4, 'groups of 32')),
    ...(quick ? [] : [row(1, 12288, int4, 'groups of 32')]),
    ...formats.map(([options, label]) => row(1, n, options, label)),
    ...(quick ? [] : formats.map(([options, label]) => row(128, n, options, label))),
  ];
};
export default bench;
