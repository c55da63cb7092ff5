/** f32 weights to each format: the weights read once, the codes and scales written once. */
import { quant } from 'lapidary';
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
        const w = weights(n);
        const bytes = traffic(n, quant.quantize(w, options));
        return { ours: () => quant.quantize(w, options), output: (q: unknown) => (q as quant.Quantized).scales, bytes };
      },
    })),
  );
export default bench;
