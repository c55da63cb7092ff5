export { matmul, type Bytes, type MatmulOptions } from './matmul.js';
export { matvec, type MatvecOptions } from './matvec.js';
