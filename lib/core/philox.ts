import { native } from './native.js';
import { arrayTypeName, where } from './validate.js';

/** Random numbers by position: any of them can be asked for, in any order. */
export interface Philox {
  readonly seed: bigint;
  readonly stream: bigint;
  /** word i, uniform on 0 … 2^32 − 1 */
  uint32(i: number): number;
  /** number i, uniform on [0, 1) with 53 bits (made of words 2i and 2i + 1) */
  uniform(i: number): number;
  /** fills `out` with words (Uint32Array) or uniform numbers (Float64Array) first, first + 1, … ; returns `out` */
  fill<A extends Uint32Array | Float64Array>(out: A, first?: number): A;
}

/**
 * The counter-based generator Philox 4x32-10: the same seed and stream give the same bits here, in C++ and on every
 * machine.
 *
 * @param seed whole number or bigint, used modulo 2^64
 * @param stream the same; streams of one seed are independent
 * @throws LapidaryError ERR_RANGE, ERR_DTYPE
 * @source Salmon, Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011)
 * @example philox(1).uniform(0) === philox(1).uniform(0) // true
 */
export function philox(seed: number | bigint, stream: number | bigint = 0): Philox {
  const [seedLo, seedHi] = words('seed', seed);
  const [streamLo, streamHi] = words('stream', stream);

  const block = (index: number): Uint32Array =>
    philox4x32(Uint32Array.of(index, Math.floor(index / 2 ** 32), streamLo, streamHi), seedLo, seedHi);

  return {
    seed: (BigInt(seedHi) << 32n) | BigInt(seedLo),
    stream: (BigInt(streamHi) << 32n) | BigInt(streamLo),
    uint32: (i) => block(Math.floor(i / 4))[i % 4]!,
    uniform(i) {
      const b = block(Math.floor(i / 2));
      const at = 2 * (i % 2);
      return ((b[at]! >>> 5) * 2 ** 26 + (b[at + 1]! >>> 6)) * 2 ** -53;
    },
    fill(out, first = 0) {
      const at = where('philox.fill');
      at.array('out', out, [Uint32Array, Float64Array]);
      at.integer('first', first, { max: Number.MAX_SAFE_INTEGER - out.length });
      const fill = arrayTypeName(out) === 'Uint32Array' ? native.philoxUint32 : native.philoxUniform;
      (fill as (...args: unknown[]) => void)(seedLo, seedHi, streamLo, streamHi, first, out);
      return out;
    },
  };
}

function words(argument: string, value: number | bigint): [number, number] {
  const at = where('philox');
  if (typeof value !== 'bigint') at.integer(argument, value, { min: Number.MIN_SAFE_INTEGER });
  const bits = BigInt.asUintN(64, BigInt(value));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** Ten rounds on one block; `counter` is overwritten and returned. */
function philox4x32(c: Uint32Array, key0: number, key1: number): Uint32Array {
  for (let round = 0; round < 10; round++) {
    const [hi0, lo0] = multiply(0xd2511f53, c[0]!);
    const [hi1, lo1] = multiply(0xcd9e8d57, c[2]!);
    c[0] = hi1 ^ c[1]! ^ key0;
    c[1] = lo1;
    c[2] = hi0 ^ c[3]! ^ key1;
    c[3] = lo0;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  return c;
}

/** The 64-bit product of two 32-bit words as [high, low]. */
function multiply(a: number, b: number): [number, number] {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const low = al * bl;
  const middle = ah * bl + (low >>> 16);
  const cross = al * bh + (middle % 0x10000);
  const high = ah * bh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}
