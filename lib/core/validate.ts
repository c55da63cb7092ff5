/**
 * Validation, in one place and with one shape of message. A public function starts with `const at = where('name')` and
 * checks each argument once; below the public boundary values are trusted.
 */
import { Buffer, constants } from 'node:buffer';
import { LapidaryError, type ErrorCode } from './errors.js';
import { arrayTypeName } from './kind.js';
import { asDense } from './lookalikes.js';
import { native } from './native.js';
import type { Csr, Dense, NumericArray } from './values.js';

export { arrayTypeName };

/** The constructor of a typed array. */
export interface ArrayType<A extends NumericArray = NumericArray> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): A;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): A;
}

type Instance<T extends readonly ArrayType[]> = InstanceType<T[number]>;

/** What a value is, in a few words for a message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  const type = arrayTypeName(value);
  if (type) return `${type}(${(value as NumericArray).length})`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `'${value.slice(0, 40)}…'` : `'${value}'`;
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      return `an object with ${Object.keys(value).slice(0, 6).join(', ') || 'no keys'}`;
    default:
      return `a ${typeof value}`;
  }
}

const hugePage = 2 ** 21;
const keys = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'keys')!.value as () => void;

/** True for a view whose buffer was transferred away, or resized so that it no longer holds the view. */
function isDetached(array: NumericArray | BigUint64Array): boolean {
  if (array.length > 0) return false;
  try {
    keys.call(array); // refuses such views and nothing else
    return false;
  } catch {
    return true;
  }
}

const list = (types: readonly ArrayType[]): string => types.map((t) => t.name).join(' or ');

/** The checks of one public function; every failure is a LapidaryError that names it. */
export class Where {
  constructor(readonly name: string) {}

  error(code: ErrorCode, argument: string | undefined, expected: string, got?: string): LapidaryError {
    const details = { function: this.name, expected, ...(argument && { argument }), ...(got && { got }) };
    return new LapidaryError(code, details);
  }

  fail(code: ErrorCode, argument: string | undefined, expected: string, got?: string): never {
    throw this.error(code, argument, expected, got);
  }

