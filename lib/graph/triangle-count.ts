import { where } from '../core/validate.js';
import { spgemm } from '../sparse/index.js';
import type { Graph } from './graph.js';
import { upward } from './simple.js';

/**
 * The number of triangles of an undirected graph: sets of three nodes that are all neighbours.
 *
 * Each edge is pointed from its end of lower degree to the other (ties by number), which leaves no node more than √(2m)
 * outgoing edges; then the triangles are the entries of `L⟨L⟩ = L·L`, the two-step paths that a third edge closes,
 * O(m^1.5) operations for m edges. Weights and loops do not matter.
 *
 * @param graph n × n, each edge in both directions, or a graphology graph
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (negative weights), ERR_FORMAT (an edge in one direction only),
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Azad, Buluç & Gilbert, Parallel Triangle Counting and Enumeration using Matrix Algebra (2015); order by degree:
 *   Chiba & Nishizeki, Arboricity and Subgraph Listing Algorithms (1985)
 * @example triangleCount(fromDense(dense(3, 3, Float64Array.of(0, 1, 1, 1, 0, 1, 1, 1, 0)))) // 1
 */
export function triangleCount(graph: Graph): number {
  const at = where('triangleCount');
  const up = upward(at, graph);
  const closed = at.inside('graph', () => spgemm(up, up, { semiring: 'plus-pair', mask: up }));
  let triangles = 0;
  for (const paths of closed.values) triangles += paths;
  return triangles;
}
