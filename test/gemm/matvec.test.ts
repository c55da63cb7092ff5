import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense, type Real } from 'lapidary';
import { matmul, matvec } from 'lapidary/gemm';
import { native } from '../../dist/gemm/native.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const types = [Float64Array, Float32Array] as const;
const threads = getThreads();
afterAll(() => setThreads(threads));

/** Sums in steps of 2^-20, which doubles hold exactly: inputs below are multiples of 2^-10. */
const grid = (n: number, seed: number) => uniform(n, seed).map((x) => Math.round(x * 1024) / 1024);

describeEachIsa('matvec', (isa) => {
  test.each(types)('%o: every size is within the standard bound', (type) => {
    const u = type === Float32Array ? 2 ** -24 : 2 ** -53;
    for (const [rows, cols] of [
      [1, 1],
      [1, 1000],
      [1000, 1],
      [3, 7],
      [4, 8],
      [5, 33],
      [17, 31],
      [67, 300],
      [9, 140_000],
    ] as const) {
      // prettier-ignore
      const a = { rows, cols, data: type.from(grid(rows * cols, 1)) } as Dense<Real>;
      const x = type.from(grid(cols, 2));
      const y = withIsa(isa, () => matvec(a, x));
      expect(y).toBeInstanceOf(type);
      for (let i = 0; i < rows; i++) {
        let exact = 0;
        let size = 0;
        for (let j = 0; j < cols; j++) {
          exact += a.data[i * cols + j]! * x[j]!;
          size += Math.abs(a.data[i * cols + j]! * x[j]!);
        }
        expect(Math.abs(y[i]! - exact)).toBeLessThanOrEqual(((cols * u) / (1 - cols * u)) * size);
      }
    }
  });

  test.each(types)('%o: the same bits for 1, 2, 3 and 7 threads, and for each row alone', (type) => {
    const [rows, cols] = [1003, 1201];
    const a = { rows, cols, data: type.from(uniform(rows * cols, 3)) } as Dense<Real>;
    const x = type.from(uniform(cols, 4));
    const results = [1, 2, 3, 7].map((count) => {
      setThreads(count);
      return withIsa(isa, () => matvec(a, x));
    });
    setThreads(threads);
    for (const y of results) expect(Buffer.compare(Buffer.from(y.buffer), Buffer.from(results[0]!.buffer))).toBe(0);
    for (const i of [0, 1, 500, 1002]) {
      const row = { rows: 1, cols, data: a.data.subarray(i * cols, (i + 1) * cols) } as Dense<Real>;
      expect(withIsa(isa, () => matvec(row, x))[0]).toBe(results[0]![i]);
    }
  });

  test('NaN and infinity reach their row only', () => {
    const [rows, cols] = [11, 37];
    for (let j = 0; j < cols; j++) {
      const a = dense(rows, cols, new Float32Array(rows * cols).fill(1));
      a.data[(j % rows) * cols + j] = j % 2 ? NaN : -Infinity;
      const y = withIsa(isa, () => matvec(a, new Float32Array(cols).fill(1)));
      y.forEach((v, i) => expect(v).toBe(i === j % rows ? (j % 2 ? NaN : -Infinity) : cols));
    }
  });

  test('agrees with matmul', () => {
    const a = dense(40, 50, grid(2000, 5));
    const x = grid(50, 6);
    withIsa(isa, () => expect(matvec(a, x)).toEqual(matmul(a, dense(50, 1, x)).data));
  });
});

describe('arguments', () => {
  const a = dense(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6));

  test('out, empty sizes, shared memory', () => {
    const out = new Float64Array(2).fill(NaN);
    expect(matvec(a, Float64Array.of(1, 1, 1), { out })).toBe(out);
    expect([...out]).toEqual([6, 15]);
    expect(matvec(dense(0, 3), new Float64Array(3))).toEqual(new Float64Array(0));
    expect(matvec(dense(3, 0), new Float64Array(0))).toEqual(new Float64Array(3));
    const shared: Float64Array = new Float64Array(new SharedArrayBuffer(24));
    expect(matvec(a, shared.fill(1))).toEqual(Float64Array.of(6, 15));
  });

  test('out takes the result of every type, and zeros where there are no columns', () => {
    const half = { ...dense(2, 3, Uint16Array.of(0x3f80, 0x4000, 0x4040, 0, 0xbf80, 0x3f80)), dtype: 'bf16' } as const;
    const bytes = dense(2, 3, Uint8Array.of(1, 2, 3, 0, 255, 1));
    const f32 = dense(2, 3, Float32Array.of(1, 2, 3, 0, -1, 1));
    const cases = [
      [a, Float64Array.of(1, 10, 100), new Float64Array(2).fill(NaN), [321, 654]],
      [f32, Float32Array.of(1, 10, 100), new Float32Array(2).fill(NaN), [321, 90]],
      [half, Float32Array.of(1, 10, 100), new Float32Array(2).fill(NaN), [321, 90]],
      [bytes, Int8Array.of(1, 10, 100), new Int32Array(2).fill(-1), [321, 2650]],
    ] as const;
    for (const [matrix, x, out, want] of cases) {
      expect(matvec(matrix as Dense, x as Float64Array, { out: out as Float64Array })).toBe(out);
      expect([...out]).toEqual(want);
      const none = { ...matrix, cols: 0, data: matrix.data.subarray(0, 0) };
      matvec(none as Dense, x.subarray(0, 0) as Float64Array, { out: out.fill(NaN) as Float64Array });
      expect(new Float64Array(out)).toEqual(new Float64Array(2));
      const inside = new (out.constructor as Float64ArrayConstructor)(matrix.data.buffer, 0, 1);
      const one = { ...matrix, rows: 1, data: matrix.data.subarray(0, 3) };
      const aliased = () => matvec(one as Dense, x as Float64Array, { out: inside });
      expect(aliased).toThrow(withCode('ERR_ALIAS'));
    }
  });

  test('what does not fit is refused', () => {
    expect(() => matvec(a, new Float64Array(2))).toThrow(withCode('ERR_SHAPE'));
    expect(() => matvec(a, new Float32Array(3) as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matvec(a, [1, 2, 3] as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => matvec(a, new Float64Array(3), { out: new Float64Array(3) })).toThrow(withCode('ERR_SHAPE'));
    expect(() => matvec(a, new Float64Array(3), { into: 1 } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => matvec(a, new Float64Array(3), { out: a.data.subarray(0, 2) })).toThrow(withCode('ERR_ALIAS'));
    const gone = new Float64Array(3);
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(() => matvec(a, gone)).toThrow(withCode('ERR_DETACHED'));
    const call =
      (...args: unknown[]) =>
      () =>
        (native.matvec as (...args: unknown[]) => void)(...args);
    expect(call(a.data, new Float64Array(3), new Float64Array(2), 2, 4)).toThrow(withCode('ERR_SHAPE'));
    expect(call(a.data, new Float64Array(3), new Float32Array(2), 2, 3)).toThrow(withCode('ERR_DTYPE'));
    expect(call(a.data, new Float64Array(3), a.data, 2, 3)).toThrow(withCode('ERR_SHAPE'));
  });
});
