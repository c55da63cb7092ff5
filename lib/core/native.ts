import { load } from './load.js';
import type { TuningNative } from './tuning.js';

/** What native/binding/core.cc offers. */
interface CoreNative extends TuningNative {
  setCancelFlag(flag: Int32Array | null): void;
  setThreads(n: number): void;
  getThreads(): number;
  setIsa(isa: number): number;
  failAllocation(nth: number): void;
  liveAllocations(): number;
  /** Asks for huge pages for memory that is about to be written in full; the offset of the first that begins there. */
  hugePages(memory: Uint8Array): number;
  /** Zeroes a part of a new array that nobody has written, without touching its pages. */
  clearUntouched(memory: Uint8Array): void;
  philoxUint32(
    seedLo: number,
    seedHi: number,
    streamLo: number,
    streamHi: number,
    first: number,
    out: Uint32Array,
  ): void;
  philoxUniform(
    seedLo: number,
    seedHi: number,
    streamLo: number,
    streamHi: number,
    first: number,
    out: Float64Array,
  ): void;
}

/** What this machine can run and what lapidary uses of it. */
export interface CpuInfo {
  /** the instruction set in use: portable, avx2, avx512, avx512vnni, avx512vpop or neon */
  isa: string;
  /** all that could be used, ascending; `LAPIDARY_ISA` set to one of them before the start lowers `isa` */
  supported: string[];
  features: Record<string, boolean>;
  /** bytes of cache a core sees */
  cacheBytes: { l1d: number; l2: number; l3: number };
  /** CPUs this process may use: affinity and cgroup quota respected */
  cpus: number;
}

export const native = load<CoreNative>('core');
