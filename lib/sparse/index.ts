export { fromCoo, type Coo } from './from-coo.js';
export { fromDense } from './from-dense.js';
export { spmm, type SpmmOptions } from './spmm.js';
export { spmv, type SpmvOptions } from './spmv.js';
export { toDense } from './to-dense.js';
export { transpose } from './transpose.js';
