export { bitMatmul, type BitMatmulOptions } from './bit-matmul.js';
export { hadamard, type HadamardOptions } from './hadamard.js';
export { lmulMatmul, type LmulMatmulOptions } from './lmul-matmul.js';
export type { Activation, PolynomialActivation } from './activations.js';
export { linear, type LinearOptions } from './linear.js';
export { packWeights, type PackedWeights, type PackWeightsOptions } from './pack-weights.js';
export type { PackedBytes } from './packed-bytes.js';
export {
  quantizeActivations,
  type QuantizeActivationsOptions,
  type QuantizedActivations,
} from './quantize-activations.js';
export { matmul, type MatmulOptions } from './matmul.js';
export { matvec, type MatvecOptions } from './matvec.js';
export { nmPrune, nmExpand, type NmPruneOptions, type NmValues, type NmWeights } from './nm-prune.js';
export { groupPrune, type GroupPruneOptions, type GroupSparse } from './group-prune.js';
export { packGroups, type PackedGroups } from './pack-groups.js';
export { sparseLinear, type LowRank, type SparseLinearOptions, type SparseWeights } from './sparse-linear.js';
export {
  sparseLinearGradient,
  type SparseLinearGradient,
  type SparseLinearGradientOptions,
} from './sparse-linear-gradient.js';
export { sampledMatmul, type SampledMatmulOptions, type SampledProduct } from './sampled-matmul.js';
export {
  hashedLinear,
  hashedGradient,
  hashedExpand,
  type HashedGradientOptions,
  type HashedLinearOptions,
  type HashedWeights,
} from './hashed-linear.js';
export type { Bytes, Stored } from './operands.js';
