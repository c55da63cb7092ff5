import { describe, expect, test } from 'vitest';
import { spgemm, spgemmPlan } from 'lapidary/sparse';
import { uniform } from '../support/random.js';
import { malformed, randomCsr, sameBits } from '../support/sparse.js';

const a = randomCsr(300, 200, 6, 1);
const b = randomCsr(200, 400, 7, 2);
const mask = randomCsr(300, 400, 50, 3);

test.each([
  ['plain', {}],
  ['masked', { mask }],
  ['complemented', { mask, complement: true }],
  ['by hash', { accumulator: 'hash' as const }],
])('a plan serves new values, semirings and types: %s', (_, options) => {
  const plan = spgemmPlan(a, b, options);
  const before = structuredClone(plan);
  for (const seed of [5, 6]) {
    const changed = { ...a, values: uniform(a.values.length, seed) };
    sameBits(spgemm(changed, b, { plan }), spgemm(changed, b, options));
    sameBits(spgemm(changed, b, { plan: before }), spgemm(changed, b, options));
    sameBits(
      spgemm(changed, b, { plan, semiring: 'min-plus' }),
      spgemm(changed, b, { ...options, semiring: 'min-plus' }),
    );
  }
  const [x, y] = [a, b].map((m) => ({ ...m, values: Float32Array.from(m.values) }));
  sameBits(spgemm(x!, y!, { plan }), spgemm(x!, y!, options));
  expect(plan).toEqual(before);
  expect(plan.stats).toEqual(spgemm(a, b, options).stats);
  expect(plan.indptr).toEqual(spgemm(a, b, options).indptr);
});

test('the result does not share the pointers of the plan', () => {
  const plan = spgemmPlan(a, b);
  spgemm(a, b, { plan }).indptr.fill(0);
  expect(plan.indptr[300]).toBeGreaterThan(0);
});

describe('refusals', () => {
  const plan = spgemmPlan(a, b);
  const other = randomCsr(300, 200, 6, 4);
  test.each([
    ['ERR_FORMAT', () => spgemm(other, b, { plan })],
    ['ERR_FORMAT', () => spgemm(a, b, { plan: { ...plan, indptr: plan.indptr.map((p, i) => (i === 9 ? p + 1 : p)) } })],
    ['ERR_OPTION', () => spgemm(a, b, { plan, mask })],
    ['ERR_OPTION', () => spgemm(a, b, { plan, accumulator: 'hash' })],
    ['ERR_SHAPE', () => spgemm(randomCsr(5, 200, 2, 1), b, { plan })],
    ['ERR_DTYPE', () => spgemm(a, b, { plan: 7 as never })],
    ['ERR_DTYPE', () => spgemm(a, b, { plan: { ...plan, indptr: [0] } as never })],
    ['ERR_OPTION', () => spgemm(a, b, { plan: { ...plan, accumulator: 'tree' } as never })],
    ['ERR_DTYPE', () => spgemm(a, b, { plan: { ...plan, mask: 5 } as never })],
    ['ERR_SHAPE', () => spgemmPlan(a, a)],
    ['ERR_OPTION', () => spgemmPlan(a, b, { sorted: true } as never)],
    ['ERR_SHAPE', () => spgemmPlan(a, b, { mask: a })],
  ])('%s', (code, call) => {
    expect(call).toThrow(expect.objectContaining({ code, name: 'LapidaryError' }));
  });

  test.each(malformed())('a matrix that should %s', (text, bad) => {
    const message = expect.stringContaining(text);
    const four = randomCsr(3, 4, 2, 1);
    expect(() => spgemmPlan(four, bad)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', argument: 'b', message }),
    );
    expect(() => spgemmPlan(randomCsr(4, 3, 2, 1), randomCsr(3, 8, 2, 1), { mask: bad })).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', argument: 'options.mask', message }),
    );
  });
});
