/** Reading a Matrix Market file from memory: bytes a second against reading those bytes at all. */
import { io } from 'lapidary';
import { bytesOf, graphs } from '../harness/data.js';
import { plain, scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** By split and Number; entries of this file come in the order of rows, so that no sort is needed. */
function inJavaScript(file: Uint8Array): Float64Array {
  const lines = new TextDecoder().decode(file).split('\n');
  const [, , nnz] = lines[1]!.split(' ').map(Number);
  const [row, col, value] = [new Uint32Array(nnz!), new Uint32Array(nnz!), new Float64Array(nnz!)];
  for (let e = 0; e < nnz!; e++) {
    const [i, j, x] = lines[e + 2]!.split(' ');
    row[e] = Number(i) - 1;
    col[e] = Number(j) - 1;
    value[e] = Number(x);
  }
  return value;
}

const bench: Bench = ({ quick }) =>
  graphs(quick)
    .filter(({ family }) => family === 'ER')
    .map(({ name, family, n, make }) => ({
      shape: name,
      dtype: 'f64',
      threads: [1],
      family,
      size: n,
      setup() {
        const a = make();
        const file = io.writeMatrixMarket(a);
        return {
          ours: () => io.readMatrixMarket(file),
          bytes: file.byteLength + bytesOf(a),
          peers: [
            scipy({ operation: 'readMatrixMarket', arrays: { file } }, { tolerance: 1e-12 }),
            plain('plain JavaScript', () => inJavaScript(file), (value) => value, { tolerance: 1e-12 }), // prettier-ignore
          ],
        };
      },
    }));
export default bench;
