import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planAttentionTiles } from 'lapidary/attention';

it('gives the tiles of FlashAttention where they are optimal', () => {
  for (const [M, d, N] of [
    [65536, 64, 8192],
    [131072, 64, 8192],
    [131072, 128, 4096],
    [4096, 64, 1000],
  ] as const) {
    const { Br, Bc } = planAttentionTiles({ fastMemory: M, d, N });
    expect(Bc).toBe(Math.ceil(M / (4 * d)));
    expect(Br).toBe(Math.min(Math.ceil(M / (4 * d)), d));
  }
});

/** Words moved by the schedule itself, tile by tile, as far as the fast memory holds nothing else. */
function countedWords(M: number, d: number, N: number, Br: number, Bc: number): number {
  let words = 0;
  for (let j = 0; j < N; j += Bc) {
    const keys = Math.min(Bc, N - j);
    if (M >= d * d) words += 2 * keys * d;
    for (let i = 0; i < N; i += Br) {
      const queries = Math.min(Br, N - i);
      words += 3 * queries * d + (M >= d * d ? 0 : 2 * keys * d);
    }
  }
  return words;
}

it('counts what its schedule moves, within a constant of the bound', () => {
  const size = (most: number) =>
    fc.double({ min: 0, max: Math.log2(most), noNaN: true }).map((e) => Math.floor(2 ** e));
  fc.assert(
    fc.property(size(2 ** 22), size(512), size(1024), (fastMemory, d, N) => {
      const { Br, Bc, ioWords, lowerBound } = planAttentionTiles({ fastMemory, d, N });
      expect(Br >= 1 && Br <= N && Bc >= 1 && Bc <= N).toBe(true);
      // what a step holds: a tile of logits, and in the large regime its keys and values
      const held = fastMemory >= d * d ? 2 * Bc * d + Br * Bc : Br * Bc;
      expect(held).toBeLessThanOrEqual(Math.max(fastMemory, 0) + 3 * d * d + 3 * d + 1);
      const counted = countedWords(fastMemory, d, N, Br, Bc);
      expect(ioWords).toBeGreaterThanOrEqual(counted);
      expect(ioWords).toBeLessThanOrEqual(5 * counted);
      expect(lowerBound).toBeGreaterThanOrEqual(4 * N * d);
      expect(ioWords).toBeLessThanOrEqual(24 * lowerBound);
    }),
    { numRuns: 300 },
  );
});

it('approaches its constants, 12 and 10, for many tokens', () => {
  const large = planAttentionTiles({ fastMemory: 65536, d: 64, N: 2 ** 20 });
  expect(large.ioWords / large.lowerBound).toBeGreaterThan(11);
  expect(large.ioWords / large.lowerBound).toBeLessThan(12.1);
  const small = planAttentionTiles({ fastMemory: 65536, d: 1024, N: 2 ** 20 });
  expect(small.ioWords / small.lowerBound).toBeCloseTo(10, 6);
});

it('refuses what is no problem', () => {
  for (const problem of [
    {},
    { fastMemory: 0, d: 1, N: 1 },
    { fastMemory: 1, d: 0, N: 1 },
    { fastMemory: 1, d: 1, N: 0.5 },
    { fastMemory: 1, d: 1, N: 1, M: 1 },
  ])
    // prettier-ignore
    expect(() => planAttentionTiles(problem as never)).toThrow(/planAttentionTiles/);
});
