import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { dense, philox, type Dense, type Real } from 'lapidary';
import { plstm1d, plstmDag, plstmDagBackward, type PlstmDagGates, type PlstmGraph } from 'lapidary/recurrence';
import { native } from '../../dist/recurrence/scan-native.js';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { dagOracle, outside, withoutDirect } from '../support/plstm.js';
import {
  distance,
  expectGradient,
  randomDense,
  sameForAnyThreads,
  types,
  weighted,
  wide,
  withoutMemory,
  type RealType,
} from '../support/recurrence.js';

/** A random DAG: edges lead upwards in a random numbering; some come from or go outside; some pairs are pruned. */
function randomGraph(nodes: number, edges: number, seed: number, keep = 0.8): PlstmGraph {
  const u = philox(seed).fill(new Float64Array(nodes + 3 * edges + edges * edges));
  let next = 0;
  const draw = (n: number) => Math.floor(u[next++]! * n);
  const name = Array.from({ length: nodes }, (_, i) => i).sort((a, b) => u[a]! - u[b]!);
  next = nodes;
  const [from, to]: number[][] = [[], []] as never;
  for (let e = 0; e < edges; e++) {
    const [a, b, kind] = [draw(nodes), draw(nodes), draw(10)];
    if (a === b || kind === 0) {
      from!.push(kind % 2 ? name[a]! : outside);
      to!.push(kind % 2 ? outside : name[b]!);
    } else {
      from!.push(name[Math.min(a, b)]!);
      to!.push(name[Math.max(a, b)]!);
    }
  }
  const [first, second]: number[][] = [[], []] as never;
  for (let a = 0; a < edges; a++)
    for (let b = 0; b < edges; b++)
      if (to![a] !== outside && to![a] === from![b] && u[next++]! < keep) {
        first!.push(a);
        second!.push(b);
      }
  return { from: Uint32Array.from(from!), to: Uint32Array.from(to!), first: Uint32Array.from(first!), second: Uint32Array.from(second!) }; // prettier-ignore
}

const randomGates = (
  type: RealType,
  graph: PlstmGraph,
  nodes: number,
  heads: number,
  seed: number,
): PlstmDagGates<Real> => ({
  source: randomDense(type, graph.from.length, heads, seed),
  transition: randomDense(type, graph.first.length, heads, seed + 1),
  mark: randomDense(type, graph.from.length, heads, seed + 2),
  direct: randomDense(type, nodes, heads, seed + 3),
});

const inputs = (type: RealType, nodes: number, dk: number, dv: number, seed: number) => ({
  q: randomDense(type, nodes, dk, seed),
  k: randomDense(type, nodes, dk, seed + 1),
  v: randomDense(type, nodes, dv, seed + 2),
});

const count = (ends: Uint32Array) => ends.filter((n) => n === outside).length;

/** Column `head` of gates and the columns of one head of q, k, v. */
const headOf = (m: Dense<Real>, heads: number, head: number) => {
  const width = m.cols / heads;
  return { rows: m.rows, cols: width, data: Float64Array.from({ length: m.rows * width }, (_, i) => m.data[Math.floor(i / width) * m.cols + head * width + (i % width)]!) } as Dense<Real>; // prettier-ignore
};

