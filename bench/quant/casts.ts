/** Rows of casts between f32 and smaller floats: in cache and out of it, bounded by the bytes of both sides. */
import { uniformF32 } from '../harness/data.js';
import type { Row } from '../harness/row.js';

/** A row for each direction and length; `make` gives the call for these values, which move `bytes` each. */
export function castRows(
  quick: boolean,
  bytes: number,
  directions: Record<string, (values: Float32Array) => () => ArrayLike<number>>,
): Row[] {
  return Object.entries(directions).flatMap(([dtype, make]) =>
    (quick ? [1024] : [2 ** 16, 2 ** 24]).map((n) => ({
      shape: `${n}`,
      dtype,
      family: dtype,
      size: n,
      setup: () => ({ ours: make(uniformF32(n, 1, -8, 8)), bytes: bytes * n }),
    })),
  );
}
