import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { linear, matmul, matvec, type MatmulOptions, type Stored } from 'lapidary/gemm';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/gemm/native.js';
import { codeOf } from '../support/errors.js';
import { fromBf16, fromF16, toBf16, toF16 } from '../support/half.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { once } from '../support/once.js';
import { uniform } from '../support/random.js';
import { root } from '../support/repository.js';

type StorageName = 'f32' | 'f16' | 'bf16';
const mixed = [
  ['f16', 'f32'],
  ['f32', 'f16'],
  ['f16', 'bf16'],
  ['bf16', 'f16'],
] as const;

function matrix(storage: StorageName, rows: number, cols: number, seed: number): Dense<Stored> {
  const values = uniform(rows * cols, seed);
  if (storage === 'f32') return { rows, cols, data: Float32Array.from(values) };
  return { rows, cols, data: Uint16Array.from(values, storage === 'f16' ? toF16 : toBf16), dtype: storage };
}

// The value of every bit pattern, by the definition of its format.
const every = (value: (h: number) => number) => new Float64Array(65536).map((_, h) => value(h));
const valuesOf = { f16: every(fromF16), bf16: every(fromBf16) };

/** The numbers of a matrix. */
function numbers({ data, dtype }: Dense<Stored>): Float64Array {
  if (dtype === undefined) return new Float64Array(data);
  const values = valuesOf[dtype as 'f16' | 'bf16'];
  const out = new Float64Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = values[data[i]!]!;
  return out;
}

/** The elements of op(a)·op(b) in doubles, and of op(|a|)·op(|b|). */
function sumsOf(a: Dense<Stored>, b: Dense<Stored>, transposeA: boolean, transposeB: boolean) {
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const n = transposeB ? b.rows : b.cols;
  const [x, y] = [numbers(a), numbers(b)];
  const [down, right] = transposeA ? [1, m] : [k, 1];
  const [across, deeper] = transposeB ? [k, 1] : [1, n];
  const sums = new Float64Array(m * n);
  const sizes = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let [sum, size] = [0, 0];
      for (let p = 0; p < k; p++) {
        const term = x[i * down + p * right]! * y[j * across + p * deeper]!;
        sum += term;
        size += Math.abs(term);
      }
      sums[i * n + j] = sum;
      sizes[i * n + j] = size;
    }
  return { sums, sizes };
}

/** Every element within γ_{k+2} of the product in doubles, whose own error is far below that. */
function check(
  got: Float32Array,
  a: Dense<Stored>,
  b: Dense<Stored>,
  options: MatmulOptions<Float32Array>,
  before?: Float32Array,
) {
  const { transposeA = false, transposeB = false, alpha = 1, beta = 0 } = options;
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const n = transposeB ? b.rows : b.cols;
  const { sums, sizes } = sumsOf(a, b, transposeA, transposeB);
  const gamma = ((k + 2) * 2 ** -24) / (1 - (k + 2) * 2 ** -24);
  let worst = 0;
  expect(got.length).toBe(m * n);
  for (let at = 0; at < m * n; at++) {
    const added = beta === 0 ? 0 : beta * before![at]!;
    const bound = gamma * (Math.abs(alpha) * sizes[at]! + Math.abs(added)) * (1 + 1e-6) + 2 ** -140;
    worst = Math.max(worst, Math.abs(got[at]! - (alpha * sums[at]! + added)) / bound);
  }
  expect(worst).toBeLessThanOrEqual(1);
}

const threads = getThreads();
afterAll(() => setThreads(threads));

/**
 * Products of whole numbers, whose sums are exact, and what they are in doubles. One piece has 2^16 columns of k, and of
 * those 16 rows. Made once for all instruction sets: the numbers are many.
 */
