/** The graph of a grid for plstmDag, and the sequential f64 oracle of pLSTM on graphs. */
import type { Dense, Real } from 'lapidary';
import type { Plstm2dGates, PlstmDagGates, PlstmGraph } from 'lapidary/recurrence';

export const outside = 2 ** 32 - 1;

/**
 * C and y of every edge and node by depth-first recursion over edges, in f64, one head. An independent path to the result:
 * no order of nodes, no slots.
 */
export function dagOracle(
  { q, k, v }: { q: Dense<Real>; k: Dense<Real>; v: Dense<Real> },
  gates: PlstmDagGates<Real>,
  { from, to, first, second }: PlstmGraph,
  state?: Dense<Real>,
) {
  const [nodes, dk, dv] = [q.rows, q.cols, v.cols];
  const states: (Float64Array | undefined)[] = [];
  const inputs = Array.from(from.keys()).filter((e) => from[e] === outside);
  const into = (edge: number) => Array.from(second.keys()).filter((p) => second[p] === edge);
  const edge = (e: number): Float64Array => {
    if (states[e]) return states[e];
    if (from[e] === outside) {
      const nth = inputs.indexOf(e) * dk * dv;
      return (states[e] = state
        ? Float64Array.from(state.data.subarray(nth, nth + dk * dv))
        : new Float64Array(dk * dv));
    }
    const c = new Float64Array(dk * dv);
    const node = from[e]!;
    for (let i = 0; i < dk; i++)
      for (let j = 0; j < dv; j++)
        c[i * dv + j] = gates.source.data[e]! * k.data[node * dk + i]! * v.data[node * dv + j]!;
    for (const p of into(e)) {
      const before = edge(first[p]!);
      for (let i = 0; i < c.length; i++) c[i]! += gates.transition.data[p]! * before[i]!;
    }
    return (states[e] = c);
  };
  const out = new Float64Array(nodes * dv);
  for (let node = 0; node < nodes; node++) {
    let own = 0;
    for (let i = 0; i < dk; i++) own += q.data[node * dk + i]! * k.data[node * dk + i]!;
    for (let j = 0; j < dv; j++) out[node * dv + j] = (gates.direct?.data[node] ?? 0) * own * v.data[node * dv + j]!;
  }
  for (let e = 0; e < from.length; e++) {
    const node = to[e]!;
    if (node === outside) continue;
    const c = edge(e);
    for (let i = 0; i < dk; i++)
      for (let j = 0; j < dv; j++) out[node * dv + j]! += gates.mark.data[e]! * q.data[node * dk + i]! * c[i * dv + j]!;
  }
  const last = Array.from(to.keys())
    .filter((e) => to[e] === outside)
    .flatMap((e) => Array.from(edge(e)));
  return { out, state: Float64Array.from(last) };
}

/**
 * A height × width grid as a graph with edges from and to outside at its rim, one head: edges of rows first (row after row,
 * width + 1 each), then those of columns (column after column).
 */
export function gridGraph(height: number, width: number, gates: Plstm2dGates<Real>) {
  const type = gates.markLeft.data instanceof Float32Array ? Float32Array : Float64Array;
  const [from, to, first, second]: number[][] = [[], [], [], []] as never;
  const [source, mark, transition]: number[][] = [[], [], []] as never;
  const rowEdge = (y: number, x: number) => y * (width + 1) + x; // the edge that enters (y, x) from the left
  const columnEdge = (y: number, x: number) => height * (width + 1) + x * (height + 1) + y;
  const node = (y: number, x: number) => y * width + x;
  const gate = (name: keyof Plstm2dGates, at: number) => gates[name]?.data[at] ?? 0;
  const edge = (a: number, b: number, s: keyof Plstm2dGates, m: keyof Plstm2dGates) => {
    from!.push(a);
    to!.push(b);
    source!.push(a === outside ? 0 : gate(s, a));
    mark!.push(b === outside ? 0 : gate(m, b));
  };
  for (let y = 0; y < height; y++)
    for (let x = 0; x <= width; x++)
      edge(x > 0 ? node(y, x - 1) : outside, x < width ? node(y, x) : outside, 'sourceRight', 'markLeft');
  for (let x = 0; x < width; x++)
    for (let y = 0; y <= height; y++)
      edge(y > 0 ? node(y - 1, x) : outside, y < height ? node(y, x) : outside, 'sourceDown', 'markUp');
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [left, up, right, down] = [rowEdge(y, x), columnEdge(y, x), rowEdge(y, x + 1), columnEdge(y + 1, x)];
      for (const [a, b, name] of [
        [left, right, 'rightFromLeft'],
        [up, right, 'rightFromUp'],
        [up, down, 'downFromUp'],
        [left, down, 'downFromLeft'],
      ] as const)
        if (gates[name]) {
          first!.push(a);
          second!.push(b);
          transition!.push(gate(name, node(y, x)));
        }
    }
  const column = (values: number[]) => ({ rows: values.length, cols: 1, data: type.from(values) }) as Dense<Real>;
  return {
    graph: { from: Uint32Array.from(from!), to: Uint32Array.from(to!), first: Uint32Array.from(first!), second: Uint32Array.from(second!) }, // prettier-ignore
    gates: { source: column(source!), mark: column(mark!), transition: column(transition!), ...(gates.direct && { direct: gates.direct }) }, // prettier-ignore
  };
}

/** The same gates without the direct one. */
export function withoutDirect<G extends { direct?: unknown }>(gates: G): Omit<G, 'direct'> {
  const rest = { ...gates };
  delete rest.direct;
  return rest;
}
