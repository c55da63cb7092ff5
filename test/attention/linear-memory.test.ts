/** No attention holds a value for each pair of tokens, and the exact tensor attention none for each pair of keys. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

// What was in memory at most is known of a whole process only. A square of these tokens would take 1 GiB of f32; where
// there are fewer queries, or one token of as many heads, a value for each of them and each key would take 64 MiB.
const [tokens, some] = [16384, 1024];
const program = `
  const { attention, dense, setThreads } = await import('./dist/index.js');
  setThreads(2);
  const of = (rows) => dense(rows, 4, Float32Array.from({ length: 4 * rows }, (_, i) => Math.sin(i)));
  const [x, one, long] = [of(${tokens}), of(1), [100, ...Array(163).fill(99), ${tokens} - 100 - 163 * 99]];
  const run = {
    attention: () => attention.attention(x, x, x, { causal: true, returnLse: true }),
    attentionBackward: () => attention.attentionBackward(x, x, x, x, { causal: true }),
    blockAttention: () => attention.blockAttention(x, x, x, { blocks: long }),
    decodeAttention: () => attention.decodeAttention(dense(1, 4 * ${some}, new Float32Array(4 * ${some})), x, x, { heads: ${some}, kvHeads: 1 }),
    lightningAttention: () => attention.lightningAttention(x, x, x),
    localLinearAttention: () => attention.localLinearAttention(of(${some}), x, x, { solver: 'cg' }),
    tensorAttention: () => attention.tensorAttention(one, x, x, x, x),
  };
  const before = process.resourceUsage().maxRSS;
  run[process.argv[1]]();
  console.log(process.resourceUsage().maxRSS - before);`;

it.each([
  'attention',
  'attentionBackward',
  'blockAttention',
  'decodeAttention',
  'lightningAttention',
  'localLinearAttention',
  'tensorAttention',
])('%s takes memory linear in the tokens', (name) => {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program, '--', name], { encoding: 'utf8' });
  expect(child.stderr).toBe('');
  const kib = Number(child.stdout);
  expect(kib).toBeGreaterThanOrEqual(0);
  expect(kib * 1024).toBeLessThan(40 * tokens * 64); // 40 rows of 16 values
});
