import { typeOf, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, headsOf, real, shaped, shapedIf, type RealType } from './sequences.js';

/** A directed acyclic graph for {@link plstmDag}. */
export interface PlstmGraph {
  /** edge e leads from node `from[e]` to node `to[e]`; 2³² − 1 stands for the outside on one of the two sides */
  from: Uint32Array;
  to: Uint32Array;
  /** transition p leads from edge `first[p]` to edge `second[p]`, which leaves the node that the first enters */
  first: Uint32Array;
  second: Uint32Array;
}

/** The gates of {@link plstmDag}. */
export interface PlstmDagGates<A extends Real = Float32Array> {
  /** edges × heads, S: how much of its first node enters an edge (not read for edges from outside) */
  source: Dense<A>;
  /** transitions × heads, T; pairs of edges that are not listed have none */
  transition: Dense<A>;
  /** edges × heads, M: how much of an edge the output of its last node sees (not read for edges to outside) */
  mark: Dense<A>;
  /** nodes × heads, D: how much the output sees of the node itself; default 0 */
  direct?: Dense<A>;
}

/** Options of {@link plstmDag}. */
export interface PlstmDagOptions<A extends Real = Float32Array> {
  /** heads side by side in the columns of q, k, v; default 1 */
  heads?: number;
  /** (edges from outside · heads · dk) × dv: their states, in the order of edges; default zeros */
  state?: Dense<A>;
  /** takes the result */
  out?: Dense<A>;
}

/**
 * pLSTM on a directed acyclic graph: edge e from node n carries
 * `C_e = S_e·k_n v_nᵀ + Σ_{e′ into n} T_{e′e}·C_{e′}`, and node n gives `y_n = Σ_{e into n} M_e·q_nᵀC_e + D_n·(q_n·k_n)·v_n`.
 *
 * Nodes may come in any order. Transitions are given by pairs of edges: leaving pairs out prunes a graph, for instance to a
 * multitree, in which two nodes are joined by at most one path. Several graphs are one graph with several parts. Memory beside
 * the result: the states of the edges that are open at a time, for each thread. The same bits for any number of threads,
 * which share out heads and blocks of 64 columns of v. O(dk · dv · heads · (edges + Σ_nodes edges in · edges out)): pairs of
 * edges at a node that are not listed cost as much as those that are.
 *
 * @param q nodes × (heads · dk), f32 or f64
 * @param k like q
 * @param v nodes × (heads · dv)
 * @returns `out`: nodes × (heads · dv); `state`: (edges to outside · heads · dk) × dv, in the order of edges
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_FORMAT (a circle, indices out of range, transitions between edges that do not
 *   meet), ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel, Freinschlag, Schmied, Lin & Hochreiter, pLSTM: parallelizable Linear Source Transition Mark networks
 * (2025); order of nodes: Kahn, Topological Sorting of Large Networks (CACM 5(11), 1962)
 * @example
 * const ones = (n) => dense(n, 1, new Float32Array(n).fill(1)); // 0 → 1 → 2
 * const chain = { from: Uint32Array.of(0, 1), to: Uint32Array.of(1, 2), first: Uint32Array.of(0), second: Uint32Array.of(1) };
 * const gates = { source: ones(2), transition: ones(1), mark: ones(2) };
 * plstmDag(ones(3), ones(3), ones(3), gates, chain).out.data // 0, 1, 2
 */
export function plstmDag<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: PlstmDagGates<A>,
  graph: PlstmGraph,
  options?: PlstmDagOptions<A>,
): { out: Dense<A>; state: Dense<A> } {
  const at = where('plstmDag');
  const opts = at.options<PlstmDagOptions<Real>>(options, ['heads', 'state', 'out']);
  const net = prepare(at, q, k, v, gates, graph, opts);
  const { type, tokens: nodes, heads, dk, dv, from, to, first, second } = net;
  const out = at.outDense<Real>('options.out', opts.out, type, nodes, heads * dv);
  const state = fresh(at, type, net.leaving, dv);
  // prettier-ignore
  native.plstmDag(
    net.q, net.k, net.v, net.source, net.transition, net.mark, net.direct, net.before, out.data, state.data, from, to,
    first, second, nodes, heads, dk, dv,
  );
  return { out, state } as { out: Dense<A>; state: Dense<A> };
}

