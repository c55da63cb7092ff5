/** L-Mul elementwise, against multiplying: both read two arrays and write one. */
import { quant } from 'lapidary';
import { uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Row } from '../harness/row.js';

const multiply = (a: Float32Array, b: Float32Array, out: Float32Array): Float32Array => {
  for (let i = 0; i < a.length; i++) out[i] = a[i]! * b[i]!;
  return out;
};

const bench: Bench = ({ quick }) =>
  (quick ? [1024] : [2 ** 14, 2 ** 22]).flatMap((n): Row[] => [
    ...(['adder', 'formula'] as const).map((variant): Row => ({
      shape: `${n}`,
      dtype: `f32 ${variant}`,
      setup() {
        const [a, b] = [uniformF32(n, 1, 1, 4), uniformF32(n, 2, 1, 4)];
        const [out, product] = [new Float32Array(n), new Float32Array(n)];
        return {
          ours: () => quant.lmul(a, b, { variant, out }),
          bytes: 12 * n,
          peers: [plain('JavaScript product', () => multiply(a, b, product), (c) => c, { tolerance: 0.35 })], // prettier-ignore
        };
      },
    })),
    ...(['bf16', 'e4m3'] as const).map((dtype): Row => ({
      shape: `${n}`,
      dtype,
      setup() {
        const values = uniformF32(n, 3, 1, 4);
        if (dtype === 'bf16') {
          const [codes, out] = [quant.toBfloat16(values), new Uint16Array(n)];
          return { ours: () => quant.lmul(codes, codes, { dtype, out }), bytes: 6 * n };
        }
        const [codes, out] = [quant.castFp8(values, dtype), new Uint8Array(n)];
        return { ours: () => quant.lmul(codes, codes, { dtype, out }), bytes: 3 * n };
      },
    })),
  ]);
export default bench;