const deep = once(() => {
  const k = 70_000;
  const whole = (storage: StorageName, rows: number, cols: number, seed: number): Dense<Stored> => {
    const numbers = [-3, -2, -1, 0, 1, 2, 3];
    const codes = storage === 'f32' ? numbers : numbers.map(storage === 'f16' ? toF16 : toBf16);
    const data = new (storage === 'f32' ? Float32Array : Uint16Array)(rows * cols);
    for (let at = 0; at < data.length; at++) data[at] = codes[(Math.imul(at + seed, 0x9e3779b1) >>> 16) % 7]!;
    return storage === 'f32' ? { rows, cols, data } : { rows, cols, data, dtype: storage };
  };
  const wide = (x: Dense<Stored>) => dense(x.rows, x.cols, numbers(x));
  const [a, b] = [whole('f16', 37, k, 1), whole('bf16', 20, k, 2)];
  const bias = Float32Array.from({ length: 20 }, (_, j) => 50 * j - 300);
  const want = Float32Array.from(linear(wide(a), wide(b), { bias: Float64Array.from(bias), activation: 'relu' }).data);
  expect(want.some((v) => v === 0) && want.some((v) => v > 10)).toBe(true);
  // few columns; few rows of a straight b; few rows beside f32; few columns beside f32
  const shapes = [
    [40, 5, 'f16', 'bf16', false],
    [5, 40, 'bf16', 'f16', false],
    [3, 40, 'f16', 'f32', true],
    [60, 2, 'f32', 'f16', false],
  ] as const;
  const products = shapes.map(([m, n, left, right, transposeB]) => {
    const x = whole(left, m, k, 5);
    const w = transposeB ? whole(right, n, k, 6) : whole(right, k, n, 6);
    const before = new Float32Array(m * n).map((_, at) => at - 50);
    const exact = dense(m, n, Float64Array.from(before));
    matmul(wide(x), wide(w), { transposeB, alpha: 2, beta: -3, out: exact });
    return { x, w, transposeB, before, exact: Float32Array.from(exact.data) };
  });
  return { a, b, bias, want, products };
});

describeEachIsa('matmul of 16-bit floats', (isa) => {
  const product = (a: Dense<Stored>, b: Dense<Stored>, options?: MatmulOptions<Float32Array>) =>
    withIsa(isa, () => matmul(a, b, options));

  // Dots and their edges, flat and blocked products, pieces of k, more than one block of k.
  const shapes = [
    [1, 1, 1], [4, 4, 4], [17, 33, 65], [16, 40, 130], [15, 35, 130], [6, 5, 63], [100, 9, 3], [18, 17, 1000],
    [1, 300, 513], [100, 1, 513], [3, 7, 2100], [2, 5, 4099], [5, 600, 7], [20, 21, 800],
  ] as const; // prettier-ignore

  test.each(mixed)('%s · %s is within the bound', (left, right) => {
    for (const [m, n, k] of shapes)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = transposeA ? matrix(left, k, m, m + k) : matrix(left, m, k, m + k);
          const b = transposeB ? matrix(right, n, k, n) : matrix(right, k, n, n);
          const options = { transposeA, transposeB };
          check(product(a, b, options).data, a, b, options);
        }
  });

  test('every bit pattern of f16 and bf16 is widened exactly, however it is read', () => {
    const data = Uint16Array.from({ length: 65536 }, (_, i) => i);
    for (const dtype of ['f16', 'bf16'] as const) {
      const want = numbers({ rows: 1, cols: 65536, data, dtype });
      const one = dense(1, 1, Float32Array.of(1));
      const all = (got: Float32Array) => {
        let wrong = 0;
        for (let i = 0; i < 65536; i++) if (!Object.is(got[i]! + 0, want[i]! + 0)) wrong++;
        return wrong;
      };
      // as panels, as rows dotted in place, turned, and as the small side
      expect(all(product(one, { rows: 1, cols: 65536, data, dtype }).data)).toBe(0);
      expect(all(product({ rows: 65536, cols: 1, data, dtype }, one).data)).toBe(0);
      expect(all(product({ rows: 1, cols: 65536, data, dtype }, one, { transposeA: true }).data)).toBe(0);
      expect(all(product(one, { rows: 65536, cols: 1, data, dtype }, { transposeB: true }).data)).toBe(0);
      expect(all(withIsa(isa, () => matvec({ rows: 65536, cols: 1, data, dtype }, one.data)))).toBe(0);
      // through the blocked product: 32 rows of the identity
      const eye = dense(32, 32, new Float32Array(1024));
      for (let i = 0; i < 32; i++) eye.data[33 * i] = 1;
      const finite = { rows: 32, cols: 2048, data: data.map((h) => (Number.isFinite(want[h]) ? h : 0)), dtype };
      const widened = numbers(finite);
      expect(product(eye, finite).data).toEqual(Float32Array.from(widened, (x) => x + 0));
      const turned = product(finite, eye, { transposeA: true, transposeB: true }).data;
      expect(turned).toEqual(Float32Array.from(turned, (_, i) => widened[(i % 32) * 2048 + Math.floor(i / 32)]! + 0));
    }
  });

  test('alpha, beta and out; beta = 0 does not read out', () => {
    for (const [m, n, k, transposeB] of [
      [3, 5, 70, true],
      [3, 5, 70, false],
      [30, 3, 50, false],
      [30, 40, 50, true],
      [2, 3, 0, true],
    ] as const)
      // prettier-ignore
      for (const [alpha, beta] of [[1, 0], [-0.5, 2], [0, 3]] as const) { // prettier-ignore
        const a = matrix('bf16', m, k, 1);
        const b = transposeB ? matrix('f16', n, k, 2) : matrix('f16', k, n, 2);
        const before = Float32Array.from(uniform(m * n, 3));
        const out = dense(m, n, beta === 0 ? before.map(() => NaN) : before.slice());
        const nans = <M extends Dense<Stored>>(x: M) => ({ ...x, data: x.data.slice().fill(0x7fff) });
        const [left, right] = alpha === 0 ? [nans(a), nans(b)] : [a, b]; // which are not read then
        expect(product(left, right, { transposeB, alpha, beta, out })).toBe(out);
        check(out.data, a, b, { transposeB, alpha, beta }, before);
      }
  });

  test('a deep k and many rows are taken in pieces: each counts once, beta and bias too', () => {
    const { a, b, bias, want, products } = deep();
    expect(withIsa(isa, () => linear(a, b, { kernel: 'dot', bias, activation: 'relu' }).data)).toEqual(want);
    for (const { x, w, transposeB, before, exact } of products) {
      const out = dense(x.rows, transposeB ? w.rows : w.cols, before.slice());
      product(x, w, { transposeB, alpha: 2, beta: -3, out });
      expect(out.data, `${out.rows} ${out.cols} ${x.dtype}`).toEqual(exact);
    }
  });

  test('a matvec is the product with a column, and an element does not depend on its neighbours', () => {
    for (const storage of ['f16', 'bf16'] as const)
      for (const [rows, cols] of [
        [1, 1],
        [7, 33],
        [259, 1000],
        [5, 9001],
      ] as const) {
        // prettier-ignore
        const a = matrix(storage, rows, cols, 4);
        const x = Float32Array.from(uniform(cols, 5));
        const y = withIsa(isa, () => matvec(a, x));
        check(y, a, dense(cols, 1, x), {});
        const last = { ...a, rows: 1, data: a.data.subarray((rows - 1) * cols) };
        expect(withIsa(isa, () => matvec(last, x))[0]).toBe(y[rows - 1]);
      }
  });
});

