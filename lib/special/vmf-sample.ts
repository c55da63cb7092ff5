import { where } from '../core/validate.js';
import type { Dense } from '../core/values.js';
import { native } from './native.js';
import { concentration, meanDirection } from './von-mises-fisher.js';

export interface VmfSampleOptions {
  /** a whole number; the same seed gives the same bits; default 0 */
  seed?: number;
  /** takes the result, n × p */
  out?: Dense;
}

/**
 * n independent random unit vectors from the von Mises-Fisher distribution, density `C_p(κ) exp(κ μᵀu)`: row i is
 * `t μ + √(1 − t²) ξ` with t by Wood's rejection (p = 2: Best & Fisher's, p = 3: by inverting its distribution function),
 * exact in distribution, and ξ uniform across μ.
 *
 * Row i depends on the seed and i only: a longer sample begins with the shorter one, and neither the number of threads nor
 * the instruction set changes a bit. O(n p), about p − 1 normal numbers a row and at most about 1.55 proposals for t,
 * whatever p and κ. Angles below 2⁻⁵³ are lost in the rounding of x: beyond κ ≈ 10³¹ all rows are μ.
 *
 * @param mu mean direction, p ≥ 2 numbers of any length but 0
 * @param kappa concentration, ≥ 0 and finite; 0 is the uniform distribution
 * @param n rows
 * @throws LapidaryError ERR_RANGE (mu zero or not finite, kappa, n or seed out of range), ERR_SHAPE, ERR_DTYPE,
 * ERR_OPTION, ERR_ALIAS, ERR_OUT_OF_MEMORY
 * @source Wood, Simulation of the von Mises Fisher Distribution (1994), algorithm VM*, rearranged so that nothing cancels;
 * Best & Fisher, Efficient Simulation of the von Mises Distribution (1979), for p = 2; Marsaglia & Tsang (2000) for its gamma numbers, Box & Muller (1958) for the normal ones, all from Philox
 * @example vmfSample(Float64Array.of(0, 2), 1e20, 3).data.map(Math.round) // 0, 1, 0, 1, 0, 1
 */
export function vmfSample(mu: Float64Array, kappa: number, n: number, options?: VmfSampleOptions): Dense {
  const at = where('vmfSample');
  const { seed = 0, out } = at.options(options, ['seed', 'out']);
  const direction = meanDirection(at, 'mu', mu);
  concentration(at, 'kappa', kappa);
  at.integer('n', n);
  at.integer('options.seed', seed);
  const sample = at.outDense('options.out', out, Float64Array, n, direction.length);
  native.vmfSample(seed % 2 ** 32, Math.floor(seed / 2 ** 32), direction, kappa, n, sample.data);
  return sample;
}
