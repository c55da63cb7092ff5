/** What the functions of this domain take as a graph, and how it becomes a checked Csr with its degrees. */
import { describe, type Where } from '../core/validate.js';
import type { Csr, Real } from '../core/values.js';
import { fromCoo } from '../sparse/index.js';
import { checkPattern, isPattern, type Pattern } from '../sparse/pattern.js';
import { native, type GraphArguments } from './native.js';

/** The part of a graphology graph that is needed; multigraphs and mixed graphs too. */
export interface GraphologyGraph {
  order: number;
  size: number;
  nodes(): string[];
  forEachEdge(
    visit: (
      edge: string,
      attributes: { weight?: unknown; [name: string]: unknown },
      source: string,
      target: string,
      sourceAttributes: object,
      targetAttributes: object,
      undirected: boolean,
    ) => void,
  ): void;
}

/**
 * A square {@link Csr}: row i holds the edges from node i, the values are their weights, none negative; an undirected
 * graph has each edge twice. A pattern, a Csr without values, is a graph whose weights are all 1. Or a graphology graph: its nodes are numbered in the order of `nodes()`, the edge attribute
 * `weight` is the weight, 1 where it is missing; parallel edges are summed.
 */
export type Graph = Csr<Real> | Pattern | GraphologyGraph;

/** A graph whose structure and weights have been checked. */
export interface CheckedGraph {
  n: number;
  csr: Csr<Real>;
  /** sums of the outgoing weights */
  degrees: Float64Array;
}

export const graphArguments = ({ n, csr }: CheckedGraph): GraphArguments => [n, csr.indptr, csr.indices, csr.values];

/** The argument `graph` as a checked Csr. */
export function checkedGraph(at: Where, value: unknown): CheckedGraph {
  const csr = isGraphology(value)
    ? fromGraphology(at, value)
    : isPattern(value)
      ? withOnes(at, value as Pattern)
      : at.csr('graph', value, [Float64Array, Float32Array]);
  const n = csr.rows;
  if (csr.cols !== n) at.fail('ERR_SHAPE', 'graph', 'as many columns as rows', `${n} × ${csr.cols}`);
  const degrees = at.allocate(Float64Array, n);
  const problem = new Float64Array(3);
  at.inside('graph', () => native.degrees(n, csr.indptr, csr.indices, csr.values, degrees, problem));
  const [fault, row, position] = problem as unknown as [number, number, number];
  if (fault === 1)
    at.fail(
      'ERR_FORMAT',
      'graph',
      'a Csr: rising indptr, columns in range, ascending and unique in each row',
      `a fault in row ${row}, at position ${position}`,
    );
  if (fault === 2)
    at.fail(
      'ERR_RANGE',
      'graph.values',
      'finite weights that are not negative',
      `values[${position}] = ${csr.values[position]} in row ${row}`,
    );
  if (fault === 3) at.fail('ERR_RANGE', 'graph.values', 'weights with a finite sum in each row', `more in row ${row}`);
  return { n, csr, degrees };
}

function withOnes(at: Where, value: Pattern): Csr<Float32Array> {
  checkPattern(at, 'graph', value);
  return { ...value, values: at.allocate(Float32Array, value.indices.length).fill(1) };
}

function isGraphology(value: unknown): value is GraphologyGraph {
  if (typeof value !== 'object' || value === null) return false;
  const { nodes, forEachEdge } = value as Partial<GraphologyGraph>;
  return typeof nodes === 'function' && typeof forEachEdge === 'function';
}

function fromGraphology(at: Where, graph: GraphologyGraph): Csr {
  const numbers = new Map<string, number>();
  for (const node of graph.nodes()) numbers.set(node, numbers.size);
  const number = (node: string): number =>
    numbers.get(node) ?? at.fail('ERR_FORMAT', 'graph', 'edges between its nodes', `an edge with ${describe(node)}`);
  const row: number[] = [];
  const col: number[] = [];
  const value: number[] = [];
  graph.forEachEdge((edge, { weight = 1 }, source, target, _sourceAttributes, _targetAttributes, undirected) => {
    if (typeof weight !== 'number')
      at.fail('ERR_DTYPE', 'graph', 'numbers as weights', `${describe(weight)} at edge ${describe(edge)}`);
    const [i, j] = [number(source), number(target)];
    row.push(i);
    col.push(j);
    value.push(weight);
    if (!undirected || i === j) return;
    row.push(j);
    col.push(i);
    value.push(weight);
  });
  const n = numbers.size;
  const edges = { row: Uint32Array.from(row), col: Uint32Array.from(col), value: Float64Array.from(value) };
  return at.inside('graph', () => fromCoo({ rows: n, cols: n, ...edges }));
}
