export { rnnForward, type RnnForwardOptions, type RnnForwardResult } from './rnn-forward.js';
export { rnnBackward, type RnnBackwardOptions, type RnnGradients } from './rnn-backward.js';
export type { RnnCell, RnnNetwork } from './rnn.js';
