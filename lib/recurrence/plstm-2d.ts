import { typeOf, where, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';
import { native } from './scan-native.js';
import { fresh, headsOf, real, shaped, shapedIf, type RealType } from './sequences.js';

/** The gates of a pLSTM on grids, each tokens × heads; {@link plstmGates} makes them for its modes. */
export interface Plstm2dGates<A extends Real = Float32Array> {
  /** S: how much of a node enters the edge to its right, and the edge below it */
  sourceRight: Dense<A>;
  sourceDown: Dense<A>;
  /** T: how much of the state from the left passes to the right … */
  rightFromLeft: Dense<A>;
  /** … of the state from above turns right (left out: none) … */
  rightFromUp?: Dense<A>;
  /** … of the state from above passes down … */
  downFromUp: Dense<A>;
  /** … and of the state from the left turns down (left out: none) */
  downFromLeft?: Dense<A>;
  /** M: how much of the states from the left and from above the output sees */
  markLeft: Dense<A>;
  markUp: Dense<A>;
  /** D: how much the output sees of the node itself; default 0 */
  direct?: Dense<A>;
}

/** States on the rim of a grid. */
export interface Plstm2dState<A extends Real = Float32Array> {
  /** (images · heads · height · dk) × dv: the states on the edges of the rows */
  rows: Dense<A>;
  /** (images · heads · width · dk) × dv: the states on the edges of the columns */
  columns: Dense<A>;
}

const corners = ['top-left', 'top-right', 'bottom-left', 'bottom-right'] as const;

/** Options of {@link plstm2d}. */
export interface Plstm2dOptions<A extends Real = Float32Array> {
  height: number;
  width: number;
  /** heads side by side in the columns of q, k, v; default 1 */
  heads?: number;
  /**
   * the corner from which states flow; default 'top-left'. For the others the grid is read flipped: right, down, left and
   * up in the names of the gates then mean away from and towards that corner
   */
  corner?: (typeof corners)[number];
  /** the states that enter at the sides next to the corner; default zeros */
  state?: Plstm2dState<A>;
  /** takes the result */
  out?: Dense<A>;
}

/**
 * pLSTM on grids, such as the patches of images: each node sends a state to its right and one down, and sees those from its
 * left and from above,
 * `C_right = S_right·k vᵀ + T_{right,left}·C_left + T_{right,up}·C_up`, `C_down` alike,
 * `y = M_left·qᵀC_left + M_up·qᵀC_up + D·(q·k)·v`.
 *
 * One pass over the nodes, each two states in and two out in place: 9·dk·dv operations a node and head, at half the
 * multiply-add peak; memory beside the result: height + width states. Everything of a node reaches every node right of and
 * below it, over as many paths as there are: keep sums of transitions at most 1 (P-mode) or leave one turn out (D-mode), see
 * {@link plstmGates}. A grid cut into bands or columns goes on from `state` with the bits of the whole. The same bits for
 * any number of threads, which share out images, heads and blocks of 64 columns of v.
 *
 * @param q (images · height · width) × (heads · dk), f32 or f64, nodes in row-major order
 * @param k like q
 * @param v (images · height · width) × (heads · dv)
 * @returns `out` like v; `state`: what leaves at the far sides
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_ALIAS, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel, Freinschlag, Schmied, Lin & Hochreiter, pLSTM: parallelizable Linear Source Transition Mark networks
 * (2025). Deviation: no meta-cells. A chunk of b × b nodes has 2b states on its rim, so that their products alone
 * are 4b·dk·dv operations a node: less depth for a GPU, more work for a processor than the recurrence.
 * @example
 * const one = dense(4, 1, Float32Array.of(1, 1, 1, 1));
 * const gates = { sourceRight: one, sourceDown: one, rightFromLeft: one, rightFromUp: one, downFromUp: one,
 *   downFromLeft: one, markLeft: one, markUp: one };
 * plstm2d(one, one, one, gates, { height: 2, width: 2 }).out.data // 0, 1, 1, 4
 */
export function plstm2d<A extends Real>(
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: Plstm2dGates<A>,
  options: Plstm2dOptions<A>,
): { out: Dense<A>; state: Plstm2dState<A> } {
  const at = where('plstm2d');
  const opts = at.options<Plstm2dOptions<Real>>(options, [...keys, 'out']);
  const net = prepare(at, q, k, v, gates, opts);
  const { type, gate, images, height, width, heads, dk, dv } = net;
  const out = at.outDense<Real>('options.out', opts.out, type, net.tokens, heads * dv);
  const rows = fresh(at, type, net.rowStates, dv);
  const columns = fresh(at, type, net.columnStates, dv);
  // prettier-ignore
  native.plstm2d(
    net.q, net.k, net.v, gate.sourceRight, gate.sourceDown, gate.rightFromLeft, gate.rightFromUp, gate.downFromUp,
    gate.downFromLeft, gate.markLeft, gate.markUp, gate.direct, net.before?.rows, net.before?.columns, out.data,
    rows.data, columns.data, images, height, width, heads, dk, dv, net.flips,
  );
  return { out, state: { rows, columns } } as { out: Dense<A>; state: Plstm2dState<A> };
}

const keys = ['height', 'width', 'heads', 'corner', 'state'] as const;

function prepare(
  at: Where,
  q: unknown,
  k: unknown,
  v: unknown,
  gates: Plstm2dGates<Real>,
  opts: Partial<Plstm2dOptions<Real>>,
) {
  const type = typeOf<Real>(at.dense('q', q, real).data) as RealType;
  const net = headsOf(at, type, q, k, v, opts.heads);
  const { tokens, heads, dk, dv } = net;
  const height = at.integer('options.height', opts.height, { min: 1 });
  const width = at.integer('options.width', opts.width, { min: 1 });
  const images = tokens / at.size('height × width', height, width);
  if (!Number.isInteger(images)) at.fail('ERR_SHAPE', 'q', `a multiple of ${height} × ${width} rows`, `${tokens} rows`);
  const flips = at.oneOf('options.corner', opts.corner ?? 'top-left', corners);

  if (typeof gates !== 'object' || gates === null) at.fail('ERR_DTYPE', 'gates', 'an object of gates');
  const gate = (name: keyof Plstm2dGates) => shaped(at, `gates.${name}`, gates[name], type, tokens, heads);
  const gateIf = (name: keyof Plstm2dGates) => shapedIf(at, `gates.${name}`, gates[name], type, tokens, heads);
  const rowStates = at.size('state.rows', images * heads * height, dk);
  const columnStates = at.size('state.columns', images * heads * width, dk);
  return {
    ...net,
    images,
    height,
    width,
    flips,
    gate: {
      sourceRight: gate('sourceRight'),
      sourceDown: gate('sourceDown'),
      rightFromLeft: gate('rightFromLeft'),
      rightFromUp: gateIf('rightFromUp'),
      downFromUp: gate('downFromUp'),
      downFromLeft: gateIf('downFromLeft'),
      markLeft: gate('markLeft'),
      markUp: gate('markUp'),
      direct: gateIf('direct'),
    },
    rowStates,
    columnStates,
    before: rim(at, 'options.state', opts.state, type, rowStates, columnStates, dv),
  };
}

/** The states at the rim, checked. */
function rim(
  at: Where,
  name: string,
  state: unknown,
  type: RealType,
  rowStates: number,
  columnStates: number,
  dv: number,
) {
  if (state === undefined) return undefined;
  if (typeof state !== 'object' || state === null) at.fail('ERR_DTYPE', name, 'an object of rows and columns');
  const { rows, columns } = state as Partial<Plstm2dState<Real>>;
  return {
    rows: shaped(at, `${name}.rows`, rows, type, rowStates, dv),
    columns: shaped(at, `${name}.columns`, columns, type, columnStates, dv),
  };
}

/** Options of {@link plstm2dBackward}: those of the forward call, and the gradient of its last states. */
export interface Plstm2dBackwardOptions<A extends Real = Float32Array> extends Omit<Plstm2dOptions<A>, 'out'> {
  /** ∂L/∂state of the result; default zeros */
  dstate?: Plstm2dState<A>;
}

/** The result of {@link plstm2dBackward}, each in the shape of what it is the gradient of. */
export interface Plstm2dGradient<A extends Real = Float32Array> {
  dq: Dense<A>;
  dk: Dense<A>;
  dv: Dense<A>;
  /** of the gates that were given */
  dgates: Plstm2dGates<A>;
  /** the gradient of the states that enter */
  dstate: Plstm2dState<A>;
}

/**
 * Gradient of {@link plstm2d}, exact: node by node from the far corner back.
 *
 * The states that enter each node are computed again: those above every band of rows are kept, and within a band all, for
 * 64 columns of v at a time. With bands of √(height / 2) rows, or more while they fit into 4 MiB, scratch is about
 * width · √(8·height) · dk · 64 values a thread. About four times the operations of the forward call. A grid in bands,
 * their `dstate` handed back from the last to the first, has the gradients of the whole. The same bits for any number of
 * threads, which share out images and heads.
 *
 * @param dout (images · height · width) × (heads · dv): ∂L/∂out
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_DETACHED, ERR_RANGE, ERR_ABORTED, ERR_OUT_OF_MEMORY
 * @source Pöppel et al. (2025), differentiated here
 * @example
 * const one = dense(4, 1, Float32Array.of(1, 1, 1, 1));
 * const gates = { sourceRight: one, sourceDown: one, rightFromLeft: one, rightFromUp: one, downFromUp: one,
 *   downFromLeft: one, markLeft: one, markUp: one };
 * plstm2dBackward(one, one, one, one, gates, { height: 2, width: 2 }).dv.data // 4, 1, 1, 0
 */
export function plstm2dBackward<A extends Real>(
  dout: Dense<A>,
  q: Dense<A>,
  k: Dense<A>,
  v: Dense<A>,
  gates: Plstm2dGates<A>,
  options: Plstm2dBackwardOptions<A>,
): Plstm2dGradient<A> {
  const at = where('plstm2dBackward');
  const opts = at.options<Plstm2dBackwardOptions<Real>>(options, [...keys, 'dstate']);
  const net = prepare(at, q, k, v, gates, opts);
  const { type, gate, tokens, images, height, width, heads, dk, dv } = net;
  const upstream = shaped(at, 'dout', dout, type, tokens, heads * dv);
  const dafter = rim(at, 'options.dstate', opts.dstate, type, net.rowStates, net.columnStates, dv);
  const gradient = {
    dq: fresh(at, type, tokens, heads * dk),
    dk: fresh(at, type, tokens, heads * dk),
    dv: fresh(at, type, tokens, heads * dv),
  };
  const dgates = Object.fromEntries(
    Object.entries(gate).flatMap(([name, given]) => (given ? [[name, fresh(at, type, tokens, heads)]] : [])),
  ) as unknown as Plstm2dGates<Real>;
  const rows = fresh(at, type, net.rowStates, dv);
  const columns = fresh(at, type, net.columnStates, dv);
  // prettier-ignore
  native.plstm2dBackward(
    net.q, net.k, net.v, gate.sourceRight, gate.sourceDown, gate.rightFromLeft, gate.rightFromUp, gate.downFromUp,
    gate.downFromLeft, gate.markLeft, gate.markUp, gate.direct, net.before?.rows, net.before?.columns, upstream,
    dafter?.rows, dafter?.columns, gradient.dq.data, gradient.dk.data, gradient.dv.data, dgates.sourceRight.data,
    dgates.sourceDown.data, dgates.rightFromLeft.data, dgates.rightFromUp?.data, dgates.downFromUp.data,
    dgates.downFromLeft?.data, dgates.markLeft.data, dgates.markUp.data, dgates.direct?.data, rows.data, columns.data,
    images, height, width, heads, dk, dv, net.flips,
  );
  return { ...gradient, dgates, dstate: { rows, columns } } as Plstm2dGradient<A>;
}

/** P-mode: one source and one transition, split between right and down; each tokens × heads. */
export interface PlstmPMode<A extends Real = Float32Array> {
  mode: 'P';
  /** before its logistic function: large values lead right, small ones down */
  orientation: Dense<A>;
  source: Dense<A>;
  transition: Dense<A>;
  mark: Dense<A>;
  direct?: Dense<A>;
}

/** D-mode: states run straight and turn one way only; each tokens × heads. */
export interface PlstmDMode<A extends Real = Float32Array> {
  mode: 'D';
  /** 'L': states from above may turn right; 'R': states from the left may turn down */
  chirality: 'L' | 'R';
  sourceRight: Dense<A>;
  sourceDown: Dense<A>;
  transitionRight: Dense<A>;
  transitionDown: Dense<A>;
  turn: Dense<A>;
  markLeft: Dense<A>;
  markUp: Dense<A>;
  direct?: Dense<A>;
}

const pKeys = ['mode', 'orientation', 'source', 'transition', 'mark', 'direct'] as const;
const dKeys = [
  'mode',
  'chirality',
  'sourceRight',
  'sourceDown',
  'transitionRight',
  'transitionDown',
  'turn',
  'markLeft',
  'markUp',
  'direct',
] as const;

/**
 * The gates of {@link plstm2d} in the two modes of the method.
 *
 * P-mode (propagation, a direction): with α = σ(orientation), sources α·S right and 1 − α·S down, transitions α·T to the right
 * and 1 − α·T down from both sides. What enters a node is shared out without loss, whatever T: transitions of each incoming
 * state sum to 1, so that states reach far and stay bounded. (The complement is of α·T, as in the authors' code.)
 *
 * D-mode (diffusion): one of the turns is left out, by chirality, so that any two nodes are joined by at most one path; then
 * |T| ≤ 1 is enough to keep states bounded.
 *
 * @throws LapidaryError ERR_SHAPE, ERR_DTYPE, ERR_OPTION, ERR_OUT_OF_MEMORY
 * @source Pöppel et al., pLSTM (2025), and their implementation
 * @example
 * const [zero, one] = [dense(1, 1, Float32Array.of(0)), dense(1, 1, Float32Array.of(1))];
 * plstmGates({ mode: 'P', orientation: zero, source: one, transition: one, mark: one }).downFromUp.data // 0.5
 */
export function plstmGates<A extends Real>(modes: PlstmPMode<A> | PlstmDMode<A>): Plstm2dGates<A> {
  const at = where('plstmGates');
  if (typeof modes !== 'object' || modes === null) at.fail('ERR_DTYPE', 'modes', 'an object of gates');
  at.oneOf('modes.mode', modes.mode, ['P', 'D']);
  const known: readonly string[] = modes.mode === 'P' ? pKeys : dKeys;
  for (const key of Object.keys(modes))
    if (!known.includes(key)) at.fail('ERR_OPTION', `modes.${key}`, `one of ${known.join(', ')}`, key);
  const direct = modes.direct && { direct: modes.direct };
  if (modes.mode === 'D') {
    at.oneOf('modes.chirality', modes.chirality, ['L', 'R']);
    return {
      sourceRight: modes.sourceRight,
      sourceDown: modes.sourceDown,
      rightFromLeft: modes.transitionRight,
      downFromUp: modes.transitionDown,
      ...(modes.chirality === 'L' ? { rightFromUp: modes.turn } : { downFromLeft: modes.turn }),
      markLeft: modes.markLeft,
      markUp: modes.markUp,
      ...direct,
    };
  }
  const orientation = at.dense('modes.orientation', modes.orientation, real);
  const { rows, cols, data } = orientation;
  const type = typeOf<Real>(data) as RealType;
  const source = shaped(at, 'modes.source', modes.source, type, rows, cols);
  const transition = shaped(at, 'modes.transition', modes.transition, type, rows, cols);
  const [sourceRight, sourceDown] = [fresh(at, type, rows, cols), fresh(at, type, rows, cols)];
  const [right, down] = [fresh(at, type, rows, cols), fresh(at, type, rows, cols)];
  for (let i = 0; i < data.length; i++) {
    const alpha = 1 / (1 + Math.exp(-data[i]!));
    sourceRight.data[i] = alpha * source[i]!;
    sourceDown.data[i] = 1 - sourceRight.data[i]!;
    right.data[i] = alpha * transition[i]!;
    down.data[i] = 1 - right.data[i]!;
  }
  return {
    sourceRight,
    sourceDown,
    rightFromLeft: right,
    rightFromUp: right,
    downFromUp: down,
    downFromLeft: down,
    markLeft: modes.mark,
    markUp: modes.mark,
    ...direct,
  } as Plstm2dGates<A>;
}
