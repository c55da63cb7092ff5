/** What the recurrences share: real types, batches of sequences, heads and states. */
import type { Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';

export const real = [Float64Array, Float32Array] as const;

/** The constructor of a Real. */
export type RealType = (typeof real)[number];

/** Lengths of the sequences that lie one after another in `tokens` rows; without any, all are one sequence. */
export function sequenceLengths(at: Where, lengths: Uint32Array | undefined, tokens: number): Uint32Array {
  if (lengths === undefined) {
    at.integer('tokens', tokens, { max: 2 ** 32 - 1 });
    return Uint32Array.of(tokens);
  }
  at.array('options.lengths', lengths, [Uint32Array]);
  let sum = 0;
  for (const length of lengths) sum += length;
  if (sum !== tokens) at.fail('ERR_SHAPE', 'options.lengths', `lengths whose sum is ${tokens}`, String(sum));
  return lengths;
}

/** A Dense of this type and shape. */
export function shaped(at: Where, name: string, value: unknown, type: RealType, rows: number, cols: number): Real {
  const matrix = at.dense<[RealType]>(name, value, [type]);
  if (matrix.rows !== rows || matrix.cols !== cols)
    at.fail('ERR_SHAPE', name, `${rows} × ${cols}`, `${matrix.rows} × ${matrix.cols}`);
  return matrix.data;
}

/** The same, or undefined where none was given. */
export const shapedIf = (at: Where, name: string, value: unknown, type: RealType, rows: number, cols: number) =>
  value === undefined ? undefined : shaped(at, name, value, type, rows, cols);

/** A new Dense. */
export function fresh(at: Where, type: RealType, rows: number, cols: number): Dense<Real> {
  return { rows, cols, data: at.allocate<Real>(type, at.size('the result', rows, cols)) };
}

/** q, k and v of attention-like recurrences: heads side by side in each row. */
export interface Heads {
  type: RealType;
  q: Real;
  k: Real;
  v: Real;
  tokens: number;
  heads: number;
  /** width of a head of q and k, and of v */
  dk: number;
  dv: number;
}

export function headsOf(at: Where, type: RealType, q: unknown, k: unknown, v: unknown, heads: unknown): Heads {
  const query = at.dense<[RealType]>('q', q, [type]);
  const count = at.integer('options.heads', heads ?? 1, { min: 1 });
  const tokens = query.rows;
  const value = at.dense<[RealType]>('v', v, [type]);
  if (value.rows !== tokens) at.fail('ERR_SHAPE', 'v', `${tokens} rows`, `${value.rows}`);
  const width = (name: string, cols: number): number => {
    if (cols === 0 || cols % count !== 0)
      at.fail('ERR_SHAPE', name, `a multiple of ${count} heads, at least one each`, `${cols} columns`);
    return cols / count;
  };
  return {
    type,
    q: query.data,
    k: shaped(at, 'k', k, type, tokens, query.cols),
    v: value.data,
    tokens,
    heads: count,
    dk: width('q', query.cols),
    dv: width('v', value.cols),
  };
}
