/** Dense products: square, odd and skinny shapes. Bound by the FMA peak once the sides are some hundreds. */
import { dense, gemm, philox } from 'lapidary';
import { bytesOf, dtypes, uniformOf, zerosOf, type Dtype } from '../harness/data.js';
import { mlMatrix, onnxRuntime, openblas } from '../harness/peers.js';
import type { Bench, Peer, Row, Work } from '../harness/row.js';

function work(dtype: Dtype, m: number, n: number, k: number): Work {
  const a = dense(m, k, uniformOf(dtype, m * k, 1));
  const b = dense(k, n, uniformOf(dtype, k * n, 2));
  const out = dense(m, n, zerosOf(dtype, m * n));
  const tolerance = dtype === 'f64' ? 1e-12 : 1e-4;
  const peers: Peer[] = [
    openblas({ operation: 'matmul', parameters: { dtype, m, n, k }, arrays: { a: a.data, b: b.data } }, { tolerance }),
  ];
  if (a.data instanceof Float32Array && b.data instanceof Float32Array)
    peers.push(
      onnxRuntime(
        {
          operator: 'MatMul',
          output: { name: 'c', dims: [m, n] },
          weights: [{ name: 'b', dims: [k, n], data: b.data }], // as in a network: packed before the first call
        },
        { name: 'a', dims: [m, k], data: a.data },
        { tolerance },
      ),
    );
  if (dtype === 'f64' && m * n * k <= 256 ** 3)
    peers.push(
      mlMatrix(
        ({ Matrix }) => {
          const [x, y] = [Matrix.from1DArray(m, k, a.data), Matrix.from1DArray(k, n, b.data)];
          return () => x.mmul(y);
        },
        { tolerance },
      ),
    );
  return {
    ours: () => gemm.matmul(a, b, { out }),
    flops: 2 * m * n * k,
    peak: dtype,
    bytes: bytesOf(a.data, b.data, out.data),
    peers,
  };
}

/** How the weights of an integer product lie: k × n, n × k, or laid out once by `packWeights`. */
type Layout = '' | ' bᵀ' | ' packed';

/**
 * u8·i8 against MatMulInteger, whose weights are k × n; ours lie as they are given. Weights of 7 bits: with 8, ONNX Runtime's
 * sums of two products saturate on processors without VNNI, and its results are wrong.
 */
function integerWork(m: number, n: number, k: number, layout: Layout): Work {
  const bytes = (count: number, seed: number) => philox(seed).fill(new Uint32Array(count));
  const a = dense(m, k, Uint8Array.from(bytes(m * k, 1)));
  const straight = Int8Array.from(bytes(k * n, 2), (word) => (word & 127) - 64);
  const transposeB = layout === ' bᵀ';
  const b = transposeB ? dense(n, k, new Int8Array(n * k)) : dense(k, n, straight);
  if (transposeB) for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) b.data[j * k + p] = straight[p * n + j]!;
  const out = dense(m, n, new Int32Array(m * n));
  const packed = gemm.packWeights(b, { transpose: !transposeB });
  const operator = { operator: 'MatMulInteger', output: { name: 'c', dims: [m, n], type: 'int32' } } as const;
  const given = { name: 'a', dims: [m, k], data: a.data };
  const weights = [{ name: 'b', dims: [k, n], data: straight }];
  const peers = [onnxRuntime({ ...operator, weights }, given, { tolerance: 0 })];
  // like for like where ours are not packed either
  if (layout !== ' packed')
    peers.push(onnxRuntime(operator, [given, ...weights], { name: 'ONNX Runtime, b an input', tolerance: 0 }));
  return {
    ours: layout === ' packed' ? () => gemm.matmul(a, packed, { out }) : () => gemm.matmul(a, b, { transposeB, out }),
    bytes: bytesOf(a.data, b.data, out.data),
    peers,
  };
}

const integers = [
  [1024, 1024, 1024, ''],
  [1024, 1024, 1024, ' packed'],
  [128, 4096, 4096, ''],
  [128, 4096, 4096, ' packed'],
  [1, 4096, 4096, ' bᵀ'],
  [8, 4096, 4096, ' bᵀ'],
  [1, 4096, 4096, ''],
  [8, 4096, 4096, ''],
  [1, 4096, 4096, ' packed'],
  [8, 4096, 4096, ' packed'],
] as const;

const squares = [128, 256, 512, 1024, 2048];
const others = [
  [127, 129, 131],
  [1000, 1000, 1000],
  [8, 1024, 1024],
  [1024, 8, 1024],
  [1024, 1024, 8],
  [64, 4096, 64],
] as const;
/** Of a network's layers and of odd sizes; f32 alone, where ONNX Runtime has its weights packed. */
const skinny = [
  [1000, 37, 513],
  [37, 1000, 513],
  [8, 4096, 4096],
  [1, 4096, 4096],
  [4096, 8, 4096],
  [17, 17, 4096],
] as const;

const bench: Bench = ({ quick }) => [
  ...(quick ? [[7, 5, 3, ' bᵀ'] as const, [7, 5, 3, ' packed'] as const] : integers).map(([m, n, k, layout]): Row => ({
    shape: `${m}×${n}×${k}${layout}`,
    dtype: 'u8·i8',
    setup: () => integerWork(m, n, k, layout),
  })),
  ...dtypes.flatMap((dtype): Row[] => [
    ...(quick ? [48] : squares).map((n) => ({
      shape: `${n}×${n}×${n}`,
      dtype,
      size: n,
      family: 'square',
      setup: () => work(dtype, n, n, n),
    })),
    ...(quick ? [[7, 5, 3] as const] : [...others, ...(dtype === 'f32' ? skinny : [])]).map(([m, n, k]) => ({
      shape: `${m}×${n}×${k}`,
      dtype,
      setup: () => work(dtype, m, n, k),
    })),
  ]),
];
export default bench;
