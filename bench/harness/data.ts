/** Inputs that benches share, the same in every run. */
import { philox, sparse, type Csr, type Real, type quant } from 'lapidary';

/** n numbers uniform on [low, high). */
export function uniform(n: number, seed: number, low = -1, high = 1): Float64Array {
  const numbers = philox(seed).fill(new Float64Array(n));
  for (let i = 0; i < n; i++) numbers[i] = low + (high - low) * numbers[i]!;
  return numbers;
}

export const uniformF32 = (n: number, seed: number, low = -1, high = 1): Float32Array =>
  Float32Array.from(uniform(n, seed, low, high));

const made = new Map<string, Csr>();

function once(key: string, make: () => Csr): Csr {
  let found = made.get(key);
  if (!found) made.set(key, (found = make()));
  return found;
}

const edgeFactor = 16;

/** 2^scale vertices and 16 times as many edges drawn uniformly, duplicates summed; values uniform on (0, 1). */
export function erdosRenyi(scale: number): Csr {
  return once(`er ${scale}`, () => {
    const n = 2 ** scale;
    const ends = philox(1).fill(new Uint32Array(2 * edgeFactor * n));
    for (let e = 0; e < ends.length; e++) ends[e] = ends[e]! % n;
    return fromEdges(n, ends.subarray(0, ends.length / 2), ends.subarray(ends.length / 2));
  });
}

/**
 * The same size by the recursive model of Chakrabarti, Zhan & Faloutsos (2004) with the probabilities of the Graph500
 * benchmark (0.57, 0.19, 0.19, 0.05): few vertices hold many of the edges.
 */
export function rmat(scale: number): Csr {
  return once(`rmat ${scale}`, () => {
    const n = 2 ** scale;
    const edges = edgeFactor * n;
    const [row, col] = [new Uint32Array(edges), new Uint32Array(edges)];
    const words = new Uint32Array(edges);
    for (let bit = 0; bit < scale; bit++) {
      philox(2, bit).fill(words);
      for (let e = 0; e < edges; e++) {
        const u = words[e]! / 2 ** 32;
        const quadrant = u < 0.57 ? 0 : u < 0.76 ? 1 : u < 0.95 ? 2 : 3;
        row[e] = 2 * row[e]! + (quadrant >> 1);
        col[e] = 2 * col[e]! + (quadrant & 1);
      }
    }
    return fromEdges(n, row, col);
  });
}

function fromEdges(n: number, row: Uint32Array, col: Uint32Array): Csr {
  return sparse.fromCoo({ rows: n, cols: n, row, col, value: uniform(row.length, 3, 0, 1) });
}

/** Neighbours of each point of a grid with these sides, itself included: all within one step along `reach` axes at most. */
function stencil(sides: readonly number[], reach: number): Csr {
  return once(`stencil ${sides.join(' ')} ${reach}`, () => {
    const n = sides.reduce((a, b) => a * b, 1);
    let steps: number[][] = [[]];
    for (let axis = 0; axis < sides.length; axis++) steps = steps.flatMap((s) => [-1, 0, 1].map((d) => [...s, d]));
    const [row, col]: [number[], number[]] = [[], []];
    for (const step of steps.filter((s) => s.filter((d) => d !== 0).length <= reach))
      for (let i = 0; i < n; i++) {
        let [rest, stride, target, inside] = [i, 1, i, true];
        for (const [axis, side] of sides.entries()) {
          const place = (rest % side) + step[axis]!;
          inside &&= place >= 0 && place < side;
          target += step[axis]! * stride;
          rest = Math.floor(rest / side);
          stride *= side;
        }
        if (!inside) continue;
        row.push(i);
        col.push(target);
      }
    return fromEdges(n, Uint32Array.from(row), Uint32Array.from(col));
  });
}

/** 5 points in the plane. */
export const grid2d = (side: number): Csr => stencil([side, side], 1);
/** 7 (reach 1) or 27 (reach 3) points in space. */
export const grid3d = (side: number, reach: number): Csr => stencil([side, side, side], reach);

/** n × n with all entries at most `reach` from the diagonal. */
export function banded(n: number, reach: number): Csr {
  return once(`banded ${n} ${reach}`, () => {
    const [row, col]: [number[], number[]] = [[], []];
    for (let i = 0; i < n; i++)
      for (let j = Math.max(0, i - reach); j <= Math.min(n - 1, i + reach); j++) {
        row.push(i);
        col.push(j);
      }
    return fromEdges(n, Uint32Array.from(row), Uint32Array.from(col));
  });
}

/** n × cols with about `perRow` entries a row. */
export function tallSkinny(n: number, cols: number, perRow: number): Csr {
  return once(`tall ${n} ${cols} ${perRow}`, () => {
    const ends = philox(4).fill(new Uint32Array(2 * perRow * n));
    const row = ends.subarray(0, perRow * n).map((u) => u % n);
    const col = ends.subarray(perRow * n).map((u) => u % cols);
    return sparse.fromCoo({ rows: n, cols, row, col, value: uniform(perRow * n, 5, 0, 1) });
  });
}

