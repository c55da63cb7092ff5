import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads, type Dense, type Real } from 'lapidary';
import { rnnForward, type RnnForwardResult } from 'lapidary/recurrence';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { cells, distance, gatesOf, inF32, oracle, problem, sameBits, statesOf, type Problem } from './rnn-oracle.js';

const shapes = [
  { heads: 1, d: 1, lengths: [1] },
  { heads: 2, d: 5, lengths: [3, 1, 4], input: 3 },
  { heads: 3, d: 17, lengths: [3, 0, 4, 2], input: 7 },
  { heads: 1, d: 64, lengths: [9], input: 64 },
  { heads: 1, d: 65, lengths: [70], input: 1 },
  { heads: 1, d: 48, lengths: Array<number>(37).fill(3), input: 20 },
  { heads: 5, d: 16, lengths: [2, 6, 6, 5, 6, 6, 1, 6, 6, 6] },
  { heads: 1, d: 130, lengths: [5, 6, 7, 5, 9, 1, 1], input: 33 },
];

const run = <A extends Real>({ x, network }: Problem<A>, options = {}): RnnForwardResult<A> =>
  rnnForward(x, { ...network, ...options });

describe.each(cells)('%s', (cell) => {
  const problems = shapes.map((shape, i) => problem({ cell, ...shape }, i + 1));

  it('computes the equations in f64', () => {
    for (const p of problems) {
      const { h, state } = run(p);
      const exact = oracle(p);
      expect(distance(h.data, exact.h)).toBeLessThan(1e-14);
      expect(distance(state.data, exact.state)).toBeLessThan(1e-14);
    }
  });

  describeEachIsa('in f32', (isa) => {
    it('stays within 10⁻⁶ of f64', () =>
      withIsa(isa, () => {
        for (const p of problems.map(inF32)) {
          const { h, state } = run(p);
          const exact = oracle(p);
          expect(distance(h.data, exact.h)).toBeLessThan(1e-6);
          expect(distance(state.data, exact.state)).toBeLessThan(2e-6);
        }
      }));

    it('gives the same bits in one call and in chunks, each sequence cut anywhere', () =>
      withIsa(isa, () => {
        for (const p of problems.map(inF32)) {
          const whole = run(p);
          const cuts = p.network.lengths.map((length, b) => (b % 3 === 0 ? Math.min(1, length) : (length * b) % (length + 1))); // prettier-ignore
          const first = run(part(p, (length, b) => [0, Math.min(length, cuts[b]!)]));
          const second = part(p, (length, b) => [Math.min(length, cuts[b]!), length]);
          second.network.state = first.state;
          const rest = run(second);
          expect(sameBits(rest.state.data, whole.state.data)).toBe(true);
          expect(sameBits(joined([first.h, rest.h], p, cuts), whole.h.data)).toBe(true);
        }
      }));

    it('gives each sequence the bits that it has alone', () =>
      withIsa(isa, () => {
        const p = inF32(problems[5]!);
        const whole = run(p);
        const { state, ...network } = p.network;
        for (const b of [0, 7, 36]) {
          const rows = (m: Dense<Float32Array>, n: number) => m.data.subarray(b * n * m.cols, (b + 1) * n * m.cols);
          const one = run({
            x: dense(3, p.x.cols, rows(p.x, 3)),
            network: {
              ...network,
              lengths: Uint32Array.of(3),
              ...(state && { state: dense(1, state.cols, rows(state, 1)) }),
            },
          });
          expect(sameBits(one.h.data, rows(whole.h, 3))).toBe(true);
          expect(sameBits(one.state.data, rows(whole.state, 1))).toBe(true);
        }
      }));

    it('survives saturated gates, denormals and zeros', () =>
      withIsa(isa, () => {
        for (const scale of [0, 1e-42, 300]) {
          const p = inF32(problem({ cell, heads: 2, d: 20, lengths: [12, 3], input: 9 }, 9, scale));
          const { h, state } = run(p);
          const exact = oracle(p);
          expect(distance(h.data, exact.h)).toBeLessThan(scale > 1 ? 2e-3 : 1e-6);
          expect([...h.data, ...state.data].every(Number.isFinite)).toBe(true);
        }
      }));

    it('keeps a NaN in its sequence, from its step on', () =>
      withIsa(isa, () => {
        const p = inF32(problem({ cell, heads: 1, d: 33, lengths: [4, 5, 3], input: 6 }, 11));
        const clean = run(p).h;
        p.x.data[(4 + 2) * 6] = NaN;
        const { h } = run(p);
        for (let token = 0; token < 12; token++) {
          const row = h.data.subarray(token * 33, (token + 1) * 33);
          if (token >= 6 && token < 9) expect(row.every(Number.isNaN)).toBe(true);
          else expect(sameBits(row, clean.data.subarray(token * 33, (token + 1) * 33))).toBe(true);
        }
      }));

    it('writes nothing beyond out', () =>
      withIsa(isa, () => {
        const p = inF32(problems[2]!);
        const [rows, cols] = [p.x.rows, 51];
        const around = new Float32Array(rows * cols + 40).fill(-7);
        const out = dense(rows, cols, around.subarray(19, 19 + rows * cols));
        expect(run(p, { out }).h).toBe(out);
        expect(sameBits(out.data, run(p).h.data)).toBe(true);
        expect([...around.subarray(0, 19), ...around.subarray(19 + rows * cols)].every((v) => v === -7)).toBe(true);
      }));
  });

  it('takes the projection in place of x and w', () => {
    const p = problem({ cell, heads: 2, d: 11, lengths: [4, 6], input: 5 }, 21);
    const { x, network } = p;
    const { w, ...rest } = network;
    const projection = dense(x.rows, w!.rows, new Float64Array(x.rows * w!.rows));
    for (let t = 0; t < x.rows; t++)
      for (let g = 0; g < w!.rows; g++)
        for (let k = 0; k < 5; k++) projection.data[t * w!.rows + g]! += x.data[t * 5 + k]! * w!.data[g * 5 + k]!;
    expect(distance(rnnForward(projection, rest).h.data, run(p).h.data)).toBeLessThan(1e-14);
  });

  it('keeps heads apart: each is a network of its own', () => {
    const p = inF32(problem({ cell, heads: 3, d: 9, lengths: [5, 2] }, 31));
    const whole = run(p).h;
    const [gates, states] = [gatesOf[cell], statesOf[cell]];
    for (let head = 0; head < 3; head++) {
      const pick = (m: Float32Array, rows: number, groups: number) => {
        const width = m.length / rows / groups / 3;
        return Float32Array.from({ length: rows * groups * width }, (_, i) => m[(Math.floor(i / width) * 3 + head) * width + (i % width)]!); // prettier-ignore
      };
      const { x, network } = p;
      const alone = rnnForward(dense(7, gates * 9, pick(x.data, 7, gates)), {
        cell,
        lengths: network.lengths,
        r: dense(gates * 9, 9, pick(network.r.data, 1, gates)),
        bias: pick(network.bias!, 1, gates),
        recurrentBias: pick(network.recurrentBias!, 1, gates),
        state: dense(2, states * 9, pick(network.state!.data, 2, states)),
      });
      expect(sameBits(alone.h.data, pick(whole.data, 7, 1))).toBe(true);
    }
  });

  it('gives the same bits with any number of threads', () => {
    const before = getThreads();
    for (const shape of [
      { heads: 1, d: 260, lengths: [60], input: 100 },
      { heads: 1, d: 160, lengths: [30, 31, 9, 8, 20, 20], input: 16 },
      { heads: 1, d: 64, lengths: [70, 3, 61, 44, 44, 0, 80, 52, 70, 66, 59, 31, 40], input: 64 },
      { heads: 4, d: 70, lengths: Array<number>(40).fill(6), input: 30 },
    ]) {
      const p = inF32(problem({ cell, ...shape }, 41));
      const results = [1, 2, 3, 7].map((n) => {
        setThreads(n);
        return run(p, { save: true });
      });
      setThreads(before);
      for (const other of results.slice(1)) {
        expect(sameBits(other.h.data, results[0]!.h.data)).toBe(true);
        expect(sameBits(other.state.data, results[0]!.state.data)).toBe(true);
        expect(sameBits(other.saved!.data, results[0]!.saved!.data)).toBe(true);
      }
    }
  });

  it('takes nothing for nothing', () => {
    const p = inF32(problem({ cell, heads: 1, d: 4, lengths: [0, 0] }, 51));
    const { h, state } = run(p);
    expect(h).toEqual(dense(0, 4, new Float32Array(0)));
    expect(state).toEqual(p.network.state);
    const none = inF32(problem({ cell, heads: 1, d: 4, lengths: [] }, 51));
    expect(run(none).state.data.length).toBe(0);
    const blind = inF32(problem({ cell, heads: 1, d: 4, lengths: [3], input: 0 }, 51));
    expect(distance(run(blind).h.data, oracle(blind).h)).toBeLessThan(1e-6);
  });

  it('bounds its output, whatever comes in', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 6 }), fc.nat(1000), (d, steps, seed) => {
        const p = inF32(problem({ cell, heads: 1, d, lengths: [steps, 2] }, seed, 30));
        p.network.state!.data.fill(0);
        expect(run(p).h.data.every((v) => Math.abs(v) <= 1)).toBe(true);
      }),
      { numRuns: 50 },
    ));

  it('fails cleanly without scratch memory, and stops when aborted', () => {
    const p = inF32(problem({ cell, heads: 1, d: 150, lengths: [40, 41], input: 150 }, 61));
    let failures = 0;
    for (; ; failures++) {
      native.failAllocation(failures);
      try {
        run(p);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeLessThan(20);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => run(p))).toThrow(/aborted/);
  });
});

