import { arrayTypeName } from '../core/kind.js';
import { where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './decode-native.js';
import { realMatrix } from './linear-heads.js';

const schemes = ['unified-max', 'extended-exponent', 'safe'] as const;
const cacheTypes = ['f32', 'f16', 'bf16', 'f64'] as const;
const halves = ['f16', 'bf16'] as const;

/** Keys or values of past tokens: of the type of the query, or beside f32 16-bit floats whose `dtype` says which. */
export type KvCache<A extends Real = Float32Array> = Dense<A> | Dense<Uint16Array>;

/** Options of {@link decodeAttention}. */
export interface DecodeAttentionOptions<A extends Real = Float32Array> {
  /** query heads side by side in a row of `q`; default 1 */
  heads?: number;
  /** heads of keys and values, a divisor of `heads`: each serves heads / kvHeads query heads; default `heads` */
  kvHeads?: number;
  /** tokens in the cache of each sequence; default all that fit */
  lengths?: Uint32Array;
  /** factor of the logits; default 1 / √d */
  scale?: number;
  /** how the chunks of a sequence are joined; default `'extended-exponent'` */
  scheme?: (typeof schemes)[number];
  /** what `'unified-max'` subtracts from every logit; default 0 */
  phi?: number;
  /** `'unified-max'` holds while every logit − phi lies strictly between these; default [−60, 60] */
  window?: readonly [number, number];
  /** batch × pages of a sequence: where its tokens lie; without it the cache is contiguous */
  pageTable?: Uint32Array;
  /** tokens of a page, given with `pageTable` */
  pageSize?: number;
  /** batch × heads · dv, takes the result */
  out?: Dense<A>;
}

const names = [
  'heads',
  'kvHeads',
  'lengths',
  'scale',
  'scheme',
  'phi',
  'window',
  'pageTable',
  'pageSize',
  'out',
] as const;

function cacheType(at: Where, argument: string, cache: KvCache<Real>): number {
  const name = arrayTypeName(cache.data);
  if (name === 'Uint16Array') return 1 + at.oneOf(`${argument}.dtype`, cache.dtype, halves);
  return name === 'Float32Array' ? 0 : 3;
}

function bounds(at: Where, window: readonly unknown[]): [number, number] {
  if (!Array.isArray(window) || window.length !== 2)
    at.fail('ERR_DTYPE', 'options.window', 'a pair of numbers', String(window));
  return [at.number('options.window', window[0]), at.number('options.window', window[1])];
}

/**
 * Attention of the newest token of each sequence over its KV cache: for each query head
 * `out = Σ_s w_s · v_s / Σ_s w_s`, `w_s = exp(scale · q · k_s)`.
 *
 * The cache is one matrix of keys and one of values with a row for each token and its `kvHeads` heads side by side.
 * Contiguous: sequence b has the rows from b · (rows / batch) on. Paged: token s of sequence b lies in row
 * `pageTable[b · pages + ⌊s / pageSize⌋] · pageSize + s mod pageSize`; pages may lie in any order and be shared. Cached
 * values may be f32 or, at half the traffic, f16 or bf16, and everything is computed in f32; or all is f64, the reference.
 *
 * Sequences are cut into chunks of 256 keys. The schemes differ in what a chunk must know of the others:
 *
 * - `'extended-exponent'`: weights are pairs m · 2ⁿ, which cannot overflow, and chunks are joined by powers of two.
 *   Nothing to tune. Heads whose largest logit lies beyond ±54000 are computed again by `'safe'`.
 * - `'unified-max'`: all weights are relative to e^phi and chunks just add up. A head with a logit outside the window, a
 *   sum that is too small to be accurate (0 above all) or a result that is not finite is computed again by `'safe'`, and
 *   has that scheme's bits.
 * - `'safe'`: each chunk is relative to its own largest logit.
 *
 * A logit of −∞ masks a key; a head all of whose keys are masked, or a sequence of length 0, gives zeros; NaN or +∞ among
 * the logits of a head gives NaN throughout. A sequence's bits depend neither on the other sequences nor on the number of
 * threads.
 *
 * 2 · heads · (d + dv) operations a token; every key and value is read once, which is the limit of the speed. Scratch
 * memory: heads · (dv + 2) · 4 bytes for each 256 tokens, at most of 1024 such chunks or of one sequence at a time.
 *
 * @param q batch × heads · d, f32 or f64
 * @param kCache rows × kvHeads · d, of the type of `q`, or f16 or bf16 beside f32
 * @param vCache rows × kvHeads · dv, of the type of `kCache`
 * @returns `out`, batch × heads · dv, and `fallbacks`, the number of heads (of all sequences) computed again
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (a head count, a length beyond the room, a page beyond the cache),
 *   ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Hong et al., FlashDecoding++ (2023), section 3 (unified maximum, recomputation); Dukhan & Ablavatski, The
 *   Two-Pass Softmax Algorithm (2020), algorithm 3 (pairs). Deviation: the default window is as wide as f32 allows.
 * @example
 * const q = dense(1, 2, Float32Array.of(1, 0));
 * const keys = dense(2, 2, Float32Array.of(Math.log(3), 5, 0, 7));
 * const values = dense(2, 1, Float32Array.of(4, 8));
 * decodeAttention(q, keys, values, { scale: 1 }).out.data // 5
 */
export function decodeAttention<A extends Real>(
  q: Dense<A>,
  kCache: KvCache<A>,
  vCache: KvCache<A>,
  options?: DecodeAttentionOptions<A>,
): { out: Dense<A>; fallbacks: number } {
  const at = where('decodeAttention');
  const [query, real] = realMatrix<A>(at, 'q', q);
  const stored = query.data.BYTES_PER_ELEMENT === 8 ? [real] : [real, Uint16Array];
  const keys = at.dense('kCache', kCache, stored) as KvCache<A>;
  const values = at.dense('vCache', vCache, stored) as KvCache<A>;
  const opts = at.options(options, names);
  const batch = query.rows;

  const heads = at.integer('options.heads', opts.heads ?? 1, { min: 1 });
  const kvHeads = at.integer('options.kvHeads', opts.kvHeads ?? heads, { min: 1 });
  if (heads % kvHeads !== 0) at.fail('ERR_RANGE', 'options.kvHeads', `a divisor of heads (${heads})`, String(kvHeads));
  const width = (argument: string, cols: number, count: number) => {
    if (cols === 0 || cols % count !== 0)
      at.fail('ERR_SHAPE', argument, `a positive multiple of ${count} columns`, String(cols));
    return cols / count;
  };
  const d = width('q', query.cols, heads);
  const dv = width('vCache', values.cols, kvHeads);
  if (keys.cols !== kvHeads * d)
    at.fail('ERR_SHAPE', 'kCache', `${kvHeads} heads of ${d} columns, as those of q`, String(keys.cols));
  if (values.rows !== keys.rows) at.fail('ERR_SHAPE', 'vCache', `${keys.rows} rows`, String(values.rows));
  const type = cacheType(at, 'kCache', keys);
  if (cacheType(at, 'vCache', values) !== type)
    at.fail('ERR_DTYPE', 'vCache', `${cacheTypes[type]} as kCache`, cacheTypes[cacheType(at, 'vCache', values)]);

  const { pageTable } = opts;
  let room = batch > 0 ? Math.floor(keys.rows / batch) : 0;
  let pageSize = 0;
  if (pageTable !== undefined) {
    at.array('options.pageTable', pageTable, [Uint32Array]);
    pageSize = at.integer('options.pageSize', opts.pageSize, { min: 1 });
    if (batch === 0 ? pageTable.length > 0 : pageTable.length % batch !== 0)
      at.fail('ERR_SHAPE', 'options.pageTable', `a multiple of ${batch} pages`, String(pageTable.length));
    room = batch > 0 ? (pageTable.length / batch) * pageSize : 0;
  } else if (opts.pageSize !== undefined) {
    at.fail('ERR_OPTION', 'options.pageSize', 'a pageTable beside it', 'none');
  }
  let { lengths } = opts;
  if (lengths === undefined) {
    if (room > 2 ** 32 - 1) at.fail('ERR_RANGE', 'options.lengths', 'sequences of less than 2^32 tokens', String(room));
    lengths = at.allocate(Uint32Array, batch).fill(room);
  } else {
    at.array('options.lengths', lengths, [Uint32Array], batch);
    for (const length of lengths)
      if (length > room) at.fail('ERR_RANGE', 'options.lengths', `at most ${room} tokens`, String(length));
  }

  const scheme = at.oneOf('options.scheme', opts.scheme ?? 'extended-exponent', schemes);
  const finite = (argument: string, value: unknown) =>
    at.number(argument, value, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
  const scale = finite('options.scale', opts.scale ?? 1 / Math.sqrt(d));
  const phi = finite('options.phi', opts.phi ?? 0);
  const [low, high] = bounds(at, opts.window ?? [-60, 60]);
  const out = at.outDense('options.out', opts.out, real, batch, heads * dv);
  const fallbacks = native.decodeAttention(
    query.data,
    keys.data,
    values.data,
    lengths,
    pageTable,
    out.data,
    batch,
    keys.rows,
    heads,
    kvHeads,
    d,
    dv,
    pageSize,
    type,
    scheme,
    scale,
    phi,
    low,
    high,
  );
  return { out, fallbacks };
}
