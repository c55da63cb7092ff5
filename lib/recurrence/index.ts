export {
  linearScan,
  linearScanBackward,
  type LinearScanBackwardOptions,
  type LinearScanGradient,
  type LinearScanOptions,
  type LinearScanResult,
} from './linear-scan.js';
export {
  selectiveScan,
  selectiveScanBackward,
  type SelectiveScanBackwardOptions,
  type SelectiveScanGradient,
  type SelectiveScanOptions,
} from './selective-scan.js';
export {
  deltaNet,
  deltaNetBackward,
  type DeltaNetBackwardOptions,
  type DeltaNetGradient,
  type DeltaNetOptions,
  type DeltaNetResult,
} from './delta-net.js';
export {
  plstm1d,
  plstm1dBackward,
  type Plstm1dBackwardOptions,
  type Plstm1dGates,
  type Plstm1dGradient,
  type Plstm1dOptions,
} from './plstm-1d.js';
export {
  plstm2d,
  plstm2dBackward,
  plstmGates,
  type Plstm2dBackwardOptions,
  type Plstm2dGates,
  type Plstm2dGradient,
  type Plstm2dOptions,
  type Plstm2dState,
  type PlstmDMode,
  type PlstmPMode,
} from './plstm-2d.js';
export {
  plstmDag,
  plstmDagBackward,
  type PlstmDagBackwardOptions,
  type PlstmDagGates,
  type PlstmDagGradient,
  type PlstmDagOptions,
  type PlstmGraph,
} from './plstm-dag.js';
export { rnnForward, type RnnForwardOptions, type RnnForwardResult } from './rnn-forward.js';
export { rnnBackward, type RnnBackwardOptions, type RnnGradients } from './rnn-backward.js';
export type { RnnCell, RnnNetwork } from './rnn.js';
export { mlgru, mlgruLowerBounds, type MlgruOptions, type MlgruResult } from './mlgru.js';
export { matmulFreeBlock, type MatmulFreeBlockOptions, type MatmulFreeWeights } from './matmul-free-block.js';
export type { BitLinear } from './bit-linear.js';
