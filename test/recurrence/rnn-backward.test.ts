import { describe, expect, it } from 'vitest';
import { dense, getThreads, LapidaryError, setThreads, type Dense, type Real } from 'lapidary';
import { rnnBackward, rnnForward, type RnnBackwardOptions, type RnnGradients } from 'lapidary/recurrence';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';
import { cells, distance, inF32, oracle, problem, sameBits, type Problem } from './rnn-oracle.js';

const shapes = [
  { heads: 1, d: 1, lengths: [1] },
  { heads: 2, d: 5, lengths: [3, 1, 4], input: 3 },
  { heads: 3, d: 17, lengths: [3, 0, 4, 2], input: 7 },
  { heads: 1, d: 66, lengths: [9], input: 20 },
  { heads: 1, d: 33, lengths: Array<number>(35).fill(2) },
];

/** Random gradients of h and of the final state. */
function upstream<A extends Real>(p: Problem<A>, type: new (values: ArrayLike<number>) => A, seed = 5) {
  const { h, state } = rnnForward(p.x, p.network);
  const random = (m: Dense<A>, salt: number) => dense(m.rows, m.cols, new type(uniform(m.data.length, seed + salt)));
  return { dh: random(h, 0), dstate: random(state, 1) };
}

function gradients<A extends Real>(
  p: Problem<A>,
  { dh, dstate }: { dh: Dense<A>; dstate?: Dense<A> },
  options: Partial<RnnBackwardOptions<A>> = {},
): RnnGradients<A> {
  const forward = rnnForward(p.x, { ...p.network, save: true });
  return rnnBackward(p.x, forward, dh, { ...p.network, ...(dstate && { dstate }), ...options });
}

const arraysOf = <A extends Real>(g: RnnGradients<A>): A[] => [
  g.dx.data,
  g.dr.data,
  g.dbias,
  g.drecurrentBias,
  g.dstate.data,
  ...(g.dw ? [g.dw.data] : []),
];

/** Σ dh·h + Σ dstate·state, by the oracle: what the gradients are of. */
function loss(p: Problem<Float64Array>, up: { dh: Dense; dstate: Dense }): number {
  const { h, state } = oracle(p);
  return (
    h.reduce((sum, v, i) => sum + v * up.dh.data[i]!, 0) + state.reduce((sum, v, i) => sum + v * up.dstate.data[i]!, 0)
  );
}

