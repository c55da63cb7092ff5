/** bfloat16 of f32 and back: six bytes a value. */
import { quant } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { castRows } from './casts.js';

const bench: Bench = ({ quick }) =>
  castRows(quick, 6, {
    'f32→bf16': (values) => {
      const out = new Uint16Array(values.length);
      return () => quant.toBfloat16(values, { out });
    },
    'bf16→f32': (values) => {
      const codes = quant.toBfloat16(values);
      return () => quant.fromBfloat16(codes, { out: values });
    },
  });
export default bench;
