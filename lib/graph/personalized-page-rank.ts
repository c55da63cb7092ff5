import { arrayTypeName, describe, where, type Where } from '../core/validate.js';
import type { Graph } from './graph.js';
import { solve, type PageRankOptions, type PageRankResult } from './page-rank.js';

/**
 * Node ids to restart at, each as often as it stands here; or, as a Float64Array of length n, a weight for each node,
 * which is scaled to sum 1.
 */
export type Seeds = readonly number[] | Uint32Array | Float64Array;

/**
 * Personalised PageRank: how much time a surfer spends at each node who restarts at the seeds with probability α at each
 * step, else follows an outgoing edge chosen by weight: `p = α·r + (1 − α)·(Pᵀp + dangling·r)`, `P = D⁻¹A`, r the
 * distribution of the seeds. From a node without outgoing edges the surfer restarts at the seeds. The scores say how
 * related nodes are to the seeds; nodes that cannot be reached from them get 0.
 *
 * α is the probability to **restart** (0.15), not the damping factor (0.85). Iteration, error bound, defaults and cost as
 * in {@link pageRank}. In an undirected graph `p_u(v)·d_u = p_v(u)·d_v`.
 *
 * @param graph n × n with weights that are not negative, or a graphology graph (its nodes numbered in `nodes()` order)
 * @param seeds node ids below n, at least one; or a Float64Array with n weights
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (negative or NaN weights, seeds, α), ERR_FORMAT, ERR_OPTION,
 *   ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Haveliwala, Topic-Sensitive PageRank (2002); the decomposition by seeds: Jeh & Widom, Scaling Personalized Web
 *   Search (2003)
 * @example personalizedPageRank(fromDense(dense(2, 2, Float64Array.of(0, 1, 0, 1))), [0], { alpha: 0.25 }).scores // 0.25, 0.75
 */
export function personalizedPageRank(graph: Graph, seeds: Seeds, options?: PageRankOptions): PageRankResult {
  const at = where('personalizedPageRank');
  return solve(at, graph, (n) => restartAt(at, seeds, n), options);
}

function restartAt(at: Where, seeds: unknown, n: number): Float64Array {
  const restart = at.allocate(Float64Array, n);
  if (arrayTypeName(seeds) === 'Float64Array') {
    at.array('seeds', seeds, [Float64Array], n);
    restart.set(seeds as Float64Array);
    const bad = restart.findIndex((weight) => !(weight >= 0 && weight < Infinity));
    if (bad >= 0)
      at.fail('ERR_RANGE', 'seeds', 'finite weights that are not negative', `seeds[${bad}] = ${restart[bad]}`);
  } else {
    const words = arrayTypeName(seeds) === 'Uint32Array';
    if (!Array.isArray(seeds) && !words)
      at.fail(
        'ERR_DTYPE',
        'seeds',
        'an array or Uint32Array of node ids, or a Float64Array of weights',
        describe(seeds),
      );
    if (words) at.array('seeds', seeds, [Uint32Array]);
    for (const node of seeds as readonly unknown[])
      if (Number.isInteger(node) && (node as number) >= 0 && (node as number) < n) restart[node as number]!++;
      else at.fail('ERR_RANGE', 'seeds', `node ids below ${n}`, describe(node));
  }
  // Divided by the largest first, so that the sum cannot overflow.
  const largest = restart.reduce((most, weight) => Math.max(most, weight), 0);
  if (largest === 0) at.fail('ERR_RANGE', 'seeds', 'at least one seed', 'none');
  const total = restart.reduce((sum, weight) => sum + weight / largest, 0);
  return restart.map((weight) => weight / largest / total);
}