/** The largest difference between a gradient and central differences of the oracle, over about 15 of its elements. */
function offDifferences(p: Problem<Float64Array>, up: { dh: Dense; dstate: Dense }, x: Float64Array, g: Float64Array) {
  let worst = x.length === g.length ? 0 : Infinity;
  const size = 1e-5;
  for (let i = 0; i < x.length; i += Math.ceil(x.length / 15)) {
    const kept = x[i]!;
    x[i] = kept + size;
    const above = loss(p, up);
    x[i] = kept - size;
    const below = loss(p, up);
    x[i] = kept;
    const error = Math.abs((above - below) / (2 * size) - g[i]!);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

function expectDifferences(p: Problem<Float64Array>, bound = 1e-7): void {
  const up = upstream(p, Float64Array);
  const g = gradients(p, up);
  const { r, w, bias, recurrentBias, state } = p.network;
  const off = (x: Float64Array, of: Float64Array) => offDifferences(p, up, x, of);
  expect(off(p.x.data, g.dx.data), 'dx').toBeLessThan(bound);
  expect(off(r.data, g.dr.data), 'dr').toBeLessThan(bound);
  expect(off(bias!, g.dbias), 'dbias').toBeLessThan(bound);
  expect(off(recurrentBias!, g.drecurrentBias), 'drecurrentBias').toBeLessThan(bound);
  expect(off(state!.data, g.dstate.data), 'dstate').toBeLessThan(bound);
  if (w) expect(off(w.data, g.dw!.data), 'dw').toBeLessThan(bound);
}

describe.each(cells)('%s', (cell) => {
  const problems = shapes.map((shape, i) => problem({ cell, ...shape }, i + 1));

  it('agrees with finite differences in f64', () => {
    for (const p of problems) expectDifferences(p);
  });

  it('agrees with them where gates saturate', () => {
    expectDifferences(problem({ cell, heads: 1, d: 6, lengths: [5, 4], input: 3 }, 7, 4), 1e-6);
  });

  describeEachIsa('in f32', (isa) => {
    it('is near the gradient in f64', () =>
      withIsa(isa, () => {
        for (const p of problems) {
          const up = upstream(p, Float64Array);
          const exact = gradients(p, up);
          const f32 = (m: Dense) => dense(m.rows, m.cols, Float32Array.from(m.data));
          const g = gradients(inF32(p), { dh: f32(up.dh), dstate: f32(up.dstate) });
          arraysOf(g).forEach((array, i) => expect(distance(array, arraysOf(exact)[i]!)).toBeLessThan(4e-6));
        }
      }));

    it('is the same in chunks', () =>
      withIsa(isa, () => {
        const p = inF32(problem({ cell, heads: 2, d: 21, lengths: [11] }, 12));
        const up = upstream(p, Float32Array);
        const whole = gradients(p, up);
        const rows = (m: Dense<Float32Array>, from: number, to: number) =>
          dense(to - from, m.cols, m.data.subarray(from * m.cols, to * m.cols));
        const parts = [0, 4, 5].map((from, i): Problem<Float32Array> => {
          const x = rows(p.x, from, [4, 5, 11][i]!);
          return { x, network: { ...p.network, lengths: Uint32Array.of(x.rows) } };
        });
        parts.slice(1).forEach((part, i) => (part.network.state = rnnForward(parts[i]!.x, parts[i]!.network).state));
        const sums = arraysOf(whole).map((array) => new Float64Array(array.length));
        let dstate = up.dstate;
        for (const [part, from] of [
          [parts[2]!, 5],
          [parts[1]!, 4],
          [parts[0]!, 0],
        ] as const) {
          // prettier-ignore
          const g = gradients(part, { dh: rows(up.dh, from, from + part.x.rows), dstate });
          expect(sameBits(g.dx.data, rows(whole.dx, from, from + part.x.rows).data)).toBe(true);
          dstate = g.dstate;
          [g.dr.data, g.dbias, g.drecurrentBias].forEach((array, i) =>
            array.forEach((v, j) => (sums[i + 1]![j]! += v)),
          );
        }
        expect(sameBits(dstate.data, whole.dstate.data)).toBe(true);
        [whole.dr.data, whole.dbias, whole.drecurrentBias].forEach((array, i) =>
          expect(distance(array, sums[i + 1]!)).toBeLessThan(2e-6),
        );
      }));
  });

  it('is zero for zero and linear in what comes in', () => {
    const p = problem({ cell, heads: 1, d: 8, lengths: [6], input: 4 }, 17);
    const up = upstream(p, Float64Array);
    const zero = dense(6, 8, new Float64Array(48));
    for (const array of arraysOf(gradients(p, { dh: zero }))) expect(array.every((v) => v === 0)).toBe(true);
    const other = upstream(p, Float64Array, 50);
    const sum = (a: Dense, b: Dense) =>
      dense(
        a.rows,
        a.cols,
        a.data.map((v, i) => v + 3 * b.data[i]!),
      );
    const [one, two] = [gradients(p, up), gradients(p, other)].map(arraysOf);
    const both = gradients(p, { dh: sum(up.dh, other.dh), dstate: sum(up.dstate, other.dstate) });
    arraysOf(both).forEach((array, i) =>
      expect(
        distance(
          array,
          one![i]!.map((v, j) => v + 3 * two![i]![j]!),
        ),
      ).toBeLessThan(1e-12),
    );
  });

  it('clips what goes through R', () => {
    const p = problem({ cell, heads: 2, d: 7, lengths: [5, 3], input: 4 }, 19);
    const up = upstream(p, Float64Array);
    const free = gradients(p, up);
    arraysOf(gradients(p, up, { clip: 1e6 })).forEach((array, i) =>
      expect(sameBits(array, arraysOf(free)[i]!)).toBe(true),
    );
    // Nothing through R: each step as if R saw a constant.
    const cut = gradients(p, up, { clip: 0 });
    expect(distance(cut.dx.data, free.dx.data)).toBeGreaterThan(1e-3);
    const one = problem({ cell, heads: 2, d: 7, lengths: [1, 1], input: 4 }, 23);
    const last = upstream(one, Float64Array);
    expect(sameBits(gradients(one, last, { clip: 0 }).dx.data, gradients(one, last).dx.data)).toBe(true);
    // One step: the gradient of the initial h is that through R, within the bound.
    if (cell !== 'gru') {
      const h = gradients(one, last).dstate;
      const clipped = gradients(one, last, { clip: 0.05 }).dstate;
      for (let i = 0; i < 14; i++) expect(clipped.data[i]).toBeCloseTo(Math.min(0.05, Math.max(-0.05, h.data[i]!)), 14);
    }
  });

  it('gives the same bits with any number of threads', () => {
    const before = getThreads();
    for (const shape of [
      { heads: 1, d: 180, lengths: [50], input: 60 },
      { heads: 1, d: 64, lengths: [70, 3, 61, 44, 44, 0, 80, 52, 70, 66, 59, 31, 40], input: 64 },
      { heads: 4, d: 60, lengths: Array<number>(40).fill(6), input: 30 },
    ]) {
      const p = inF32(problem({ cell, ...shape }, 41));
      const up = upstream(p, Float32Array);
      const results = [1, 2, 3, 7].map((n) => {
        setThreads(n);
        return arraysOf(gradients(p, up));
      });
      setThreads(before);
      for (const other of results.slice(1))
        other.forEach((array, i) => expect(sameBits(array, results[0]![i]!)).toBe(true));
    }
  });

  it('takes nothing for nothing', () => {
    const p = inF32(problem({ cell, heads: 1, d: 4, lengths: [0, 0], input: 3 }, 51));
    const up = upstream(p, Float32Array);
    const g = gradients(p, up);
    expect(sameBits(g.dstate.data, up.dstate.data)).toBe(true);
    for (const array of [g.dr.data, g.dw!.data, g.dbias, g.drecurrentBias])
      expect(array.every((v) => v === 0)).toBe(true);
  });

  it('fails cleanly without scratch memory, and stops when aborted', () => {
    const p = inF32(problem({ cell, heads: 1, d: 100, lengths: [40, 41], input: 50 }, 61));
    const up = upstream(p, Float32Array);
    const forward = rnnForward(p.x, { ...p.network, save: true });
    let failures = 0;
    for (; ; failures++) {
      native.failAllocation(failures);
      try {
        rnnBackward(p.x, forward, up.dh, p.network);
        break;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
      } finally {
        native.failAllocation(-1);
      }
    }
    expect(failures).toBeLessThan(30);
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => rnnBackward(p.x, forward, up.dh, p.network))).toThrow(/aborted/);
  });
});

