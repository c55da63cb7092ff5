/**
 * Sparse times dense with few and with many columns, into memory that is there; and into a new result, as SciPy does, where
 * pages that are new to the process can cost more than the product.
 */
import { dense, sparse } from 'lapidary';
import { bytesOf, csrOf, csrTask, dtypes, graphs, meshes, uniformOf, zerosOf } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

/** How many columns, and whether the result is new. */
function columns(quick: boolean, family: string): [number, boolean][] {
  if (quick) return [[8, true]];
  const at32: [number, boolean][] = [
    [32, false],
    [32, true],
  ];
  return family === 'ER' || family === 'R-MAT' ? [[8, false], ...at32, [128, false]] : at32;
}

const bench: Bench = ({ quick }) =>
  [...graphs(quick), ...meshes(quick)].flatMap(({ name, family, n, make }) =>
    dtypes.flatMap((dtype) =>
      columns(quick, family).map(([cols, fresh]) => ({
        shape: `${name} × ${cols}${fresh ? ', new result' : ''}`,
        dtype,
        family: `${family} × ${cols}${fresh ? ', new result' : ''}`,
        size: n,
        setup() {
          const a = csrOf(dtype, make());
          const b = dense(n, cols, uniformOf(dtype, n * cols, 4));
          const out = dense(n, cols, zerosOf(dtype, n * cols));
          const { arrays, parameters } = csrTask(a);
          return {
            ours: () => (fresh ? sparse.spmm(a, b) : sparse.spmm(a, b, { out })),
            bytes: bytesOf(a, b.data, out.data),
            flops: 2 * a.values.length * cols,
            peak: dtype,
            peers: [scipy({ operation: 'spmm', parameters, arrays: { ...arrays, b: b.data } }, { tolerance: 1e-5 })],
          };
        },
      })),
    ),
  );
export default bench;
