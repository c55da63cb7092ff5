import { describe, expect, it } from 'vitest';
import { dense } from 'lapidary';
import { lightningAttention, lightningAttentionBackward } from 'lapidary/attention';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { bytesOf, distance, random, recurrence, sameForAllThreads, type Matrix } from '../support/linear-attention.js';

const inner = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

describeEachIsa('lightningAttentionBackward', (isa) => {
  // The loss Σ out·dOut + Σ state·dState is linear in each of q, k, v and the first state, so a central difference of
  // the recurrence in f64 is exact whatever its step.
  it.each([
    [1, 1, 2, 3, 0.5],
    [7, 2, 3, 2, 0.9],
    [40, 1, 5, 4, 0.97],
    [37, 2, 4, 3, 1],
    [35, 1, 2, 2, 0],
  ])('%i tokens, %i heads: equals differences of the recurrence', (n, heads, d, e, decay) =>
    withIsa(isa, () => {
      const arrays = [random(n, heads * d, 1), random(n, heads * d, 2), random(n, heads * e, 3)];
      const state = random(heads * d, e, 4);
      const [dOut, dState] = [random(n, heads * e, 5), random(heads * d, e, 6)];
      const decays = new Array<number>(heads).fill(decay);
      const loss = (q: Matrix, k: Matrix, v: Matrix, s: Matrix) => {
        const r = recurrence(q, k, v, decays, s.data);
        return inner(r.out, dOut.data) + inner(r.state, dState.data);
      };
      const [q, k, v] = arrays as [Matrix, Matrix, Matrix];
      const result = lightningAttentionBackward(q, k, v, dOut, { heads, decay, state, dState, block: 16 });
      const inputs = [q, k, v, state] as const;
      [result.dq, result.dk, result.dv, result.dState].forEach((gradient, which) => {
        const expected = Float64Array.from(gradient.data, (_, i) => {
          const moved = (by: number) => {
            const copy = inputs.map((m) => ({ ...m, data: m.data.slice() })) as [Matrix, Matrix, Matrix, Matrix];
            copy[which]!.data[i] = by;
            return loss(...copy);
          };
          return (moved(1) - moved(-1)) / 2;
        });
        expect(distance(gradient.data, expected)).toBeLessThan(3e-6);
      });
    }),
  );

  it('gives the same bits with any number of threads', () =>
    withIsa(isa, () => {
      for (const [n, heads] of [
        [4200, 1],
        [300, 5],
      ] as const) {
        const [q, k, v] = [random(n, heads * 8, 1), random(n, heads * 8, 2), random(n, heads * 8, 3)];
        sameForAllThreads(() => Object.values(lightningAttentionBackward(q, k, v, k, { heads })) as Matrix[]);
      }
    }));
});

