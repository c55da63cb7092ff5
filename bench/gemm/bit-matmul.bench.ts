/** Products of bit planes against the product of bytes. Bound: and, popcount and add for 512 bits. */
import { dense, gemm, quant } from 'lapidary';
import { uniform } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const cases = [
  [1024, 1, 1],
  [1024, 1, 2],
  [1024, 2, 2],
  [1024, 1, 8],
  [1024, 4, 4],
  [4096, 1, 1],
] as const;

const bench: Bench = ({ quick }) =>
  (quick ? [[64, 1, 1] as const, [64, 2, 3] as const] : cases).map(([n, x, y]) => ({
    shape: `${n}×${n}×${n}`,
    dtype: `${x} · ${y} bits`,
    setup() {
      // As bytes, which bipolar codes of 8 bits, odd numbers up to 255, do not fit.
      const encodingOf = (bits: number) => (bits < 8 ? 'bipolar' : 'twos');
      const codes = (bits: number, seed: number) =>
        Uint8Array.from(uniform(n * n, seed, 0, 2 ** bits), (u) => Math.floor(u));
      const [a, b] = [codes(x, 1), codes(y, 2)];
      const packed = [
        quant.packBits(a, { rows: n, cols: n, bits: x, encoding: encodingOf(x) }),
        quant.packBits(b, { rows: n, cols: n, bits: y, encoding: encodingOf(y) }),
      ] as const;
      const [left, right] = packed.map((m) => Int8Array.from(quant.unpackBits(m).data)) as [Int8Array, Int8Array];
      const out = dense(n, n, new Int32Array(n * n));
      const product = dense(n, n, new Int32Array(n * n));
      return {
        ours: () => gemm.bitMatmul(packed[0], packed[1], { out }),
        bytes: packed[0].planes.byteLength + packed[1].planes.byteLength + out.data.byteLength,
        peers: [
          {
            ...plain(
              'lapidary, bytes',
              () => gemm.matmul(dense(n, n, left), dense(n, n, right), { transposeB: true, out: product }),
              (c) => c.data,
              { tolerance: 0 },
            ),
            threads: 'same',
          },
        ],
      };
    },
  }));
export default bench;
