/**
 * A·A by rows, and a power-law matrix times a tall and skinny one. The floor is to read the factors once and to write the
 * product. SciPy leaves its rows unsorted; it is raced as it is and with the sort that makes its result like ours. Where
 * leaving rows unsorted saves us something too, a row of its own races like with like.
 * Results of tens of megabytes are new memory each time, whose pages may cost more than the product; SciPy's are too, from 32
 * MiB an array on. So every product is raced into memory that is there as well: the memory of the result before.
 */
import { sparse, type Csr } from 'lapidary';
import { banded, bytesOf, csrTask, erdosRenyi, graphs, grid2d, grid3d, rmat, tallSkinny } from '../harness/data.js';
import { mathjs, scipy, type MathJsSparse } from '../harness/peers.js';
import type { Bench, Row } from '../harness/row.js';

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

function row(name: string, family: string, n: number, make: () => Csr, small = false, makeB = make): Row {
  return {
    shape: name,
    dtype: 'f64',
    family,
    size: n,
    setup() {
      const [a, b] = [make(), makeB()];
      const { stats, ...c } = sparse.spgemm(a, b);
      const [left, right] = [csrTask(a), csrTask(b, 'b')];
      const task = {
        operation: 'spgemm',
        arrays: { ...left.arrays, ...right.arrays },
        parameters: { ...left.parameters, ...right.parameters },
      };
      // another operation, so another process: one process holds one task
      const unsorted = { ...task, operation: 'spgemmUnsorted' };
      return {
        ours: () => sparse.spgemm(a, b),
        flops: stats.flops,
        bytes: bytesOf(a) + bytesOf(b) + bytesOf(c),
        peers: [
          scipy(task, { tolerance: 1e-9 }),
          { ...scipy(unsorted, { tolerance: 1e-9 }), name: 'SciPy, unsorted' },
          ...(small ? [inMathJs(a)] : []),
        ],
      };
    },
  };
}

/** The product with its rows in order. */
function inOrder({ rows, indptr, indices, values }: Csr): Float64Array {
  const sorted = values.slice() as Float64Array;
  for (let i = 0; i < rows; i++) {
    const places = Array.from(indices.subarray(indptr[i], indptr[i + 1]), (_, e) => indptr[i]! + e);
    places.sort((p, q) => indices[p]! - indices[q]!).forEach((p, e) => (sorted[indptr[i]! + e] = values[p]!));
  }
  return sorted;
}

/** The same without the sort, against SciPy without the sort. */
function unsortedRow(of: Row, make: () => Csr): Row {
  return {
    ...of,
    shape: `${of.shape}, unsorted`,
    family: `${of.family}, unsorted`,
    async setup() {
      const a = make();
      const { peers, ...work } = await of.setup();
      return {
        ...work,
        ours: () => sparse.spgemm(a, a, { sorted: false }),
        output: (c) => inOrder(c as Csr),
        peers: peers!.filter(({ name }) => name === 'SciPy, unsorted'),
      };
    },
  };
}

/** The same into the memory of the result before. */
function reusedRow(of: Row, make: () => Csr, makeB = make, options: sparse.SpgemmOptions<Float64Array> = {}): Row {
  return {
    ...of,
    shape: `${of.shape}, into out`,
    family: `${of.family}, into out`,
    async setup() {
      const [a, b] = [make(), makeB()] as [Csr<Float64Array>, Csr<Float64Array>];
      let out = sparse.spgemm(a, b, options);
      return { ...(await of.setup()), ours: () => (out = sparse.spgemm(a, b, { ...options, out })) };
    },
  };
}

/** A product into new memory and into the memory of the one before. */
function both(name: string, family: string, n: number, make: () => Csr, small = false, makeB = make): Row[] {
  const of = row(name, family, n, make, small, makeB);
  return [of, reusedRow(of, make, makeB)];
}

const bench: Bench = ({ quick }) => [
  row('ER scale 8', 'ER', 2 ** 8, () => erdosRenyi(8), true),
  ...graphs(quick)
    .filter(({ n }) => n > 2 ** 8)
    .flatMap(({ name, family, n, make }) => {
      const sorted = both(name, family, n, make);
      if (family !== 'ER') return sorted;
      const unsorted = unsortedRow(sorted[0]!, make);
      return [...sorted, unsorted, reusedRow(unsorted, make, make, { sorted: false })];
    }),
  ...[quick ? 9 : 300, quick ? 12 : 700].flatMap((side) =>
    both(`grid ${side}×${side}, 5 points`, 'grid 2D', side ** 2, () => grid2d(side)),
  ),
  ...[quick ? 5 : 64].flatMap((side) =>
    both(`grid ${side}³, 7 points`, 'grid 3D, 7', side ** 3, () => grid3d(side, 1)),
  ),
  ...[quick ? 5 : 36].flatMap((side) =>
    both(`grid ${side}³, 27 points`, 'grid 3D, 27', side ** 3, () => grid3d(side, 3)),
  ),
  ...[quick ? 300 : 60000].flatMap((n) => both(`band of 21, n = ${n}`, 'band', n, () => banded(n, 10))),
  ...[quick ? 8 : 16].flatMap((scale) =>
    both(
      `R-MAT scale ${scale} × 128 columns`,
      'tall',
      2 ** scale,
      () => rmat(scale),
      false,
      () => tallSkinny(2 ** scale, 128, 8),
    ),
  ),
];
export default bench;
