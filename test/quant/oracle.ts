/** Rounding in exact arithmetic, from the definitions of the formats: no bit trick of the kernels is used here. */

/** A rational number, numerator over 2^exponent. */
interface Dyadic {
  numerator: bigint;
  exponent: number;
}

const word = new DataView(new ArrayBuffer(8));

export function bitsOf(x: number): number {
  word.setFloat32(0, x);
  return word.getUint32(0);
}

export function floatOf(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** A finite number as it is. */
function dyadic(x: number): Dyadic {
  word.setFloat64(0, x);
  const bits = word.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0 ? fraction : fraction | (1n << 52n);
  return { numerator: bits >> 63n ? -magnitude : magnitude, exponent: 1074 - Math.max(0, exponent - 1) };
}

/** −1, 0 or 1 as a < b, a = b, a > b. */
function compare(a: Dyadic, b: Dyadic): number {
  const common = Math.max(a.exponent, b.exponent);
  const left = a.numerator << BigInt(common - a.exponent);
  const right = b.numerator << BigInt(common - b.exponent);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A float format by its fields. */
export interface Format {
  exponentBits: number;
  mantissaBits: number;
  bias: number;
  /** codes (without sign) above this are not finite */
  largest: number;
  /** what an overflow gives if it does not saturate */
  overflow: number;
  nan?: number;
}

export const formats = {
  half: { exponentBits: 5, mantissaBits: 10, bias: 15, largest: 0x7bff, overflow: 0x7c00, nan: 0x7e00 },
  bfloat16: { exponentBits: 8, mantissaBits: 7, bias: 127, largest: 0x7f7f, overflow: 0x7f80, nan: 0x7fc0 },
  e4m3: { exponentBits: 4, mantissaBits: 3, bias: 7, largest: 0x7e, overflow: 0x7f, nan: 0x7f },
  e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, largest: 0x7b, overflow: 0x7c, nan: 0x7e },
  e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, largest: 7, overflow: 7 },
  e3m0: { exponentBits: 3, mantissaBits: 0, bias: 3, largest: 7, overflow: 7 },
} satisfies Record<string, Format>;

/** The value of a finite code without sign, from sign, exponent and mantissa as the standard defines them. */
export function valueOf({ mantissaBits, bias }: Format, code: number): number {
  const exponent = Math.floor(code / 2 ** mantissaBits);
  const mantissa = (code % 2 ** mantissaBits) / 2 ** mantissaBits;
  return exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias);
}

/** What `largest + 1` would be worth if the format went on: the boundary of overflow lies half-way to it. */
const beyond = (format: Format): number => valueOf(format, format.largest + 1);

/** The code nearest to x, ties to the even code, by bisection over all codes and exact comparisons. */
export function encode(format: Format, x: number, saturate: boolean): number {
  const sign = Object.is(x, -0) || x < 0 ? 2 ** (format.exponentBits + format.mantissaBits) : 0;
  if (Number.isNaN(x)) throw new Error('NaN is compared apart');
  const magnitude = Math.abs(x);
  const over = sign + (saturate ? format.largest : format.overflow);
  if (magnitude === Infinity) return over;
  let low = 0;
  let high = format.largest + 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (valueOf(format, middle) <= magnitude) low = middle;
    else high = middle;
  }
  // between the values of low and low + 1: compare 2·|x| with their sum
  const next = low === format.largest ? beyond(format) : valueOf(format, low + 1);
  const a = dyadic(valueOf(format, low));
  const b = dyadic(next);
  const common = Math.max(a.exponent, b.exponent);
  const sum = {
    numerator: (a.numerator << BigInt(common - a.exponent)) + (b.numerator << BigInt(common - b.exponent)),
    exponent: common,
  };
  const twice = dyadic(magnitude);
  const order = compare({ numerator: twice.numerator * 2n, exponent: twice.exponent }, sum);
  const code = order > 0 || (order === 0 && low % 2 === 1) ? low + 1 : low;
  return code > format.largest ? over : sign + code;
}

/** Every finite code's value, every boundary between neighbours, and the f32 just beside each. */
export function interesting(format: Format): Float32Array {
  const found = new Set<number>();
  for (let code = 0; code <= format.largest; code++) {
    const value = valueOf(format, code);
    const next = code === format.largest ? beyond(format) : valueOf(format, code + 1);
    for (const x of [value, Math.fround((value + next) / 2)])
      for (const beside of [-2, -1, 0, 1, 2]) {
        const bits = bitsOf(x) + beside;
        if (bits >= 0) found.add(floatOf(bits));
      }
  }
  for (const x of [3.4028234663852886e38, 2 ** -149, 2 ** -126, 1e-30, 1e30, 123456.789]) found.add(Math.fround(x));
  const magnitudes = [...found].filter(Number.isFinite);
  return Float32Array.from([...magnitudes, ...magnitudes.map((x) => -x), Infinity, -Infinity]);
}
