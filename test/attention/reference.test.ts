/** The f64 path of the attentions that are used in f32: the same functions, 10⁸ times as accurate. */
import { describe, expect, it } from 'vitest';
import { dense, type Dense } from 'lapidary';
import {
  combineRoute,
  decodeAttention,
  gatherRoute,
  lightningAttention,
  lightningAttentionBackward,
  localLinearAttention,
  localLinearAttentionBackward,
  rope,
  shiftRope,
  tensorAttention,
  topkRoute,
} from 'lapidary/attention';
import { describeEachIsa, withIsa } from '../support/isa.js';
import {
  allPairs,
  bytesOf,
  distance,
  random,
  random64,
  recurrence,
  ridgeIntercept,
  sameForAllThreads,
  softmaxAttention,
} from '../support/linear-attention.js';

type Matrix64 = Dense<Float64Array>;
const narrow = (m: Matrix64) => dense(m.rows, m.cols, Float32Array.from(m.data));
const solvers = ['direct', 'cg'] as const;
/** x in units of 1/unit; exact, since a double is a whole number of 2^−1074. */
const fixed = (x: number, unit: bigint): bigint => {
  let [whole, shift] = [x, 0];
  while (!Number.isInteger(whole)) [whole, shift] = [whole * 2, shift + 1];
  return (BigInt(whole) * unit) / 2n ** BigInt(shift);
};

describeEachIsa('f64', (isa) => {
  it.each([
    [1, 1, 1, 1],
    [65, 2, 33, 17],
    [130, 5, 8, 7],
  ])('lightningAttention of %i tokens, %i heads of %i and %i columns', (n, heads, d, e) =>
    withIsa(isa, () => {
      const [q, k, v] = [random64(n, heads * d, 1), random64(n, heads * d, 2), random64(n, heads * e, 3)];
      const state = random64(heads * d, e, 4);
      const decay = Array.from({ length: heads }, (_, h) => [0.95, 0.5, 1, 0, 1e-200][h]!);
      const expected = recurrence(q, k, v, decay, state.data);
      const actual = lightningAttention(q, k, v, { heads, decay, state });
      expect(actual.out.data).toBeInstanceOf(Float64Array);
      expect(distance(actual.out.data, expected.out)).toBeLessThan(1e-14);
      expect(distance(actual.state.data, expected.state)).toBeLessThan(1e-14);
    }),
  );

  it('lightningAttentionBackward: differences of the recurrence', () =>
    withIsa(isa, () => {
      const [n, heads, d, e, decay] = [37, 2, 3, 2, 0.9];
      const given = [random64(n, heads * d, 1), random64(n, heads * d, 2), random64(n, heads * e, 3), random64(heads * d, e, 4)] as const; // prettier-ignore
      const [dOut, dState] = [random64(n, heads * e, 5), random64(heads * d, e, 6)];
      const [q, k, v, state] = given;
      const result = lightningAttentionBackward(q, k, v, dOut, { heads, decay, state, dState, block: 16 });
      // linear in each operand: a central difference is exact whatever its step
      [result.dq, result.dk, result.dv, result.dState].forEach((gradient, which) => {
        const expected = Float64Array.from(gradient.data, (_, i) => {
          const loss = (x: number) => {
            const [a, b, c, s] = given.map((m, w) => (w === which ? { ...m, data: m.data.with(i, x) } : m)) as [Matrix64, Matrix64, Matrix64, Matrix64]; // prettier-ignore
            const r = recurrence(a, b, c, [decay, decay], s.data);
            return r.out.reduce((t, y, j) => t + y * dOut.data[j]!, 0) + r.state.reduce((t, y, j) => t + y * dState.data[j]!, 0); // prettier-ignore
          };
          return (loss(1) - loss(-1)) / 2;
        });
        expect(distance(gradient.data, expected)).toBeLessThan(1e-13);
      });
    }));

  for (const solver of solvers)
    it.each([
      [1, 1, 1, 3, 2, false],
      [66, 66, 2, 8, 5, true],
      [5, 300, 1, 17, 7, false],
    ] as const)(`localLinearAttention, ${solver}: %i of %i`, (queries, keys, heads, d, e, causal) =>
      withIsa(isa, () => {
        const [q, k, v] = [random64(queries, heads * d, 1, 2), random64(keys, heads * d, 2, 2), random64(keys, heads * e, 3)]; // prettier-ignore
        const options = { heads, lambda: 0.1, causal, scale: 0.4 };
        const expected = ridgeIntercept(q, k, v, options);
        const r = localLinearAttention(q, k, v, { ...options, solver, maxIterations: 200, tolerance: 1e-13 });
        expect(r.converged).toBe(true);
        expect(distance(r.out.data, expected)).toBeLessThan(1e-11);
      }),
    );

  it('tensorAttention, exact and by polynomial', () =>
    withIsa(isa, () => {
      for (const [n, n1, n2, heads, d, e] of [
        [1, 1, 1, 1, 1, 1],
        [3, 66, 9, 2, 5, 3],
        [2, 9, 258, 1, 17, 5],
      ] as const) {
        const of = (size: number) => [random64(n, heads * d, 1, size), random64(n1, heads * d, 2, size), random64(n2, heads * d, 3, size), random64(n1, heads * e, 4), random64(n2, heads * e, 5)] as const; // prettier-ignore
        const large = of(2);
        expect(distance(tensorAttention(...large, { heads }).out.data, allPairs(...large, heads, 1))).toBeLessThan(
          1e-13,
        );
        const small = of(0.2);
        const r = tensorAttention(...small, { heads, method: 'polynomial', tolerance: 1e-5 });
        expect(r.method).toBe('polynomial');
        expect(distance(r.out.data, allPairs(...small, heads, 1))).toBeLessThan(2 * r.errorBound! + 1e-13);
      }
    }));

  it('decodeAttention, by all schemes', () =>
    withIsa(isa, () => {
      for (const scheme of ['unified-max', 'extended-exponent', 'safe'] as const)
        for (const rows of [1, 255, 256, 257, 700]) {
          const [q, k, v] = [random64(1, 7, 1, 4), random64(rows, 7, 2, 2), random64(rows, 5, 3)];
          const r = decodeAttention(q, k, v, { scale: 0.5, scheme });
          expect(r.fallbacks).toBe(0);
          expect(distance(r.out.data, softmaxAttention(q, k, v, 0.5))).toBeLessThan(1e-14);
        }
    }));
});

