import { asDense } from '../core/lookalikes.js';
import { arrayTypeName, describe, where, type Where } from '../core/validate.js';
import type { Csr, Dense, NumericArray } from '../core/values.js';

/** Options of {@link writeMatrixMarket}. */
export interface WriteMatrixMarketOptions {
  /** lines put below the first one, each behind a `%` */
  comment?: string;
  /** of a Csr, write only where entries are (default false) */
  pattern?: boolean;
}

/**
 * The bytes of a Matrix Market file: `coordinate` for a {@link Csr}, `array` for a {@link Dense}, `general` symmetry;
 * field `integer` for arrays of integers, `real` for others, in the shortest decimals that read back the same number.
 * NaN and infinities are written as `nan` and `inf`, which this reader and SciPy understand.
 *
 * O(entries). Write them to a file with `fs.writeFileSync(path, bytes)`.
 *
 * @throws LapidaryError ERR_DTYPE, ERR_SHAPE, ERR_OPTION, ERR_FORMAT for a Csr whose indptr or columns are no structure
 * @source Boisvert, Pozo & Remington (NISTIR 5935, 1996)
 * @example
 * const bytes = writeMatrixMarket(dense(1, 2, Float64Array.of(1, 0.5)));
 * new TextDecoder().decode(bytes) // '%%MatrixMarket matrix array real general\n1 2\n1\n0.5\n'
 */
export function writeMatrixMarket(
  value: Csr<NumericArray> | Dense<NumericArray>,
  options: WriteMatrixMarketOptions = {},
): Uint8Array<ArrayBuffer> {
  const at = where('writeMatrixMarket');
  const { comment, pattern = false } = at.options(options, ['comment', 'pattern']);
  if (comment !== undefined && typeof comment !== 'string')
    at.fail('ERR_DTYPE', 'options.comment', 'a string', describe(comment));
  const comments = comment === undefined ? [] : comment.split(/\r?\n|\r/).map((text) => `% ${text}`);
  at.boolean('options.pattern', pattern);
  const matrix = asDense(value);
  if (!matrix) return writeCoordinate(at.csr('value', value, numericTypes), pattern, comments, at);
  at.dense('value', value, numericTypes);
  if (matrix.dtype) at.fail('ERR_DTYPE', 'value.dtype', 'none: 64- or 32-bit floats or integers', matrix.dtype);
  if (pattern) at.fail('ERR_OPTION', 'options.pattern', 'a Csr as value', 'a Dense');
  return writeArray(matrix, comments, at);
}

const numericTypes = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
] as const;

const fieldOf = (values: NumericArray): string => (arrayTypeName(values)!.startsWith('Float') ? 'real' : 'integer');

/** A number in the shortest decimals that give it back as a double; JavaScript would drop the sign of −0. */
function text(x: number): string {
  if (Number.isFinite(x)) return Object.is(x, -0) ? '-0' : `${x}`;
  return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
}

function writeCoordinate(
  matrix: Csr<NumericArray>,
  pattern: boolean,
  comments: string[],
  at: Where,
): Uint8Array<ArrayBuffer> {
  const { rows, cols, indptr, indices, values } = matrix;
  const field = pattern ? 'pattern' : fieldOf(values);
  const out = new Lines(at);
  out.add(`%%MatrixMarket matrix coordinate ${field} general`);
  for (const comment of comments) out.add(comment);
  out.add(`${rows} ${cols} ${indices.length}`);
  for (let i = 0; i < rows; i++) {
    const end = indptr[i + 1]!;
    if (indptr[i]! > end || end > indices.length || indptr[0] !== 0)
      at.fail('ERR_FORMAT', 'value.indptr', 'ascending from 0', `${indptr[i]} … ${end} in row ${i}`);
    for (let k = indptr[i]!; k < end; k++) {
      if (indices[k]! >= cols) at.fail('ERR_FORMAT', 'value.indices', `columns below ${cols}`, `${indices[k]}`);
      out.add(pattern ? `${i + 1} ${indices[k]! + 1}` : `${i + 1} ${indices[k]! + 1} ${text(values[k]!)}`);
    }
  }
  return out.bytes();
}

function writeArray({ rows, cols, data }: Dense<NumericArray>, comments: string[], at: Where): Uint8Array<ArrayBuffer> {
  const out = new Lines(at);
  out.add(`%%MatrixMarket matrix array ${fieldOf(data)} general`);
  for (const comment of comments) out.add(comment);
  out.add(`${rows} ${cols}`);
  for (let j = 0; j < cols; j++) for (let i = 0; i < rows; i++) out.add(text(data[i * cols + j]!));
  return out.bytes();
}

/** Lines of text, collected as encoded chunks: a string of a whole file would meet the engine's limit of 2^29 characters. */
class Lines {
  #pending = '';
  #chunks: Uint8Array[] = [];
  #encoder = new TextEncoder();

  constructor(readonly at: Where) {}

  add(content: string): void {
    this.#pending += content + '\n';
    if (this.#pending.length > 2 ** 16) this.#flush();
  }

  #flush(): void {
    this.#chunks.push(this.#encoder.encode(this.#pending));
    this.#pending = '';
  }

  bytes(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const length = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const all = this.at.allocate<Uint8Array<ArrayBuffer>>(Uint8Array, length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }
}
