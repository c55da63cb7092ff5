/** Networks for the benches of this folder, and the same in ONNX Runtime. */
import { dense, type Dense } from 'lapidary';
import type { RnnCell } from 'lapidary/recurrence';
import { uniformF32 } from '../harness/data.js';
import { onnxRuntime } from '../harness/peers.js';
import type { Peer } from '../harness/row.js';

export const gatesOf = { elman: 1, gru: 3, lstm: 4, slstm: 4 } as const;

export interface Sizes {
  cell: RnnCell;
  hidden: number;
  heads: number;
  batch: number;
  steps: number;
}

export const nameOf = ({ cell, hidden, heads, batch, steps }: Sizes) =>
  `${cell} hidden ${hidden}${heads > 1 ? `/${heads}` : ''} batch ${batch} steps ${steps}`;

/** Weights as PyTorch initialises them, uniform within 1/√hidden; as many inputs as hidden units. */
export function network({ cell, hidden, heads, batch, steps }: Sizes) {
  const rows = gatesOf[cell] * hidden;
  const d = hidden / heads;
  const size = 1 / Math.sqrt(hidden);
  const weights = (cols: number, seed: number) => dense(rows, cols, uniformF32(rows * cols, seed, -size, size));
  return {
    x: dense(batch * steps, hidden, uniformF32(batch * steps * hidden, 1)),
    network: {
      cell,
      w: weights(hidden, 2),
      r: weights(d, 3),
      bias: uniformF32(rows, 4, -size, size),
      recurrentBias: uniformF32(rows, 5, -size, size),
      lengths: new Uint32Array(batch).fill(steps),
    },
  };
}

/** Multiplications and additions of one pass forward, the input projection included. */
export const flopsOf = ({ cell, hidden, heads, batch, steps }: Sizes) =>
  2 * batch * steps * gatesOf[cell] * hidden * (hidden + hidden / heads);

/** Rows of sequence after sequence as rows of step after step, and back. */
export function turned(x: Float32Array, outer: number, inner: number): Float32Array {
  const cols = x.length / (outer * inner);
  const y = new Float32Array(x.length);
  for (let i = 0; i < outer; i++)
    for (let j = 0; j < inner; j++)
      y.set(x.subarray((i * inner + j) * cols, (i * inner + j + 1) * cols), (j * outer + i) * cols);
  return y;
}

/** ONNX puts the gates of an LSTM as i, o, f, c and those of a GRU as z (our u), r, h (our n). */
const orders = { elman: [0], lstm: [0, 3, 1, 2], gru: [1, 0, 2] } as const;
const operators = { elman: 'RNN', lstm: 'LSTM', gru: 'GRU' } as const;

export function inOnnxRuntime(sizes: Sizes, made: ReturnType<typeof network>): Peer[] {
  const { cell, hidden, batch, steps, heads } = sizes;
  if (cell === 'slstm' || heads > 1) return [];
  const { w, r, bias, recurrentBias } = made.network;
  const gates = (m: Dense<Float32Array>, name: string) => ({
    name,
    dims: [1, m.rows, m.cols],
    data: Float32Array.from(orders[cell].flatMap((g) => [...m.data.subarray(g * hidden * m.cols, (g + 1) * hidden * m.cols)])), // prettier-ignore
  });
  const column = (v: Float32Array) => gates(dense(v.length, 1, v), '').data;
  const biases = Float32Array.of(...column(bias), ...column(recurrentBias));
  return [
    onnxRuntime(
      {
        operator: operators[cell],
        output: { name: 'y', dims: [steps, 1, batch, hidden] },
        weights: [gates(w, 'w'), gates(r, 'r'), { name: 'b', dims: [1, biases.length], data: biases }],
        attributes: { hidden_size: hidden, ...(cell === 'gru' && { linear_before_reset: 1 }) },
      },
      { name: 'x', dims: [steps, batch, hidden], data: turned(made.x.data, batch, steps) },
      { tolerance: 1e-4 },
    ),
  ];
}
