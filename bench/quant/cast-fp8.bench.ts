/** 8-bit floats of f32 and back: five bytes a value. */
import { quant } from 'lapidary';
import type { Bench } from '../harness/row.js';
import { castRows } from './casts.js';

const directions = (['e4m3', 'e5m2'] as const).flatMap((format) => [
  [
    `f32→${format}`,
    (values: Float32Array) => {
      const out = new Uint8Array(values.length);
      return () => quant.castFp8(values, format, { out });
    },
  ],
  [
    `${format}→f32`,
    (values: Float32Array) => {
      const codes = quant.castFp8(values, format);
      return () => quant.castFp8(codes, format, { out: values });
    },
  ],
]) as [string, (values: Float32Array) => () => ArrayLike<number>][];

const bench: Bench = ({ quick }) => castRows(quick, 5, Object.fromEntries(directions));
export default bench;
