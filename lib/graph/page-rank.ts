import { iterate, iterativeKeys, type Iterated, type IterativeOptions } from '../core/iterate.js';
import { where, type Where } from '../core/validate.js';
import { spmv, transpose } from '../sparse/index.js';
import { checkedGraph, type Graph } from './graph.js';
import { native } from './native.js';

/** Options of {@link pageRank} and {@link personalizedPageRank}; `tolerance` bounds the L1 change of an iteration. */
export interface PageRankOptions extends Omit<IterativeOptions, 'seed'> {
  /** the probability to restart at each step, in (0, 1]; default 0.15, which others call damping 0.85 */
  alpha?: number;
}

/** The result of {@link pageRank} and {@link personalizedPageRank}. */
export interface PageRankResult extends Iterated {
  /** a probability for each node; they sum to 1 */
  scores: Float64Array;
}

/**
 * PageRank: the stationary distribution of a surfer who at each step restarts at a uniformly chosen node with probability
 * α, else follows an outgoing edge chosen by weight: `p = α/n + (1 − α)·(Pᵀp + dangling/n)`, `P = D⁻¹A`. From a node
 * without outgoing edges the surfer restarts.
 *
 * α is the probability to **restart** (0.15), not the damping factor (0.85). Power iteration, 2·nnz operations each;
 * the residual `‖p′ − p‖₁` shrinks at least by 1 − α each time and bounds the error: `‖p − p*‖₁ ≤ residual·(1 − α)/α`.
 * Defaults: tolerance 10⁻¹⁰, at most 1000 iterations. 12 bytes an edge and 32 a node beside the graph.
 *
 * @param graph n × n with weights that are not negative, or a graphology graph
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (negative or NaN weights, α), ERR_FORMAT, ERR_OPTION,
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Page, Brin, Motwani & Winograd, The PageRank Citation Ranking (1999); restarts from dangling nodes: Langville &
 *   Meyer, Deeper Inside PageRank (2004), section 3
 * @example pageRank(fromDense(dense(2, 2, Float64Array.of(0, 1, 1, 0)))).scores // 0.5, 0.5
 */
export function pageRank(graph: Graph, options?: PageRankOptions): PageRankResult {
  const at = where('pageRank');
  return solve(at, graph, (n) => at.allocate(Float64Array, n).fill(1 / n), options);
}

/**
 * Power iteration towards `p = α·r + (1 − α)·(Pᵀp + dangling·r)` for the restart distribution r that `restartOf` makes
 * for n nodes.
 */
export function solve(
  at: Where,
  value: Graph,
  restartOf: (n: number) => Float64Array,
  given: PageRankOptions | undefined,
): PageRankResult {
  const options = at.options<PageRankOptions>(given, [...iterativeKeys, 'alpha']);
  const alpha = at.number('options.alpha', options.alpha ?? 0.15, { min: Number.MIN_VALUE, max: 1 });
  const { n, csr, degrees } = checkedGraph(at, value);
  const restart = restartOf(n);

  const incomingEdges = at.inside('graph', () => transpose({ ...csr, values: new Float64Array(csr.values) }));
  native.transitionColumns(incomingEdges.indices, degrees, incomingEdges.values);

  const scores = restart.slice();
  const incoming = at.allocate(Float64Array, n);
  const sums = new Float64Array(2);
  let dangling = 0;
  for (let i = 0; i < n; i++) if (degrees[i] === 0) dangling += scores[i]!;
  const iterated = iterate(at, options, { maxIterations: 1000, tolerance: 1e-10 }, () => {
    spmv(incomingEdges, scores, { out: incoming });
    native.pageRankStep(alpha, dangling, degrees, restart, incoming, scores, sums);
    dangling = sums[1]!;
    return sums[0]!;
  });
  return { scores, ...iterated };
}
