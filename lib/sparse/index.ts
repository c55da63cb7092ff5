export { add, type AddOptions } from './add.js';
export { diag } from './diag.js';
export { extract, type ExtractOptions, type Selection } from './extract.js';
export { hadamardProduct } from './hadamard-product.js';
export { isSymmetric, type IsSymmetricOptions } from './is-symmetric.js';
export { lowerTriangle } from './lower-triangle.js';
export { permute, type PermuteOptions } from './permute.js';
export { type Pattern } from './pattern.js';
export { prune } from './prune.js';
export { reduce, type ReduceOptions } from './reduce.js';
export { scale, type ScaleOptions } from './scale.js';
export { sddmm } from './sddmm.js';
export { topK, type TopKOptions } from './top-k.js';
export { upperTriangle } from './upper-triangle.js';
export { fromCoo, type Coo } from './from-coo.js';
export { fromDense } from './from-dense.js';
export { semirings, type Semiring } from './semirings.js';
export { spgemm, type SpgemmOptions } from './spgemm.js';
export {
  spgemmPlan,
  type SpgemmPlan,
  type SpgemmPlanOptions,
  type SpgemmStats,
  type SpgemmValues,
} from './spgemm-plan.js';
export { spmm, type SpmmOptions } from './spmm.js';
export { spmv, type SpmvOptions } from './spmv.js';
export { toDense } from './to-dense.js';
export { transpose } from './transpose.js';