describe('f64', () => {
  it('has the same bits for any number of threads', () => {
    const [q, k, v] = [random64(300, 24, 1), random64(300, 24, 2), random64(300, 24, 3)];
    const heads = 3;
    sameForAllThreads(() => [
      lightningAttention(q, k, v, { heads }).out,
      lightningAttentionBackward(q, k, v, v, { heads }).dk,
      localLinearAttention(q, k, v, { heads, causal: true, solver: 'cg' }).out,
      localLinearAttentionBackward(q, k, v, v, { heads, causal: true }).dq,
      decodeAttention(q, k, v, { heads, lengths: new Uint32Array(300).fill(1) }).out,
    ]);
  });

  it('lightningAttention of a long sequence, cut along time, and in pieces', () => {
    const [q, k, v] = [random64(4500, 4, 1), random64(4500, 4, 2), random64(4500, 3, 3)];
    const whole = lightningAttention(q, k, v, { decay: 0.99 });
    expect(distance(whole.out.data, recurrence(q, k, v, [0.99]).out)).toBeLessThan(1e-13);
    const piece = (m: Matrix64, from: number, to: number) => dense(to - from, m.cols, m.data.slice(from * m.cols, to * m.cols)); // prettier-ignore
    const part = (from: number, to: number, state?: Matrix64) =>
      lightningAttention(piece(q, from, to), piece(k, from, to), piece(v, from, to), { decay: 0.99, ...(state && { state }) }); // prettier-ignore
    const first = part(0, 1234);
    const second = part(1234, 4500, first.state);
    expect(distance([...first.out.data, ...second.out.data], whole.out.data)).toBeLessThan(1e-13);
  });

  it.each(solvers)('localLinearAttentionBackward equals differences of the forward call: %s', (solver) => {
    const given = [random64(6, 4, 1, 1.5), random64(9, 4, 2, 1.5), random64(9, 3, 3)] as const;
    const dOut = random64(6, 3, 4);
    const options = { lambda: 0.5, scale: 0.7, causal: true, solver, maxIterations: 200, tolerance: 1e-14 };
    const result = localLinearAttentionBackward(...given, dOut, options);
    ([result.dq, result.dk, result.dv] as Matrix64[]).forEach((gradient, which) => {
      const step = 1e-5;
      const expected = Float64Array.from(gradient.data, (_, i) => {
        const loss = (by: number) => {
          const [q, k, v] = given.map((m, w) => (w === which ? { ...m, data: m.data.with(i, m.data[i]! + by) } : m)) as [Matrix64, Matrix64, Matrix64]; // prettier-ignore
          return ridgeIntercept(q, k, v, { heads: 1, ...options }).reduce((t, y, j) => t + y * dOut.data[j]!, 0);
        };
        return (loss(step) - loss(-step)) / (2 * step);
      });
      expect(distance(gradient.data, expected)).toBeLessThan(1e-8);
    });
  });

  it('decodeAttention beyond the range of pairs and in pages; fallbacks have the bits of the safe scheme', () => {
    const [q, v] = [dense(1, 1, Float64Array.of(1)), random64(600, 2, 3)];
    for (const [low, high] of [
      [-1e300, 1e300],
      [-30000, 30000],
      [69000, 69010],
    ] as const) {
      const k = dense(600, 1, random64(600, 1, 5).data.map((x) => low + ((x + 1) / 2) * (high - low))); // prettier-ignore
      const safe = decodeAttention(q, k, v, { scale: 1, scheme: 'safe' }).out;
      for (const scheme of ['unified-max', 'extended-exponent'] as const) {
        const { out, fallbacks } = decodeAttention(q, k, v, { scale: 1, scheme });
        expect(distance(out.data, softmaxAttention(q, k, v, 1))).toBeLessThan(1e-11);
        if (fallbacks > 0) expect(bytesOf(out).equals(bytesOf(safe))).toBe(true);
      }
      const pageTable = Uint32Array.from({ length: 60 }, (_, i) => 59 - i);
      const paged = decodeAttention(q, k, v, { scale: 1, scheme: 'safe', pageTable, pageSize: 10 }).out;
      expect(distance(paged.data, safe.data)).toBeLessThan(1e-13);
    }
  });

  it.each(['half', 'interleaved'] as const)('rope and shiftRope: %s', (layout) => {
    const [heads, d, dims] = [2, 7, 6];
    const x = random64(40, heads * d, 1);
    for (const position of [0, 1000, 2 ** 31]) {
      const turned = rope(x, { heads, layout, position });
      const expected = x.data.slice();
      for (let t = 0; t < 40; t++)
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < dims / 2; i++) {
            // the angle less whole turns: BigInt holds position · frequency in units of 2^−80
            const unit = 2n ** 80n;
            const [turn, f] = [fixed(2 * Math.PI, unit) + fixed(2.4492935982947064e-16, unit), fixed(10000 ** ((-2 * i) / dims), unit)]; // prettier-ignore
            const angle = Number((BigInt(position + t) * f) % turn) / 2 ** 80;
            const at = t * heads * d + h * d;
            const [first, second] = layout === 'half' ? [at + i, at + i + dims / 2] : [at + 2 * i, at + 2 * i + 1];
            const [a, b] = [x.data[first]!, x.data[second]!];
            expected[first] = a * Math.cos(angle) - b * Math.sin(angle);
            expected[second] = b * Math.cos(angle) + a * Math.sin(angle);
          }
      expect(distance(turned.data, expected)).toBeLessThan(1e-15);
      const back = shiftRope(rope(x, { heads, layout, position: position + 17 }), { heads, layout, delta: -17 });
      expect(distance(back.data, turned.data)).toBeLessThan(1e-15);
      expect(distance(rope(narrow(x), { heads, layout, position }).data, expected)).toBeLessThan(1e-6);
    }
  });

  it('routes by scores that differ in f64 only', () => {
    const scores = dense(2, 300, random64(2, 300, 1).data.map((x) => 1 + x * 1e-12)); // prettier-ignore
    const route = topkRoute(scores, { k: 40 });
    for (let b = 0; b < 2; b++) {
      const row = scores.data.subarray(b * 300, b * 300 + 300);
      const best = [...row.keys()].sort((i, j) => row[j]! - row[i]!).slice(0, 40);
      expect([...route.indices.subarray(b * 40, b * 40 + 40)]).toEqual(best.sort((i, j) => i - j));
    }
    expect(route.weights).toBeInstanceOf(Float64Array);
    const x = random64(600, 3, 2);
    const chosen = gatherRoute(x, route);
    const out = combineRoute(x, chosen, route);
    const expected = x.data.slice();
    route.indices.forEach((t, i) => {
      const row = (Math.floor(i / 40) * 300 + t) * 3;
      for (let c = 0; c < 3; c++) expected[row + c]! *= 1 + route.weights[i]!;
    });
    expect(distance(out.data, expected)).toBeLessThan(1e-15);
    const code = expect.objectContaining({ code: 'ERR_DTYPE' }) as Error;
    expect(() => gatherRoute(random(600, 3, 1) as never, route)).toThrow(code);
  });

  it('does not mix types', () => {
    const [a, b] = [random64(4, 4, 1), random(4, 4, 1)];
    const refused = (call: () => unknown) => expect(call).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
    refused(() => lightningAttention(a, a, b as never));
    refused(() => lightningAttention(a, a, a, { out: b as never }));
    refused(() => localLinearAttention(b, b, a as never));
    refused(() => tensorAttention(a, a, b as never, a, a));
    refused(() => decodeAttention(a, b as never, b as never));
    refused(() => decodeAttention(a, dense(4, 4, new Uint16Array(16)), dense(4, 4, new Uint16Array(16))));
    // and f64 is the f32 call, but for rounding
    const f32 = lightningAttention(narrow(a), narrow(a), narrow(a)).out.data;
    expect(distance(f32, lightningAttention(a, a, a).out.data)).toBeLessThan(1e-6);
  });
});