test('no copy of the small operand takes more than a few megabytes', () => {
  // in a process of its own, whose peak nothing else has raised
  const script = `
    import { setThreads } from 'lapidary';
    import { matmul } from 'lapidary/gemm';
    setThreads(1);
    const k = 2 ** 21;
    const half = (rows, cols) => ({ rows, cols, data: new Uint16Array(rows * cols).fill(0x3c00), dtype: 'f16' });
    const [a, b, long] = [half(8, k), half(2, k), half(k, 2)];
    const wide = { rows: 2, cols: k, data: new Float32Array(2 * k).fill(1) };
    matmul(half(8, 64), half(2, 64), { transposeB: true });
    const before = process.resourceUsage().maxRSS;
    const all = [matmul(a, b, { transposeB: true }), matmul(a, long), matmul(a, wide, { transposeB: true })];
    console.log(JSON.stringify({ grown: process.resourceUsage().maxRSS - before, ones: all.every((y) => y.data.every((v) => v === k)) }));
  `;
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  const { grown, ones } = JSON.parse(ran.stdout) as { grown: number; ones: boolean };
  expect(ones).toBe(true);
  expect(grown).toBeLessThan(20 * 1024); // in KiB; all of a would take 64 MiB
});

test('the same bits for 1, 2, 3 and 7 threads', () => {
  for (const [m, n, k, transposeB] of [
    [8, 2000, 600, true],
    [8, 2000, 600, false],
    [2000, 3, 500, false],
    [300, 310, 320, true],
  ] as const) {
    // prettier-ignore
    const a = matrix('f16', m, k, 1);
    const b = transposeB ? matrix('bf16', n, k, 2) : matrix('bf16', k, n, 2);
    const results = [1, 2, 3, 7].map((count) => (setThreads(count), matmul(a, b, { transposeB }).data));
    for (const result of results) expect(Buffer.compare(Buffer.from(result.buffer), Buffer.from(results[0]!.buffer))).toBe(0); // prettier-ignore
  }
});

