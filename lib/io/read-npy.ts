import { where, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, NumericArray } from '../core/values.js';
import { native } from './native.js';
import { HeaderError, magic, parseHeader, type NpyHeader } from './npy-header.js';
import { withSource, type Bytes, type Source } from './source.js';

const longestHeader = 2 ** 16;

/** How a kind of numpy is kept: its array, the width of an element in the file. */
interface Kind {
  type: ArrayType;
  width: number;
  integers64?: 'signed' | 'unsigned';
}

const kinds: Record<string, Kind> = {
  f8: { type: Float64Array, width: 8 },
  f4: { type: Float32Array, width: 4 },
  f2: { type: Uint16Array, width: 2 },
  i1: { type: Int8Array, width: 1 },
  u1: { type: Uint8Array, width: 1 },
  b1: { type: Uint8Array, width: 1 },
  i2: { type: Int16Array, width: 2 },
  u2: { type: Uint16Array, width: 2 },
  i4: { type: Int32Array, width: 4 },
  u4: { type: Uint32Array, width: 4 },
  i8: { type: Float64Array, width: 8, integers64: 'signed' },
  u8: { type: Float64Array, width: 8, integers64: 'unsigned' },
};

/**
 * Reads a NumPy array file (.npy, versions 1.0, 2.0 and 3.0, either byte order). Two dimensions give a {@link Dense},
 * row-major whatever the order in the file; one dimension gives a typed array, none a typed array of one element.
 *
 * f8, f4, i4, u4, i2, u2, i1, u1 become the typed array of that name; bool becomes Uint8Array; f2 becomes Uint16Array
 * with the bits, in a Dense with `dtype: 'f16'`; i8 and u8 become Float64Array if every number is exactly a double.
 *
 * O(file size). Nothing is allocated on the word of the header: the file must have exactly the bytes it claims.
 *
 * @param source a path, a `file:` URL, or a Uint8Array with the file's bytes
 * @throws LapidaryError ERR_FORMAT with the byte (also for more than two dimensions, other dtypes and trailing bytes),
 *   ERR_RANGE for a 64-bit integer that is no double, ERR_IO, ERR_DTYPE, ERR_OUT_OF_MEMORY
 * @source NumPy Enhancement Proposal 1, A Simple File Format for NumPy Arrays
 * @example readNpy(writeNpy(dense(2, 1, Float32Array.of(1, 2)))).data // 1, 2
 */
export function readNpy(source: Source): Dense<NumericArray> | NumericArray {
  const at = where('readNpy');
  return withSource(at, source, (bytes) => {
    const { header, start, kind, swapped } = readHeader(at, bytes);
    const { shape, fortranOrder, descr } = header;
    const length = shape.reduce((product, size) => product * size, 1);
    if (bytes.size - start !== length * kind.width)
      fault(
        at,
        bytes,
        start,
        `${length * kind.width} bytes of data: (${shape.join(', ')}) of ${descr}`,
        `${bytes.size - start}`,
      );
    let data = bytes.read(start, length * kind.width);
    if (swapped) swapBytes(data, kind.width);
    const [rows, cols] = shape;
    if (rows === undefined || cols === undefined) return view(at, bytes, start, data, kind);
    if (fortranOrder) {
      const out = at.allocate<Uint8Array<ArrayBuffer>>(Uint8Array, data.length);
      native.toRowMajor(data, rows, cols, kind.width, out);
      data = out;
    }
    const values = view(at, bytes, start, data, kind);
    return { rows, cols, data: values, ...(descr.endsWith('f2') && { dtype: 'f16' as const }) };
  });
}

function readHeader(at: Where, bytes: Bytes): { header: NpyHeader; start: number; kind: Kind; swapped: boolean } {
  const expect = (offset: number, length: number, what: string): Uint8Array => {
    if (offset + length > bytes.size) fault(at, bytes, offset, `${length} bytes of ${what}`, `${bytes.size - offset}`);
    return bytes.read(offset, length);
  };
  const head = expect(0, 8, 'magic and version');
  const start = latin1(head.subarray(0, 6));
  if (start !== magic) fault(at, bytes, 0, 'the magic \\x93NUMPY', JSON.stringify(start));
  const [major = 0, minor = 0] = head.subarray(6);
  if (major < 1 || major > 3 || minor !== 0) fault(at, bytes, 6, 'version 1.0, 2.0 or 3.0', `${major}.${minor}`);
  const width = major === 1 ? 2 : 4;
  const sizes = expect(8, width, "the header's length");
  const length = new DataView(sizes.buffer)[width === 2 ? 'getUint16' : 'getUint32'](0, true);
  if (length > longestHeader)
    fault(at, bytes, 8, `a header of at most ${longestHeader} bytes: no structured dtype`, `${length}`);
  const text = expect(8 + width, length, 'header');
  const offset = 8 + width;
  let header: NpyHeader;
  try {
    header = parseHeader(major === 3 ? new TextDecoder().decode(text) : latin1(text));
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    return fault(at, bytes, offset + error.position, error.expected, error.got);
  }
  const [, order, name] = /^([<>|=])([a-z][0-9]+)$/.exec(header.descr) ?? [];
  const kind = name !== undefined && Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind || (order === '|' && kind.width > 1))
    return fault(
      at,
      bytes,
      offset,
      `a dtype of ${Object.keys(kinds).join(', ')} with its byte order`,
      `'${header.descr}'`,
    );
  if (header.shape.length > 2)
    fault(at, bytes, offset, 'at most 2 dimensions', `${header.shape.length}: (${header.shape.join(', ')})`);
  return { header, start: offset + length, kind, swapped: order === '>' };
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

function swapBytes(data: Uint8Array, width: number): void {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

/** The bytes, of which nobody else has a view, as numbers. */
function view(at: Where, bytes: Bytes, start: number, data: Uint8Array<ArrayBuffer>, kind: Kind): NumericArray {
  if (!kind.integers64) return new kind.type(data.buffer);
  const integers = new BigUint64Array(data.buffer);
  const out = at.allocate(Float64Array, integers.length);
  const signed = kind.integers64 === 'signed';
  const exact = native.integersToDoubles(integers, signed, out);
  if (exact < integers.length) {
    const value = signed ? BigInt.asIntN(64, integers[exact]!) : integers[exact]!;
    at.fail(
      'ERR_RANGE',
      `${bytes.name}, from byte ${start}, element ${exact}`,
      'a 64-bit integer that is a double',
      `${value}`,
    );
  }
  return out;
}

function fault(at: Where, bytes: Bytes, offset: number, expected: string, got: string): never {
  return at.fail('ERR_FORMAT', `${bytes.name}, byte ${offset}`, expected, got);
}
