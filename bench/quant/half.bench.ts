/** binary16 of f32 and back: six bytes a value. */
import { quant } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { castRows } from './casts.js';

const bench: Bench = ({ quick }) =>
  castRows(quick, 6, {
    'f32→f16': (values) => {
      const out = new Uint16Array(values.length);
      return () => quant.toHalf(values, { out });
    },
    'f16→f32': (values) => {
      const codes = quant.toHalf(values);
      return () => quant.fromHalf(codes, { out: values });
    },
  });
export default bench;
