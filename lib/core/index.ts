export { cpuInfo, getThreads, setThreads, type CpuInfo } from './cpu.js';
export { LapidaryError, type ErrorCode, type ErrorDetails } from './errors.js';
export type { Iterated, IterativeOptions, Progress } from './iterate.js';
export { philox, type Philox } from './philox.js';
export { dense, identity, type Csr, type Dense, type NumericArray, type Real } from './values.js';
