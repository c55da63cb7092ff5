/** GPTQ: one Cholesky factorisation and a triangle of a product; NumPy takes the published steps, with the inverse. */
import { compress, dense } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [512, 1024, 2048, 4096]).flatMap((side) =>
    ([{ format: 'int4' }, { format: 'nvfp4', actOrder: true, rotate: 64 }] as const).map((options) => ({
      shape: `${side}×${side} ${'rotate' in options ? 'order, rotated' : 'groups of 32'}`,
      dtype: options.format,
      size: side,
      family: options.format,
      setup() {
        const w = dense(side, side, uniformF32(side * side, 1, -1, 1));
        const h = compress.hessian(dense(2 * side, side, uniformF32(2 * side * side, 2, -1, 1)));
        const parameters = { cols: side };
        // from 4096 on NumPy takes minutes
        const raced = options.format === 'int4' && side <= 2048;
        return {
          ours: () => compress.gptq(w, h, options),
          output: (q: unknown) => [(q as compress.GptqResult).loss],
          flops: side ** 3 / 3 + side ** 3,
          peak: 'f64' as const,
          peers: raced ? [scipy({ operation: 'gptq', parameters, arrays: { w: w.data, h: h.data } }, { tolerance: 1e-2 })] : [], // prettier-ignore
        };
      },
    })),
  );
export default bench;