describe('lightningAttentionBackward', () => {
  it('in pieces, from the last to the first, equals the whole', () => {
    const cut = (m: Matrix, from: number, to: number) => dense(to - from, m.cols, m.data.slice(from * m.cols, to * m.cols)); // prettier-ignore
    const [q, k, v, dOut] = [random(150, 6, 1), random(150, 6, 2), random(150, 4, 3), random(150, 4, 4)];
    const whole = lightningAttentionBackward(q, k, v, dOut, { decay: 0.95 });
    const head = [cut(q, 0, 70), cut(k, 0, 70), cut(v, 0, 70)] as const;
    const tail = [cut(q, 70, 150), cut(k, 70, 150), cut(v, 70, 150)] as const;
    const { state } = lightningAttention(...head, { decay: 0.95 });
    const second = lightningAttentionBackward(...tail, cut(dOut, 70, 150), { decay: 0.95, state });
    const first = lightningAttentionBackward(...head, cut(dOut, 0, 70), { decay: 0.95, dState: second.dState });
    for (const name of ['dq', 'dk', 'dv'] as const)
      expect(distance([...first[name].data, ...second[name].data], whole[name].data)).toBeLessThan(2e-6);
    expect(distance(first.dState.data, whole.dState.data)).toBeLessThan(2e-6);
  });

  it.each([
    [7, 3],
    [3, 7],
  ])('takes sequences of heads of %i and %i columns together with the bits of each alone', (d, e) => {
    const [heads, lengths] = [5, [2600, 0, 65, 1300]];
    const total = lengths.reduce((a, b) => a + b);
    const of = (cols: number, seed: number) => random(total, heads * cols, seed);
    const [q, k, v, dOut] = [of(d, 1), of(d, 2), of(e, 3), of(e, 4)];
    const all = lightningAttentionBackward(q, k, v, dOut, { heads, lengths });
    const rows = (m: Matrix, from: number, to: number) => dense(to - from, m.cols, m.data.slice(from * m.cols, to * m.cols)); // prettier-ignore
    let first = 0;
    lengths.forEach((length, s) => {
      const cut = (m: Matrix) => rows(m, first, first + length);
      const alone = lightningAttentionBackward(cut(q), cut(k), cut(v), cut(dOut), { heads });
      for (const name of ['dq', 'dk', 'dv'] as const)
        expect(bytesOf(cut(all[name])).equals(bytesOf(alone[name]))).toBe(true);
      expect(bytesOf(rows(all.dState, heads * d * s, heads * d * (s + 1))).equals(bytesOf(alone.dState))).toBe(true);
      first += length;
    });
  });

  it('agrees with itself cut along time', () => {
    // more than 2048 tokens of one head are cut into chunks, those of four are not
    const n = 4500;
    const [q, k, v, dOut] = [random(n, 4, 1), random(n, 4, 2), random(n, 4, 3), random(n, 4, 4)];
    const four = (m: Matrix) => dense(n, 16, Float32Array.from({ length: n * 16 }, (_, i) => m.data[(i >> 4) * 4 + (i % 4)]!)); // prettier-ignore
    const one = lightningAttentionBackward(q, k, v, dOut, { decay: 0.99 });
    const all = lightningAttentionBackward(four(q), four(k), four(v), four(dOut), { decay: 0.99, heads: 4 });
    for (const name of ['dq', 'dk', 'dv'] as const)
      expect(distance(four(one[name]).data, all[name].data)).toBeLessThan(3e-6);
    expect(distance(one.dState.data, all.dState.data.slice(0, 16))).toBeLessThan(3e-6);
  });

  it('goes on from given states where one head is cut along time', () => {
    // As above. Both gradients of the ends reach every chunk.
    const [n, decay] = [4500, 0.9995];
    const [q, k, v, dOut] = [random(n, 4, 1), random(n, 4, 2), random(n, 4, 3), random(n, 4, 4)];
    const [state, dState] = [random(4, 4, 5, 30), random(4, 4, 6, 30)];
    const four = (m: Matrix) => dense(n, 16, Float32Array.from({ length: n * 16 }, (_, i) => m.data[(i >> 4) * 4 + (i % 4)]!)); // prettier-ignore
    const fold = (m: Matrix) =>
      dense(
        16,
        4,
        Float32Array.from({ length: 64 }, (_, i) => m.data[i % 16]!),
      );
    const one = lightningAttentionBackward(q, k, v, dOut, { decay, state, dState });
    const all = lightningAttentionBackward(four(q), four(k), four(v), four(dOut), { decay, heads: 4, state: fold(state), dState: fold(dState) }); // prettier-ignore
    for (const name of ['dq', 'dk', 'dv'] as const)
      expect(distance(four(one[name]).data, all[name].data)).toBeLessThan(1e-5);
    expect(distance(one.dState.data, all.dState.data.slice(0, 16))).toBeLessThan(1e-5);
  });

  it('refuses gradients of another shape', () => {
    const m = random(5, 4, 1);
    const refused = (call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    refused(() => lightningAttentionBackward(m, m, m, random(4, 4, 1)));
    refused(() => lightningAttentionBackward(m, m, m, m, { dState: random(3, 4, 1) }));
  });
});
