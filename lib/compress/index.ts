export { dgq, type DgqOptions, type DgqResult } from './dgq.js';
export { gptq, type GptqOptions, type GptqResult } from './gptq.js';
export { hessian, type Hessian, type HessianOptions } from './hessian.js';
export { lowRankCorrection, type LowRankCorrectionOptions } from './low-rank-correction.js';
export { percentileSmoothing, type PercentileSmoothingOptions } from './percentile-smoothing.js';
