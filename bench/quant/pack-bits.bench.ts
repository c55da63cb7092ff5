/** Bit planes of codes: a byte read and bits/8 bytes written for each. */
import { philox, quant } from 'lapidary';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  [1, 2, 4, 8].flatMap((bits) =>
    (quick ? [64] : [512, 8192]).map((n) => ({
      shape: `${n}×${n}`,
      dtype: `${bits} bits`,
      family: `${bits} bits`,
      size: n * n,
      setup() {
        const words = philox(1).fill(new Uint32Array(n * n));
        const codes = Uint8Array.from(words, (word) => word % 2 ** bits);
        const options = { rows: n, cols: n, bits, encoding: 'unsigned' } as const;
        return {
          ours: () => quant.packBits(codes, options),
          output: (m: unknown) => new Uint32Array((m as quant.BitMatrix).planes.buffer),
          bytes: n * n * (1 + bits / 8),
        };
      },
    })),
  );
export default bench;
