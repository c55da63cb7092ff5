import { typeOf, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { headColumns, realMatrix } from './linear-heads.js';
import { native, type RotarySizes } from './native-linear.js';

const layouts = ['half', 'interleaved'] as const;

/** How a rotary embedding lies in a head: options that {@link rope} and shiftRope share. */
export interface RotaryOptions<A extends Real | Uint16Array = Float32Array> {
  /** default 1 */
  heads?: number;
  /** pair i is (x[i], x[i + dims/2]) in `'half'` (default; GPT-NeoX, Llama), (x[2i], x[2i + 1]) in `'interleaved'` (GPT-J) */
  layout?: (typeof layouts)[number];
  /** leading columns of each head that are turned, even; default all (one less if their number is odd) */
  dims?: number;
  /** frequency of pair i is base^(−2i/dims); default 10000 */
  base?: number;
  /** the frequencies themselves, dims/2 radians a position, in place of `base`: for NTK- or YaRN-scaled models */
  frequencies?: ArrayLike<number>;
  /** takes the result; may be the input itself */
  out?: Dense<A>;
}

/** Options of {@link rope}. */
export interface RopeOptions<A extends Real = Float32Array> extends RotaryOptions<A> {
  /** position of the first row, those after it follow; or the position of each row; default 0 */
  position?: number | ArrayLike<number>;
}

export const rotaryKeys = ['heads', 'layout', 'dims', 'base', 'frequencies', 'out'] as const;

/** The numbers of an array-like argument, finite. */
function finite(at: Where, argument: string, value: unknown): Float64Array {
  if (!(Array.isArray(value) || ArrayBuffer.isView(value)) || value instanceof DataView)
    at.fail('ERR_DTYPE', argument, 'an array of numbers');
  const list = Array.from(value as ArrayLike<unknown>, (x, i) =>
    at.number(`${argument}[${i}]`, x, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE }),
  );
  return Float64Array.from(list);
}

/** What both functions take, checked. */
export function rotaryArguments<A extends Real | Uint16Array>(
  at: Where,
  argument: string,
  matrix: Dense<A>,
  options: Partial<RotaryOptions<A>>,
) {
  const heads = at.integer('options.heads', options.heads ?? 1, { min: 1, max: 65536 });
  const d = headColumns(at, argument, matrix, heads);
  const layout = at.oneOf('options.layout', options.layout ?? 'half', layouts);
  if (options.base !== undefined && options.frequencies !== undefined)
    at.fail('ERR_OPTION', 'options.frequencies', 'either base or frequencies', 'both');
  const listed = options.frequencies === undefined ? undefined : finite(at, 'options.frequencies', options.frequencies);
  const dims = at.integer('options.dims', options.dims ?? (listed ? 2 * listed.length : d - (d % 2)), { max: d });
  if (dims % 2 !== 0) at.fail('ERR_RANGE', 'options.dims', 'an even number', String(dims));
  const base = at.number('options.base', options.base ?? 10000, { min: Number.MIN_VALUE, max: Number.MAX_VALUE });
  if (listed && listed.length !== dims / 2)
    at.fail('ERR_SHAPE', 'options.frequencies', `${dims / 2} numbers`, String(listed.length));
  const frequencies = listed ?? Float64Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  const out = at.outDense('options.out', options.out, typeOf<A>(matrix.data), matrix.rows, matrix.cols);
  const sizes: RotarySizes = [frequencies, matrix.rows, heads, d, layout];
  return { out, sizes };
}

/**
 * Rotary position embedding: turns pair i of each head of row t by the angle `position_t · frequency_i`,
 * `(a, b) → (a·cos − b·sin, b·cos + a·sin)`. Queries and keys turned so have products that depend on the distance of
 * their positions only.
 *
 * Angles are f64, so positions beyond 2^24 are as good as small ones; within 1 ulp of the pair's length.
 * O(rows · cols); bound by memory bandwidth but for d/2 sines and cosines a row.
 *
 * @param x rows × heads · d, f32 or f64
 * @returns rows × heads · d; `out` if it was given
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE, ERR_OPTION, ERR_ALIAS if `out` overlaps `x` without being it,
 *   ERR_DETACHED, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Su, Lu, Pan, Murtadha, Wen & Liu, RoFormer (2021), equation 34
 * @example rope(dense(1, 2, Float32Array.of(1, 0)), { position: Math.PI / 2 }).data.map(Math.round) // 0, 1
 */
export function rope<A extends Real>(x: Dense<A>, options?: RopeOptions<A>): Dense<A> {
  const at = where('rope');
  const given = at.options(options, [...rotaryKeys, 'position']);
  const [matrix] = realMatrix<A>(at, 'x', x);
  const { out, sizes } = rotaryArguments(at, 'x', matrix, given);
  const { position = 0 } = given;
  const positions =
    typeof position === 'number'
      ? at.allocate(Float64Array, matrix.rows).map((_, t) => position + t)
      : finite(at, 'options.position', position);
  if (typeof position === 'number') at.number('options.position', position, { min: -(2 ** 53), max: 2 ** 53 });
  if (positions.length !== matrix.rows)
    at.fail('ERR_SHAPE', 'options.position', `a position for each of ${matrix.rows} rows`, String(positions.length));
  native.rotatePositions(matrix.data, out.data, positions, ...sizes);
  return out;
}
