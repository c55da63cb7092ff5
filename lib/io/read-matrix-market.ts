import { describe, where, type Where } from '../core/validate.js';
import type { Csr, Dense } from '../core/values.js';
import { fromCoo } from '../sparse/index.js';
import { native } from './native.js';
import { withSource, type Source } from './source.js';

const fields = ['real', 'integer', 'pattern'] as const;
const symmetries = ['general', 'symmetric', 'skew-symmetric'] as const;
type Symmetry = (typeof symmetries)[number];

/** The first lines of a file, and where what follows them begins. */
interface Header {
  format: 'coordinate' | 'array';
  field: (typeof fields)[number];
  symmetry: Symmetry;
  rows: number;
  cols: number;
  /** of a coordinate file, as it claims */
  entries: number;
  body: Uint8Array;
  bodyOffset: number;
}

/** A file being read: what its faults are reported with. */
interface Reading {
  at: Where;
  name: string;
  text: Uint8Array;
}

/**
 * Reads a Matrix Market file: `coordinate` gives a {@link Csr}, `array` a {@link Dense}, both of Float64Array.
 *
 * Entries at the same place are summed. Of `symmetric` and `skew-symmetric` files the other triangle is filled in; a
 * symmetric file may hold either. The entries of a `pattern` are 1. Integers beyond 2^53 are rounded. `complex` and
 * `hermitian` files are refused. Blank lines, comments anywhere, CR LF, capitals and indentation are accepted.
 *
 * O(file size), parsed on all threads. Nothing is allocated on the word of the size line: lines are counted first, and a
 * file may claim at most 2^24 rows more than 64 for each of its bytes.
 *
 * @param source a path, a `file:` URL, or a Uint8Array with the file's bytes
 * @throws LapidaryError ERR_FORMAT with the line, ERR_IO, ERR_DTYPE, ERR_OUT_OF_MEMORY
 * @source Boisvert, Pozo & Remington, The Matrix Market Exchange Formats: Initial Design (NISTIR 5935, 1996)
 * @example
 * const text = '%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 4\n2 1 0.5\n';
 * readMatrixMarket(new TextEncoder().encode(text)).values // 4, 0.5, 0.5
 */
export function readMatrixMarket(source: Source): Csr | Dense {
  const at = where('readMatrixMarket');
  return withSource(at, source, (bytes) => {
    const reading = { at, name: bytes.name, text: bytes.all() };
    const header = readHeader(reading);
    return header.format === 'coordinate' ? readCoordinate(reading, header) : readArray(reading, header);
  });
}

function readHeader(reading: Reading): Header {
  const { text } = reading;
  const banner = line(text, 0);
  const words = banner.content.toLowerCase().split(/\s+/);
  if (words[0] !== '%%matrixmarket')
    fault(reading, 0, "'%%MatrixMarket matrix …' on its first line", quote(banner.content));
  const choose = <N extends readonly string[]>(what: string, position: number, names: N): N[number] => {
    const word = words[position] ?? '';
    if (!names.includes(word)) fault(reading, 0, `${what} ${names.join(', ')}`, quote(word));
    return word;
  };
  if (words[3] === 'double') words[3] = 'real'; // its name in early files
  if (words[3] === 'unsigned-integer') words[3] = 'integer'; // what SciPy writes for unsigned arrays
  choose('the object', 1, ['matrix']);
  const format = choose('the format', 2, ['coordinate', 'array'] as const);
  const field = choose('a field of', 3, format === 'array' ? (['real', 'integer'] as const) : fields);
  const symmetry = choose('a symmetry of', 4, symmetries);
  if (words.length > 5) fault(reading, 0, 'five words on the first line', quote(banner.content));

  let size = line(text, banner.next);
  while (size.offset < text.length && (size.content === '' || size.content.startsWith('%')))
    size = line(text, size.next);
  const numbers = size.content === '' ? [] : size.content.split(/\s+/);
  const count = format === 'array' ? 2 : 3;
  const valid = numbers.every((n) => /^[0-9]{1,16}$/.test(n) && Number.isSafeInteger(Number(n)));
  if (numbers.length !== count || !valid)
    fault(reading, size.offset, `a size line of ${count} whole numbers from 0 to 2^53`, quote(size.content));
  const [rows = 0, cols = 0, entries = 0] = numbers.map(Number);
  if (symmetry !== 'general' && rows !== cols)
    fault(reading, size.offset, `a square matrix, since it is ${symmetry}`, `${rows} × ${cols}`);
  const largest = 2 ** 24 + 64 * text.length;
  if (format === 'coordinate' && (rows > Math.min(largest, 2 ** 32 - 2) || cols > 2 ** 32 - 1))
    fault(reading, size.offset, `at most ${Math.min(largest, 2 ** 32 - 2)} rows and 2^32 − 1 columns`, size.content);
  return { format, field, symmetry, rows, cols, entries, body: text.subarray(size.next), bodyOffset: size.next };
}