describe('batch', () => {
  const stack = (storage: StorageName | 'i8' | 'f64', batch: number, rows: number, cols: number, seed: number) =>
    storage === 'i8'
      ? dense(
          batch * rows,
          cols,
          Int8Array.from(uniform(batch * rows * cols, seed), (u) => Math.floor(u * 128)),
        )
      : storage === 'f64'
        ? dense(batch * rows, cols, uniform(batch * rows * cols, seed))
        : matrix(storage, batch * rows, cols, seed);
  const piece = (x: Dense<never>, batch: number, i: number): Dense<never> => {
    const rows = x.rows / batch;
    return { ...x, rows, data: (x.data as Float64Array).subarray(i * rows * x.cols, (i + 1) * rows * x.cols) as never };
  };

  test.each(['f64', 'f32', 'f16', 'i8'] as const)(
    '%s: each product is the one alone, whatever the threads',
    (storage) => {
      for (const [batch, m, n, k] of [
        [1, 3, 4, 5],
        [7, 3, 4, 5],
        [300, 16, 16, 64],
        [3, 210, 220, 230],
        [5, 1, 9, 40],
        [4, 0, 3, 2],
      ] as const)
        // prettier-ignore
        for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = stack(storage, batch, transposeA ? k : m, transposeA ? m : k, 1) as Dense<never>;
          const b = stack(storage, batch, transposeB ? n : k, transposeB ? k : n, 2) as Dense<never>;
          const options = { transposeA, transposeB };
          for (const count of [1, 3]) {
            setThreads(count);
            const all = matmul(a, b, { ...options, batch });
            expect([all.rows, all.cols]).toEqual([batch * m, n]);
            for (const i of [0, batch - 1])
              expect(piece(all, batch, i).data).toEqual(
                matmul(piece(a, batch, i), piece(b, batch, i), options).data,
              );
          }
        }
      setThreads(threads);
    },
  );

  test('out and beta reach every product', () => {
    const a = dense(4, 1, Float64Array.of(1, 2, 3, 4));
    const b = dense(2, 1, Float64Array.of(10, 100));
    const out = dense(4, 1, Float64Array.of(1, 1, 1, 1));
    expect([...matmul(a, b, { batch: 2, beta: 1, out }).data]).toEqual([11, 21, 301, 401]);
  });
});