/** The undirected graph of a matrix: an edge wherever it has an entry on either side of the diagonal. */
export function undirected(a: Csr): Csr {
  const row = new Uint32Array(a.indices.length);
  for (let i = 0; i < a.rows; i++) row.fill(i, a.indptr[i], a.indptr[i + 1]);
  const [from, to] = [new Uint32Array(2 * row.length), new Uint32Array(2 * row.length)];
  from.set(row);
  from.set(a.indices, row.length);
  to.set(a.indices);
  to.set(row, row.length);
  return sparse.fromCoo({
    rows: a.rows,
    cols: a.rows,
    row: from,
    col: to,
    value: new Float64Array(from.length).fill(1),
  });
}

/** The two families at the scales that sparse benches run. */
export function graphs(quick: boolean): { name: string; family: string; n: number; make: () => Csr }[] {
  const family = (name: string, generate: (scale: number) => Csr, scales: number[]) =>
    scales.map((scale) => ({
      name: `${name} scale ${scale}`,
      family: name,
      n: 2 ** scale,
      make: () => generate(scale),
    }));
  const scales = quick ? [8] : [14, 16];
  return [...family('ER', erdosRenyi, scales), ...family('R-MAT', rmat, scales)];
}

/** Grids and a band, whose rows are mostly the row before with one added to its columns. */
export function meshes(quick: boolean): { name: string; family: string; n: number; make: () => Csr }[] {
  const [plane, wide, space, band] = quick ? [9, 5, 5, 300] : [700, 64, 36, 60000];
  return [
    { name: `grid ${plane}², 5 points`, family: 'grid 2D', n: plane ** 2, make: () => grid2d(plane) },
    { name: `grid ${wide}³, 7 points`, family: 'grid 3D, 7', n: wide ** 3, make: () => grid3d(wide, 1) },
    { name: `grid ${space}³, 27 points`, family: 'grid 3D, 27', n: space ** 3, make: () => grid3d(space, 3) },
    { name: `band of 21, n = ${band}`, family: 'band', n: band, make: () => banded(band, 10) },
  ];
}

export type Dtype = 'f64' | 'f32';
export const dtypes: readonly Dtype[] = ['f64', 'f32'];

/** Numbers uniform on [low, high) of this type. */
export const uniformOf = (dtype: Dtype, n: number, seed: number, low = -1, high = 1): Real =>
  dtype === 'f64' ? uniform(n, seed, low, high) : uniformF32(n, seed, low, high);

export const zerosOf = (dtype: Dtype, n: number): Real => (dtype === 'f64' ? new Float64Array(n) : new Float32Array(n));

/** The same matrix with values of this type. */
export const csrOf = (dtype: Dtype, a: Csr): Csr<Real> =>
  dtype === 'f64' ? a : { ...a, values: Float32Array.from(a.values) };

/** Bytes of typed arrays, and of the arrays of a Csr. */
export const bytesOf = (...values: (Csr<Real> | { byteLength: number })[]): number =>
  values.reduce((sum, value) => sum + ('indptr' in value ? bytesOf(value.indptr, value.indices, value.values) : value.byteLength), 0); // prettier-ignore
/** A Csr as arrays and parameters of an external task. */
export function csrTask(a: Csr<Real>, name = 'a') {
  return {
    arrays: { [`${name}indptr`]: a.indptr, [`${name}indices`]: a.indices, [`${name}values`]: a.values },
    parameters: { [`${name}rows`]: a.rows, [`${name}cols`]: a.cols },
  };
}

/** Formats that packWeights takes. */
export type FewBits = 'bipolar1' | 'int2' | 'int3' | 'int4' | 'ternary';

/** Weights of random codes: large ones take seconds to quantise, and what they hold does not matter. */
export function fewBitWeights(rows: number, cols: number, format: FewBits, groupSize: number): quant.Quantized {
  const bits = format === 'ternary' ? 2 : Number(format.at(-1));
  const codes = new Uint8Array(rows * Math.ceil((cols * bits) / 8));
  let state = 2463534242;
  const next = () => ((state ^= state << 13), (state ^= state >>> 17), (state ^= state << 5));
  if (format === 'ternary')
    codes.forEach((_, i) => (codes[i] = (next() >>> 9) & 0x55)); // codes 0 and 1
  else {
    const words = new Int32Array(codes.buffer, 0, codes.length >> 2);
    words.forEach((_, i) => (words[i] = next()));
  }
  const scales = new Float32Array(rows * Math.ceil(cols / groupSize)).fill(0.01);
  return { layout: 1, format, rows, cols, groupSize, bits, codes, scales };
}
