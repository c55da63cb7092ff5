export { bitMatmul, type BitMatmulOptions } from './bit-matmul.js';
export { hadamard, type HadamardOptions } from './hadamard.js';
export { linear, type Activation, type LinearOptions, type PolynomialActivation } from './linear.js';
export { matmul, type MatmulOptions } from './matmul.js';
export { matvec, type MatvecOptions } from './matvec.js';
export type { Bytes, Stored } from './operands.js';
