/** 16-bit floats by their definition, value by value. */
const word = new DataView(new ArrayBuffer(4));

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
export function fromF16(h: number): number {
  const [sign, exponent, fraction] = [h & 0x8000 ? -1 : 1, (h >> 10) & 31, h & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

/** The upper half of an f32. */
export function fromBf16(h: number): number {
  word.setUint32(0, h * 65536);
  return word.getFloat32(0);
}

/** A bit pattern of a value near x (its fraction cut off) in either format; |x| from 2^-14 to 65504. */
export function toF16(x: number): number {
  if (x === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  if (exponent < -14) return (x < 0 ? 0x8000 : 0) | Math.floor(Math.abs(x) * 2 ** 24);
  return (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.floor((Math.abs(x) / 2 ** exponent - 1) * 1024);
}

export function toBf16(x: number): number {
  word.setFloat32(0, x);
  return word.getUint16(0);
}