describe('the sLSTM', () => {
  const shape = { cell: 'slstm', heads: 1, d: 9, lengths: [4, 3] } as const;
  const width = 9;

  it('is exact where its clamp is active', () => {
    const p = problem(shape, 3);
    // n₋ below 1 and a forget gate that wins: f′ = 1, i′ small, n = max(n₋ + i′, 1) = 1.
    for (let b = 0; b < 2; b++)
      for (let j = 0; j < width; j++) {
        p.network.state!.data[(4 * b + 2) * width + j] = 0.1 + 0.05 * j;
        p.network.state!.data[(4 * b + 3) * width + j] = 6;
      }
    p.network.bias!.fill(-3, 0, width);
    const { saved } = rnnForward(p.x, { ...p.network, save: true });
    expect(saved!.data[6 * width]).toBe(1);
    expectDifferences(p);
  });

  it('is exact from the zero state, whose n = 1 lies on the clamp', () => {
    const p = problem(shape, 4);
    p.network.state!.data.fill(0);
    const up = upstream(p, Float64Array);
    const g = gradients(p, up);
    expect(offDifferences(p, up, p.x.data, g.dx.data)).toBeLessThan(1e-7);
    expect(offDifferences(p, up, p.network.r.data, g.dr.data)).toBeLessThan(1e-7);
  });

  it('is exact whether i or f wins the maximum', () => {
    for (const bias of [-5, 5]) {
      const p = problem(shape, 5);
      p.network.bias!.fill(bias, 0, width);
      expectDifferences(p);
    }
  });
});

describe('rnnBackward refuses', () => {
  const { x, network } = inF32(problem({ cell: 'gru', heads: 2, d: 3, lengths: [2, 3], input: 4 }, 81));
  const forward = rnnForward(x, { ...network, save: true });
  const dh = dense(5, 6, new Float32Array(30));
  const refuse = (call: () => unknown, code: string, argument?: string) => {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(LapidaryError);
      expect(error).toMatchObject({ code, function: 'rnnBackward', ...(argument && { argument }) });
      return;
    }
    expect.unreachable(`no ${code}`);
  };

  it('what does not fit together', () => {
    refuse(() => rnnBackward(x, rnnForward(x, network), dh, network), 'ERR_OPTION', 'forward.saved');
    refuse(() => rnnBackward(x, null as never, dh, network), 'ERR_DTYPE', 'forward');
    refuse(() => rnnBackward(x, { ...forward, h: dh.data as never }, dh, network), 'ERR_DTYPE', 'forward.h');
    refuse(() => rnnBackward(x, forward, dense(5, 5, new Float32Array(25)), network), 'ERR_SHAPE', 'dh');
    refuse(() => rnnBackward(x, forward, dense(5, 6) as never, network), 'ERR_DTYPE', 'dh.data');
    refuse(() => rnnBackward(x, forward, dh, { ...network, cell: 'lstm' }), 'ERR_SHAPE', 'options.r');
    refuse(() => rnnBackward(x, forward, dh, { ...network, clip: -1 }), 'ERR_RANGE', 'options.clip');
    refuse(() => rnnBackward(x, forward, dh, { ...network, clip: NaN }), 'ERR_RANGE', 'options.clip');
    refuse(() => rnnBackward(x, forward, dh, { ...network, dstate: dh }), 'ERR_SHAPE', 'options.dstate');
    refuse(() => rnnBackward(x, forward, dh, { ...network, dstate: null as never }), 'ERR_DTYPE', 'options.dstate');
    refuse(() => rnnBackward(x, forward, dh, { ...network, save: true } as never), 'ERR_OPTION', 'options.save');
  });
});
