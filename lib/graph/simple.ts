/** The undirected graph without weights and loops that triangles, trusses and similarities are about. */
import type { Where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { transpose } from '../sparse/index.js';
import { checkedGraph } from './graph.js';

/** The neighbours of each node of `graph`, loops left out. Refuses a graph that has an edge in one direction only. */
export function neighbours(at: Where, graph: unknown): Csr<Int32Array> {
  const { csr } = checkedGraph(at, graph);
  const back = transpose(csr);
  const oneWay = (e: number) =>
    at.fail('ERR_FORMAT', 'graph', 'each edge in both directions', `one at position ${e} that has no counterpart`);
  for (let i = 0; i <= csr.rows; i++) if (csr.indptr[i] !== back.indptr[i]) oneWay(csr.indptr[i]! - 1);
  for (let e = 0; e < csr.indices.length; e++) if (csr.indices[e] !== back.indices[e]) oneWay(e);
  return keep(csr, (i, j) => i !== j);
}

/** The entries for which `wanted(row, column, position)` holds, with values that mean nothing. */
export function keep(a: Omit<Csr, 'values'>, wanted: (i: number, j: number, p: number) => boolean): Csr<Int32Array> {
  const indptr = new Uint32Array(a.rows + 1);
  const indices = new Uint32Array(a.indices.length);
  let n = 0;
  for (let i = 0; i < a.rows; i++) {
    for (let p = a.indptr[i]!; p < a.indptr[i + 1]!; p++) {
      const j = a.indices[p]!;
      if (wanted(i, j, p)) indices[n++] = j;
    }
    indptr[i + 1] = n;
  }
  return { rows: a.rows, cols: a.cols, indptr, indices: indices.slice(0, n), values: new Int32Array(n) };
}

export const degree = (a: Csr<Int32Array>, i: number): number => a.indptr[i + 1]! - a.indptr[i]!;
