/** Products with sparse weights against our own dense ones: bound by reading what was kept. */
import { dense, gemm, quant, type Dense } from 'lapidary';
import { bytesOf, uniformF32 } from '../harness/data.js';
import { plain } from '../harness/peers.js';
import type { Bench, Row, Work } from '../harness/row.js';

const bytes = (n: number, seed: number) => Int8Array.from(uniformF32(n, seed, -127, 127));
const f32 = (rows: number, cols: number, seed: number) => dense(rows, cols, uniformF32(rows * cols, seed));

/** The same product with all the weights: the time that pruning has to beat. */
function raced<X extends { data: ArrayLike<number> }>(ours: () => X, moved: number, all: () => Dense<never>): Work {
  const answer = ours().data; // dense weights are others, so only the time is compared
  return { ours, bytes: moved, peers: [{ ...plain('lapidary, dense weights', all, () => answer), threads: 'same' }] };
}

function nm(side: number, tokens: number, n: number, m: number, dtype: 'f32' | 'i8'): Row {
  return {
    shape: `${tokens}×${side}×${side} ${n}:${m}`,
    dtype,
    setup() {
      if (dtype === 'f32') {
        const [x, whole, out] = [f32(tokens, side, 1), f32(side, side, 2), f32(tokens, side, 3)];
        const w = gemm.nmPrune(whole, { n, m });
        const all = () => gemm.matmul(x, whole, { transposeB: true, out }) as Dense<never>;
        return raced(() => gemm.sparseLinear(x, w), bytesOf(w.values, w.offsets), all);
      }
      const [x, whole] = [dense(tokens, side, bytes(tokens * side, 1)), dense(side, side, bytes(side * side, 2))];
      const w = gemm.nmPrune(whole, { n, m });
      const all = () => gemm.matmul(x, whole, { transposeB: true }) as unknown as Dense<never>;
      return raced(() => gemm.sparseLinear(x, w), bytesOf(w.values, w.offsets), all);
    },
  };
}

/** All the weights, as `quantize` groups them by itself, of random codes: what they hold does not matter. */
function allCodes(side: number, format: 'int8' | 'int4'): quant.Quantized {
  const bits = format === 'int8' ? 8 : 4;
  const codes = new Uint8Array(bytes((side * side * bits) / 8, 4).buffer);
  const groupSize = format === 'int8' ? side : 32;
  const scales = new Float32Array((side * side) / groupSize).fill(0.01);
  return { layout: 1, format, rows: side, cols: side, groupSize, bits, codes, scales };
}

function groups(side: number, tokens: number, storage: 'f32' | 'int8' | 'int4'): Row {
  return {
    shape: `${tokens}×${side}×${side} groups of 16, half kept`,
    dtype: storage,
    setup() {
      const [x, whole] = [f32(tokens, side, 1), f32(side, side, 2)];
      const w = gemm.groupPrune(whole, { density: 0.5, storage });
      const all = () => gemm.matmul(x, whole, { transposeB: true }) as Dense<never>;
      const moved = bytesOf(w.values, w.groups, ...(w.scales ? [w.scales] : []), ...(w.zeros ? [w.zeros] : []));
      const work = raced(() => gemm.sparseLinear(x, w), moved, all);
      if (storage === 'f32') return work;
      // other values, so only the time is compared
      const answer = gemm.sparseLinear(x, w).data;
      const race = (name: string, run: () => unknown) => ({
        ...plain(name, run as () => Dense<never>, () => answer),
        threads: 'same' as const,
      });
      const full = allCodes(side, storage);
      const peers = [
        ...work.peers!,
        race(`lapidary, dense ${storage}, x in bytes`, () => gemm.linear(x, full)),
        race(`lapidary, dense ${storage}, x in f32`, () => gemm.linear(x, full, { activations: 'f32' })),
      ];
      if (storage === 'int8') return { ...work, peers };
      const int8 = gemm.groupPrune(whole, { density: 0.5, storage: 'int8' });
      return { ...work, peers: [...peers, race('lapidary, int8 groups', () => gemm.sparseLinear(x, int8))] };
    },
  };
}

function packedGroups(side: number, tokens: number): Row {
  return {
    shape: `${tokens}×${side}×${side} packed groups of 16, half kept`,
    dtype: 'int4',
    setup() {
      const [x, whole] = [f32(tokens, side, 1), f32(side, side, 2)];
      const rows = gemm.groupPrune(whole, { density: 0.5, storage: 'int4' });
      const w = gemm.packGroups(rows);
      const moved = bytesOf(w.mask, w.codes, w.scales, w.zeros);
      const full = allCodes(side, 'int4');
      const work = raced(
        () => gemm.sparseLinear(x, w),
        moved,
        () => gemm.sparseLinear(x, rows) as Dense<never>,
      );
      const answer = gemm.sparseLinear(x, w).data; // other values, so only the time is compared
      const dense4 = { ...plain('lapidary, dense int4', () => gemm.linear(x, full) as Dense<never>, () => answer), threads: 'same' as const }; // prettier-ignore
      return { ...work, peers: [dense4, { ...work.peers![0]!, name: 'lapidary, the same as pruned, x in f32' }] };
    },
  };
}

function slTrain(side: number, tokens: number, rank: number): Row {
  return {
    shape: `${tokens}×${side}×${side} 2 % and rank ${rank}`,
    dtype: 'f32',
    setup() {
      const [x, whole] = [f32(tokens, side, 1), f32(side, side, 2)];
      const w = gemm.groupPrune(whole, { density: 0.02, groupSize: 1 });
      const lowRank = { down: f32(rank, side, 3), up: f32(side, rank, 4) };
      const all = () => gemm.matmul(x, whole, { transposeB: true }) as Dense<never>;
      const moved = bytesOf(w.values, w.groups, lowRank.down.data, lowRank.up.data);
      return raced(() => gemm.sparseLinear(x, w, { lowRank }), moved, all);
    },
  };
}

const bench: Bench = ({ quick }) => {
  const side = quick ? 64 : 4096;
  return (quick ? [1] : [1, 8]).flatMap((tokens) => [
    ...([[2, 4], [2, 8], [1, 4]] as const).flatMap(([n, m]) => [nm(side, tokens, n, m, 'f32'), nm(side, tokens, n, m, 'i8')]), // prettier-ignore
    groups(side, tokens, 'f32'),
    groups(side, tokens, 'int8'),
    groups(side, tokens, 'int4'),
    packedGroups(side, tokens),
    slTrain(side, tokens, quick ? 4 : 64),
  ]);
};
export default bench;
