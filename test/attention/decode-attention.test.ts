import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dense, getThreads, setThreads, type Dense } from 'lapidary';
import { decodeAttention, type DecodeAttentionOptions, type KvCache } from 'lapidary/attention';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { native } from '../../dist/core/native.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { uniform } from '../support/random.js';

const schemes = ['unified-max', 'extended-exponent', 'safe'] as const;
const chunk = 256;

const random = (rows: number, cols: number, seed: number, size = 1): Dense<Float32Array> =>
  dense(rows, cols, Float32Array.from(uniform(rows * cols, seed, -size, size)));

interface Shape {
  batch: number;
  room: number;
  heads: number;
  kvHeads: number;
  d: number;
  dv: number;
}

const make = ({ batch, room, heads, kvHeads, d, dv }: Shape, seed = 1, size = 1) => ({
  q: random(batch, heads * d, seed, size),
  k: random(batch * room, kvHeads * d, seed + 1),
  v: random(batch * room, kvHeads * dv, seed + 2),
});

/** Attention in f64; `row(b, s)` is the cache row of a token. */
function exact(
  q: Dense<Float32Array>,
  k: Dense<Float32Array>,
  v: Dense<Float32Array>,
  shape: Shape,
  lengths: ArrayLike<number>,
  scale: number,
  row = (b: number, s: number) => b * shape.room + s,
): Float64Array {
  const { batch, heads, kvHeads, d, dv } = shape;
  const out = new Float64Array(batch * heads * dv);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / kvHeads));
      const logits = Array.from({ length: lengths[b]! }, (_, s) => {
        let dot = 0;
        for (let j = 0; j < d; j++)
          dot += q.data[(b * heads + h) * d + j]! * k.data[(row(b, s) * kvHeads + kv) * d + j]!;
        return dot * scale;
      });
      const max = logits.reduce((a, x) => (Number.isNaN(a) || a > x ? a : x), -Infinity);
      if (max === -Infinity) continue;
      const weights = logits.map((x) => Math.exp(x - max));
      const sum = weights.reduce((a, w) => a + w, 0);
      weights.forEach((w, s) => {
        for (let j = 0; j < dv; j++)
          out[(b * heads + h) * dv + j]! += (w / sum) * v.data[(row(b, s) * kvHeads + kv) * dv + j]!;
      });
    }
  return out;
}

const largest = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  expect(x.length).toBe(y.length);
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const error = Math.abs(x[i]! - y[i]!);
    if (!(error <= worst)) worst = error;
  }
  return worst;
};

const bits = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
const sameBits = (x: Float32Array, y: Float32Array) => Buffer.compare(bits(x), bits(y)) === 0;

