/** A·A by rows. The floor is to read A once, a row of it for each entry, and to write the product. */
import { sparse, type Csr } from 'lapidary';
import { bytesOf, csrTask, erdosRenyi, graphs } from '../harness/data.js';
import { mathjs, scipy, type MathJsSparse } from '../harness/peers.js';
import type { Bench, Row } from '../harness/row.js';

/** Multiply-adds of A·A: for each entry (i, k) the entries of row k. */
function products({ indptr, indices }: Csr): number {
  let sum = 0;
  for (const k of indices) sum += indptr[k + 1]! - indptr[k]!;
  return sum;
}

/** Values in order of columns in each row, as ours are. */
function sortedValues({ _values, _index, _ptr }: MathJsSparse): number[] {
  return _ptr.slice(0, -1).flatMap((from, j) =>
    Array.from({ length: _ptr[j + 1]! - from }, (_, e) => from + e)
      .sort((a, b) => _index[a]! - _index[b]!)
      .map((e) => _values[e]!),
  );
}

/** mathjs holds columns: our rows read as its columns are Aᵀ, and Aᵀ·Aᵀ by columns is A·A by rows. */
function inMathJs(a: Csr) {
  return mathjs(
    ({ SparseMatrix, multiply }) => {
      const [values, index, ptr] = [a.values, a.indices, a.indptr].map((array) => [...array]);
      const m = new SparseMatrix({ values: values!, index: index!, ptr: ptr!, size: [a.cols, a.rows] });
      return () => multiply(m, m);
    },
    sortedValues,
    { tolerance: 1e-9 },
  );
}

function row(name: string, family: string, n: number, make: () => Csr, small: boolean): Row {
  return {
    shape: name,
    dtype: 'f64',
    family,
    size: n,
    setup() {
      const a = make();
      const c = sparse.spgemm(a, a);
      return {
        ours: () => sparse.spgemm(a, a),
        flops: 2 * products(a),
        bytes: 2 * bytesOf(a) + bytesOf(c),
        peers: [scipy({ operation: 'spgemm', ...csrTask(a) }, { tolerance: 1e-9 }), ...(small ? [inMathJs(a)] : [])],
      };
    },
  };
}

const bench: Bench = ({ quick }) => [
  row('ER scale 8', 'ER', 2 ** 8, () => erdosRenyi(8), true),
  ...graphs(quick)
    .filter(({ n }) => n > 2 ** 8)
    .map(({ name, family, n, make }) => row(name, family, n, make, false)),
];
export default bench;