describeEachIsa('plstmDag', (isa) => {
  test.each(types)('%o: random graphs agree with the depth-first oracle', (type) => {
    const tolerance = type === Float32Array ? 5e-6 : 1e-13;
    for (const [nodes, edges, dk, dv, seed] of [
      [1, 0, 3, 2, 1],
      [6, 8, 5, 9, 2],
      [20, 40, 3, 17, 3],
      [40, 60, 8, 70, 4],
      [12, 60, 4, 5, 5],
    ] as const) {
      const graph = randomGraph(nodes, edges, seed);
      const net = inputs(type, nodes, dk, dv, seed);
      const gates = randomGates(type, graph, nodes, 1, seed + 7);
      const state = randomDense(type, count(graph.from) * dk, dv, 30);
      const got = withIsa(isa, () => plstmDag(net.q, net.k, net.v, gates, graph, { state }));
      const expected = dagOracle(net, gates, graph, state);
      expect(distance(got.out.data, expected.out)).toBeLessThan(tolerance);
      expect(distance(got.state.data, expected.state)).toBeLessThan(tolerance);
    }
  });

  test('heads are apart; a chain is plstm1d; any threads', () => {
    const [nodes, heads, dk, dv] = [30, 3, 6, 10];
    const graph = randomGraph(nodes, 50, 8);
    const net = inputs(Float32Array, nodes, heads * dk, heads * dv, 1);
    const gates = randomGates(Float32Array, graph, nodes, heads, 2);
    withIsa(isa, () => {
      const { out } = plstmDag(net.q, net.k, net.v, gates, graph, { heads });
      for (let h = 0; h < heads; h++) {
        const one = (m: Dense<Real>) => headOf(m, heads, h);
        const single = Object.fromEntries(Object.entries(gates).map(([name, m]) => [name, one(m as Dense<Real>)]));
        const expected = dagOracle({ q: one(net.q), k: one(net.k), v: one(net.v) }, single as unknown as PlstmDagGates<Real>, graph); // prettier-ignore
        expect(distance(one(out).data, expected.out)).toBeLessThan(5e-6);
      }
      const chain = {
        from: Uint32Array.from({ length: nodes + 1 }, (_, e) => (e === 0 ? outside : e - 1)),
        to: Uint32Array.from({ length: nodes + 1 }, (_, e) => (e === nodes ? outside : e)),
        first: Uint32Array.from({ length: nodes }, (_, p) => p),
        second: Uint32Array.from({ length: nodes }, (_, p) => p + 1),
      };
      const [source, transition, mark] = [1, 2, 3].map((seed) => randomDense(Float32Array, nodes, heads, seed)) as [Dense<Real>, Dense<Real>, Dense<Real>]; // prettier-ignore
      const shifted = { rows: nodes + 1, cols: heads, data: Float32Array.from([...Array<number>(heads).fill(0), ...source.data]) } as Dense<Real>; // prettier-ignore
      const padded = { rows: nodes + 1, cols: heads, data: Float32Array.from([...mark.data, ...Array<number>(heads).fill(0)]) } as Dense<Real>; // prettier-ignore
      const state = randomDense(Float32Array, heads * dk, dv, 5);
      const a = plstmDag(net.q, net.k, net.v, { source: shifted, transition, mark: padded }, chain, { heads, state });
      const b = plstm1d(net.q, net.k, net.v, { source, transition, mark }, { heads, state });
      expect(distance(a.out.data, b.out.data)).toBeLessThan(3e-6);
      expect(distance(a.state.data, b.state.data)).toBeLessThan(3e-6);

      const large = { graph: randomGraph(60, 120, 9), net: inputs(Float32Array, 60, 64, 300, 3) };
      const wide = randomGates(Float32Array, large.graph, 60, 2, 4);
      sameForAnyThreads(() => {
        const result = plstmDag(large.net.q, large.net.k, large.net.v, wide, large.graph, { heads: 2 });
        return [result.out.data, result.state.data];
      });
    });
  });

  test('a multitree with |T| ≤ 1: no output exceeds the sum over its ancestors', () => {
    // Every edge goes on into at most one edge of the next node: at most one path between two nodes.
    const n = 200;
    const graph = randomGraph(n, 150, 11, 1);
    const taken = new Set<number>();
    const pruned = Array.from(graph.first.keys()).filter((p) => {
      if (taken.has(graph.first[p]!) || taken.has(-1 - graph.second[p]!)) return false;
      taken.add(graph.first[p]!).add(-1 - graph.second[p]!);
      return true;
    });
    const one = (rows: number) => dense(rows, 1, new Float64Array(rows).fill(1));
    const tree = { ...graph, first: Uint32Array.from(pruned, (p) => graph.first[p]!), second: Uint32Array.from(pruned, (p) => graph.second[p]!) }; // prettier-ignore
    const gates = { source: one(150), mark: one(150), transition: one(pruned.length) };
    const { out } = withIsa(isa, () => plstmDag(one(n), one(n), one(n), gates, tree));
    expect(distance(out.data, dagOracle({ q: one(n), k: one(n), v: one(n) }, gates, tree).out)).toBe(0);
    for (const y of out.data) expect(y).toBeLessThanOrEqual(150);
  });
});

test('paths are counted exactly (property)', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 30 }), fc.nat(), (nodes, edges, seed) => {
      const graph = randomGraph(nodes, edges, seed, 1);
      const one = (rows: number) => dense(rows, 1, new Float64Array(rows).fill(1));
      const gates = { source: one(edges), mark: one(edges), transition: one(graph.first.length) };
      const { out } = plstmDag(one(nodes), one(nodes), one(nodes), gates, graph);
      const ways = (node: number): number =>
        Array.from(graph.to.keys())
          .filter((e) => graph.to[e] === node && graph.from[e] !== outside)
          .reduce((sum, e) => sum + 1 + ways(graph.from[e]!), 0);
      expect([...out.data]).toEqual(Array.from({ length: nodes }, (_, n) => ways(n)));
    }),
    { numRuns: 50 },
  ));

