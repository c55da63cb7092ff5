/** A hundred candidates, each the price of a product with the calibration. */
import { compress, dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 1024]).map((side) => {
    const inputs = quick ? 10 : 128;
    return {
      shape: `${side}×${side}, ${inputs} inputs`,
      dtype: 'f32',
      size: side,
      setup() {
        const w = dense(side, side, uniformF32(side * side, 1, -1, 1));
        const x = dense(inputs, side, uniformF32(inputs * side, 2, -1, 1));
        return {
          ours: () => compress.dgq(w, x),
          output: (q: unknown) => (q as compress.DgqResult).codes,
          flops: 40 * side * side * Math.min(side, 128) + 160 * side * side * Math.min(inputs, side),
          peak: 'f32' as const,
        };
      },
    };
  });
export default bench;
