import { expect, it } from 'vitest';
import { dense, quant, type Dense } from 'lapidary';
import { codeOf } from '../support/errors.js';
import { uniform } from '../support/random.js';

const { kSort, quantize, dequantize } = quant;
const heads = 2;
const d = 16;
const wk = dense(heads * d, 40, Float32Array.from(uniform(heads * d * 40, 5)));
for (let i = 0; i < heads * d; i++)
  for (let j = 0; j < 40; j++) wk.data[i * 40 + j]! *= ((i * 11) % 16 < 3 ? 8 : 1) * (1 + ((i * 7) % 16) / 16);

const norm = ({ cols, data }: Dense<Float32Array>, i: number) =>
  data.subarray(i * cols, (i + 1) * cols).reduce((sum, v) => sum + v * v, 0);

it('sorts the channels of each head by descending norm, and stays within it', () => {
  const p = kSort(wk, { heads });
  for (let head = 0; head < heads; head++) {
    const part = [...p.subarray(head * d, (head + 1) * d)];
    expect([...part].sort((a, b) => a - b)).toEqual(Array.from({ length: d }, (_, i) => head * d + i));
    for (let j = 1; j < d; j++) expect(norm(wk, part[j]!)).toBeLessThanOrEqual(norm(wk, part[j - 1]!));
  }
});

it('keeps equal norms in their order', () => {
  expect([...kSort(dense(5, 1, new Float32Array(5).fill(1)), { heads: 1 })]).toEqual([0, 1, 2, 3, 4]);
});

it('moves the pairs of rotary embedding together', () => {
  for (const rope of ['half', 'interleaved'] as const) {
    const p = kSort(wk, { heads, rope });
    const mate = (i: number) => (rope === 'half' ? i - (i % d) + ((i % d) + d / 2) % d : i ^ 1); // prettier-ignore
    const first = (j: number) => (rope === 'half' ? j % d < d / 2 : j % 2 === 0);
    let last = Infinity;
    for (let j = 0; j < heads * d; j++) {
      expect(p[mate(j)]).toBe(mate(p[j]!));
      expect(first(p[j]!)).toBe(first(j));
      if (!first(j)) continue;
      if (j % d === 0) last = Infinity;
      const joint = norm(wk, p[j]!) + norm(wk, mate(p[j]!));
      expect(joint).toBeLessThanOrEqual(last);
      last = joint;
    }
  }
});

it('leaves q·k as it was', () => {
  const p = kSort(wk, { heads });
  const q = Int32Array.from(uniform(heads * d, 1, -100, 100));
  const k = Int32Array.from(uniform(heads * d, 2, -100, 100));
  for (let head = 0; head < heads * d; head += d) {
    let [plain, sorted] = [0, 0];
    for (let i = head; i < head + d; i++) {
      plain += q[i]! * k[i]!;
      sorted += q[p[i]!]! * k[p[i]!]!;
    }
    expect(sorted).toBe(plain);
  }
});

it('leaves q·k as it was under rotary embedding, whose frequencies move with their pairs', () => {
  for (const rope of ['half', 'interleaved'] as const) {
    const p = kSort(wk, { heads, rope });
    const pair = (t: number): [number, number] => (rope === 'half' ? [t, t + d / 2] : [2 * t, 2 * t + 1]);
    const pairs = Array.from({ length: d / 2 }, (_, t) => pair(t));
    const pairOf = (i: number) => pairs.findIndex((both) => both.includes(i));
    const frequencies = pairs.map((_, t) => 10 ** (-t / 3));
    const turn = (x: Float64Array, position: number, by: number[]) => {
      const y = x.slice();
      pairs.forEach(([i, j], t) => {
        const [c, s] = [Math.cos(position * by[t]!), Math.sin(position * by[t]!)];
        y[i] = c * x[i]! - s * x[j]!;
        y[j] = s * x[i]! + c * x[j]!;
      });
      return y;
    };
    const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
    for (let head = 0; head < heads; head++) {
      const own = Array.from(p.subarray(head * d, (head + 1) * d), (i) => i - head * d);
      const moved = pairs.map(([i]) => frequencies[pairOf(own[i]!)]!);
      const [q, k] = [uniform(d, 3 + head), uniform(d, 5 + head)];
      const [qs, ks] = [q, k].map((x) => Float64Array.from(own, (i) => x[i]!)) as [Float64Array, Float64Array];
      const want = dot(turn(q, 7, frequencies), turn(k, 4, frequencies));
      expect(dot(turn(qs, 7, moved), turn(ks, 4, moved))).toBeCloseTo(want, 10);
      expect(dot(turn(qs, 7, frequencies), turn(ks, 4, frequencies))).not.toBeCloseTo(want, 3); // they must move
    }
  }
});

it('makes block floating point of keys with outlier channels better, and a block that is a head no better', () => {
  const dim = 128;
  const tokens = 64;
  const gain = Float64Array.from({ length: dim }, (_, i) => ((i * 37) % dim < 12 ? 20 : 1));
  const projection = dense(dim, 1, Float32Array.from(gain));
  const keys = dense(
    tokens,
    dim,
    Float32Array.from(uniform(tokens * dim, 8), (v, at) => v * gain[at % dim]!),
  );
  const permutation = kSort(projection, { heads: 1 });
  const error = (options: quant.QuantizeOptions) =>
    dequantize(quantize(keys, options)).data.reduce((sum, v, at) => sum + (v - keys.data[at]!) ** 2, 0);
  for (const groupSize of [32, 64]) {
    const sorted = error({ format: 'bfp', groupSize, permutation });
    expect(sorted).toBeLessThan(0.8 * error({ format: 'bfp', groupSize }));
  }
  expect(error({ format: 'bfp', groupSize: 128, permutation })).toBe(error({ format: 'bfp', groupSize: 128 }));
});

it('refuses what does not fit', () => {
  expect(codeOf(() => kSort(wk, { heads: 3 }))).toBe('ERR_SHAPE');
  expect(codeOf(() => kSort(dense(3, 1, new Float32Array(3)), { heads: 1, rope: 'half' }))).toBe('ERR_SHAPE');
  expect(codeOf(() => kSort(wk, { heads: 0 }))).toBe('ERR_RANGE');
  expect(codeOf(() => kSort(wk, { heads, rope: 'neox' as never }))).toBe('ERR_OPTION');
  expect(codeOf(() => kSort(dense(1, 1, Float32Array.of(NaN)), { heads: 1 }))).toBe('ERR_RANGE');
});
