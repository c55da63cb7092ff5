import { where } from '../core/validate.js';
import { concentration, growthsOf, logPeak, meanDirection, peakOf, type Peak } from './von-mises-fisher.js';

/** Nodes and weights of Gauss and Legendre's rule on [−1, 1]: the roots of P_n by Newton's method. */
function gaussLegendre(n: number): { node: number; weight: number }[] {
  return Array.from({ length: n }, (_, i) => {
    let node = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 0;
    for (let step = 0; step < 8; step++) {
      let [before, value] = [1, node];
      for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * node * value - (k - 1) * before) / k];
      slope = (n * (before - node * value)) / ((1 - node) * (1 + node));
      node -= value / slope;
    }
    return { node, weight: 2 / ((1 - node) * (1 + node) * slope * slope) };
  });
}
const rule = gaussLegendre(14);

/**
 * log C(κ₁) − log C(κ₂) + (κ₁ − κ₂) A(κ₁) = ∫ (κ₂ − t) A'(t) dt from κ₁ to κ₂: of one sign where the left side would be a
 * difference of logarithms. A' has its poles at ±i j, j ≥ v + 2.4 the zeros of J_v, so on panels [0, h], [h, 2h], [2h, 4h],
 * … with h = (v + 2.4)/2 every panel is at least 3 half-widths from a pole and the error of n nodes is below 5.8⁻²ⁿ.
 */
function bregman(p: number, from: number, to: number, atFrom: Peak): number {
  // first the closed form, which answers where no more than 6 bits cancel
  const [first, second] = [atFrom.logPeak, logPeak(p, to)];
  const change = (to - from) * atFrom.complement;
  const closed = first - second + change;
  if (64 * closed > Math.abs(first) + Math.abs(second) + Math.abs(change)) return closed;
  const [low, high] = from < to ? [from, to] : [to, from];
  const nodes = new Float64Array(rule.length);
  let total = 0;
  let left = low;
  let edge = (p / 2 + 1.4) / 2;
  while (left < high) {
    while (edge <= left) edge *= 2;
    const right = Math.min(high, edge);
    const half = (right - left) / 2;
    // denormal panels count for nothing, but t ≠ 0
    for (let i = 0; i < rule.length; i++) nodes[i] = Math.max(1e-300, left + half * (1 + rule[i]!.node));
    const growths = growthsOf(p, nodes);
    for (let i = 0; i < rule.length; i++) {
      const { node, weight } = rule[i]!;
      const distance = to > from ? to - right + half * (1 - node) : left - to + half * (1 + node); // exact near `to`
      total += weight * ((distance / nodes[i]!) * growths[i]! * half);
    }
    left = right;
  }
  return total;
}

/**
 * Kullback-Leibler divergence between two von Mises-Fisher distributions, `KL(vMF(μ₁, κ₁) ‖ vMF(μ₂, κ₂)) =
 * log C_p(κ₁) − log C_p(κ₂) + A_p(κ₁) (κ₁ − κ₂ μ₁ᵀμ₂)`, in nats; 0 or more, and not symmetric.
 *
 * It is evaluated as ∫ (κ₂ − t) A'(t) dt from κ₁ to κ₂, plus κ₂ A(κ₁) ‖μ₁ − μ₂‖²/2: two positive terms, so close
 * distributions, high dimensions and large κ lose no digits. O(p) and about 14 evaluations for each doubling from the
 * smaller κ to the larger.
 *
 * @param mu1 mean direction, p ≥ 2 numbers of any length but 0
 * @param kappa1 concentration, ≥ 0 and finite
 * @param mu2 mean direction, p numbers
 * @param kappa2 concentration, ≥ 0 and finite
 * @returns the divergence; Infinity where it is beyond 1.8e308
 * @throws LapidaryError ERR_RANGE, ERR_SHAPE, ERR_DTYPE
 * @source Diethe, A Note on the Kullback-Leibler Divergence for the von Mises-Fisher Distribution (2015), for the closed
 * form; the integral is Taylor's theorem with remainder for −log C
 * @example vmfKl(Float64Array.of(1, 0), 2, Float64Array.of(0, 1), 2) // 1.39554931559
 */
export function vmfKl(mu1: Float64Array, kappa1: number, mu2: Float64Array, kappa2: number): number {
  const at = where('vmfKl');
  const first = meanDirection(at, 'mu1', mu1);
  const p = first.length;
  const second = meanDirection(at, 'mu2', mu2, p);
  concentration(at, 'kappa1', kappa1);
  concentration(at, 'kappa2', kappa2);
  let squares = 0;
  for (let j = 0; j < p; j++) squares += (first[j]! - second[j]!) ** 2;
  const atFirst = peakOf(p, kappa1);
  return bregman(p, kappa1, kappa2, atFirst) + kappa2 * atFirst.ratio * (squares / 2);
}