describe('arguments', () => {
  const u = (...x: number[]) => Uint32Array.from(x);
  const { q, k, v } = inputs(Float32Array, 3, 2, 2, 1);
  const gates = (edges: number, pairs: number) => ({ source: randomDense(Float32Array, edges, 1, 1), mark: randomDense(Float32Array, edges, 1, 2), transition: randomDense(Float32Array, pairs, 1, 3) }); // prettier-ignore
  const call = (from: number[], to: number[], first: number[] = [], second: number[] = []) => () =>
    plstmDag(q, k, v, gates(from.length, first.length), { from: u(...from), to: u(...to), first: u(...first), second: u(...second) }); // prettier-ignore

  test('what is no directed acyclic graph is refused', () => {
    expect(call([0, 1], [1, 2], [0], [1])).not.toThrow();
    expect(call([0, 1, 2], [1, 2, 0])).toThrow(withCode('ERR_FORMAT'));
    expect(call([1], [1])).toThrow(withCode('ERR_FORMAT'));
    expect(call([0], [3])).toThrow(withCode('ERR_FORMAT'));
    expect(call([3], [0])).toThrow(withCode('ERR_FORMAT'));
    expect(call([outside], [outside])).toThrow(withCode('ERR_FORMAT'));
    expect(call([0, 1], [1, 2], [1], [0])).toThrow(withCode('ERR_FORMAT'));
    expect(call([0, 1], [1, 2], [0], [2])).toThrow(withCode('ERR_FORMAT'));
    expect(call([0, outside], [outside, 1], [0], [1])).toThrow(withCode('ERR_FORMAT'));
  });

  test('what does not fit is refused; no memory; an abort', () => {
    const graph = { from: u(0, 1), to: u(1, 2), first: u(0), second: u(1) };
    expect(() => plstmDag(q, k, v, gates(1, 1), graph)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstmDag(q, k, v, gates(2, 2), graph)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstmDag(q, k, v, gates(2, 1), { ...graph, to: u(1) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstmDag(q, k, v, gates(2, 1), { ...graph, to: [1, 2] as never })).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstmDag(q, k, v, gates(2, 1), undefined as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstmDag(q, k, v, gates(2, 1), graph, { state: v })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstmDag(q, k, v, gates(2, 1), graph, { out: v })).toThrow(withCode('ERR_ALIAS'));
    expect(() => plstmDag(q, k, v, gates(2, 1), graph, { chunk: 1 } as never)).toThrow(withCode('ERR_OPTION'));
    withoutMemory(() => plstmDag(q, k, v, gates(2, 1), graph));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => plstmDag(q, k, v, gates(2, 1), graph))).toThrow(/aborted/);
    const raw = native.plstmDag as (...args: unknown[]) => void;
    const g = gates(2, 1);
    expect(
      () =>
      raw(q.data, k.data, v.data, g.source.data, g.transition.data, g.mark.data, undefined, undefined, new Float32Array(6), new Float32Array(0), u(0, 7), u(1, 2), u(0), u(1), 3, 1, 2, 2), // prettier-ignore
    ).toThrow(withCode('ERR_FORMAT'));
  });
});

