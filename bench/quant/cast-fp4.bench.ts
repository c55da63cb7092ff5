/** 4-bit floats of f32 and back, one code a byte: five bytes a value. */
import { quant } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { castRows } from './casts.js';

const bench: Bench = ({ quick }) =>
  castRows(quick, 5, {
    'f32→e2m1': (values) => {
      const out = new Uint8Array(values.length);
      return () => quant.castFp4(values, { out });
    },
    'e2m1→f32': (values) => {
      const codes = quant.castFp4(values);
      return () => quant.castFp4(codes, { out: values });
    },
  });
export default bench;
