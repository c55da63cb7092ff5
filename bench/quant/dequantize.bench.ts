/** Each format to f32 weights: the codes and scales read once, the weights written once. */
import { dense, quant } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { choices, nameOf, sizes, traffic, weights } from './weights.js';

const bench: Bench = ({ quick }) =>
  choices.flatMap((options) =>
    sizes(quick).map((n) => ({
      shape: `${n}×${n}`,
      dtype: nameOf(options),
      family: nameOf(options),
      size: n * n,
      setup() {
        const q = quant.quantize(weights(n), options);
        const out = dense(n, n, new Float32Array(n * n));
        return { ours: () => quant.dequantize(q, { out }), bytes: traffic(n, q) };
      },
    })),
  );
export default bench;