it('the stabiliser of the sLSTM holds input gates of any size', () => {
  const shape = { cell: 'slstm', heads: 1, d: 6, lengths: [30] } as const;
  const p = problem(shape, 71);
  for (let t = 0; t < 30; t++) for (let j = 0; j < 6; j++) p.x.data[t * 24 + j]! += 5000 * Math.sin(t);
  const exact = oracle(p);
  expect(exact.h.every(Number.isFinite)).toBe(true);
  expect(distance(run(p).h.data, exact.h)).toBeLessThan(1e-12);
  expect(distance(run(inF32(p)).h.data, exact.h)).toBeLessThan(1e-2); // e^(i − m) of numbers near 5000 in f32
});

describe('rnnForward refuses', () => {
  const { x, network } = inF32(problem({ cell: 'lstm', heads: 2, d: 3, lengths: [2, 3], input: 4 }, 81));
  const refuse = (changes: object, code: string, argument?: string, input: unknown = x) => {
    try {
      rnnForward(input as Dense<Float32Array>, { ...network, ...changes });
    } catch (error) {
      expect(error).toBeInstanceOf(LapidaryError);
      expect(error).toMatchObject({ code, ...(argument && { argument }) });
      return;
    }
    expect.unreachable(`no ${code}`);
  };

  it('what does not fit together', () => {
    refuse({ cell: 'rnn' }, 'ERR_OPTION', 'options.cell');
    refuse({ sav: true }, 'ERR_OPTION', 'options.sav');
    refuse({ r: dense(24, 5, new Float32Array(120)) }, 'ERR_SHAPE', 'options.r');
    refuse({ r: dense(0, 0, new Float32Array(0)) }, 'ERR_SHAPE', 'options.r');
    refuse({ r: dense(24, 3) }, 'ERR_DTYPE', 'options.r.data');
    refuse({ w: undefined }, 'ERR_SHAPE', 'x');
    refuse({ w: dense(24, 5, new Float32Array(120)) }, 'ERR_SHAPE', 'options.w');
    refuse({ lengths: Uint32Array.of(2, 2) }, 'ERR_SHAPE', 'options.lengths');
    refuse({ lengths: Uint32Array.of(2 ** 32 - 1, 6) }, 'ERR_SHAPE', 'options.lengths');
    refuse({ lengths: [2, 3] }, 'ERR_DTYPE', 'options.lengths');
    refuse({ bias: new Float32Array(23) }, 'ERR_SHAPE', 'options.bias');
    refuse({ recurrentBias: new Float64Array(24) }, 'ERR_DTYPE', 'options.recurrentBias');
    refuse({ state: dense(2, 6, new Float32Array(12)) }, 'ERR_SHAPE', 'options.state');
    refuse({ state: null }, 'ERR_DTYPE', 'options.state');
    refuse({ save: 1 }, 'ERR_DTYPE', 'options.save');
    refuse({ out: dense(5, 5, new Float32Array(25)) }, 'ERR_SHAPE', 'options.out');
    refuse({}, 'ERR_DTYPE', 'x', null);
    refuse({}, 'ERR_RANGE', undefined, { rows: 2 ** 53 - 1, cols: 4, data: new Float32Array(4) });
  });

  it('an out that overlaps', () => {
    const memory = new Float32Array(64);
    refuse({ out: dense(5, 6, memory.subarray(4, 34)) }, 'ERR_ALIAS', undefined, dense(5, 4, memory.subarray(0, 20)));
  });
});

