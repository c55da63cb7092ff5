/** The peers that bench files name. Each opens lazily and says what is missing and how to get it. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { asynchronous, synchronous } from './contender.js';
import type { Task } from './external.js';
import {
  elementTypeOf,
  onnxModel,
  type ElementType,
  type Initializer,
  type TensorData,
  type TensorShape,
} from './onnx.js';
import { besselProcess, openblasProcess, scipyProcess } from './programs.js';
import { MissingPeer, type Peer } from './row.js';

const require = createRequire(new URL('../peers/package.json', import.meta.url));

/** A package of bench/peers. */
function load<T>(name: string): { module: T; version: string } {
  let version;
  try {
    version = (JSON.parse(readPackage(name)) as { version: string }).version;
  } catch {
    throw new MissingPeer(`${name} is not installed`, 'npm run bench:peers');
  }
  return { module: require(name) as T, version: `${name} ${version}` };
}

function readPackage(name: string): string {
  return readFileSync(new URL(`../peers/node_modules/${name}/package.json`, import.meta.url), 'utf8');
}

/** What is used of onnxruntime-node, ml-matrix and mathjs: the types of packages that may not be installed. */
interface OnnxRuntime {
  Tensor: new (type: ElementType, data: TensorData, dims: readonly number[]) => OnnxTensor;
  InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{
      run(feeds: Record<string, OnnxTensor>, fetches: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
      release(): Promise<void>;
    }>;
  };
}
interface OnnxTensor {
  data: TensorData;
}
interface Matrix {
  mmul(other: Matrix): Matrix;
  to1DArray(): number[];
}
export interface MlMatrix {
  Matrix: { from1DArray(rows: number, cols: number, data: ArrayLike<number>): Matrix };
}
/** by columns */
export interface MathJsSparse {
  _values: number[];
  _index: number[];
  _ptr: number[];
}
export interface MathJs {
  SparseMatrix: new (data: { values: number[]; index: number[]; ptr: number[]; size: number[] }) => MathJsSparse;
  multiply(a: MathJsSparse, b: MathJsSparse): MathJsSparse;
}

type Check = Partial<Pick<Peer, 'name' | 'tolerance' | 'scale' | 'mayFail'>>;

/** OpenBLAS by its C interface; its kernels use as many threads as the row. */
export function openblas(task: Task, check: Check = {}): Peer {
  return {
    name: 'OpenBLAS',
    threads: 'same',
    tolerance: 1e-4,
    ...check,
    open: async (threads, minTime) => (await openblasProcess(task.operation, threads)).contender(task, minTime),
  };
}

/** SciPy; what is used of it runs on one thread. */
export function scipy(task: Task, check: Check = {}): Peer {
  return {
    name: 'SciPy',
    threads: 1,
    tolerance: 1e-9,
    ...check,
    open: async (_, minTime) => (await scipyProcess(task.operation, 1)).contender(task, minTime),
  };
}

/** The logarithm of a Bessel function of Boost.Math or libstdc++. */
export function cppBessel(library: 'boost' | 'std', task: Task, check: Check = {}): Peer {
  return {
    name: library === 'boost' ? 'Boost.Math' : 'libstdc++',
    threads: 1,
    tolerance: 1e-9,
    ...check,
    open: async (_, minTime) => (await besselProcess(library, task.operation)).contender(task, minTime),
  };
}

/** One operator in ONNX Runtime's Node binding, into a tensor made before. */
export function onnxRuntime(
  model: { operator: string; weights?: Initializer[]; output: TensorShape; attributes?: Record<string, number> },
  input: Initializer | readonly Initializer[],
  check: Check = {},
): Peer {
  return {
    name: 'ONNX Runtime',
    threads: 'same',
    tolerance: 1e-4,
    ...check,
    async open(threads, minTime) {
      const { module: ort, version } = load<OnnxRuntime>('onnxruntime-node');
      const inputs = ('name' in input ? [input] : input).map((given) => ({
        ...given,
        type: elementTypeOf(given.data),
      }));
      const session = await ort.InferenceSession.create(
        onnxModel(model.operator, inputs, model.output, model.weights, model.attributes),
        { intraOpNumThreads: threads, interOpNumThreads: 1, executionProviders: ['cpu'] },
      );
      const size = model.output.dims.reduce((a, b) => a * b, 1);
      const feeds = Object.fromEntries(
        inputs.map(({ name, data, dims, type }) => [name, new ort.Tensor(type, data, dims)]),
      );
      const { type = 'float32' } = model.output;
      const result = type === 'int32' ? new Int32Array(size) : new Float32Array(size);
      const fetches = { [model.output.name]: new ort.Tensor(type, result, model.output.dims) };
      const contender = asynchronous(
        () => session.run(feeds, fetches),
        (outputs) => outputs[model.output.name]!.data,
        minTime,
      );
      return { ...contender, version, close: () => void session.release() };
    },
  };
}

/** ml-matrix: `make` prepares the data and gives the call, whose result is a Matrix. */
export function mlMatrix(make: (lib: MlMatrix) => () => Matrix, check: Check = {}): Peer {
  return {
    name: 'ml-matrix',
    threads: 1,
    tolerance: 1e-10,
    ...check,
    open(_, minTime) {
      const { module, version } = load<MlMatrix>('ml-matrix');
      return { ...synchronous(make(module), (matrix) => Float64Array.from(matrix.to1DArray()), minTime), version };
    },
  };
}

/** mathjs: `make` prepares the data and gives the call, `numbers` reads its result. */
export function mathjs<T>(
  make: (lib: MathJs) => () => T,
  numbers: (result: T) => ArrayLike<number>,
  check: Check = {},
): Peer {
  return {
    name: 'mathjs',
    threads: 1,
    tolerance: 1e-10,
    ...check,
    open(_, minTime) {
      const { module, version } = load<MathJs>('mathjs');
      return { ...synchronous(make(module), numbers, minTime), version };
    },
  };
}

/** Plain JavaScript, or another way through lapidary itself. */
export function plain<T>(
  name: string,
  call: () => T,
  numbers: (result: T) => ArrayLike<number>,
  check: Check = {},
): Peer {
  return {
    name,
    threads: 1,
    tolerance: 1e-10,
    ...check,
    open: (_, minTime) => synchronous(call, numbers, minTime),
  };
}
