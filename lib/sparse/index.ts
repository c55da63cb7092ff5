export { fromCoo, type Coo } from './from-coo.js';
export { fromDense } from './from-dense.js';
export { semirings, type Semiring } from './semirings.js';
export { spgemm, type SpgemmOptions } from './spgemm.js';
export {
  spgemmPlan,
  type Pattern,
  type SpgemmPlan,
  type SpgemmPlanOptions,
  type SpgemmStats,
  type SpgemmValues,
} from './spgemm-plan.js';
export { spmm, type SpmmOptions } from './spmm.js';
export { spmv, type SpmvOptions } from './spmv.js';
export { toDense } from './to-dense.js';
export { transpose } from './transpose.js';
