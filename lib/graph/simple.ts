/** The undirected graph without weights and loops that triangles, trusses and similarities are about. */
import type { Where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { transpose } from '../sparse/index.js';
import { checkedGraph } from './graph.js';
import { native } from './native.js';

/** The neighbours of each node of `graph`, loops left out. Refuses a graph that has an edge in one direction only. */
export const neighbours = (at: Where, graph: unknown): Csr<Int32Array> => part(at, bothWays(at, graph), 0);

/**
 * Each edge once: from its end of lower degree to the other, of equals from the lower number. Degrees count loops, which are
 * left out.
 */
export const upward = (at: Where, graph: unknown): Csr<Int32Array> => part(at, bothWays(at, graph), 1);

/** The graph, which has each edge in both directions. */
function bothWays(at: Where, graph: unknown): Csr<Real> {
  const { csr } = checkedGraph(at, graph);
  const back = at.inside('graph', () => transpose(csr));
  if (same(csr.indptr, back.indptr) && same(csr.indices, back.indices)) return csr;
  const e = firstOneWay(csr, back);
  const got = e < 0 ? 'indices that another thread changes' : `one at position ${e} that has no counterpart`;
  return at.fail('ERR_FORMAT', 'graph', 'each edge in both directions', got);
}

/** The position of the first edge from i to j of which `back` has none from i to j; −1: it has all of them. */
function firstOneWay(a: Csr<Real>, back: Csr<Real>): number {
  for (let i = 0; i < a.rows; i++)
    for (let e = a.indptr[i]!, b = back.indptr[i]!; e < a.indptr[i + 1]!; e++, b++) {
      while (b < back.indptr[i + 1]! && back.indices[b]! < a.indices[e]!) b++;
      if (b >= back.indptr[i + 1]! || back.indices[b] !== a.indices[e]) return e;
    }
  return -1;
}

const bytes = ({ buffer, byteOffset, byteLength }: Uint32Array) => Buffer.from(buffer, byteOffset, byteLength);
const same = (x: Uint32Array, y: Uint32Array): boolean => bytes(x).equals(bytes(y));

/** A part of the edges, with values that mean nothing. */
function part(at: Where, { rows, cols, indptr, indices }: Csr<Real>, code: number): Csr<Int32Array> {
  const pointers = at.allocate(Uint32Array, rows + 1);
  let columns = new Uint32Array(0);
  at.inside('graph', () =>
    native.edges(rows, indptr, indices, code, pointers, () => {
      columns = at.allocateUncleared(Uint32Array, pointers[rows]!);
      return [columns];
    }),
  );
  return { rows, cols, indptr: pointers, indices: columns, values: at.allocate(Int32Array, columns.length) };
}

export const degree = (a: Csr<Int32Array>, i: number): number => a.indptr[i + 1]! - a.indptr[i]!;
