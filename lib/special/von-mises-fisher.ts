/** What the von Mises-Fisher functions share: directions, the concentration's functions and the equation for it. */
import type { Where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { besselIRatio } from './bessel-i-ratio.js';
import { logBesselI } from './log-bessel-i.js';
import { native } from './native.js';

/** A matrix whose rows are points of ℝᵖ, p ≥ 2, n ≥ `minRows`. */
export function points(at: Where, x: unknown, minRows: number): Dense {
  const matrix = at.dense('x', x, [Float64Array]);
  at.integer('x.rows', matrix.rows, { min: minRows });
  at.integer('x.cols', matrix.cols, { min: 2 });
  return matrix;
}

export function noDirection(at: Where, argument: string): never {
  return at.fail('ERR_RANGE', argument, 'finite entries that are not all zero', 'none or others');
}

/** Σ w_i x_i / ‖x_i‖ over the rows with w_i > 0; without weights, w_i = 1. */
export function directionSum(at: Where, argument: string, x: Dense, weights?: Float64Array): Float64Array {
  const sum = at.allocate(Float64Array, x.cols);
  const bad = native.directionSum(x.data, x.rows, x.cols, weights ?? null, sum);
  if (bad >= 0) noDirection(at, `${argument} row ${bad}`);
  return sum;
}

/** mu / ‖mu‖ for a vector of at least 2 finite numbers that are not all zero. */
export function meanDirection(at: Where, argument: string, mu: unknown, p?: number): Float64Array {
  const vector = at.array(argument, mu, [Float64Array], p);
  if (vector.length < 2) at.fail('ERR_SHAPE', argument, 'at least 2 numbers', `${vector.length}`);
  const out = at.allocate(Float64Array, vector.length);
  if (vector.length <= 256) {
    // a short ordinary vector takes less time here than a native call
    let squares = 0;
    for (const a of vector) squares += a * a;
    if (squares > 2 ** -800 && squares < 2 ** 800) {
      const length = Math.sqrt(squares);
      for (let j = 0; j < out.length; j++) out[j] = vector[j]! / length;
      return out;
    }
  }
  if (native.directionSum(vector, 1, vector.length, null, out) >= 0) noDirection(at, argument);
  return out;
}

export function concentration(at: Where, argument: string, kappa: unknown): number {
  return at.number(argument, kappa, { min: 0, max: Number.MAX_VALUE });
}

/** The distribution on the sphere of ℝᵖ at concentration κ; each number to a few units in its own last place. */
export interface Concentration {
  /** A = I_{p/2}(κ) / I_{p/2−1}(κ), the mean of μᵀu */
  ratio: number;
  /** 1 − A */
  complement: number;
  /** κ dA/dκ */
  growth: number;
}

/**
 * Debye's polynomials u_0 … u_13 as `u_k(t) = t^k Σ_j c_kj t^2j`, by their recurrence
 * u_{k+1} = ½ t² (1 − t²) u_k' + ⅛ ∫₀ᵗ (1 − 5s²) u_k ds (DLMF 10.41.9).
 */
const debye: number[][] = [[1]];
for (let k = 0; k < 13; k++) {
  const next = new Array<number>(k + 2).fill(0);
  debye[k]!.forEach((c, j) => {
    const power = k + 2 * j;
    next[j]! += c * (power / 2 + 1 / (8 * (power + 1)));
    next[j + 1]! -= c * (power / 2 + 5 / (8 * (power + 3)));
  });
  debye.push(next);
}

/**
 * Beyond r = √(v² + κ²) = 60, v = p/2 − 1: there log I − κ, 1 − A and dA/dκ by way of I and A become differences of large
 * numbers. Debye's expansion I_v(κ) ~ e^r (κ/(v+r))^v (2πr)^−½ Σ_k u_k(t) v^−k, t = v/r (DLMF 10.41.3), has
 * terms r^−k P_k(t²); its logarithm and first two derivatives in κ are taken term by term, and what cancels is cancelled
 * here:
 *   log C + κ = v log((v+r)/2π) − v²/(r+κ) + ½ log(r/2π) − log Σ
 *   1 − A = v (1 + κ/(r+v)) / (r+κ) + κ/2r² − (log Σ)'
 *   A'  = v / (r (r+v)) + (κ² − v²)/2r⁴ + (log Σ)''
 */
interface Far {
  r: number;
  inverse: number;
  /** κ/r */
  w: number;
  /** Σ − 1 */
  sum: number;
  /** −r (log Σ)' */
  drift: number;
  /** r² times the last two terms of A' */
  curvature: number;
}

function far(v: number, kappa: number): Far {
  const square = v * v + kappa * kappa;
  const r = square < 1e300 ? Math.sqrt(square) : Math.hypot(v, kappa); // hypot alone costs as much as all that follows
  const inverse = 1 / r;
  const q = (v / r) ** 2;
  const w = kappa / r;
  // Σ − 1, −r Σ' / w and r² Σ''
  let [sum, slope, bend] = [0, 0, 0];
  for (let k = r > 400 ? 6 : r > 110 ? 9 : 13; k >= 1; k--) {
    let [a, b, c] = [0, 0, 0];
    for (let j = k; j >= 0; j--) {
      const power = k + 2 * j;
      const value = debye[k]![j]!;
      a = a * q + value;
      b = b * q + power * value;
      c = c * q + power * (power + 2) * value;
    }
    sum = (sum + a) * inverse;
    slope = (slope + b) * inverse;
    bend = (bend + (w * w * c - b)) * inverse;
  }
  const drift = (w * slope) / (1 + sum);
  const curvature = (w - v / r) * (w + v / r) * 0.5 + bend / (1 + sum) - drift * drift;
  return { r, inverse, w, sum, drift, curvature };
}

const farLogPeak = (v: number, kappa: number, { r, sum }: Far): number =>
  v * Math.log((v + r) / (2 * Math.PI)) - v * (v / (r + kappa)) + 0.5 * Math.log(r / (2 * Math.PI)) - Math.log1p(sum);
const farComplement = (v: number, kappa: number, { r, inverse, w, drift }: Far): number =>
  (v / (r + kappa)) * (1 + kappa / (r + v)) + inverse * (w / 2 + drift);
const farRatio = (v: number, kappa: number, complement: number): number =>
  complement < 0.5 ? 1 - complement : besselIRatio(v, kappa);
const farGrowth = (v: number, { r, inverse, w, curvature }: Far): number => w * (v / (r + v) + inverse * curvature);

const isFar = (v: number, kappa: number): boolean => v * v + kappa * kappa > 3600;

/** {@link Concentration} for any p ≥ 2 and 0 ≤ κ < ∞. */
export function concentrationOf(p: number, kappa: number): Concentration {
  const v = p / 2 - 1;
  if (isFar(v, kappa)) {
    const at = far(v, kappa);
    const complement = farComplement(v, kappa, at);
    return { ratio: farRatio(v, kappa, complement), complement, growth: farGrowth(v, at) };
  }
  const ratios = besselIRatio(Float64Array.of(v, v + 1), kappa);
  const ratio = ratios[0]!;
  return { ratio, complement: 1 - ratio, growth: nearGrowth(kappa, ratio, ratios[1]!) };
}

/** κ A' from A and A_{v+1}: 1 − A² − (2v+1) A/κ with 1 = A (2(v+1)/κ + A_{v+1}), so that nothing cancels for small κ. */
const nearGrowth = (kappa: number, ratio: number, next: number): number => ratio * (1 - kappa * (ratio - next));

/** κ A' at several κ. */
export function growthsOf(p: number, kappas: Float64Array): Float64Array {
  const v = p / 2 - 1;
  const out = new Float64Array(kappas.length);
  let near = false;
  for (let i = 0; i < out.length; i++)
    if (isFar(v, kappas[i]!)) out[i] = farGrowth(v, far(v, kappas[i]!));
    else near = true;
  if (!near) return out;
  const [ratios, next] = [besselIRatio(v, kappas), besselIRatio(v + 1, kappas)];
  for (let i = 0; i < out.length; i++) if (!isFar(v, kappas[i]!)) out[i] = nearGrowth(kappas[i]!, ratios[i]!, next[i]!);
  return out;
}

/** Σ_k (κ²/4)^k / (k! (v+1)_k) = I_v(κ) Γ(v+1) (2/κ)^v for κ ≤ 1. */
function risingSeries(v: number, kappa: number): number {
  let sum = 1;
  for (let k = 12; k >= 1; k--) sum = 1 + (sum * kappa * kappa) / (4 * k * (k + v));
  return sum;
}

/** log C_p(κ) + κ, the log density at the mean direction; the domain and the accuracy of {@link concentrationOf}. */
export function logPeak(p: number, kappa: number): number {
  const v = p / 2 - 1;
  if (isFar(v, kappa)) return farLogPeak(v, kappa, far(v, kappa));
  const constant = (v + 1) * Math.log(2 * Math.PI);
  if (kappa > 1) return v * Math.log(kappa) - constant - logBesselI(v, kappa) + kappa;
  // κ^v / I_v(κ) from its value at κ = 1 and a series: its two logarithms diverge as κ → 0
  return Math.log(risingSeries(v, 1) / risingSeries(v, kappa)) - constant - logBesselI(v, 1) + kappa;
}

/** log C_p(κ) + κ beside A and 1 − A. */
export interface Peak {
  logPeak: number;
  ratio: number;
  complement: number;
}

/** Beyond r = 60 in one evaluation. */
export function peakOf(p: number, kappa: number): Peak {
  const v = p / 2 - 1;
  if (isFar(v, kappa)) {
    const at = far(v, kappa);
    const complement = farComplement(v, kappa, at);
    return { logPeak: farLogPeak(v, kappa, at), ratio: farRatio(v, kappa, complement), complement };
  }
  const ratio = besselIRatio(v, kappa);
  return { logPeak: logPeak(p, kappa), ratio, complement: 1 - ratio };
}

/** The mean direction's length R̄ with 1 − R̄, each without the rounding error of the other. */
export interface MeanLength {
  mean: number;
  complement: number;
}

/**
 * One step of Newton's method for A_p(κ) = R̄, kept inside Amos's bounds (p−1) R̄/(1−R̄²) ≤ κ ≤ p R̄/(1−R̄²); κ itself
 * once the equation holds to rounding, where a step would follow the rounding errors.
 */
export function concentrationStep(p: number, { mean, complement }: MeanLength, kappa: number): number {
  const spread = complement * (1 + mean);
  const at = concentrationOf(p, kappa);
  const gap = mean < 0.5 ? at.ratio - mean : complement - at.complement;
  if (Math.abs(gap) <= 2 ** -51 * Math.min(mean, complement)) return kappa;
  const next = kappa * (1 - gap / at.growth);
  return Math.min((p * mean) / spread, Math.max(((p - 1) * mean) / spread, next));
}

/** Where Newton's method starts: κ ≈ R̄ (p − R̄²) / (1 − R̄²). */
export const concentrationStart = (p: number, { mean, complement }: MeanLength): number =>
  (mean * (p - mean * mean)) / (complement * (1 + mean));

/** The κ of A_p(κ) = R̄ to rounding; R̄ < 1. */
export function solveConcentration(p: number, length: MeanLength): number {
  let kappa = concentrationStart(p, length);
  for (let i = 0; i < 50 && kappa > 0; i++) {
    const next = concentrationStep(p, length, kappa);
    if (Math.abs(next - kappa) <= 1e-13 * kappa) return next;
    kappa = next;
  }
  return kappa;
}
