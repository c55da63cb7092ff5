/** What the exact attentions have in common: shapes, heads, and who sees whom. */
import { arrayTypeName, describe, typeOf, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import type { AttentionInputs } from './native.js';

/** Heads and scale of an attention. */
export interface HeadOptions {
  /** heads of a query; they lie side by side in its row. Default 1 */
  heads?: number;
  /** heads of keys and values, a divisor of `heads`: query head h reads head ⌊h · kvHeads / heads⌋. Default `heads` */
  kvHeads?: number;
  /** factor of q · k; default 1/√d */
  scale?: number;
}

/** Options of an attention: heads, scale, and which keys a query sees. */
export interface AttentionMasking<A extends Real = Float32Array> extends HeadOptions {
  /** the last query of a sequence sees all of its keys, each query before it one key less. Default false */
  causal?: boolean;
  /** queries of each sequence of a batch, which stand one after another; default: one sequence */
  lengths?: ArrayLike<number>;
  /** keys of each sequence; default `lengths` */
  kvLengths?: ArrayLike<number>;
  /** added to the logits of every head: row i for query i, column j for key j of its sequence; −∞ masks */
  mask?: Dense<A>;
}

export const headKeys = ['heads', 'kvHeads', 'scale'] as const;
export const maskingKeys = [...headKeys, 'causal', 'lengths', 'kvLengths', 'mask'] as const;

/** Operands that have been checked. */
export interface Inputs {
  native: AttentionInputs;
  type: ArrayType<Real>;
  queries: number;
  heads: number;
  dv: number;
  q: Dense<Real>;
  k: Dense<Real>;
  v: Dense<Real>;
}

const most = 2 ** 32 - 1;

/** Query, key and their counts, prefix and its count: six numbers a segment, as native/attention/attention.h has them. */
type Segments = (queries: number, keys: number) => { flat: Uint32Array; longest: number };

/** Lengths that add up to `total`. */
export function lengthsOf(at: Where, argument: string, value: unknown, total: number): number[] {
  if (!Array.isArray(value) && !arrayTypeName(value))
    at.fail('ERR_DTYPE', argument, 'an array of lengths', describe(value));
  const array = value as ArrayLike<unknown>;
  const count = at.integer(`${argument}.length`, array.length, { max: most });
  const lengths = [];
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const length = at.integer(`${argument}[${i}]`, array[i], { max: most });
    lengths.push(length);
    sum += length;
  }
  if (sum !== total) at.fail('ERR_SHAPE', argument, `lengths that add up to ${total}`, `${sum}`);
  return lengths;
}

/** One segment for each sequence of a batch. */
export const sequences =
  (at: Where, lengths: ArrayLike<number> | undefined, kvLengths: ArrayLike<number> | undefined): Segments =>
  (queries, keys) => {
    if (lengths === undefined && kvLengths !== undefined)
      at.fail('ERR_OPTION', 'options.kvLengths', 'options.lengths beside it', 'none');
    const ofQueries = lengths === undefined ? [queries] : lengthsOf(at, 'options.lengths', lengths, queries);
    const given = kvLengths ?? lengths;
    const name = kvLengths === undefined ? 'options.lengths' : 'options.kvLengths';
    const ofKeys = given === undefined ? [keys] : lengthsOf(at, name, given, keys);
    if (ofKeys.length !== ofQueries.length)
      at.fail('ERR_SHAPE', name, `${ofQueries.length} lengths, one a sequence`, `${ofKeys.length}`);
    const flat = at.allocate(Uint32Array, 6 * ofQueries.length);
    let query = 0;
    let key = 0;
    ofQueries.forEach((count, i) => {
      flat.set([query, count, key, ofKeys[i]!], 6 * i);
      query += count;
      key += ofKeys[i]!;
    });
    return { flat, longest: ofKeys.reduce((a, b) => Math.max(a, b), 0) };
  };

/**
 * One segment for each block of a BlockRank prompt, causal all: the first block sees itself, the middle ones see the first
 * as well, and the last sees everything before it.
 */
export const promptBlocks =
  (at: Where, blocks: unknown): Segments =>
  (queries, keys) => {
    if (queries !== keys) at.fail('ERR_SHAPE', 'k', `as many rows as q, ${queries}`, `${keys}`);
    const lengths = lengthsOf(at, 'options.blocks', blocks, queries);
    const flat = at.allocate(Uint32Array, 6 * lengths.length);
    let start = 0;
    lengths.forEach((count, b) => {
      const isMiddle = b > 0 && b < lengths.length - 1;
      const isLast = b > 0 && b === lengths.length - 1;
      const keys = isLast ? [0, start + count] : [start, count];
      flat.set([start, count, ...keys, 0, isMiddle ? lengths[0]! : 0], 6 * b);
      start += count;
    });
    return { flat, longest: 0 };
  };

/** Checks q, k, v and what says who sees whom. */
export function inputsOf(
  at: Where,
  [q, k, v]: [unknown, unknown, unknown],
  { heads: givenHeads = 1, kvHeads: givenKvHeads, scale: givenScale }: HeadOptions,
  { causal, mask, segments }: { causal: boolean; mask?: unknown; segments: Segments },
): Inputs {
  const left = at.dense('q', q, [Float32Array, Float64Array]);
  const type = typeOf<Real>(left.data);
  const keys = at.dense('k', k, [type]);
  const values = at.dense('v', v, [type]);
  const heads = at.integer('options.heads', givenHeads, { min: 1 });
  const kvHeads = at.integer('options.kvHeads', givenKvHeads ?? heads, { min: 1 });
  if (heads % kvHeads !== 0) at.fail('ERR_SHAPE', 'options.kvHeads', `a divisor of ${heads} heads`, `${kvHeads}`);
  const d = widthOf(at, 'q', left, heads);
  const dv = widthOf(at, 'v', values, kvHeads);
  if (keys.cols !== kvHeads * d)
    at.fail('ERR_SHAPE', 'k', `${kvHeads * d} columns, ${kvHeads} heads of ${d}`, `${keys.cols}`);
  if (values.rows !== keys.rows) at.fail('ERR_SHAPE', 'v', `as many rows as k, ${keys.rows}`, `${values.rows}`);
  if (left.rows > most || keys.rows > most)
    at.fail('ERR_RANGE', 'q', 'fewer than 2^32 tokens', `${Math.max(left.rows, keys.rows)}`);
  const largest = Number.MAX_VALUE;
  const scale = at.number('options.scale', givenScale ?? 1 / Math.sqrt(d), { min: -largest, max: largest });
  const { flat, longest } = segments(left.rows, keys.rows);
  const added = mask === undefined ? undefined : at.dense('options.mask', mask, [type]);
  if (added && (added.rows !== left.rows || added.cols !== longest)) {
    const expected = `${left.rows} × ${longest}, queries by the keys of the longest sequence`;
    at.fail('ERR_SHAPE', 'options.mask', expected, `${added.rows} × ${added.cols}`);
  }
  return {
    native: [
      left.data,
      keys.data,
      values.data,
      added?.data,
      flat,
      left.rows,
      keys.rows,
      heads,
      kvHeads,
      d,
      dv,
      flat.length / 6,
      added?.cols ?? 0,
      scale,
      causal,
    ],
    type,
    queries: left.rows,
    heads,
    dv,
    q: left,
    k: keys,
    v: values,
  };
}

function widthOf(at: Where, argument: string, { cols }: Dense<Real>, heads: number): number {
  if (cols === 0 || cols % heads !== 0)
    at.fail('ERR_SHAPE', argument, `columns for ${heads} heads of at least one value`, `${cols}`);
  return cols / heads;
}
