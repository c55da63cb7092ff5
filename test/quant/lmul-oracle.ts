/** L-Mul in rational arithmetic, from the printed definitions: no addition of bit patterns is used here. */
import { formats, type Format } from './oracle.js';

export type Variant = 'adder' | 'formula';

export const lmulFormats = {
  f32: { exponentBits: 8, mantissaBits: 23, bias: 127, largest: 0x7f7fffff, overflow: 0x7f800000, nan: 0x7fc00000 },
  bf16: formats.bfloat16,
  f16: formats.half,
  e4m3: { ...formats.e4m3, overflow: formats.e4m3.largest },
  e5m2: formats.e5m2,
} satisfies Record<string, Format>;

/** l(m) of the paper. */
const shiftOf = (m: number): number => (m <= 3 ? m : m === 4 ? 3 : 4);

/** n / 2^bits to nearest, ties to even. */
function halfEven(n: bigint, bits: bigint): bigint {
  if (bits <= 0n) return n << -bits;
  const floor = n >> bits;
  const twice = (n - (floor << bits)) << 1n;
  const one = 1n << bits;
  return twice > one || (twice === one && floor & 1n) ? floor + 1n : floor;
}

/** A positive number numerator · 2^exponent in the format, normal numbers only. */
function codeOf(format: Format, numerator: bigint, exponent: number): number {
  const m = format.mantissaBits;
  let width = numerator.toString(2).length;
  let scaled = halfEven(numerator, BigInt(width - 1 - m));
  if (scaled === 1n << BigInt(m + 1)) {
    scaled >>= 1n;
    width++;
  }
  const power = exponent + width - 1;
  if (power < 1 - format.bias) return 0;
  const code = (power + format.bias) * 2 ** m + Number(scaled - (1n << BigInt(m)));
  return code > format.largest ? format.overflow : code;
}

/** The code of L(a, b) of two codes; `mantissa` bits of the operands count, for l, and are rounded to first. */
export function lmulCode(
  format: Format,
  variant: Variant,
  a: number,
  b: number,
  mantissa = format.mantissaBits,
): number {
  const m = format.mantissaBits;
  const signBit = 2 ** (format.exponentBits + m);
  const sign = a >= signBit !== b >= signBit ? signBit : 0;
  const infinity = format.overflow > format.largest ? format.overflow : NaN;
  const parts = [a, b].map((code) => {
    let magnitude = code % signBit;
    if (magnitude <= format.largest)
      magnitude = Number(halfEven(BigInt(magnitude), BigInt(m - mantissa))) * 2 ** (m - mantissa);
    return {
      isNan: magnitude > format.largest && magnitude !== infinity,
      isInfinite: magnitude === infinity,
      isZero: magnitude < 2 ** m,
      power: Math.floor(magnitude / 2 ** m) - format.bias,
      field: BigInt(magnitude % 2 ** m),
    };
  });
  const [x, y] = parts as [(typeof parts)[0], (typeof parts)[0]];
  if (x.isNan || y.isNan) return format.nan!;
  if (x.isInfinite || y.isInfinite) return x.isZero || y.isZero ? format.nan! : sign + infinity;
  if (x.isZero || y.isZero) return sign;
  const one = 1n << BigInt(m);
  const s = x.field + y.field + (1n << BigInt(m - shiftOf(mantissa)));
  // in units of 2^−m: 1 + s as printed; the adder's carries make it 2s, or 4(s − 1) where they carry twice
  const value = variant === 'formula' || s < one ? one + s : s < 2n * one ? 2n * s : 4n * (s - one);
  return sign + codeOf(format, value, x.power + y.power - m);
}