describe('bad arguments', () => {
  const half = matrix('f16', 2, 3, 1);
  test.each([
    ['no dtype', () => matmul({ ...half, dtype: undefined } as never, half, { transposeB: true }), 'ERR_DTYPE'],
    ['an 8-bit dtype', () => matmul({ ...half, dtype: 'e4m3' }, half, { transposeB: true }), 'ERR_DTYPE'],
    ['a dtype beside f32', () => matmul({ ...matrix('f32', 2, 3, 1), dtype: 'f16' }, half, { transposeB: true }), 'ERR_DTYPE'],
    ['8-bit floats', () => matmul({ rows: 1, cols: 1, data: new Uint8Array(1), dtype: 'e4m3' }, dense(1, 1, new Int8Array(1))), 'ERR_DTYPE'],
    ['f64 beside f16', () => matmul(dense(2, 2), half as never), 'ERR_DTYPE'],
    ['out that is a', () => { const data = new Float32Array(4); matmul(dense(2, 2, data), matrix('f16', 2, 2, 1), { out: dense(2, 2, data) }); }, 'ERR_ALIAS'],
    ['out in the halves of b', () => { const b = matrix('bf16', 4, 4, 1); matmul(matrix('f16', 2, 4, 1), b, { out: dense(2, 4, new Float32Array(b.data.buffer)) }); }, 'ERR_ALIAS'],
    ['out of halves', () => matmul(half, half, { transposeB: true, out: matrix('f16', 2, 2, 1) as never }), 'ERR_DTYPE'],
    ['matvec with a half vector', () => matvec(half, new Uint16Array(3) as never), 'ERR_DTYPE'],
    ['matvec of bytes, both unsigned', () => matvec(dense(1, 2, new Uint8Array(2)), new Uint8Array(2)), 'ERR_DTYPE'],
    ['matvec of too many bytes', () => matvec(dense(1, 65794, new Int8Array(65794)), new Int8Array(65794)), 'ERR_RANGE'],
    ['a batch that does not divide', () => matmul(half, half, { transposeB: true, batch: 3 }), 'ERR_SHAPE'],
    ['batch 0', () => matmul(half, half, { transposeB: true, batch: 0 }), 'ERR_RANGE'],
    ['a wrong storage past TypeScript', () => native.halfMatvec(half.data as Uint16Array, new Float32Array(3), new Float32Array(2), 2, 3, 0), 'ERR_DTYPE'],
    ['an unknown storage past TypeScript', () => native.halfMatvec(half.data as Uint16Array, new Float32Array(3), new Float32Array(2), 2, 3, 3), 'ERR_RANGE'],
  ] as const)('%s is refused', (_, run, want) => expect(codeOf(run)).toBe(want)); // prettier-ignore

  test('failed allocations are ERR_OUT_OF_MEMORY until there are enough', () => {
    for (const [m, n, k, left, right, transposeB] of [
      [40, 40, 300, 'f16', 'bf16', false],
      [3, 90, 80, 'f16', 'bf16', true],
      [3, 90, 80, 'bf16', 'f16', false],
      [3, 90, 80, 'f16', 'f32', false],
      [90, 3, 80, 'f32', 'f16', false],
    ] as const) {
      // prettier-ignore
      const a = matrix(left, m, k, 1);
      const b = transposeB ? matrix(right, n, k, 2) : matrix(right, k, n, 2);
      const want = matmul(a, b, { transposeB }).data;
      let failures = 0;
      for (let allowed = 0; ; allowed++) {
        core.failAllocation(allowed);
        const got = codeOf(() => expect(matmul(a, b, { transposeB }).data).toEqual(want));
        core.failAllocation(-1);
        if (got === 'none') break;
        expect(got).toBe('ERR_OUT_OF_MEMORY');
        expect(++failures).toBeLessThan(20);
      }
    }
  });

  test('a product of a batch that finds no memory fails the batch', () => {
    // in a process of its own, whose scratch space nothing else has grown
    const script = `
      import { setThreads } from 'lapidary';
      import { matmul } from 'lapidary/gemm';
      const { native } = await import('./dist/core/native.js');
      setThreads(1);
      const ones = (rows, cols, dtype, one) => ({ rows, cols, data: new Uint16Array(rows * cols).fill(one), dtype });
      const [a, b] = [ones(80, 300, 'f16', 0x3c00), ones(600, 40, 'bf16', 0x3f80)];
      const ends = [];
      for (let allowed = 0; ends.at(-1) !== 'right' && allowed < 20; allowed++) {
        native.failAllocation(allowed);
        try {
          ends.push(matmul(a, b, { batch: 2 }).data.every((v) => v === 300) ? 'right' : 'wrong');
        } catch (error) {
          ends.push(error.code);
        }
        native.failAllocation(-1);
      }
      console.log(JSON.stringify(ends));
    `;
    const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    const ends = JSON.parse(ran.stdout) as string[];
    expect(ends.pop()).toBe('right');
    expect(new Set(ends)).toEqual(new Set(['ERR_OUT_OF_MEMORY']));
  });

  test('matvec of bytes is exact', () => {
    const a = dense(3, 2, Uint8Array.of(255, 1, 0, 7, 128, 255));
    expect([...matvec(a, Int8Array.of(-128, 127))]).toEqual([-32513, 889, 16001]);
    const long = Int8Array.from(uniform(5000, 1), (u) => Math.floor(u * 128));
    const other = Int8Array.from(uniform(5000, 2), (u) => Math.floor(u * 128));
    expect(matvec(dense(1, 5000, long), other)[0]).toBe(long.reduce((sum, x, i) => sum + x * other[i]!, 0));
    expect(linear(dense(1, 5000, long), dense(1, 5000, other)).data[0]).toBe(matvec(dense(1, 5000, long), other)[0]);
  });
});
