/** Reading a .npy file from memory: a copy at best. */
import { dense, io } from 'lapidary';
import { uniform } from '../harness/data.js';
import { plain, scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** For a file as NumPy writes it: version 1.0, little-endian f64, C order. */
function inJavaScript(file: Uint8Array): Float64Array {
  const header = file[8]! + 256 * file[9]!;
  return new Float64Array(file.slice(10 + header).buffer);
}

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 2048]).map((n) => ({
    shape: `${n}×${n}`,
    dtype: 'f64',
    threads: [1],
    size: n,
    setup() {
      const a = dense(n, n, uniform(n * n, 1));
      const file = io.writeNpy(a);
      return {
        ours: () => io.readNpy(file),
        bytes: 2 * file.byteLength,
        peers: [
          scipy({ operation: 'readNpy', arrays: { file } }, { tolerance: 0 }),
          plain('plain JavaScript', () => inJavaScript(file), (data) => data, { tolerance: 0 }), // prettier-ignore
        ],
      };
    },
  }));
export default bench;
