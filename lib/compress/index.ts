export { gptq, type GptqOptions, type GptqResult } from './gptq.js';
export { hessian, type Hessian, type HessianOptions } from './hessian.js';