it('reads shared memory', () => {
  const p = inF32(problem({ cell: 'gru', heads: 1, d: 8, lengths: [4] }, 91));
  const shared = new Float32Array(new SharedArrayBuffer(p.x.data.byteLength));
  shared.set(p.x.data);
  expect(sameBits(rnnForward({ ...p.x, data: shared }, p.network).h.data, run(p).h.data)).toBe(true);
});

/** Tokens [from, to) of each sequence. */
function part(p: Problem<Float32Array>, range: (length: number, b: number) => [number, number]): Problem<Float32Array> {
  const rows: Float32Array[] = [];
  let token = 0;
  const lengths = p.network.lengths.map((length, b) => {
    const [from, to] = range(length, b);
    rows.push(p.x.data.subarray((token + from) * p.x.cols, (token + to) * p.x.cols));
    token += length;
    return to - from;
  });
  const data = Float32Array.from(rows.flatMap((row) => [...row]));
  const total = lengths.reduce((a, b) => a + b, 0);
  return { x: dense(total, p.x.cols, data), network: { ...p.network, lengths } };
}

/** The rows of two parts, cut at `cuts`, in the order of the whole. */
function joined(parts: [Dense<Float32Array>, Dense<Float32Array>], p: Problem<Float32Array>, cuts: Uint32Array) {
  const at = [0, 0];
  const pieces: Float32Array[] = [];
  p.network.lengths.forEach((length, b) => {
    [cuts[b]!, length - cuts[b]!].forEach((count, side) => {
      const { cols, data } = parts[side]!;
      pieces.push(data.subarray(at[side]! * cols, (at[side]! + count) * cols));
      at[side]! += count;
    });
  });
  return Float32Array.from(pieces.flatMap((piece) => [...piece]));
}
