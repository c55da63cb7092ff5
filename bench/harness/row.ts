/** What a bench file says (Row, Work, Peer) and what a run answers (Outcome, which is also the schema of --json). */

/** One line of a bench: cheap to make, since listing and filtering make all of them; data are made by `setup`. */
export interface Row {
  /** sizes in words, such as `512×512×512` */
  shape: string;
  /** element type, such as `f32` */
  dtype: string;
  /** thread counts to run with; default 1 and 2 */
  threads?: readonly number[];
  /** the size that `growth` counts in (n, nnz, …); rows of one file that share dtype and `family` form a series */
  size?: number;
  family?: string;
  /** keys of bench/reference/<domain>.json */
  published?: readonly string[];
  /** Makes the data and the calls. Called once for each thread count. */
  setup(): Work | Promise<Work>;
}

/** What a bench file exports by default. Under `quick` it gives a few small rows that show that everything runs. */
export type Bench = (mode: { quick: boolean }) => Row[] | Promise<Row[]>;

/** One row made ready. */
export interface Work {
  /** one call of the function that is measured */
  ours(): unknown;
  /** the numbers of a result of `ours` that peers are compared with; default: the result, its `data` or its `values` */
  output?(result: unknown): ArrayLike<number>;
  /** floating-point operations of one call, a multiply-add counted as two */
  flops?: number;
  /** the type whose FMA peak bounds `flops`; default f64 */
  peak?: 'f32' | 'f64';
  /** bytes that one call must move, each input read once and each result written once */
  bytes?: number;
  /** the size of the data that are touched, which chooses the bandwidth of a cache or of memory; default `bytes` */
  footprint?: number;
  peers?: readonly Peer[];
}

/** Another way to the same result. */
export interface Peer {
  name: string;
  /** `same` as the row's, or always one */
  threads: 'same' | 1;
  /** largest difference allowed, relative to the largest magnitude in our result (`scale: 'each'`: to each number) */
  tolerance: number;
  scale?: 'largest' | 'each';
  /** numbers that are not finite where ours are count as its wrong answers, and are reported, instead of failing it */
  mayFail?: boolean;
  /** @throws MissingPeer where it cannot be had */
  open(threads: number, minTime: number): Contender | Promise<Contender>;
}

/** Something that can be timed in short slices. */
export interface Contender {
  /** name and version of the library, if it can tell */
  version?: string;
  /** the result as numbers */
  result(): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** seconds of one call: an untimed call, then calls for at least `minTime`, averaged */
  sample(): number | Promise<number>;
  close?(): void;
}

/** A peer that is not on this machine. */
export class MissingPeer extends Error {
  /** @param how what to do to have it */
  constructor(
    readonly reason: string,
    readonly how: string,
  ) {
    super(`${reason}; ${how}`);
  }
}

/** Median and quartiles of the slices, in seconds a call. */
export interface Timing {
  median: number;
  q1: number;
  q3: number;
  /** number of slices */
  slices: number;
}

export interface PeerOutcome {
  name: string;
  /** `timed`; `missing` (not on this machine); `wrong` (its result is not ours: not timed) */
  status: 'timed' | 'missing' | 'wrong';
  /** why it is missing or wrong, and how to get it */
  reason?: string;
  version?: string;
  threads?: number;
  time?: Timing;
  /** median over rounds of its time / our time in the same round: above 1 we are faster */
  ratio?: number;
  /** quartiles of that */
  ratioQ1?: number;
  ratioQ3?: number;
  /** our slices against its slices by the Mann-Whitney U test at 5 % */
  verdict?: 'faster' | 'slower' | 'unclear';
  /** share of its answers that are not finite where ours are */
  wrongShare?: number;
}

export interface Roof {
  /** what bounds this row most */
  bound: 'flops' | 'bytes';
  /** such as `f32 FMA peak` or `read of 1.5 MiB` */
  name: string;
  /** what was measured beside this row, in GFLOPS or GB/s */
  rate: number;
  unit: 'GFLOPS' | 'GB/s';
  /** median over rounds of the least time that the roof allows / our time in the same round */
  share: number;
}

/** One row of --json. */
export interface Outcome {
  /** domain/algorithm */
  operation: string;
  shape: string;
  dtype: string;
  /** the instruction set lapidary used */
  isa: string;
  threads: number;
  time: Timing;
  peers: PeerOutcome[];
  roof?: Roof;
  size?: number;
  /** against the next smaller row of the same series: cost ~ size^exponent between the two */
  growth?: { from: number; factor: number; exponent: number };
  published?: Published[];
}

/** A figure from a paper or a project, as in bench/reference. */
export interface Published {
  what: string;
  value: number;
  unit: string;
  source: string;
}
