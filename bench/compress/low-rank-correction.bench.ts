/** The largest singular triplets of an error that is nearly noise. */
import { compress, dense, quant } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { scipy } from '../harness/peers.js';
import type { Bench } from '../harness/row.js';

const bench: Bench = ({ quick }) =>
  (quick ? [64] : [256, 512, 1024]).map((side) => ({
    shape: `${side}×${side} rank 8`,
    dtype: 'int4',
    size: side,
    setup() {
      const w = dense(side, side, uniformF32(side * side, 1, -1, 1));
      const q = quant.quantize(w, { format: 'int4' });
      const left = (corrected: unknown) => {
        const back = quant.dequantize(corrected as quant.Quantized).data;
        return [Math.sqrt(back.reduce((sum, x, k) => sum + (x - w.data[k]!) ** 2, 0))];
      };
      const back = quant.dequantize(q).data;
      const e = Float64Array.from(w.data, (x, k) => x - back[k]!);
      const task = { operation: 'lowRank', parameters: { rows: side, rank: 8 }, arrays: { e } };
      return {
        ours: () => compress.lowRankCorrection(w, q, { rank: 8 }),
        output: left,
        peers: [scipy(task, { tolerance: 1e-5 })],
      };
    },
  }));
export default bench;
