/** Laying groups out for products, once: a pass over the kept weights. */
import { dense, gemm } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [1024, 4096]).map((side) => ({
    shape: `${side}×${side} half kept`,
    dtype: 'int4',
    size: side * side,
    setup() {
      const w = gemm.groupPrune(dense(side, side, uniformF32(side * side, 1)), { density: 0.5, storage: 'int4' });
      const p = gemm.packGroups(w);
      const moved = bytesOf(w.values, w.groups, w.scales!, w.zeros!, p.mask, p.codes, p.scales, p.zeros);
      const output = (packed: unknown) => (packed as gemm.PackedGroups).codes;
      return { ours: () => gemm.packGroups(w), output, bytes: moved };
    },
  }));
export default bench;
