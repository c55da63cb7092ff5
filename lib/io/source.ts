/** What a reader reads from: the bytes of a file or of an array, by position, with errors that name it. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { filePath } from '../core/file-url.js';
import { arrayTypeName, describe, type Where } from '../core/validate.js';

/** A path, a `file:` URL, or the bytes themselves. */
export type Source = string | URL | Uint8Array;

/** An open source. */
export interface Bytes {
  /** how messages call it: the argument's name, with the path of a file */
  name: string;
  size: number;
  /** a new array with these bytes, which must lie within `size` */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** all bytes, without a copy where the source is an array */
  all(): Uint8Array;
}

// A pipe that nobody writes to would keep openSync waiting for ever; Windows has neither such pipes nor the flag.
const readNow = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const largestRead = 2 ** 30; // one call of the operating system reads less than 2 GiB

/** Calls `body` with the opened source and closes it after. */
export function withSource<T>(at: Where, source: unknown, body: (bytes: Bytes) => T): T {
  if (arrayTypeName(source) === 'Uint8Array') return body(fromArray(at, at.array('source', source, [Uint8Array])));
  const path = source instanceof URL ? filePath(at, 'source', source) : source;
  if (typeof path !== 'string' || path === '')
    at.fail('ERR_DTYPE', 'source', 'a path, a file: URL or a Uint8Array', describe(source));
  const name = `source '${path}'`;
  const file = system(at, name, () => openSync(path, readNow));
  try {
    const status = fstatSync(file);
    if (!status.isFile()) at.fail('ERR_IO', name, 'a file', status.isDirectory() ? 'a directory' : 'a special file');
    return body(fromFile(at, name, file, status.size));
  } finally {
    closeSync(file);
  }
}

function fromArray(at: Where, array: Uint8Array): Bytes {
  const read = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
    const copy = at.allocate<Uint8Array<ArrayBuffer>>(Uint8Array, length);
    copy.set(array.subarray(offset, offset + length));
    return copy;
  };
  return { name: 'source', size: array.length, read, all: () => array };
}

function fromFile(at: Where, name: string, file: number, size: number): Bytes {
  const read = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
    const bytes = at.allocate<Uint8Array<ArrayBuffer>>(Uint8Array, length);
    for (let done = 0; done < length;) {
      const wanted = Math.min(length - done, largestRead);
      const got = system(at, name, () => readSync(file, bytes, done, wanted, offset + done));
      if (got === 0) at.fail('ERR_IO', name, `${size} bytes`, `its end at byte ${offset + done}: it was cut meanwhile`);
      done += got;
    }
    return bytes;
  };
  return { name, size, read, all: () => read(0, size) };
}

/** Runs a call of the operating system; its failure is an ERR_IO. */
function system<T>(at: Where, name: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    return at.fail('ERR_IO', name, 'a readable file', (error as Error).message);
  }
}
