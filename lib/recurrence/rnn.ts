/** What rnnForward and rnnBackward share: the cells, the layout of their arguments and the checks. */
import { typeOf, type ArrayType, type Where } from '../core/validate.js';
import type { Dense, Real } from '../core/values.js';

const cells = ['elman', 'gru', 'lstm', 'slstm'] as const;

/** A cell of {@link rnnForward}. */
export type RnnCell = (typeof cells)[number];

/** by cell: gates, states, and values a unit and token that backward needs besides h */
const sizes = { elman: [1, 1, 0], gru: [3, 1, 4], lstm: [4, 2, 5], slstm: [4, 4, 7] } as const;

/** The network: what {@link rnnForward} and {@link rnnBackward} both need to know of it. */
export interface RnnNetwork<A extends Real = Float32Array> {
  cell: RnnCell;
  /** recurrent weights, gates·heads·d × d: row (g·heads + head)·d + j holds what unit j of the head sees of the head's h */
  r: Dense<A>;
  /** input weights, gates·heads·d × input; without them `x` holds the pre-activations `W·x` already */
  w?: Dense<A>;
  /** added to `W·x`; length gates·heads·d */
  bias?: A;
  /** added to `R·h`; length gates·heads·d */
  recurrentBias?: A;
  /** tokens of each sequence; they add up to `x.rows`. Default: one sequence */
  lengths?: Uint32Array;
  /** the initial state, one row a sequence; default zeros */
  state?: Dense<A>;
}

export const networkOptions = ['cell', 'r', 'w', 'bias', 'recurrentBias', 'lengths', 'state'] as const;

/** The arguments, checked. */
export interface CheckedNetwork<A extends Real> {
  type: ArrayType<A>;
  code: number;
  tokens: number;
  batch: number;
  heads: number;
  d: number;
  input: number;
  hidden: number;
  /** gates·hidden */
  gates: number;
  /** values of a row of state */
  states: number;
  /** values of a row of saved */
  saved: number;
  x: Dense<A>;
  r: Dense<A>;
  w: Dense<A> | undefined;
  bias: A | undefined;
  recurrentBias: A | undefined;
  lengths: Uint32Array;
  state: Dense<A> | undefined;
}

export function checkNetwork<A extends Real>(
  at: Where,
  x: Dense<A>,
  options: Partial<RnnNetwork<A>>,
): CheckedNetwork<A> {
  const code = at.oneOf('options.cell', options.cell, cells);
  const [gateCount, stateCount, savedCount] = sizes[cells[code]!];
  const given = at.dense('x', x, [Float64Array, Float32Array]) as Dense<A>;
  const type = typeOf(given.data);
  const types = [type] as const;
  const r = at.dense('options.r', options.r, types);
  const { rows: gates, cols: d } = r;
  if (d === 0 || gates === 0 || gates % (gateCount * d) !== 0)
    at.fail('ERR_SHAPE', 'options.r', `${gateCount}·heads·d × d with heads and d at least 1`, `${gates} × ${d}`);
  const hidden = gates / gateCount;

  const w = options.w === undefined ? undefined : at.dense('options.w', options.w, types);
  if (w && (w.rows !== gates || w.cols !== given.cols))
    at.fail('ERR_SHAPE', 'options.w', `${gates} × ${given.cols}, a row a gate and unit`, `${w.rows} × ${w.cols}`);
  if (!w && given.cols !== gates)
    at.fail('ERR_SHAPE', 'x', `${gates} columns, since options.w is absent`, `${given.rows} × ${given.cols}`);

  const lengths =
    options.lengths === undefined
      ? Uint32Array.of(at.integer('x.rows', given.rows, { max: 2 ** 32 - 1 }))
      : at.array('options.lengths', options.lengths, [Uint32Array]);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== given.rows)
    at.fail('ERR_SHAPE', 'options.lengths', `numbers that add up to ${given.rows}, the rows of x`, String(total));

  const vector = (name: string, value: A | undefined) =>
    value === undefined ? undefined : at.array(name, value, types, gates);
  const network = {
    type,
    code,
    tokens: given.rows,
    batch: lengths.length,
    heads: hidden / d,
    d,
    input: w ? w.cols : 0,
    hidden,
    gates,
    states: stateCount * hidden,
    saved: savedCount * hidden,
    x: given,
    r,
    w,
    bias: vector('options.bias', options.bias),
    recurrentBias: vector('options.recurrentBias', options.recurrentBias),
    lengths,
  };
  const state =
    options.state === undefined
      ? undefined
      : shaped(at, 'options.state', options.state, type, network.batch, network.states);
  return { ...network, state };
}

/** A matrix of this shape. */
export function shaped<A extends Real>(
  at: Where,
  name: string,
  value: unknown,
  type: ArrayType<A>,
  rows: number,
  cols: number,
): Dense<A> {
  const matrix: Dense<A> = at.dense(name, value, [type]);
  if (matrix.rows !== rows || matrix.cols !== cols)
    at.fail('ERR_SHAPE', name, `${rows} × ${cols}`, `${matrix.rows} × ${matrix.cols}`);
  return matrix;
}