describeEachIsa('decodeAttention', (isa) => {
  for (const scheme of schemes)
    describe(scheme, () => {
      it('is the attention of f64 around chunks, for all groups of heads', () =>
        withIsa(isa, () => {
          const lengths = [0, 1, 3, 4, 5, 8, 9, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 3];
          const room = 2 * chunk + 5;
          for (const [heads, kvHeads, d, dv] of [
            [1, 1, 1, 1],
            [2, 2, 7, 9],
            [3, 1, 33, 16],
            [4, 2, 64, 5],
            [7, 1, 17, 70],
            [8, 1, 40, 64],
          ] as const) {
            const shape = { batch: lengths.length, room, heads, kvHeads, d, dv };
            const { q, k, v } = make(shape, d, 4);
            const result = decodeAttention(q, k, v, { heads, kvHeads, lengths: Uint32Array.from(lengths), scheme });
            expect(result.fallbacks).toBe(0);
            expect(largest(result.out.data, exact(q, k, v, shape, lengths, 1 / Math.sqrt(d)))).toBeLessThan(3e-6);
          }
        }));

      it('holds for logits that are large, and for those that differ a lot', () =>
        withIsa(isa, () => {
          const shape = { batch: 1, room: 700, heads: 2, kvHeads: 1, d: 1, dv: 3 };
          const { q, k, v } = make(shape, 5);
          q.data.set([1, -1]); // logits are the keys themselves
          for (const [low, high] of [
            [-50, 50],
            [20000, 20010],
            [-30000, 30000],
            [-1e30, 1e30],
            [69000, 69010],
            [-69010, -69000],
          ] as const) {
            k.data.set(Float32Array.from(uniform(700, 9, low, high)));
            const { out } = decodeAttention(q, k, v, { heads: 2, kvHeads: 1, scale: 1, scheme });
            expect(largest(out.data, exact(q, k, v, shape, [700], 1))).toBeLessThan(3e-6);
          }
        }));

      it('masks by −∞, gives zeros where all is masked, and NaN for NaN and +∞', () =>
        withIsa(isa, () => {
          for (const length of [1, 5, chunk + 7])
            for (const at of [0, length - 1]) {
              const shape = { batch: 1, room: length, heads: 3, kvHeads: 3, d: 1, dv: 5 };
              const { q, k, v } = make(shape, length);
              q.data.fill(1);
              const call = () => decodeAttention(q, k, v, { heads: 3, scale: 1, scheme }).out.data;
              k.data[3 * at + 1] = -Infinity;
              expect(largest(call(), exact(q, k, v, shape, [length], 1))).toBeLessThan(3e-6);
              for (let s = 0; s < length; s++) k.data[3 * s + 1] = -Infinity;
              expect([...call().subarray(5, 10)]).toEqual([0, 0, 0, 0, 0]);
              for (const bad of [NaN, Infinity]) {
                k.data[3 * at + 1] = bad;
                const y = call();
                expect(Array.from(y, Number.isNaN)).toEqual(Array.from(y, (_, i) => i >= 5 && i < 10));
              }
            }
        }));

      it('reads a cache in pages, in any order and shared, with the same bits', () =>
        withIsa(isa, () => {
          const shape = { batch: 3, room: 520, heads: 4, kvHeads: 2, d: 24, dv: 20 };
          const { q, k, v } = make(shape, 11);
          const lengths = Uint32Array.of(520, 300, 17);
          const plain = decodeAttention(q, k, v, { heads: 4, kvHeads: 2, lengths, scheme }).out.data;
          for (const pageSize of [1, 5, 13, 260, 520]) {
            const pages = 520 / pageSize;
            const order = Uint32Array.from({ length: 3 * pages }, (_, i) => (i * 7 + 3) % (3 * pages));
            if (new Set(order).size < order.length) order.forEach((_, i) => (order[i] = 3 * pages - 1 - i));
            const moved = (x: Dense<Float32Array>) => {
              const y = dense(x.rows, x.cols, new Float32Array(x.data.length));
              const size = pageSize * x.cols;
              order.forEach((page, i) => {
                y.data.set(x.data.subarray(i * size, (i + 1) * size), page * size);
              });
              return y;
            };
            const options = { heads: 4, kvHeads: 2, lengths, scheme, pageTable: order, pageSize };
            expect(sameBits(decodeAttention(q, moved(k), moved(v), options).out.data, plain)).toBe(true);
          }
          // one page as the beginning of two sequences
          const two = { ...make({ ...shape, batch: 1, room: 40 }, 3), q: random(2, 96, 8) };
          const pageTable = Uint32Array.of(0, 1, 0, 2);
          const y = decodeAttention(two.q, two.k, two.v, { heads: 4, kvHeads: 2, pageTable, pageSize: 10, scheme });
          const row = (b: number, s: number) => pageTable[2 * b + Math.floor(s / 10)]! * 10 + (s % 10);
          const want = exact(two.q, two.k, two.v, { ...shape, batch: 2 }, [20, 20], 1 / Math.sqrt(24), row);
          expect(largest(y.out.data, want)).toBeLessThan(3e-6);
        }));

      it('gives the same bits for any number of threads, whatever sequences stand beside', () =>
        withIsa(isa, () => {
          const shape = { batch: 3, room: 900, heads: 6, kvHeads: 3, d: 19, dv: 21 };
          const { q, k, v } = make(shape, 2);
          const lengths = Uint32Array.of(900, 12, 513);
          const options = { heads: 6, kvHeads: 3, scheme };
          const before = getThreads();
          const results = [1, 2, 3, 7].map((n) => {
            setThreads(n);
            return decodeAttention(q, k, v, { ...options, lengths }).out.data;
          });
          setThreads(before);
          for (const other of results.slice(1)) expect(sameBits(other, results[0]!)).toBe(true);
          const alone = decodeAttention(
            dense(1, 114, q.data.slice(228)),
            dense(900, 57, k.data.slice(1800 * 57)),
            dense(900, 63, v.data.slice(1800 * 63)),
            { ...options, lengths: lengths.slice(2) },
          );
          expect(sameBits(alone.out.data, results[0]!.slice(252))).toBe(true);
        }));
    });

  it('reads f16 and bf16 as the f32 values they are', () =>
    withIsa(isa, () => {
      const wide = new DataView(new ArrayBuffer(4));
      const bf16 = (u: number) => (wide.setUint32(0, u << 16), wide.getFloat32(0));
      const f16 = (u: number) => {
        const [exponent, fraction] = [(u >> 10) & 31, u & 1023];
        const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
        return u & 0x8000 ? -size : size;
      };
      // every finite f16 among the values, denormals too
      const patterns = Uint16Array.from({ length: 63488 }, (_, i) => (i < 31744 ? i : i + 1024));
      for (const [heads, kvHeads, width] of [
        [1, 1, 31],
        [2, 1, 64],
      ] as const)
        for (const [dtype, value] of [
          ['f16', f16],
          ['bf16', bf16],
        ] as const) {
          const rows = Math.floor(patterns.length / width);
          const v: KvCache = { rows, cols: width, data: patterns.slice(0, rows * width), dtype };
          const k: KvCache = { ...v, data: v.data.map((u) => (dtype === 'f16' ? u & 0xbfff : (u & 0x80ff) | 0x3f00)) };
          const narrow = Float32Array.from(v.data, value);
          if (dtype === 'bf16') narrow.forEach((x, i) => (narrow[i] = Math.abs(x) < 1e30 ? x : ((v.data[i] = 0), 0)));
          const q = random(1, heads * width, 4);
          const options = { heads, kvHeads, scheme: 'safe' as const };
          const half = decodeAttention(q, k, v, options).out.data;
          const full = decodeAttention(q, dense(rows, width, Float32Array.from(k.data, value)), dense(rows, width, narrow), options); // prettier-ignore
          expect(sameBits(half, full.out.data)).toBe(true);
        }
    }));

  it('gives the same bits wherever in a line a cache of whole lines begins, and in pages', () =>
    withIsa(isa, () => {
      const [length, d, dv] = [90, 64, 128];
      for (const [dtype, heads, kvHeads] of [
        ['f32', 8, 2],
        ['f32', 2, 2],
        ['bf16', 2, 2],
        ['bf16', 4, 1],
      ] as const) {
        const q = random(1, heads * d, 1);
        const numbers = (cols: number, seed: number) => {
          const f32 = random(length, kvHeads * cols, seed).data;
          return dtype === 'f32' ? f32 : Uint16Array.from(new Uint32Array(f32.buffer), (u) => u >>> 16);
        };
        const cache = <A extends Float32Array | Uint16Array>(data: A, cols: number) =>
          ({ rows: length, cols: kvHeads * cols, data, ...(dtype === 'bf16' && { dtype }) }) as KvCache;
        const [keys, values] = [numbers(d, 2), numbers(dv, 3)];
        const { out } = decodeAttention(q, cache(keys, d), cache(values, dv), { heads, kvHeads });
        for (const offset of [0, 1, 7, 8, 15, 31]) {
          const moved = (x: Float32Array | Uint16Array) => {
            const room = new (x.constructor as Uint16ArrayConstructor)(x.length + offset);
            room.set(x, offset);
            return room.subarray(offset);
          };
          const options = { heads, kvHeads, ...(offset % 2 && { pageTable: Uint32Array.from({ length: 30 }, (_, i) => i), pageSize: 3 }) }; // prettier-ignore
          const other = decodeAttention(q, cache(moved(keys), d), cache(moved(values), dv), options);
          expect(sameBits(other.out.data, out.data), `${dtype} ${heads}/${kvHeads} at ${offset}`).toBe(true);
        }
      }
    }));

  it('gives equal heads of a group equal bits, whatever their number', () =>
    withIsa(isa, () => {
      for (const dtype of ['f32', 'f16', 'bf16', 'f64'] as const)
        for (const group of [3, 5, 7])
          for (const d of [24, 64]) {
            const head = random(1, d, 1);
            const many = Array.from({ length: group * d }, (_, i) => head.data[i % d]!);
            const cache = (seed: number): KvCache => {
              const { data } = random(101, d, seed);
              const patterns = (of: (x: number) => number) => Uint16Array.from(data, of);
              const words = new Uint32Array(data.buffer);
              if (dtype === 'f64') return dense(101, d, Float64Array.from(data)) as unknown as KvCache;
              if (dtype === 'f32') return dense(101, d, data);
              const narrow = dtype === 'bf16' ? Uint16Array.from(words, (u) => u >>> 16) : patterns((x) => (x < 0 ? 0xb000 : 0x3000) + Math.abs(x) * 3000); // prettier-ignore
              return { rows: 101, cols: d, data: narrow, dtype };
            };
            const options = { heads: group, kvHeads: 1 };
            const query = dtype === 'f64' ? Float64Array.from(many) : Float32Array.from(many);
            const call = decodeAttention as (...args: unknown[]) => { out: Dense<Float32Array | Float64Array> };
            const { data } = call(dense(1, group * d, query), cache(2), cache(3), options).out;
            for (let h = 1; h < group; h++)
              expect(data.slice(h * d, (h + 1) * d), `${dtype} ${h} of ${group}`).toEqual(data.slice(0, d));
          }
    }));

  it('falls back to the bits of the safe scheme, and says how often', () =>
    withIsa(isa, () => {
      const shape = { batch: 2, room: 3 * chunk + 9, heads: 4, kvHeads: 2, d: 8, dv: 12 };
      const { q, k, v } = make(shape, 21);
      const common = { heads: 4, kvHeads: 2, scale: 1 };
      const run = (options: DecodeAttentionOptions) => decodeAttention(q, k, v, { ...common, ...options });
      const head = (x: Dense<Float32Array>, b: number, h: number) => x.data.subarray((b * 4 + h) * 12, (b * 4 + h + 1) * 12); // prettier-ignore
      const ordinary = run({ scheme: 'unified-max' });
      expect(ordinary.fallbacks).toBe(0);

      // a logit of phi + high + 1 in the last chunk of head 3 of sequence 1
      const phi = 0.5;
      const high = 40;
      const last = (2 * shape.room - 1) * 16 + 8;
      const query = q.data.subarray((4 + 3) * 8, (4 + 4) * 8);
      const norm = query.reduce((a, x) => a + x * x, 0);
      query.forEach((x, j) => (k.data[last + j] = (x * (phi + high + 1)) / norm));
      const forced = run({ scheme: 'unified-max', phi, window: [-60, high] });
      const safe = run({ scheme: 'safe' });
      expect(safe.fallbacks).toBe(0);
      expect(forced.fallbacks).toBe(1);
      expect(sameBits(head(forced.out, 1, 3), head(safe.out, 1, 3))).toBe(true);
      const wide = run({ scheme: 'unified-max', phi, window: [-60, high + 2] });
      expect(wide.fallbacks).toBe(0);
      for (const [b, h] of [
        [0, 0],
        [1, 2],
      ] as const)
        expect(sameBits(head(forced.out, b, h), head(wide.out, b, h))).toBe(true);

      // all heads: the window excludes everything; e^(x − phi) is 0 everywhere, or infinite
      for (const options of [
        { window: [0, 0] },
        { phi: 500, window: [-Infinity, Infinity] },
        { phi: -500, window: [-Infinity, Infinity] },
      ] as const) {
        // prettier-ignore
        const all = run({ scheme: 'unified-max', ...options });
        expect(all.fallbacks).toBe(8);
        expect(sameBits(all.out.data, safe.out.data)).toBe(true);
      }
      // sums that fit, values that do not
      v.data.fill(3e35);
      const full = run({ scheme: 'unified-max', phi: -40, window: [-100, 100] });
      expect(full.fallbacks).toBe(8);
      expect(largest(full.out.data, new Float32Array(96).fill(3e35)) / 3e35).toBeLessThan(1e-5);
    }));

  it('is linear in the values, and moves with a permutation of the tokens', () =>
    withIsa(isa, () =>
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 600 }),
          fc.integer({ min: 1, max: 40 }),
          fc.integer({ min: 1, max: 1e6 }),
          fc.constantFrom(...schemes),
          (room, d, seed, scheme) => {
            const { q, k, v } = make({ batch: 1, room, heads: 1, kvHeads: 1, d, dv: 3 }, seed, 3);
            const call = (keys = k, values = v) => decodeAttention(q, keys, values, { scheme }).out.data;
            const once = call();
            expect(
              sameBits(
                call(k, { ...v, data: v.data.map((x) => 4 * x) }),
                once.map((x) => 4 * x),
              ),
            ).toBe(true);
            const turned = (x: Dense<Float32Array>) => {
              const cut = (seed % room) * x.cols;
              return { ...x, data: Float32Array.of(...x.data.subarray(cut), ...x.data.subarray(0, cut)) };
            };
            expect(largest(call(turned(k), turned(v)), once)).toBeLessThan(2e-6);
            // a weighted mean lies between the least and the largest value
            for (let j = 0; j < 3; j++) {
              const column = Array.from({ length: room }, (_, s) => v.data[3 * s + j]!);
              expect(once[j]).toBeGreaterThanOrEqual(column.reduce((a, x) => Math.min(a, x)) - 1e-6);
              expect(once[j]).toBeLessThanOrEqual(column.reduce((a, x) => Math.max(a, x)) + 1e-6);
            }
          },
        ),
        { numRuns: 60 },
      ),
    ));

  it('joins more than a thousand chunks, of one sequence or of many', () =>
    withIsa(isa, () => {
      for (const [batch, room] of [
        [1, 1100 * chunk - 3],
        [1500, 2],
      ] as const) {
        const shape = { batch, room, heads: 2, kvHeads: 1, d: 2, dv: 1 };
        const { q, k, v } = make(shape, 6, 3);
        const want = exact(q, k, v, shape, new Uint32Array(batch).fill(room), 1 / Math.sqrt(2));
        for (const scheme of schemes)
          expect(largest(decodeAttention(q, k, v, { heads: 2, kvHeads: 1, scheme }).out.data, want)).toBeLessThan(3e-6);
      }
    }));
});

