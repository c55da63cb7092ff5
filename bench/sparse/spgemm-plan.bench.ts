/** The counting phase alone. The floor is to read both factors once and to write the row pointers. */
import { sparse } from 'lapidary';
import { bytesOf, graphs } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  graphs(quick).map(({ name, family, n, make }) => ({
    shape: name,
    dtype: 'f64',
    family,
    size: n,
    setup() {
      const a = make();
      return {
        ours: () => sparse.spgemmPlan(a, a),
        output: (plan) => (plan as sparse.SpgemmPlan).indptr,
        bytes: bytesOf(a) + 4 * n,
        peers: [],
      };
    },
  }));
export default bench;
