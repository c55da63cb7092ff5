/**
 * Writes native/special/coefficients.h: the Debye polynomials, the Taylor series of 1/Γ(1 + μ) and two constants, from
 * their definitions in exact or 250-bit arithmetic, rounded once to f64. Run it with `npx tsx
 * tools/special-coefficients.ts` after a change here; test/special/coefficients.test.ts proves that the header is what this program writes.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The largest K of the expansions U_K that native code uses. */
const debyeTerms = 20;
/** Coefficients of 1/Γ(1 + μ): on |μ| ≤ ½ the first one left out is below 2^-64. */
const reciprocalGammaTerms = 21;

// ---- exact rationals -------------------------------------------------------------------------------------------

export type Ratio = readonly [numerator: bigint, denominator: bigint];

function gcd(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
}

export function ratio(numerator: bigint, denominator: bigint): Ratio {
  const g = gcd(numerator, denominator);
  return denominator < 0n ? [-numerator / g, -denominator / g] : [numerator / g, denominator / g];
}

export const add = ([a, b]: Ratio, [c, d]: Ratio): Ratio => ratio(a * d + c * b, b * d);
export const times = ([a, b]: Ratio, [c, d]: Ratio): Ratio => ratio(a * c, b * d);

/** The nearest f64: 70 bits of the quotient and a sticky bit, which Number() rounds to even; then an exact scaling. */
export function nearest([numerator, denominator]: Ratio): number {
  const negative = numerator < 0n;
  const n = negative ? -numerator : numerator;
  if (n === 0n) return 0;
  const shift = 70 - (n.toString(2).length - denominator.toString(2).length);
  const [a, b] = shift >= 0 ? [n << BigInt(shift), denominator] : [n, denominator << BigInt(-shift)];
  const value = Number((a / b) * 2n + (a % b ? 1n : 0n)) * 2 ** -(shift + 1);
  return negative ? -value : value;
}

/**
 * u_1 … u_K of Debye's expansions, u_k(t) = t^k Σ_j c[k−1][j] t^(2j):
 * u_0 = 1, u_{k+1} = ½ t² (1 − t²) u_k' + ⅛ ∫₀ᵗ (1 − 5 s²) u_k ds (DLMF 10.41.9).
 */
export function debyePolynomials(count: number): Ratio[][] {
  const out: Ratio[][] = [];
  let u: Ratio[] = [[1n, 1n]];
  for (let k = 0; k < count; k++) {
    const next: Ratio[] = Array.from({ length: k + 2 }, () => [0n, 1n]);
    u.forEach((c, j) => {
      const power = BigInt(k + 2 * j);
      const rise = add(times(c, ratio(power, 2n)), times(c, ratio(1n, 8n * (power + 1n))));
      const fall = add(times(c, ratio(power, 2n)), times(c, ratio(5n, 8n * (power + 3n))));
      next[j] = add(next[j]!, rise);
      next[j + 1] = add(next[j + 1]!, times(fall, [-1n, 1n]));
    });
    out.push((u = next));
  }
  return out;
}

// ---- fixed point with 250 bits ---------------------------------------------------------------------------------

export const bits = 250n;
export const one = 1n << bits;

/** ln 2 = Σ 1 / (k 2^k). */
export function naturalLogOf2(): bigint {
  let sum = 0n;
  for (let k = 1n; k <= bits; k++) sum += (one >> k) / k;
  return sum;
}

/** 2 atanh(y) = log((1 + y) / (1 − y)) for a small fraction y in fixed point. */
export function logOfQuotient(y: bigint): bigint {
  const square = (y * y) >> bits;
  let sum = 0n;
  for (let k = 1n, power = y; power > 0n; k += 2n, power = (power * square) >> bits) sum += power / k;
  return 2n * sum;
}

/** π by Machin's formula. */
export function pi(): bigint {
  const arctan = (n: bigint): bigint => {
    let sum = 0n;
    for (let k = 1n, power = one / n; power > 0n; k += 2n, power /= n * n)
      sum += k % 4n === 1n ? power / k : -power / k;
    return sum;
  };
  return 16n * arctan(5n) - 4n * arctan(239n);
}

/** ½ log(π/2) and ½ log 2π. */
export function halfLogs(): [halfPi: Ratio, twoPi: Ratio] {
  const half = pi() / 2n;
  const log = logOfQuotient(((half - one) << bits) / (half + one));
  return [[log / 2n, one], [log / 2n + naturalLogOf2(), one]]; // prettier-ignore
}

/** acosh(3/2) = 2 atanh(1/√5); the root by Newton's method from above. */
export function acoshThreeHalves(): Ratio {
  const square = (one * one) / 5n;
  let root = one;
  for (let next = (root + square / root) / 2n; next < root; next = (root + square / root) / 2n) root = next;
  return [logOfQuotient(root), one];
}

