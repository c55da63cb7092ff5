import { where } from '../core/validate.js';
import type { Csr } from '../core/values.js';
import { spgemm } from '../sparse/index.js';
import { checkPattern, type Pattern } from '../sparse/pattern.js';
import type { Graph } from './graph.js';
import { degree, neighbours } from './simple.js';

/** Options of {@link jaccardSimilarity}. */
export interface JaccardSimilarityOptions {
  /** n × n: the pairs to compare. Default: all pairs of different nodes. */
  pairs?: Pattern;
}

/**
 * The Jaccard similarity of nodes of an undirected graph: `s[i,j] = |N(i) ∩ N(j)| / |N(i) ∪ N(j)|` with the neighbours N,
 * for all pairs of different nodes that have a common neighbour, or for those of them in `pairs`. Weights and loops do not
 * matter; pairs without a common neighbour have similarity 0 and no entry.
 *
 * One product A·A that counts common neighbours, masked by `pairs` or by everything but the diagonal. All pairs can be
 * very many: every node makes a pair of each two of its neighbours.
 *
 * @param graph n × n, each edge in both directions, or a graphology graph
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (negative weights, 2^32 pairs or more), ERR_FORMAT (an edge in
 *   one direction only), ERR_OPTION, ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Jaccard, The Distribution of the Flora in the Alpine Zone (1912)
 * @example jaccardSimilarity(fromDense(dense(3, 3, Float64Array.of(0, 1, 1, 1, 0, 0, 1, 0, 0)))).values // 1, 1
 */
export function jaccardSimilarity(graph: Graph, options?: JaccardSimilarityOptions): Csr {
  const at = where('jaccardSimilarity');
  const { pairs } = at.options(options, ['pairs']);
  const a = neighbours(at, graph);
  if (pairs !== undefined) {
    checkPattern(at, 'options.pairs', pairs);
    if (pairs.rows !== a.rows || pairs.cols !== a.rows)
      at.fail('ERR_SHAPE', 'options.pairs', `${a.rows} × ${a.rows}`, `${pairs.rows} × ${pairs.cols}`);
  }
  const common = at.inside(pairs ? 'options.pairs' : 'graph', () =>
    spgemm(a, a, { semiring: 'plus-pair', mask: pairs ?? diagonal(a.rows), complement: !pairs }),
  );
  const { rows, cols, indptr, indices } = common;
  const values = at.allocate(Float64Array, indices.length);
  for (let i = 0; i < rows; i++)
    for (let p = indptr[i]!; p < indptr[i + 1]!; p++)
      values[p] = common.values[p]! / (degree(a, i) + degree(a, indices[p]!) - common.values[p]!);
  return { rows, cols, indptr, indices, values };
}

const diagonal = (n: number): Pattern => ({
  rows: n,
  cols: n,
  indptr: Uint32Array.from({ length: n + 1 }, (_, i) => i),
  indices: Uint32Array.from({ length: n }, (_, i) => i),
});