describe('decodeAttention refuses', () => {
  const { q, k, v } = make({ batch: 2, room: 6, heads: 4, kvHeads: 2, d: 3, dv: 5 });
  const good = { heads: 4, kvHeads: 2 };
  const refuse = (call: () => unknown, code: string, argument?: string) => {
    expect(call).toThrow(expect.objectContaining({ code, ...(argument && { argument }) }));
  };
  const run = (options: object) => decodeAttention(q, k, v, { ...good, ...options });

  it('shapes and types that do not fit', () => {
    expect(run({}).out).toMatchObject({ rows: 2, cols: 20 });
    refuse(() => run({ heads: 5 }), 'ERR_RANGE', 'options.kvHeads');
    refuse(() => run({ heads: 8 }), 'ERR_SHAPE', 'q');
    refuse(() => run({ kvHeads: 4 }), 'ERR_SHAPE', 'vCache');
    refuse(() => run({ kvHeads: 1 }), 'ERR_SHAPE', 'kCache');
    refuse(() => run({ heads: 0 }), 'ERR_RANGE', 'options.heads');
    refuse(() => decodeAttention(q, k, dense(11, 10, new Float32Array(110)), good), 'ERR_SHAPE', 'vCache');
    const half = dense(12, 10, new Uint16Array(120));
    refuse(() => decodeAttention(q, k, half, good), 'ERR_OPTION', 'vCache.dtype');
    refuse(() => decodeAttention(q, k, { ...half, dtype: 'f16' }, good), 'ERR_DTYPE', 'vCache');
    refuse(() => run({ out: dense(2, 19, new Float32Array(38)) }), 'ERR_SHAPE', 'options.out');
    refuse(() => run({ out: dense(2, 20, v.data.subarray(0, 40)) }), 'ERR_ALIAS');
    refuse(() => run({ window: [0] }), 'ERR_DTYPE', 'options.window');
    refuse(() => run({ phi: Infinity }), 'ERR_RANGE', 'options.phi');
    refuse(() => run({ scale: NaN }), 'ERR_RANGE', 'options.scale');
    refuse(() => run({ scheme: 'unified' }), 'ERR_OPTION', 'options.scheme');
    refuse(() => run({ causal: true }), 'ERR_OPTION', 'options.causal');
  });

  it('tokens that are not in the cache', () => {
    refuse(() => run({ lengths: Uint32Array.of(6, 7) }), 'ERR_RANGE', 'options.lengths');
    refuse(() => run({ lengths: Uint32Array.of(6) }), 'ERR_SHAPE', 'options.lengths');
    refuse(() => run({ pageSize: 3 }), 'ERR_OPTION', 'options.pageSize');
    const pageTable = Uint32Array.of(0, 1, 2, 3);
    refuse(() => run({ pageTable }), 'ERR_DTYPE', 'options.pageSize');
    refuse(() => run({ pageTable: pageTable.subarray(1), pageSize: 3 }), 'ERR_SHAPE', 'options.pageTable');
    refuse(() => run({ pageTable: Uint32Array.of(0, 1, 2, 4), pageSize: 3 }), 'ERR_RANGE', 'options.pageTable');
    refuse(() => run({ pageTable, pageSize: 5 }), 'ERR_RANGE', 'options.pageTable');
    // a bad page that no token needs is no harm
    run({ pageTable: Uint32Array.of(0, 1, 2, 4), pageSize: 3, lengths: Uint32Array.of(6, 3) });
  });

  it('to run without scratch memory, or past an abort', () => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    for (const scheme of schemes) {
      expect(() => withCancelFlag(flag, () => run({ scheme }))).toThrow(/aborted/);
      let failures = 0;
      for (let n = 0; ; n++) {
        native.failAllocation(n);
        try {
          run({ scheme, window: [0, 0] });
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
          failures++;
        } finally {
          native.failAllocation(-1);
        }
      }
      expect(failures).toBeLessThan(20);
    }
  });
});

it('takes no sequences, no tokens and shared memory', () => {
  const none = decodeAttention(dense(0, 4, new Float32Array(0)), dense(0, 4, new Float32Array(0)), dense(0, 3, new Float32Array(0))); // prettier-ignore
  expect(none).toEqual({ out: dense(0, 3, new Float32Array(0)), fallbacks: 0 });
  const q = dense(2, 4, new Float32Array(8).fill(1));
  const empty = decodeAttention(q, dense(0, 4, new Float32Array(0)), dense(0, 3, new Float32Array(0)));
  expect([...empty.out.data]).toEqual([0, 0, 0, 0, 0, 0]);
  const shared = (x: Dense<Float32Array>) => {
    const data = new Float32Array(new SharedArrayBuffer(4 * x.data.length));
    data.set(x.data);
    return { ...x, data };
  };
  const { k, v } = make({ batch: 2, room: 9, heads: 1, kvHeads: 1, d: 4, dv: 3 });
  const lengths = new Uint32Array(new SharedArrayBuffer(8)).fill(9);
  expect(decodeAttention(shared(q), shared(k), shared(v), { lengths }).out.data).toEqual(
    decodeAttention(q, k, v).out.data,
  );
});
