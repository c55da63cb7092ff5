/**
 * A program that is timed in its own process, one slice at a time, so that it alternates with ours. It reads commands from
 * stdin and answers on stdout, each a line of words; arrays follow their line as raw little-endian bytes.
 *
 *     (at the start)                         → ready <name and version>
 *     array <name> <dtype> <count>           → nothing; count elements follow
 *     task <operation> <key>=<value> …       → ok <units of work in one call>
 *     batch <seconds>                        → time <seconds of one call>
 *     result                                 → array <dtype> <count>; count elements follow
 *
 * A batch is an untimed call and then calls for at least that long, averaged. Any command may be answered `error <why>`.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Contender } from './row.js';

export type ExternalArray = Float64Array | Float32Array | Uint32Array | Uint8Array;

const dtypes = { Float64Array: 'f64', Float32Array: 'f32', Uint32Array: 'u32', Uint8Array: 'u8' } as const;

export interface Task {
  operation: string;
  parameters?: Record<string, string | number>;
  arrays?: Record<string, ExternalArray>;
}

/** Variables that choose or cripple a BLAS kernel: a peer runs as its users run it. */
const forbidden = ['OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'OPENBLAS_VERBOSE'];

/** The environment of a peer that may use this many threads. */
export function peerEnvironment(threads: number, from: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const environment = Object.fromEntries(Object.entries(from).filter(([name]) => !forbidden.includes(name)));
  for (const name of ['OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS'])
    environment[name] = String(threads);
  return environment;
}

/** A running program that speaks this protocol. */
export class External {
  version = '';
  private child: ChildProcessWithoutNullStreams;
  private chunks: Buffer[] = [];
  private buffered = 0;
  private waiting: { bytes: () => number; resolve(data: Buffer): void; reject(error: Error): void } | undefined;
  private complaint = '';
  private ended: Error | undefined;

  private constructor(command: string, args: readonly string[], threads: number) {
    this.child = spawn(command, args, { env: peerEnvironment(threads), stdio: 'pipe' });
    this.child.stdin.on('error', (error) => (this.complaint ||= error.message)); // mostly, the exit says more
    this.child.stderr.on('data', (data: Buffer) => (this.complaint = (this.complaint + String(data)).slice(-2000)));
    this.child.stdout.on('data', (data: Buffer) => {
      this.chunks.push(data);
      this.buffered += data.length;
      this.serve();
    });
    const end = (why: string) => {
      this.ended ??= new Error(`${command} ${why}${this.complaint && `: ${this.complaint.trim()}`}`);
      this.waiting?.reject(this.ended);
    };
    this.child.on('error', (error) => end(error.message));
    this.child.on('close', (code, signal) => end(`ended (${signal ?? code})`));
  }

  /** Starts a program and waits until it is ready. */
  static async start(command: string, args: readonly string[], threads: number): Promise<External> {
    const program = new External(command, args, threads);
    program.version = await program.answer('ready');
    return program;
  }

  /** Hands over data and a task; gives the units of work (flops or bytes) in one call, 0 if it does not say. */
  async prepare(task: Task): Promise<number> {
    for (const [name, array] of Object.entries(task.arrays ?? {})) {
      const dtype = dtypes[array.constructor.name as keyof typeof dtypes];
      this.send(`array ${name} ${dtype} ${array.length}`);
      if (array.length > 0)
        this.child.stdin.write(new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice());
    }
    const parameters = Object.entries(task.parameters ?? {}).map(([key, value]) => `${key}=${value}`);
    this.send(['task', task.operation, ...parameters].join(' '));
    return Number(await this.answer('ok')) || 0;
  }

  async batch(seconds: number): Promise<number> {
    this.send(`batch ${seconds}`);
    return Number(await this.answer('time'));
  }

  async result(): Promise<ArrayLike<number>> {
    this.send('result');
    const [dtype, count] = (await this.answer('array')).split(' ');
    const type = { f64: Float64Array, f32: Float32Array, u32: Uint32Array, u8: Uint8Array }[dtype!];
    if (!type) throw new Error(`a result of unknown type ${dtype}`);
    if (Number(count) === 0) return new type(0);
    const data = await this.read(() => Number(count) * type.BYTES_PER_ELEMENT);
    return new type(Uint8Array.from(data).buffer);
  }

  /** This program with a task, as a contender; it stays alive for the next row. */
  contender(task: Task, minTime: number): Contender {
    let ready: Promise<number> | undefined;
    const prepared = () => (ready ??= this.prepare(task));
    return {
      version: this.version,
      result: async () => (await prepared(), this.result()),
      sample: async () => (await prepared(), this.batch(minTime)),
    };
  }

  /** Ends the program. */
  end(): void {
    this.child.stdin.end();
    this.child.kill();
  }

  private send(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** The rest of the next line, which must start with this word. */
  private async answer(word: string): Promise<string> {
    const line = await this.read(() => this.all().indexOf('\n') + 1);
    const [first, ...rest] = line.toString('utf8').trim().split(' ');
    if (first !== word) throw new Error(`${this.version || this.child.spawnfile}: ${[first, ...rest].join(' ')}`);
    return rest.join(' ');
  }

  private all(): Buffer {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0] ?? Buffer.alloc(0);
  }

  /** The next bytes(), as soon as that is above zero and they are there. */
  private read(bytes: () => number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.ended && this.buffered === 0) {
        reject(this.ended);
        return;
      }
      this.waiting = { bytes, resolve, reject };
      this.serve();
    });
  }

  private serve(): void {
    if (!this.waiting || this.buffered === 0) return;
    const { bytes, resolve } = this.waiting;
    const wanted = bytes();
    if (wanted === 0 || this.buffered < wanted) return;
    const data = this.all();
    this.chunks = [data.subarray(wanted)];
    this.buffered = data.length - wanted;
    this.waiting = undefined;
    resolve(data.subarray(0, wanted));
  }
}
