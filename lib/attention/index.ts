export {
  alibiSlopes,
  lightningAttention,
  type LightningAttentionOptions,
  type LightningAttentionResult,
  type LightningAttentionSharedOptions,
} from './lightning-attention.js';
export {
  lightningAttentionBackward,
  type LightningAttentionBackwardOptions,
  type LightningAttentionGradients,
} from './lightning-attention-backward.js';
export {
  localLinearAttention,
  type LocalLinearAttentionOptions,
  type LocalLinearAttentionResult,
  type LocalLinearAttentionSharedOptions,
} from './local-linear-attention.js';
export { localLinearAttentionBackward, type LocalLinearAttentionGradients } from './local-linear-attention-backward.js';
export { tensorAttention, type TensorAttentionOptions, type TensorAttentionResult } from './tensor-attention.js';
export { rope, type RopeOptions, type RotaryOptions } from './rope.js';
export { shiftRope, type ShiftRopeOptions } from './shift-rope.js';
