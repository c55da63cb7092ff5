export { softmax, type SoftmaxOptions } from './softmax.js';
