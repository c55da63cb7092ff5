/** Exact differences between a double and a decimal of 40 digits, in rational arithmetic. */

function parts(decimal: string): [digits: bigint, exponent: number] {
  const [mantissa, exponent = '0'] = decimal.toLowerCase().split('e') as [string, string?];
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?];
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

const bits = new DataView(new ArrayBuffer(8));

/** value − decimal, rounded once. */
export function errorOf(value: number, decimal: string): number {
  if (!Number.isFinite(value)) return NaN;
  const [digits, tens] = parts(decimal);
  bits.setFloat64(0, value);
  const field = Number((bits.getBigUint64(0) >> 52n) & 0x7ffn);
  const fraction = bits.getBigUint64(0) & (2n ** 52n - 1n);
  const magnitude = field ? fraction + 2n ** 52n : fraction;
  const twos = Math.max(field, 1) - 1075;
  // value = a/scale and decimal = b/scale with scale = 2^s 10^t
  const s = BigInt(Math.max(0, -twos));
  const t = BigInt(Math.max(0, -tens));
  const a = (value < 0 ? -magnitude : magnitude) * 2n ** (BigInt(twos) + s) * 10n ** t;
  const b = digits * 10n ** (BigInt(tens) + t) * 2n ** s;
  const difference = a - b;
  // 200 bits below the first digit of the difference are more than a double needs
  const scale = 2n ** s * 10n ** t;
  const shift = BigInt(Math.max(0, 200 + scale.toString(2).length - difference.toString(2).length));
  const quotient = (difference * 2n ** shift) / scale;
  let result = Number(quotient);
  for (let left = Number(shift); left > 0; left -= 500) result *= 2 ** -Math.min(left, 500);
  return result;
}
