import { where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { prune, spgemm } from '../sparse/index.js';
import type { Graph } from './graph.js';
import { neighbours } from './simple.js';

/**
 * The k-truss of an undirected graph: the largest subgraph in which every edge lies in at least k − 2 triangles of the
 * subgraph. Gives its edges, each in both directions; the value of an edge is the number of its triangles there.
 *
 * The triangles of all edges are one masked product `E⟨E⟩ = E·E`; edges with too few are dropped and the product is made
 * again until none is. Mostly a few rounds; in the worst case as many as there are edges. Weights and loops do not matter.
 *
 * @param graph n × n, each edge in both directions, or a graphology graph
 * @param k at least 3
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (k, negative weights), ERR_FORMAT (an edge in one direction only),
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Cohen, Trusses: Cohesive Subgraphs for Social Network Analysis (2008); by masked products: Davis, Graph
 *   algorithms via SuiteSparse:GraphBLAS: triangle counting and k-truss (2018)
 * @example kTruss(fromDense(dense(3, 3, Float64Array.of(0, 1, 1, 1, 0, 1, 1, 1, 0))), 3).values // 1, 1, 1, 1, 1, 1
 */
export function kTruss(graph: Graph, k: number): Csr<Int32Array> {
  const at = where('kTruss');
  at.integer('k', k, { min: 3 });
  for (let edges = neighbours(at, graph); ;) {
    const [counts, strong] = at.inside('graph', () => {
      const { rows, cols, indptr, indices, values } = spgemm(edges, edges, { semiring: 'plus-pair', mask: edges });
      const counts = { rows, cols, indptr, indices, values };
      return [counts, prune(counts, k - 3)]; // those above k − 3
    });
    if (strong.indices.length === edges.indices.length) return counts;
    edges = strong;
  }
}
