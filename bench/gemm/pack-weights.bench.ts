/** Packed weights of few bits: one token is bound by reading the codes, many by the lookups. The yardstick is our int4. */
import { dense, gemm } from 'lapidary';
import { bytesOf, fewBitWeights, uniformF32, type FewBits } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Peer, Row } from '../harness/row.js';

interface Case {
  tokens: number;
  rows: number;
  cols: number;
  format: FewBits;
  groupSize: number;
  kernel?: 'lut' | 'lut8';
  /** keys of bench/reference/gemm.json */
  published?: string[];
}

function row({ tokens, rows, cols, format, groupSize, kernel, published }: Case): Row {
  const groups = groupSize < cols ? ` groups of ${groupSize}` : '';
  return {
    shape: `${tokens}×${rows}×${cols}${groups}${kernel ? ` ${kernel}` : ''}`,
    dtype: format,
    ...(published && { published }),
    setup() {
      const x = dense(tokens, cols, uniformF32(tokens * cols, 1));
      const plainWeights = fewBitWeights(rows, cols, format, Math.min(groupSize, cols));
      const w = gemm.packWeights(plainWeights, kernel ? { kernel: 'lut' } : {});
      const int4 = fewBitWeights(rows, cols, 'int4', 32);
      const out = dense(tokens, rows, new Float32Array(tokens * rows));
      const other = dense(tokens, rows, new Float32Array(tokens * rows));
      const ours = () => gemm.linear(x, w, { out, ...(kernel && { kernel }) });
      const race = (name: string, run: () => unknown): Peer => ({
        ...plain(name, run, () => ours().data),
        threads: 'same',
      });
      return {
        ours,
        bytes: bytesOf(x.data, w.packed, w.scales, out.data),
        peers: [
          race('our int4', () => gemm.linear(x, int4, { out: other })),
          race('codes in place', () => gemm.linear(x, plainWeights, { out: other })),
        ],
      };
    },
  };
}

const bench: Bench = ({ quick }) => {
  if (quick)
    return (['bipolar1', 'int2', 'ternary'] as const).map((format) =>
      row({ tokens: 2, rows: 64, cols: 96, format, groupSize: 96 }),
    );
  const [rows, cols] = [16384, 8192];
  return [
    row({ tokens: 1, rows, cols, format: 'int2', groupSize: cols }),
    row({ tokens: 1, rows, cols, format: 'int2', groupSize: 128, published: ['tmac-w2-x86', 'tmac-w2-m2'] }),
    row({ tokens: 1, rows, cols, format: 'bipolar1', groupSize: cols }),
    row({
      tokens: 1,
      rows,
      cols,
      format: 'ternary',
      groupSize: cols,
      published: ['tmac-bitnet-x86', 'bitnet-x86', 'bitnet-arm'],
    }),
    // Beyond the last cache whatever it holds of the sizes above.
    ...(['bipolar1', 'int2', 'int4', 'ternary'] as const).map((format) =>
      row({ tokens: 1, rows: 32768, cols: 16384, format, groupSize: 16384 }),
    ),
    row({ tokens: 1, rows: 2048, cols: 2048, format: 'ternary', groupSize: 2048, published: ['bitnet-epyc-1'] }),
    row({ tokens: 128, rows: 2048, cols: 2048, format: 'ternary', groupSize: 2048, published: ['bitnet-epyc-128'] }),
    row({ tokens: 1, rows, cols, format: 'int2', groupSize: 128, kernel: 'lut8' }),
    ...[1, 8, 128].flatMap((tokens) =>
      (['bipolar1', 'int2', 'int3', 'int4', 'ternary'] as const).map((format) =>
        row({ tokens, rows: 4096, cols: 4096, format, groupSize: format === 'ternary' ? 4096 : 128 }),
      ),
    ),
  ];
};
export default bench;