  /** The result of other public functions: what they refuse, this one refuses in its own name, about this argument. */
  inside<R>(argument: string, call: () => R): R {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof LapidaryError)) throw error;
      const { code, expected, got } = error;
      throw new LapidaryError(code, { function: this.name, argument, expected, ...(got && { got }) }, { cause: error });
    }
  }

  /** A finite or infinite number within [min, max]; NaN is refused. */
  number(argument: string, value: unknown, { min = -Infinity, max = Infinity } = {}): number {
    if (typeof value !== 'number') this.fail('ERR_DTYPE', argument, 'a number', describe(value));
    if (!(value >= min && value <= max))
      this.fail('ERR_RANGE', argument, `a number from ${min} to ${max}`, String(value));
    return value;
  }

  /** A whole number within [min, max], by default any size. */
  integer(argument: string, value: unknown, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
    if (typeof value !== 'number') this.fail('ERR_DTYPE', argument, 'a whole number', describe(value));
    if (!Number.isInteger(value) || value < min || value > max)
      this.fail('ERR_RANGE', argument, `a whole number from ${min} to ${max}`, String(value));
    return value;
  }

  boolean(argument: string, value: unknown): boolean {
    if (typeof value !== 'boolean') this.fail('ERR_DTYPE', argument, 'a boolean', describe(value));
    return value;
  }

  /** One of the given names; gives its position, which is what the native side takes. */
  oneOf<const N extends readonly string[]>(argument: string, value: unknown, names: N): number {
    const position = names.indexOf(value as string);
    if (position < 0)
      this.fail('ERR_OPTION', argument, `one of ${names.map((n) => `'${n}'`).join(', ')}`, describe(value));
    return position;
  }

  function(argument: string, value: unknown): void {
    if (typeof value !== 'function') this.fail('ERR_DTYPE', argument, 'a function', describe(value));
  }

  /** An options object with no key but these: a misspelt option is an error, not a default. */
  options<T extends object>(value: T | undefined, known: readonly (keyof T & string)[]): Partial<T> {
    if (value === undefined) return {};
    if (typeof value !== 'object' || value === null || arrayTypeName(value))
      this.fail('ERR_DTYPE', 'options', 'an object', describe(value));
    for (const key of Object.keys(value))
      if (!known.includes(key as keyof T & string))
        this.fail('ERR_OPTION', `options.${key}`, `one of the options ${known.join(', ') || '(none)'}`, key);
    return value;
  }

  /** a·b as a number of elements that a typed array can have. */
  size(argument: string, a: number, b: number): number {
    const product = a * b;
    if (product > Number.MAX_SAFE_INTEGER) this.fail('ERR_RANGE', argument, 'at most 2^53 elements', `${a} × ${b}`);
    return product;
  }

  /** A typed array of one of these types and, if given, of this length. */
  array<const T extends readonly ArrayType[]>(
    argument: string,
    value: unknown,
    types: T,
    length?: number,
  ): Instance<T> {
    const name = arrayTypeName(value);
    if (!name || !types.some((t) => t.name === name)) this.fail('ERR_DTYPE', argument, list(types), describe(value));
    const array = value as NumericArray;
    this.attached(argument, array, name);
    if (length !== undefined && array.length !== length)
      this.fail('ERR_SHAPE', argument, `${list(types)} of length ${length}`, describe(value));
    return array as Instance<T>;
  }

  /** Bit planes: so many words of 64 bits. */
  words(argument: string, value: unknown, length: number): BigUint64Array {
    const name = arrayTypeName(value);
    if (name !== 'BigUint64Array') this.fail('ERR_DTYPE', argument, 'BigUint64Array', describe(value));
    const words = value as BigUint64Array;
    this.attached(argument, words, name);
    if (words.length !== length)
      this.fail('ERR_SHAPE', argument, `BigUint64Array of length ${length}`, describe(value));
    return words;
  }

  /** A view whose buffer is still there. */
  attached(argument: string, view: NumericArray | BigUint64Array, name: string): void {
    if (isDetached(view))
      this.fail('ERR_DETACHED', argument, `an attached ${name}`, 'one whose buffer is detached or has shrunk');
  }

  /** A Dense, or a look-alike that means the same (a contiguous ndarray, an ml-matrix Matrix), as a Dense. */
  dense<const T extends readonly ArrayType[]>(argument: string, value: unknown, types: T): Dense<Instance<T>> {
    const matrix = asDense(value);
    if (!matrix) this.fail('ERR_DTYPE', argument, `a Dense of ${list(types)}`, describe(value));
    const rows = this.integer(`${argument}.rows`, matrix.rows);
    const cols = this.integer(`${argument}.cols`, matrix.cols);
    this.array(`${argument}.data`, matrix.data, types, this.size(argument, rows, cols));
    return matrix as Dense<Instance<T>>;
  }

  /**
   * A Csr by its outside: types and lengths. Its inside (monotone indptr, ascending columns in range) is checked natively
   * by the functions of lapidary/sparse.
   */
  csr<const T extends readonly ArrayType[]>(argument: string, value: unknown, types: T): Csr<Instance<T>> {
    if (typeof value !== 'object' || value === null || !('indptr' in value))
      this.fail('ERR_DTYPE', argument, `a Csr of ${list(types)}`, describe(value));
    const matrix = value as Csr<Instance<T>>;
    const rows = this.integer(`${argument}.rows`, matrix.rows, { max: 2 ** 32 - 2 });
    this.integer(`${argument}.cols`, matrix.cols, { max: 2 ** 32 - 1 });
    this.array(`${argument}.indptr`, matrix.indptr, [Uint32Array], rows + 1);
    const nnz = matrix.indptr[rows]!;
    this.array(`${argument}.indices`, matrix.indices, [Uint32Array], nnz);
    this.array(`${argument}.values`, matrix.values, types, nnz);
    return matrix;
  }

  /** `value` if it can take a result of this type and shape, a new Dense if it was not given. */
  outDense<A extends NumericArray>(argument: string, value: unknown, type: ArrayType<A>, rows: number, cols: number) {
    if (value === undefined) {
      const data = this.allocate(type, this.size(argument, rows, cols));
      return { rows, cols, data } as Dense<A>;
    }
    this.fillable(argument, value);
    const out: Dense<A> = this.dense(argument, value, [type]);
    if (out.rows !== rows || out.cols !== cols)
      this.fail('ERR_SHAPE', argument, `${rows} × ${cols}`, `${out.rows} × ${out.cols}`);
    return out;
  }

  /** Refuses an output whose memory we could not write: an ml-matrix Matrix has its rows apart and is copied when read. */
  fillable(argument: string, value: unknown): void {
    if (typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data))
      this.fail('ERR_DTYPE', argument, 'a Dense or an ndarray, which can be filled', describe(value));
  }

  /** `value` if it can take a result of this type and length, a new array if it was not given. */
  outArray<A extends NumericArray>(argument: string, value: unknown, type: ArrayType<A>, length: number): A {
    if (value === undefined) return this.allocate(type, length);
    return this.array(argument, value, [type], length);
  }

  /** A new typed array; where the engine refuses its size, a LapidaryError says so. */
  allocate<A extends NumericArray>(type: ArrayType<A>, length: number): A {
    return this.made(type, length, () => new type(length));
  }

  /**
   * An array for a result that a kernel writes in full, or else throws: what stands in it before is whatever was in that
   * memory. Clearing a large one costs a pass, and worse, touches it in small pages. One of 8 MiB and more is a view that begins
   * where a huge page does, and that ends with one where this leaves at most a tenth of the memory idle: a megabyte in
   * small pages at either end costs 256 page faults, in some virtual machines milliseconds.
   */
  allocateUncleared<A extends NumericArray>(type: ArrayType<A>, length: number): A {
    const bytes = length * type.BYTES_PER_ELEMENT;
    if (bytes > constants.MAX_LENGTH) return this.allocate(type, length);
    return this.made(type, length, () => {
      const whole = Math.ceil(bytes / hugePage) * hugePage;
      const room = hugePage + (whole <= 1.1 * bytes ? whole : bytes);
      if (bytes < 4 * hugePage || room > constants.MAX_LENGTH)
        return new type(Buffer.allocUnsafeSlow(bytes).buffer, 0, length);
      const memory = Buffer.allocUnsafeSlow(room);
      const begin = native.hugePages(memory);
      // what a caller sees beside the result must not be what others left there
      native.clearUntouched(memory.subarray(0, begin));
      native.clearUntouched(memory.subarray(begin + bytes));
      return new type(memory.buffer, begin, length);
    });
  }

  private made<A extends NumericArray>(type: ArrayType<A>, length: number, make: () => A): A {
    try {
      return make();
    } catch {
      const bytes = length * type.BYTES_PER_ELEMENT;
      return this.fail(
        'ERR_OUT_OF_MEMORY',
        undefined,
        `memory for ${type.name}(${length})`,
        `no room for ${bytes} bytes`,
      );
    }
  }
}

/** The checks of the function with this name. */
export const where = (name: string): Where => new Where(name);

/** The type of a typed array, as a constructor of this realm. */
export function typeOf<A extends NumericArray>(array: A): ArrayType<A> {
  return (globalThis as unknown as Record<string, ArrayType<A>>)[arrayTypeName(array)!]!;
}