describe('plstmDagBackward', () => {
  test('agrees with finite differences in f64, also at hubs and for pruned and repeated transitions', () => {
    for (const [nodes, edges, dk, dv, heads, seed] of [
      [1, 0, 3, 2, 1, 1],
      [6, 8, 5, 9, 1, 2],
      [12, 60, 3, 5, 2, 5],
      [9, 14, 2, 67, 2, 6],
    ] as const) {
      const random = randomGraph(nodes, edges, seed);
      const graph = { ...random, first: Uint32Array.of(...random.first, ...random.first.subarray(0, 1)), second: Uint32Array.of(...random.second, ...random.second.subarray(0, 1)) }; // prettier-ignore
      const net = inputs(Float64Array, nodes, heads * dk, heads * dv, seed);
      const gates = randomGates(Float64Array, graph, nodes, heads, seed + 7);
      const state = randomDense(Float64Array, count(graph.from) * heads * dk, dv, 30);
      const dout = randomDense(Float64Array, nodes, heads * dv, 31);
      const dstate = randomDense(Float64Array, count(graph.to) * heads * dk, dv, 32);
      const loss = () => {
        const forward = plstmDag(net.q, net.k, net.v, gates, graph, { heads, state });
        return weighted([dout, forward.out], [dstate, forward.state]);
      };
      const g = plstmDagBackward(dout, net.q, net.k, net.v, gates, graph, { heads, state, dstate });
      expectGradient(net.q, g.dq, loss);
      expectGradient(net.k, g.dk, loss);
      expectGradient(net.v, g.dv, loss);
      expectGradient(gates.source, g.dsource, loss, 40);
      expectGradient(gates.transition, g.dtransition, loss, 40);
      expectGradient(gates.mark, g.dmark, loss, 40);
      expectGradient(gates.direct!, g.ddirect!, loss);
      expectGradient(state, g.dstate, loss);
      for (const [e, node] of graph.from.entries()) if (node === outside) expect(g.dsource.data[e * heads]).toBe(0);
      for (const [e, node] of graph.to.entries()) if (node === outside) expect(g.dmark.data[e * heads]).toBe(0);
    }
  });

  test('without states, their gradients and the direct gate', () => {
    const graph = randomGraph(10, 20, 9);
    const net = inputs(Float64Array, 10, 3, 4, 1);
    const { direct, ...gates } = randomGates(Float64Array, graph, 10, 1, 2);
    const dout = randomDense(Float64Array, 10, 4, 3);
    const zeros = (m: Dense<Real>) => ({ ...m, data: m.data.map(() => 0) }) as Dense<Real>;
    const plain = plstmDagBackward(dout, net.q, net.k, net.v, gates, graph);
    const dstate = zeros(plstmDag(net.q, net.k, net.v, gates, graph).state);
    const full = plstmDagBackward(dout, net.q, net.k, net.v, { ...gates, direct: zeros(direct!) }, graph, { state: zeros(plain.dstate), dstate }); // prettier-ignore
    expect(plain.ddirect).toBeUndefined();
    for (const name of ['dq', 'dk', 'dv', 'dsource', 'dtransition', 'dmark', 'dstate'] as const)
      expect(distance(plain[name].data, full[name].data)).toBe(0);
  });

  describeEachIsa('on each instruction set', (isa) => {
    test.each(types)('%o: agrees with f64, any threads', (type) => {
      const [nodes, heads, dk, dv] = [40, 3, 17, 70];
      const graph = randomGraph(nodes, 70, 8);
      const net = inputs(type, nodes, heads * dk, heads * dv, 1);
      const gates = randomGates(type, graph, nodes, heads, 2);
      const dout = randomDense(type, nodes, heads * dv, 3);
      const dstate = randomDense(type, count(graph.to) * heads * dk, dv, 4);
      const run = () =>
        withIsa(isa, () => plstmDagBackward(dout, net.q, net.k, net.v, gates, graph, { heads, dstate }));
      const wideGates = Object.fromEntries(Object.entries(gates).map(([name, m]) => [name, wide(m as Dense<Real>)])) as unknown as PlstmDagGates<Real>; // prettier-ignore
      const expected = withIsa(
        'portable',
        () =>
        plstmDagBackward(wide(dout), wide(net.q), wide(net.k), wide(net.v), wideGates, graph, { heads, dstate: wide(dstate) }), // prettier-ignore
      );
      const got = run();
      for (const name of ['dq', 'dk', 'dv', 'dsource', 'dtransition', 'dmark', 'ddirect', 'dstate'] as const)
        expect(distance(got[name]!.data, expected[name]!.data)).toBeLessThan(type === Float32Array ? 2e-5 : 1e-13);
      sameForAnyThreads(() => Object.values(run()).map((m: Dense<Real>) => m.data));
    });
  });

  test('what does not fit is refused; no memory; aborted', () => {
    const net = inputs(Float32Array, 3, 2, 2, 1);
    const u = (...x: number[]) => Uint32Array.from(x);
    const graph = { from: u(0, 1), to: u(1, 2), first: u(0), second: u(1) };
    const gates = withoutDirect(randomGates(Float32Array, graph, 3, 1, 1));
    const call = (g: PlstmGraph, options = {}, dout = net.v) =>
      plstmDagBackward(dout, net.q, net.k, net.v, gates, g, options);
    expect(() => call(graph, {}, { ...net.v, rows: 2, data: net.v.data.slice(0, 4) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => call({ ...graph, to: u(1, 0) })).toThrow(withCode('ERR_FORMAT'));
    expect(() => call({ ...graph, second: u(2) })).toThrow(withCode('ERR_FORMAT'));
    expect(() => call(graph, { dstate: net.v })).toThrow(withCode('ERR_SHAPE'));
    expect(() => call(graph, { out: net.v })).toThrow(withCode('ERR_OPTION'));
    withoutMemory(() => call(graph));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => call(graph))).toThrow(/aborted/);
  });
});