/** cosh t − 1 by its power series. */
export function coshMinusOne(t: Ratio): Ratio {
  const square = ((t[0] * t[0]) << bits) / (t[1] * t[1]);
  let sum = 0n;
  for (let k = 2n, term = square / 2n; term > 0n; k += 2n, term = ((term * square) >> bits) / (k * (k - 1n)))
    sum += term;
  return [sum, one];
}

/** Euler's constant by Brent & McMillan (1980), algorithm B1 with n = 64: error below e^-256. */
function eulerGamma(): bigint {
  let term = one; // (n^k / k!)²
  let harmonic = 0n;
  let above = 0n;
  let below = one;
  for (let k = 1n; term > 0n; k++) {
    term = (term * 4096n) / (k * k);
    harmonic += one / k;
    above += (term * harmonic) >> bits;
    below += term;
  }
  return (above << bits) / below - 6n * naturalLogOf2();
}

/** ζ(s) by Borwein (2000), algorithm 2, with n = 100: error below (3 + √8)^-100. */
function zeta(s: bigint): bigint {
  const n = 100n;
  const d: bigint[] = [];
  let term = ratio(1n, 1n); // n (n+i−1)! 4^i / ((n−i)! (2i)!)
  let sum = 0n;
  for (let i = 0n; i <= n; i++) {
    sum += term[0] / term[1]; // these are whole numbers
    d.push(sum);
    term = times(term, ratio((n + i) * (n - i) * 4n, (2n * i + 1n) * (2n * i + 2n)));
  }
  const last = d[Number(n)]!;
  let series = 0n;
  for (let k = 0n; k < n; k++) {
    const part = ((last - d[Number(k)]!) << bits) / (k + 1n) ** s;
    series += k % 2n ? -part : part;
  }
  return (((series << bits) / last) << (s - 1n)) / ((one << (s - 1n)) - one);
}

/** g_0 … of 1/Γ(1 + μ) = Σ g_k μ^k: k g_k = γ g_{k−1} + Σ_{m≥2} (−1)^{m+1} ζ(m) g_{k−m} (DLMF 5.7.2). */
export function reciprocalGammaSeries(count: number): Ratio[] {
  const slope = [0n, eulerGamma()];
  for (let m = 2n; m < BigInt(count); m++) slope.push(m % 2n ? zeta(m) : -zeta(m));
  const g = [one];
  for (let k = 1; k < count; k++) {
    let sum = 0n;
    for (let m = 1; m <= k; m++) sum += slope[m]! * g[k - m]!;
    g.push((sum >> bits) / BigInt(k));
  }
  return g.map((c) => [c, one]);
}

// ---- the header ------------------------------------------------------------------------------------------------

export const literal = (r: Ratio): string => {
  const text = nearest(r).toString(); // the shortest decimal that reads back as this f64
  return /[.e]/.test(text) ? text : `${text}.0`;
};

/** The f64 nearest to r and the one nearest to what that leaves. */
function pair(r: Ratio): string {
  const high = nearest(r);
  const rest = add(r, [-BigInt(high * 2 ** 60), 1n << 60n]); // exact: |high| is in [2^-7, 1)
  return `{${literal(r)}, ${literal(rest)}}`;
}

export function coefficientsHeader(): string {
  const debye = debyePolynomials(debyeTerms).map(
    (u, k) => `    // u_${k + 1}\n    {${u.map(literal).join(',\n     ')}},`,
  );
  const gamma = reciprocalGammaSeries(reciprocalGammaTerms).map((c) => `    ${literal(c)},`);
  const [halfPi, twoPi] = halfLogs();
  return `// Generated by tools/special-coefficients.ts; not to be edited.
// clang-format off
#pragma once

namespace lapidary {

static constexpr int kDebyeTerms = ${debyeTerms};

// Debye polynomials u_k(t) = t^k Σ_{j=0..k} kDebye[k−1][j] t^(2j), k = 1 … kDebyeTerms (DLMF 10.41.9).
static constexpr double kDebye[kDebyeTerms][kDebyeTerms + 1] = {
${debye.join('\n')}
};

// 1/Γ(1 + μ) = Σ_k kReciprocalGamma[k] μ^k (DLMF 5.7.1); used on |μ| ≤ ½.
static constexpr int kReciprocalGammaTerms = ${reciprocalGammaTerms};
static constexpr double kReciprocalGamma[kReciprocalGammaTerms] = {
${gamma.join('\n')}
};

// ½ log(π/2) and ½ log 2π, each as a sum of two.
static constexpr double kHalfLogHalfPi[2] = ${pair(halfPi)};
static constexpr double kHalfLogTwoPi[2] = ${pair(twoPi)};

}  // namespace lapidary
`;
}

export const coefficientsPath = fileURLToPath(new URL('../native/special/coefficients.h', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(coefficientsPath, coefficientsHeader());
