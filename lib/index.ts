export * from './core/index.js';
export * as gemm from './gemm/index.js';
export * as graph from './graph/index.js';
export * as io from './io/index.js';
export * as softmax from './softmax/index.js';
export * as sparse from './sparse/index.js';
export * as special from './special/index.js';
