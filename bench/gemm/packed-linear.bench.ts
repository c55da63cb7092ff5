/**
 * What `linear` chooses for packed weights against each way that `kernel` can force: the choice should never be far behind
 * the best. The codes in place, which round tokens otherwise, and tables of 8 bits, which are not exact, are never chosen.
 */
import { dense, gemm } from 'lapidary';
import { bytesOf, fewBitWeights, uniformF32, type FewBits } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Peer, Row } from '../harness/row.js';

/** Products of tokens and weights beyond which counting bits takes seconds. */
const mostBits = 2 ** 28;

function row(tokens: number, rows: number, cols: number, format: FewBits): Row {
  return {
    shape: `${tokens}×${rows}×${cols}`,
    dtype: format,
    size: tokens,
    family: `${rows}×${cols}`,
    setup() {
      const x = dense(tokens, cols, uniformF32(tokens * cols, 1));
      const codes = fewBitWeights(rows, cols, format, cols);
      const [lut, w] = [gemm.packWeights(codes, { kernel: 'lut' }), gemm.packWeights(codes)];
      const out = dense(tokens, rows, new Float32Array(tokens * rows));
      const other = dense(tokens, rows, new Float32Array(tokens * rows));
      const ours = () => gemm.linear(x, w, { out });
      const race = (name: string, weights: gemm.PackedWeights, kernel: 'lut' | 'lut8' | 'ternary' | 'bytes' | 'bits') =>
        peer(name, () => gemm.linear(x, weights, { out: other, kernel }), kernel === 'lut8' ? 0.05 : 0);
      const peer = (name: string, run: () => unknown, tolerance: number): Peer => ({
        ...plain(name, run, () => other.data, { tolerance }),
        threads: 'same',
      });
      return {
        ours,
        bytes: bytesOf(x.data, w.packed, w.scales, out.data),
        peers: [
          race(w.kernel, w, w.kernel),
          race('bytes', w, 'bytes'),
          ...(tokens * rows * cols <= mostBits ? [race('bits', w, 'bits')] : []),
          race('lut8', lut, 'lut8'),
          peer('codes in place', () => gemm.linear(x, codes, { out: other }), 0.05),
        ],
      };
    },
  };
}

const formats = ['bipolar1', 'int2', 'int3', 'int4', 'ternary'] as const;

const bench: Bench = ({ quick }) => {
  if (quick) return formats.map((format) => row(3, 64, 96, format));
  return [
    [1024, 1024],
    [4096, 4096],
    [16384, 8192],
  ].flatMap(([rows, cols]) =>
    formats.flatMap((format) =>
      [1, 2, 4, 8, 12, 16, 32, 64, 128, 256].map((tokens) => row(tokens, rows!, cols!, format)),
    ),
  );
};
export default bench;
