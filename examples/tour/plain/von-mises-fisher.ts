import type { Dense } from 'lapidary';

/** log Γ(x) for x ≥ 1: Stirling's series after a shift above 10 (Abramowitz & Stegun 6.1.41). */
function logGamma(x: number): number {
  let product = 1;
  while (x < 10) product *= x++;
  const y = 1 / (x * x);
  const series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

/**
 * log I_v(x) by the power series (Abramowitz & Stegun 9.6.10), summed outwards from its largest term so that nothing
 * overflows.
 */
export function logBesselI(v: number, x: number): number {
  const quarter = (x * x) / 4;
  const peak = Math.floor((Math.sqrt(v * v + x * x) - v) / 2);
  let sum = 1;
  for (let k = peak + 1, term = 1; term > 1e-18 * sum; k++) sum += term *= quarter / (k * (k + v));
  for (let k = peak, term = 1; k > 0 && term > 1e-18 * sum; k--) sum += term *= (k * (k + v)) / quarter;
  const largest = (2 * peak + v) * Math.log(x / 2) - logGamma(peak + 1) - logGamma(peak + v + 1);
  return largest + Math.log(sum);
}

/** I_{v+1}(x) / I_v(x) by Gauss's continued fraction, evaluated with the modified Lentz method. */
export function besselIRatio(v: number, x: number): number {
  let fraction = (2 * (v + 1)) / x;
  let c = fraction;
  let d = 0;
  for (let k = 2; k < 100000; k++) {
    const b = (2 * (v + k)) / x;
    d = 1 / (b + d);
    c = b + 1 / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return 1 / fraction;
}

/** Maximum-likelihood fit of a von Mises-Fisher distribution to the directions of the rows (Banerjee et al. 2005, Sra 2012). */
export function vmfFit(x: Dense): { mu: Float64Array; kappa: number; logLikelihood: number } {
  const { rows: n, cols: p, data } = x;
  const mu = new Float64Array(p);
  for (let i = 0; i < n; i++) {
    let squares = 0;
    for (let c = 0; c < p; c++) squares += data[i * p + c]! ** 2;
    const inverse = 1 / Math.sqrt(squares);
    for (let c = 0; c < p; c++) mu[c]! += inverse * data[i * p + c]!;
  }
  const length = Math.sqrt(mu.reduce((sum, a) => sum + a * a, 0));
  for (let c = 0; c < p; c++) mu[c]! /= length;

  const mean = length / n;
  let kappa = (mean * (p - mean * mean)) / (1 - mean * mean);
  for (let step = 0; step < 50; step++) {
    const ratio = besselIRatio(p / 2 - 1, kappa);
    const change = (ratio - mean) / (1 - ratio * ratio - ((p - 1) / kappa) * ratio);
    kappa -= change;
    if (Math.abs(change) <= 1e-12 * kappa) break;
  }
  const order = p / 2 - 1;
  const logConstant = order * Math.log(kappa) - (p / 2) * Math.log(2 * Math.PI) - logBesselI(order, kappa);
  return { mu, kappa, logLikelihood: n * (logConstant + kappa * mean) };
}
