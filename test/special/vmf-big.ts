/** The likelihood equation in whole numbers: rows of integers, fixed point with 200 bits behind the point. */

const bits = 200n;
const one = 1n << bits;

function root(a: bigint): bigint {
  let x = 1n << BigInt((a.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + a / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** ‖Σ w_i x_i/‖x_i‖‖ / Σ w_i of rows and weights of whole numbers. */
export function exactMeanLength(data: Float64Array, cols: number, weights?: Float64Array): bigint {
  const sum = new Array<bigint>(cols).fill(0n);
  let total = 0n;
  for (let i = 0; i < data.length / cols; i++) {
    const row = Array.from(data.subarray(i * cols, (i + 1) * cols), BigInt);
    const weight = BigInt(weights?.[i] ?? 1);
    total += weight;
    const inverse = (weight * one * one) / root(row.reduce((a, b) => a + b * b, 0n) * one * one);
    row.forEach((a, j) => (sum[j]! += a * inverse));
  }
  return root(sum.reduce((a, b) => a + b * b, 0n)) / total;
}

/** A number as a fixed-point number; exact from 2⁻¹⁴⁰ up. */
const fixed = (x: number): bigint => BigInt(x * 2 ** 60) << (bits - 60n);

/**
 * How far kappa is from the root of A_p(κ) = mean, relative to κ: (A − mean) / κA' with A by Gauss's continued fraction
 * from far behind and A' = 1 − A² − (p−1) A/κ.
 */
export function kappaError(p: number, kappa: number, mean: bigint): number {
  const x = fixed(kappa);
  const steps = 200 + 60 * Math.ceil(Math.sqrt(kappa + p));
  let ratio = 0n;
  for (let k = steps; k >= 0; k--) ratio = (one * one) / ((BigInt(p + 2 * k) * one * one) / x + ratio); // 2(v + 1 + k) = p + 2k
  const slope = one - (ratio * ratio) / one - (BigInt(p - 1) * ratio * one) / x;
  return Number(((ratio - mean) * one * one) / (slope * x)) / 2 ** Number(bits);
}
