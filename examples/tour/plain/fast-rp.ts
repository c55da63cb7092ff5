import type { Csr, Dense } from 'lapidary';

const mulHigh = (a: number, b: number): number => {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
};

/** Words 0, 1, 2 of a block of Philox 4x32-10: the random numbers of lapidary, so that the results can be compared. */
function philox(seed: number, stream: number, index: number, out: Uint32Array): void {
  let [c0, c1, c2, c3] = [index, 0, stream, 0];
  let [k0, k1] = [seed, 0];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [mulHigh(0xd2511f53, c0), Math.imul(0xd2511f53, c0) >>> 0];
    const [high1, low1] = [mulHigh(0xcd9e8d57, c2), Math.imul(0xcd9e8d57, c2) >>> 0];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
}

/** FastRP (Chen et al. 2019) with its defaults: rows of each power scaled to length 1, columns of the sum standardised. */
export function fastRP(
  graph: Csr,
  { dimension, weights, beta, seed }: { dimension: number; weights: number[]; beta: number; seed: number },
): Dense<Float32Array> {
  const { rows: n, indptr, indices, values } = graph;
  const degree = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let p = indptr[i]!; p < indptr[i + 1]!; p++) degree[i]! += values[p]!;

  let current = new Float32Array(n * dimension);
  const s = Math.sqrt(n);
  const stay = new Float64Array(dimension).fill(1 - 1 / s);
  for (let k = 1; k < dimension; k++) stay[k] = stay[k - 1]! * (1 - 1 / s);
  const words = new Uint32Array(3);
  for (let j = 0; j < n; j++) {
    const value = degree[j]! > 0 ? Math.sqrt(s / dimension) * degree[j]! ** beta : 0;
    for (let draw = 0, column = 0; ; draw++, column++) {
      philox(seed, j, draw, words);
      const u = ((words[0]! >>> 5) * 2 ** 26 + (words[1]! >>> 6)) * 2 ** -53;
      for (let gap = 0; gap < dimension && u < stay[gap]!; gap++) column++;
      if (column >= dimension) break;
      current[j * dimension + column] = words[2]! & 1 ? -value : value;
    }
  }

  let next = new Float32Array(n * dimension);
  const sum = new Float32Array(n * dimension);
  const row = new Float64Array(dimension);
  for (const weight of weights) {
    for (let i = 0; i < n; i++) {
      row.fill(0);
      for (let p = indptr[i]!; p < indptr[i + 1]!; p++) {
        const factor = values[p]! / degree[i]!;
        const from = indices[p]! * dimension;
        for (let c = 0; c < dimension; c++) row[c]! += factor * current[from + c]!;
      }
      let squares = 0;
      for (let c = 0; c < dimension; c++) squares += row[c]! * row[c]!;
      const factor = squares > 0 ? weight / Math.sqrt(squares) : 0;
      for (let c = 0; c < dimension; c++) next[i * dimension + c] = row[c]!;
      if (factor !== 0) for (let c = 0; c < dimension; c++) sum[i * dimension + c]! += factor * row[c]!;
    }
    [current, next] = [next, current];
  }
  standardize(sum, degree, dimension);
  return { rows: n, cols: dimension, data: sum };
}

/** Scales each column to mean 0 and variance 1 over the nodes that have edges. */
function standardize(x: Float32Array, degree: Float64Array, cols: number): void {
  const mean = new Float64Array(cols);
  const deviation = new Float64Array(cols);
  let present = 0;
  for (let i = 0; i < degree.length; i++)
    if (degree[i]! > 0) {
      present++;
      for (let c = 0; c < cols; c++) mean[c]! += x[i * cols + c]!;
    }
  for (let c = 0; c < cols; c++) mean[c]! /= present;
  for (let i = 0; i < degree.length; i++)
    if (degree[i]! > 0) for (let c = 0; c < cols; c++) deviation[c]! += (x[i * cols + c]! - mean[c]!) ** 2;
  for (let c = 0; c < cols; c++) deviation[c] = Math.sqrt(deviation[c]! / present);
  for (let i = 0; i < degree.length; i++)
    if (degree[i]! > 0)
      for (let c = 0; c < cols; c++) x[i * cols + c] = (x[i * cols + c]! - mean[c]!) / (deviation[c]! || 1);
}
