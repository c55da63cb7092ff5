import { where } from '../core/validate.js';
import type { Csr, Dense } from '../core/values.js';
import { spmm } from '../sparse/index.js';
import { checkedGraph, graphArguments, type Graph } from './graph.js';
import { native } from './native.js';

const largestFloat = (2 - 2 ** -23) * 2 ** 127;

/** Options of {@link fastRP}. */
export interface FastRPOptions {
  /** columns of the result, 1 to 65536; default 256 */
  dimension?: number;
  /** w_1 … w_q: what the embeddings by 1 … q steps count; default [0, 0, 1, 6.67] */
  weights?: readonly number[];
  /** exponent of the degrees, −1 to 1; below 0 well-connected neighbours count less; default −0.64 */
  beta?: number;
  /** scale each row of each U_k to length 1; default true */
  rowNormalize?: boolean;
  /** scale each column of the result to mean 0 and variance 1; default true */
  standardize?: boolean;
  /** a whole number; the same seed gives the same embedding; default 0 */
  seed?: number;
}

/**
 * FastRP node embeddings: nodes with similar neighbourhoods of up to q steps get similar rows. With `S = D⁻¹A`,
 * `L = diag(d_j^β)` and a very sparse random projection R (n × dimension; elements ±√(s/dimension) with probability
 * 1/(2s) each, else 0; s = √n): `U_1 = S·L·R`, `U_k = S·U_{k−1}`, the result is `Σ_k w_k·U_k`, each row of U_k scaled to
 * length 1 before and each column of the sum standardised after.
 *
 * O(q·nnz·dimension); three n × dimension matrices of floats at most. The result is a function of the graph, the options
 * and the seed, whatever the number of threads.
 *
 * In `0^β` with β < 0 stands 0: where edges lead to a node without outgoing edges, its row of R does not count. Such nodes
 * get rows of zeros themselves, and the columns are standardised over the other nodes: in the authors'
 * code, whose graphs have no such nodes, they would all get the row −mean/deviation.
 *
 * @param graph n × n with weights that are not negative (usually symmetric), or a graphology graph
 * @returns n × dimension, row i embeds node i
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_RANGE (negative or NaN weights, options; degrees so far apart that
 *   d^β, or weights so large that the result is no float), ERR_FORMAT, ERR_OPTION, ERR_OUT_OF_MEMORY, ERR_ABORTED
 * @source Chen, Sultan, Tian, Chen & Skiena, Fast and Accurate Network Embeddings via Very Sparse Random Projection (2019);
 *   Li, Hastie & Church, Very Sparse Random Projections (2006)
 * @example fastRP(fromDense(dense(2, 2, Float64Array.of(0, 1, 1, 0))), { dimension: 8 }).cols // 8
 */
export function fastRP(graph: Graph, options?: FastRPOptions): Dense<Float32Array> {
  const at = where('fastRP');
  const {
    dimension = 256,
    weights = [0, 0, 1, 6.67],
    beta = -0.64,
    rowNormalize = true,
    standardize = true,
    seed = 0,
  } = at.options(options, ['dimension', 'weights', 'beta', 'rowNormalize', 'standardize', 'seed']);
  at.integer('options.dimension', dimension, { min: 1, max: 65536 });
  if (!Array.isArray(weights) || weights.length === 0)
    at.fail('ERR_DTYPE', 'options.weights', 'an array of at least one number');
  const levels = Array.from(weights, (weight: unknown, k) =>
    at.number(`options.weights[${k}]`, weight, { min: -1e30, max: 1e30 }),
  );
  at.number('options.beta', beta, { min: -1, max: 1 });
  at.boolean('options.rowNormalize', rowNormalize);
  at.boolean('options.standardize', standardize);
  at.integer('options.seed', seed);

  const checked = checkedGraph(at, graph);
  const { n, csr, degrees } = checked;
  const length = at.size('n × dimension', n, dimension);
  const values = at.allocate(Float32Array, csr.values.length);
  at.inside('graph', () => native.transitionRows(...graphArguments(checked), degrees, values));
  const transition: Csr<Float32Array> = { ...csr, values };

  const scale = at.allocate(Float64Array, n);
  let largest = 0;
  for (let j = 0; j < n; j++) {
    if (degrees[j] === 0 && beta !== 0) continue; // 0^β: 0, and taken as 0 where it would be infinite
    scale[j] = degrees[j]! ** beta;
    if (!(scale[j]! >= 1e-30 && scale[j]! <= 1e30))
      at.fail('ERR_RANGE', 'graph.values', 'degrees whose power β is between 1e-30 and 1e30', `degree ${degrees[j]}`);
    largest = Math.max(largest, scale[j]!);
  }
  // Elements of U_k are means of those of L·R, of length 1 at most where rows are scaled.
  const total = levels.reduce((sum, weight) => sum + Math.abs(weight), 0);
  const bound = total * (rowNormalize ? 1 : largest * Math.sqrt(Math.sqrt(n) / dimension));
  if (bound > largestFloat) at.fail('ERR_RANGE', 'options.weights', 'weighted sums that are floats', `up to ${bound}`);

  const matrix = (): Dense<Float32Array> => ({ rows: n, cols: dimension, data: at.allocate(Float32Array, length) });
  let [previous, next] = [matrix(), matrix()];
  const sum = matrix();
  native.sparseProjection(seed % 2 ** 32, Math.floor(seed / 2 ** 32), scale, dimension, previous.data);
  const steps = levels.findLastIndex((weight) => weight !== 0) + 1;
  for (let k = 0; k < steps; k++) {
    at.inside('graph', () => spmm(transition, previous, { out: next }));
    [previous, next] = [next, previous];
    const weight = levels[k]!;
    if (weight !== 0) native.addRows(previous.data, n, dimension, weight, rowNormalize, sum.data);
  }
  if (standardize) native.standardizeColumns(degrees, dimension, sum.data);
  return sum;
}