function readCoordinate(reading: Reading, header: Header): Csr {
  const { at } = reading;
  const { field, symmetry, rows, cols, entries, body } = header;
  expectLines(reading, header, entries);
  const room = symmetry === 'general' ? entries : 2 * entries;
  let row = at.allocate(Uint32Array, room);
  let col = at.allocate(Uint32Array, room);
  let value = at.allocate(Float64Array, room);
  const skew = symmetry === 'skew-symmetric';
  const problem = new Float64Array(2);
  const given = [row.subarray(0, entries), col.subarray(0, entries), value.subarray(0, entries)] as const;
  native.marketCoordinates(body, rows, cols, fields.indexOf(field), skew, ...given, problem);
  expectNoProblem(reading, header, problem);
  if (symmetry !== 'general') {
    const used = native.marketMirror(entries, skew ? -1 : 1, row, col, value);
    [row, col, value] = [row.subarray(0, used), col.subarray(0, used), value.subarray(0, used)];
  }
  return fromCoo({ rows, cols, row, col, value });
}

function readArray(reading: Reading, header: Header): Dense {
  const { at } = reading;
  const { field, symmetry, rows, cols, body } = header;
  const packed = symmetry === 'symmetric' ? (rows * (rows + 1)) / 2 : (rows * (rows - 1)) / 2;
  const entries = symmetry === 'general' ? rows * cols : packed;
  expectLines(reading, header, entries);
  const values = at.allocate(Float64Array, entries);
  const problem = new Float64Array(2);
  native.marketArray(body, fields.indexOf(field), values, problem);
  expectNoProblem(reading, header, problem);
  const data = at.allocate(Float64Array, rows * cols);
  if (symmetry === 'general') native.toRowMajor(asBytes(values), rows, cols, 8, asBytes(data));
  else native.marketUnpack(values, rows, symmetry === 'skew-symmetric', data);
  return { rows, cols, data };
}

const asBytes = (array: Float64Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function expectLines(reading: Reading, { body }: Header, entries: number): void {
  const found = native.marketCount(body);
  if (found !== entries)
    fault(reading, reading.text.length, `${entries} lines of entries, as the size line says`, `${found} lines`);
}

function expectNoProblem(reading: Reading, header: Header, [code, offset]: Float64Array): void {
  if (!code) return;
  const { rows, cols, field, bodyOffset } = header;
  const number = field === 'integer' ? 'a whole number' : 'a number';
  const expected = [
    `a row index from 1 to ${rows}`,
    `a column index from 1 to ${cols}`,
    `${number} as value`,
    'nothing more on the line',
    'no entry on the diagonal of a skew-symmetric matrix',
  ][code - 1]!;
  const start = bodyOffset + offset!;
  fault(reading, start, expected, quote(line(reading.text, start).content));
}

const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

/** The line that begins at `offset`, without white space around; of a long one the first 200 characters and an ellipsis. */
function line(text: Uint8Array, offset: number): { offset: number; content: string; next: number } {
  const newline = text.indexOf(10, offset);
  const end = newline < 0 ? text.length : newline;
  let first = offset;
  let last = end;
  while (first < last && isSpace(text[first]!)) first++;
  while (first < last && isSpace(text[last - 1]!)) last--;
  const start = String.fromCharCode(...text.subarray(first, Math.min(last, first + 200)));
  const content = last - first > 200 ? `${start}…` : start; // no line of the header is that long
  return { offset, content, next: newline < 0 ? text.length : newline + 1 };
}

const quote = (content: string): string => (content === '' ? 'nothing' : describe(content));

function fault({ at, name, text }: Reading, offset: number, expected: string, got: string): never {
  let number = 1;
  for (let next = text.indexOf(10); next >= 0 && next < offset; next = text.indexOf(10, next + 1)) number++;
  return at.fail('ERR_FORMAT', `${name}, line ${number}`, expected, got);
}
