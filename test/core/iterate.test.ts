import { expect, test } from 'vitest';
import { raiseAbort, raiseStop, withCancelFlag } from '../../dist/core/cancel.js';
import { iterate } from '../../dist/core/iterate.js';
import { where } from '../../dist/core/validate.js';

const at = where('f');
const defaults = { maxIterations: 10, tolerance: 1e-3 };
const halving = (i: number): number => 2 ** -i;

test('stops at the tolerance', () => {
  const { history, ...result } = iterate(at, { record: true }, defaults, halving);
  expect(result).toEqual({ iterations: 10, converged: true, residual: 2 ** -10 });
  expect(history).toEqual(Float64Array.from({ length: 10 }, (_, i) => 2 ** -(i + 1)));
});

test('stops at the limit and says so', () => {
  expect(iterate(at, { maxIterations: 3 }, defaults, halving)).toEqual({
    iterations: 3,
    converged: false,
    residual: 0.125,
  });
  expect(iterate(at, { maxIterations: 0 }, defaults, halving)).toEqual({
    iterations: 0,
    converged: false,
    residual: Infinity,
  });
});

test('onProgress sees every iteration and can stop; its errors come through', () => {
  const seen: number[] = [];
  const onProgress = ({ iteration }: { iteration: number }) => void seen.push(iteration);
  iterate(at, { onProgress }, defaults, halving);
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(iterate(at, { onProgress: () => false }, defaults, halving)).toMatchObject({
    iterations: 1,
    converged: false,
  });
  const boom = new Error('boom');
  expect(() => iterate(at, { onProgress: () => { throw boom; } }, defaults, halving)).toThrow(boom); // prettier-ignore
});

test('the cancel flag aborts or stops', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const run = (raise: (flag: Int32Array) => void) =>
    withCancelFlag(flag, () =>
      iterate(at, {}, defaults, (i) => {
        if (i === 4) raise(flag);
        return halving(i);
      }),
    );
  expect(run(raiseStop)).toMatchObject({ iterations: 4, converged: false });
  flag[0] = 0;
  expect(() => run(raiseAbort)).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
});

test('bad options are refused', () => {
  for (const maxIterations of [NaN, -1, 0.5, 2 ** 53])
    expect(() => iterate(at, { maxIterations }, defaults, halving)).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
  for (const tolerance of [NaN, -1])
    expect(() => iterate(at, { tolerance }, defaults, halving)).toThrow(expect.objectContaining({ code: 'ERR_RANGE' }));
  expect(() => iterate(at, { onProgress: 1 as never }, defaults, halving)).toThrow(
    expect.objectContaining({ code: 'ERR_DTYPE' }),
  );
});
