export { expSum, mergeExpSum, type ExpSum } from './exp-sum.js';
export { logSoftmax, type LogSoftmaxOptions } from './log-softmax.js';
export { logSumExp } from './log-sum-exp.js';
export { softmax, type SoftmaxOptions } from './softmax.js';