function prepare(
  at: Where,
  q: unknown,
  k: unknown,
  v: unknown,
  gates: PlstmDagGates<Real>,
  graph: PlstmGraph,
  opts: Partial<PlstmDagOptions<Real>>,
) {
  const type = typeOf<Real>(at.dense('q', q, real).data) as RealType;
  const net = headsOf(at, type, q, k, v, opts.heads);
  const { tokens: nodes, heads, dk, dv } = net;
  if (typeof graph !== 'object' || graph === null) at.fail('ERR_DTYPE', 'graph', 'an object of edges and transitions');
  const from = at.array('graph.from', graph.from, [Uint32Array]);
  const to = at.array('graph.to', graph.to, [Uint32Array], from.length);
  const first = at.array('graph.first', graph.first, [Uint32Array]);
  const second = at.array('graph.second', graph.second, [Uint32Array], first.length);
  if (typeof gates !== 'object' || gates === null) at.fail('ERR_DTYPE', 'gates', 'an object of gates');
  const entering = at.size('options.state', outside(from) * heads, dk);
  return {
    ...net,
    from,
    to,
    first,
    second,
    source: shaped(at, 'gates.source', gates.source, type, from.length, heads),
    transition: shaped(at, 'gates.transition', gates.transition, type, first.length, heads),
    mark: shaped(at, 'gates.mark', gates.mark, type, from.length, heads),
    direct: shapedIf(at, 'gates.direct', gates.direct, type, nodes, heads),
    before: shapedIf(at, 'options.state', opts.state, type, entering, dv),
    /** rows of the states of edges from outside, and to outside */
    entering,
    leaving: at.size('the result', outside(to) * heads, dk),
  };
}

/** Options of {@link plstmDagBackward}: those of the forward call, and the gradient of its last states. */
export interface PlstmDagBackwardOptions<A extends Real = Float32Array> extends Omit<PlstmDagOptions<A>, 'out'> {
  /** (edges to outside · heads · dk) × dv: ∂L/∂state of the result; default zeros */
  dstate?: Dense<A>;
}

/** The result of {@link plstmDagBackward}, each in the shape of what it is the gradient of. */
export interface PlstmDagGradient<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
  /** zeros for edges from outside */
  dsource: Dense<A>;
  dtransition: Dense<A>;
  /** zeros for edges to outside */
  dmark: Dense<A>;
  /** only if `direct` was given */
  ddirect?: Dense<A>;
  /** the gradient of the states on edges from outside */
  dstate: Dense<A>;
}

/**
 * Gradient of {@link plstmDag}, exact: node by node against the order of the graph, from the states on all edges, which are
 * computed again and kept for 64 columns of v at a time (edges · dk · 64 values of scratch a thread).
 *
 * About three times the operations of the forward call. The same bits for any number of threads, which share out heads.
 *
 * @param dout nodes × (heads · dv): ∂L/∂out
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_FORMAT, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel et al. (2025), differentiated here
 * @example
 * const ones = (n) => dense(n, 1, new Float32Array(n).fill(1)); // 0 → 1 → 2
 * const chain = { from: Uint32Array.of(0, 1), to: Uint32Array.of(1, 2), first: Uint32Array.of(0), second: Uint32Array.of(1) };
 * const gates = { source: ones(2), transition: ones(1), mark: ones(2) };
 * plstmDagBackward(ones(3), ones(3), ones(3), ones(3), gates, chain).dv.data // 2, 1, 0
 */
export function plstmDagBackward<A extends Real>(
  dout: Dense<A>,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: PlstmDagGates<A>,
  graph: PlstmGraph,
  options?: PlstmDagBackwardOptions<A>,
): PlstmDagGradient<A> {
  const at = where('plstmDagBackward');
  const opts = at.options<PlstmDagBackwardOptions<Real>>(options, ['heads', 'state', 'dstate']);
  const net = prepare(at, q, k, v, gates, graph, opts);
  const { type, tokens: nodes, heads, dk, dv, from, to, first, second } = net;
  const upstream = shaped(at, 'dout', dout, type, nodes, heads * dv);
  const dafter = shapedIf(at, 'options.dstate', opts.dstate, type, net.leaving, dv);
  const gradient = {
    dq: fresh(at, type, nodes, heads * dk),
    dk: fresh(at, type, nodes, heads * dk),
    dv: fresh(at, type, nodes, heads * dv),
    dsource: fresh(at, type, from.length, heads),
    dtransition: fresh(at, type, first.length, heads),
    dmark: fresh(at, type, from.length, heads),
    ...(net.direct && { ddirect: fresh(at, type, nodes, heads) }),
    dstate: fresh(at, type, net.entering, dv),
  };
  // prettier-ignore
  native.plstmDagBackward(
    net.q, net.k, net.v, net.source, net.transition, net.mark, net.direct, net.before, upstream, dafter,
    gradient.dq.data, gradient.dk.data, gradient.dv.data, gradient.dsource.data, gradient.dtransition.data,
    gradient.dmark.data, gradient.ddirect?.data, gradient.dstate.data, from, to, first, second, nodes, heads, dk, dv,
  );
  return gradient as PlstmDagGradient<A>;
}

/** How many ends of edges lie outside. */
function outside(ends: Uint32Array): number {
  let count = 0;
  for (const node of ends) if (node === 2 ** 32 - 1) count++;
  return count;
}
